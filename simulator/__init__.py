"""Everything a policy author needs, and nothing else. Loaded on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.clustering import UNPLACED, greedy_clusters
    from simulator.errors import BudgetExceeded, SamplerError
    from simulator.measures import TRACE_MEASURES, trace_confidence
    from simulator.policy import Answer, Policy, Problem
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
    "Answer": "policy",
    "BudgetExceeded": "errors",
    "GroupConfidenceBelow": "rules",
    "Policy": "policy",
    "ProbesAgree": "rules",
    "Problem": "policy",
    "ReasoningWords": "rules",
    "Sampler": "sampler",
    "SamplerError": "errors",
    "StopRule": "rules",
    "TRACE_MEASURES": "measures",
    "TextMatches": "rules",
    "Trace": "sampler",
    "Traces": "sampler",
    "UNPLACED": "clustering",
    "count_votes": "voting",
    "greedy_clusters": "clustering",
    "majority_vote": "voting",
    "top_two": "voting",
    "trace_confidence": "measures",
    "weighted_vote": "voting",
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
    "StopRule",
    "TextMatches",
    "Trace",
    "Traces",
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
