"""Everything that people import: the names of a policy, and replays from Python.

Names are loaded on first use, so that a policy's process loads neither pools nor engine.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator import (
        TRACE_MEASURES,
        UNPLACED,
        Answer,
        BudgetExceeded,
        GroupConfidenceBelow,
        Policy,
        ProbesAgree,
        Problem,
        ReasoningWords,
        Sampler,
        SamplerError,
        SignalAbove,
        SignalBelow,
        StopRule,
        TextMatches,
        Trace,
        Traces,
        chance_of_lead,
        count_votes,
        greedy_clusters,
        majority_vote,
        top_two,
        trace_confidence,
        weighted_vote,
    )
    from simulator.api.pools import open_pool, pools
    from simulator.api.results import compare, read_run
    from simulator.api.running import run
    from simulator.api.tuned import tune
    from simulator.errors import UserError

    __version__: str

_API = {
    "UserError": "simulator.errors",
    "compare": "simulator.api.results",
    "open_pool": "simulator.api.pools",
    "pools": "simulator.api.pools",
    "read_run": "simulator.api.results",
    "run": "simulator.api.running",
    "tune": "simulator.api.tuned",
}
"""Modules of the names that `simulator` does not export itself."""

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
    "UserError",
    "__version__",
    "chance_of_lead",
    "compare",
    "count_votes",
    "greedy_clusters",
    "majority_vote",
    "open_pool",
    "pools",
    "read_run",
    "run",
    "top_two",
    "trace_confidence",
    "tune",
    "weighted_vote",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("deepprune-sim")
    if name not in __all__:
        raise AttributeError(f"module 'deepprune_sim' has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(_API.get(name, "simulator")), name)
    except (ImportError, AttributeError) as error:
        from deepprune_sim.cli import foreign_package

        foreign = foreign_package()
        if foreign is None:
            raise
        raise ImportError(foreign) from error


def __dir__() -> list[str]:
    return __all__
