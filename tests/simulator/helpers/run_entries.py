"""Entries of a run's summary, one a pool."""

from __future__ import annotations

from typing import Any

from stored_files import NAME, summary_pool

MADE = "sample/made-up/easy"


def entry(tokens: float, accuracy: float, pool: str = NAME, **changes: Any) -> dict[str, Any]:
    """Make a summary of 30 problems with N = 4: cons@4 takes 1000 tokens and is right in 50%."""
    difference = accuracy - 0.5
    metrics = {
        "accuracy": (accuracy, accuracy - 0.1, accuracy + 0.1),
        "tokens_per_problem": (tokens, 0.9 * tokens, 1.1 * tokens),
        "tokens_1e8": (30 * tokens / 1e8, None, None),
        "reduction": (1 - tokens / 1000, 0.0, 0.5),
        "accuracy_difference": (difference, difference - 0.02, difference + 0.02),
        "clock": (tokens / 4, None, None),
    }
    return summary_pool(pool, **{"problems": 30, "metrics": metrics} | changes)
