"""Scores of whole traces from their token signals, each computed once for all repeats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from simulator.arrays import Floats, Ints
from simulator.pools.pool import StoredProblem
from simulator.rules.group_means import bottom_groups, mean_of_last


class TraceScores:
    """A score of the traces of a problem at their ends; those of replays one by one are shared."""

    def __init__(
        self, problem: StoredProblem, measure: tuple[Any, ...], score: Callable[[int, int], float]
    ) -> None:
        self._lengths, self._score = problem.lengths, score
        self._known: Floats = problem.cached(measure, lambda: np.full(len(problem.lengths), np.nan))

    def of(self, rows: Ints) -> Floats:
        """Return the scores of the traces in these rows, of the shape of `rows`."""
        missing = np.unique(rows[np.isnan(self._known[rows])])  # as they are stored, and read
        for row in missing.tolist():
            self._known[row] = self._score(row, int(self._lengths[row]))
        return self._known[rows]


def means(problem: StoredProblem, signal: str) -> TraceScores:
    """Return the mean of a token signal, as `Traces.mean` does."""
    return TraceScores(
        problem,
        ("mean", signal, None),
        lambda row, tokens: mean_of_last(problem.token_signal(signal).stored(row, tokens), None),
    )


def bottoms(problem: StoredProblem, signal: str, share: float, window: int) -> TraceScores:
    """Return the mean of the lowest `share` of groups, as `Traces.bottom` does."""
    return TraceScores(
        problem,
        ("bottom", signal, share, window),
        lambda row, tokens: bottom_groups(
            problem.token_signal(signal).stored(row, tokens), share, window
        ),
    )
