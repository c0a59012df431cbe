"""Everything a policy author needs, and nothing else. Loaded on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.errors import BudgetExceeded, SamplerError
    from simulator.policy import Policy, Problem
    from simulator.rules import (
        GroupConfidenceBelow,
        ProbesAgree,
        ReasoningWords,
        StopRule,
        TextMatches,
    )
    from simulator.sampler import Sampler, Trace, Traces
    from simulator.voting import count_votes, majority_vote, top_two, weighted_vote

_MODULES = {
    "BudgetExceeded": "errors",
    "GroupConfidenceBelow": "rules",
    "Policy": "policy",
    "ProbesAgree": "rules",
    "Problem": "policy",
    "ReasoningWords": "rules",
    "Sampler": "sampler",
    "SamplerError": "errors",
    "StopRule": "rules",
    "TextMatches": "rules",
    "Trace": "sampler",
    "Traces": "sampler",
    "count_votes": "voting",
    "majority_vote": "voting",
    "top_two": "voting",
    "weighted_vote": "voting",
}

__all__ = [
    "BudgetExceeded",
    "GroupConfidenceBelow",
    "Policy",
    "ProbesAgree",
    "Problem",
    "ReasoningWords",
    "Sampler",
    "SamplerError",
    "StopRule",
    "TextMatches",
    "Trace",
    "Traces",
    "count_votes",
    "majority_vote",
    "top_two",
    "weighted_vote",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'simulator' has no attribute {name!r}")
    return getattr(importlib.import_module(f"simulator.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
