"""Everything a policy author needs, and nothing else. Loaded on first use.

Part of deepprune-sim.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.errors import BudgetExceeded, SamplerError
    from simulator.policy.base import Answer, Policy, Problem
    from simulator.policy.clustering import UNPLACED, greedy_clusters
    from simulator.policy.measures import TRACE_MEASURES, trace_confidence
    from simulator.policy.posterior import chance_of_lead
    from simulator.policy.sampler import Sampler, Trace, Traces
    from simulator.policy.voting import count_votes, majority_vote, top_two, weighted_vote
    from simulator.rules.stop_rules import (
        GroupConfidenceBelow,
        ProbesAgree,
        ReasoningWords,
        SignalAbove,
        SignalBelow,
        StopRule,
        TextMatches,
    )

PACKAGE: str = __path__[0]
"""The folder of this package; what a policy's process may read of it is all of it."""

_MODULES = {
    "Answer": "policy.base",
    "BudgetExceeded": "errors",
    "GroupConfidenceBelow": "rules.stop_rules",
    "Policy": "policy.base",
    "ProbesAgree": "rules.stop_rules",
    "Problem": "policy.base",
    "ReasoningWords": "rules.stop_rules",
    "Sampler": "policy.sampler",
    "SamplerError": "errors",
    "SignalAbove": "rules.stop_rules",
    "SignalBelow": "rules.stop_rules",
    "StopRule": "rules.stop_rules",
    "TRACE_MEASURES": "policy.measures",
    "TextMatches": "rules.stop_rules",
    "Trace": "policy.sampler",
    "Traces": "policy.sampler",
    "UNPLACED": "policy.clustering",
    "chance_of_lead": "policy.posterior",
    "count_votes": "policy.voting",
    "greedy_clusters": "policy.clustering",
    "majority_vote": "policy.voting",
    "top_two": "policy.voting",
    "trace_confidence": "policy.measures",
    "weighted_vote": "policy.voting",
}

__all__ = [
    "TRACE_MEASURES",
    "UNPLACED",
    "Answer",
    "BudgetExceeded",
    "GroupConfidenceBelow",
    "Policy",
    "ProbesAgree",
    "Problem",
    "ReasoningWords",
    "Sampler",
    "SamplerError",
    "SignalAbove",
    "SignalBelow",
    "StopRule",
    "TextMatches",
    "Trace",
    "Traces",
    "chance_of_lead",
    "count_votes",
    "greedy_clusters",
    "majority_vote",
    "top_two",
    "trace_confidence",
    "weighted_vote",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'simulator' has no attribute {name!r}")
    return getattr(importlib.import_module(f"simulator.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
