"""Everything a policy author needs, and nothing else. Loaded on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.errors import BudgetExceeded, SamplerError
    from simulator.policy import Policy, Problem
    from simulator.rules import ProbesAgree, StopRule
    from simulator.sampler import Sampler, Trace, Traces
    from simulator.voting import count_votes, majority_vote, top_two

_MODULES = {
    "BudgetExceeded": "errors",
    "Policy": "policy",
    "Problem": "policy",
    "ProbesAgree": "rules",
    "Sampler": "sampler",
    "SamplerError": "errors",
    "StopRule": "rules",
    "Trace": "sampler",
    "Traces": "sampler",
    "count_votes": "voting",
    "majority_vote": "voting",
    "top_two": "voting",
}

__all__ = [
    "BudgetExceeded",
    "Policy",
    "ProbesAgree",
    "Problem",
    "Sampler",
    "SamplerError",
    "StopRule",
    "Trace",
    "Traces",
    "count_votes",
    "majority_vote",
    "top_two",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'simulator' has no attribute {name!r}")
    return getattr(importlib.import_module(f"simulator.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
