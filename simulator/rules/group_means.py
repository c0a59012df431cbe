"""Group means of a token signal: the mean of the last `window` tokens.

Those of confidence are the group confidences of arXiv 2508.15260, section 3.1. A group ends at each
token from the `window`-th on; in a shorter trace, the mean of all tokens stands in for a group. All
functions here take the numbers as a pool stores them: thousandths in uint16, whose sums are whole
numbers and therefore exact, or float32, whose sums are taken in float64 from the trace's first
token on. No later token changes a bit of a group's mean.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from simulator.arrays import Array, Floats, Ints
from simulator.rules.compiled import group_steps

if TYPE_CHECKING:
    from simulator.pools.pool import StoredProblem

Stored = npt.NDArray[np.uint16] | npt.NDArray[np.float32]

BELOW, ABOVE = -1, 1
"""Sides of a threshold."""

_BLOCK = 64
"""Number of groups that are compared with the running extreme at once."""

_AT_ONCE = 2**15
"""Number of tokens that a staircase reads at once, unless the window is longer."""

_UINT32_WINDOW = 2**16
"""The longest window whose sum of uint16 always fits into uint32."""


def _scale(stored: Stored) -> float:
    """Return the number of stored units in a value of 1."""
    return 1000.0 if stored.dtype == np.uint16 else 1.0


def _sum_type(stored: Stored, window: int) -> Any:
    """Return the type of sums. Running sums may wrap; their differences are right if they fit."""
    if stored.dtype != np.uint16:
        return np.float64
    return np.uint32 if window <= _UINT32_WINDOW else np.uint64


def group_sums(stored: Stored, window: int) -> Array:
    """Return each group's sum in stored units, shape (tokens - window + 1,), empty if short.

    Element i is the group that ends with token `window + i`.
    """
    if len(stored) < window:
        return np.empty(0)
    sums = np.zeros(len(stored) + 1, dtype=_sum_type(stored, window))
    np.cumsum(stored, dtype=sums.dtype, out=sums[1:])
    return sums[window:] - sums[:-window]


def next_past(
    stored: Stored, threshold: float, window: int, side: int, num_tokens: int
) -> int | None:
    """Return the first token count from `num_tokens` on whose group is past a threshold, or None.

    There are `window` tokens by then. Later ones are read one by one, each only if it is generated.
    """
    past = side * threshold
    unit = side * _scale(stored) * window
    kind = np.int64 if stored.dtype == np.uint16 else np.float64
    sums = np.cumsum(np.append(0, stored[:num_tokens]), dtype=kind)[-window - 1 :].tolist()
    for tokens in range(num_tokens, len(stored) + 1):
        if (sums[-1] - sums[-1 - window]) / unit > past:
            return tokens
        if tokens < len(stored):
            sums.append(sums[-1] + stored[tokens].item())
    return None


def mean_of_last(stored: Stored, window: int | None = None) -> float:
    """Return the mean of the last `window` tokens (None: of all); NaN without a token."""
    if window is not None:
        stored = stored[max(0, len(stored) - window) :]
    if not len(stored):
        return np.nan
    total = stored.sum(dtype=np.int64 if stored.dtype == np.uint16 else np.float64)
    return float(total / (_scale(stored) * len(stored)))


def bottom_groups(stored: Stored, share: float, window: int) -> float:
    """Return the mean of the lowest `share` of groups, at least one; NaN without a token."""
    sums = group_sums(stored, window)
    if not len(sums):
        return mean_of_last(stored)
    count = max(1, int(share * len(sums)))
    least = np.partition(sums, count - 1)[:count]
    total = least.sum(dtype=np.float64 if sums.dtype == np.float64 else np.uint64)
    return float(total / (_scale(stored) * window * count))


class Staircase:
    """The running minimum or maximum of a trace's group means, as a list of steps.

    It answers queries for any threshold or prefix by bisection.

    Parameters
    ----------
    side
        `BELOW` for the minimum, `ABOVE` for the maximum.

    Attributes
    ----------
    extremes
        The extremes so far times `side`, so that they ascend, one per step.
    tokens
        Number of tokens generated at each step, ascending.
    """

    __slots__ = ("_side", "extremes", "tokens")

    def __init__(
        self, stored: Stored, window: int, scratch: Scratch | None = None, side: int = BELOW
    ) -> None:
        self._side = side
        find_steps = group_steps() if stored.dtype == np.uint16 else None
        found = find_steps(stored, window, side) if find_steps else (b"", b"")
        # A query is one number, for which bisect is ten times as fast as numpy.
        self.tokens = array("q", found[0])
        self.extremes = array("d", found[1])
        if find_steps:
            return
        scratch = scratch or Scratch(_sum_type(stored, window), window)
        last_sums: Array = np.zeros(1, dtype=_sum_type(stored, window))
        for start in range(0, len(stored), scratch.piece):
            piece = stored[start : start + scratch.piece]
            last_sums = self._add(piece, start, last_sums, window, scratch, _scale(stored))

    def first_past(self, bound: float) -> int | None:
        """Return the first token count at which a group is past a threshold, or None.

        `bound` is the threshold times `side`: there is one for many traces.
        """
        step = bisect_right(self.extremes, bound)
        return self.tokens[step] if step < len(self.tokens) else None

    def extreme(self, num_tokens: int) -> float | None:
        """Return the extreme group of the first `num_tokens` tokens; None if there is no group."""
        step = bisect_right(self.tokens, num_tokens)
        return self._side * self.extremes[step - 1] if step else None

    def _add(
        self,
        piece: Stored,
        start: int,
        last_sums: Array,
        window: int,
        scratch: Scratch,
        scale: float,
    ) -> Array:
        """Add the steps of the piece of a trace at `start`; take and return the last sums."""
        known = len(last_sums)
        sums = scratch.sums[: known + len(piece)]
        sums[:known] = last_sums
        sums[known:] = piece
        np.cumsum(sums[known - 1 :], out=sums[known - 1 :])
        groups = scratch.groups[: max(0, len(sums) - window)]
        np.subtract(sums[window:], sums[: len(groups)], out=groups)
        places = _falls(groups if self._side == BELOW else _reversed(groups))
        extremes: Floats = groups[places] / (self._side * scale * window)
        if self.extremes:
            further = int(extremes.searchsorted(self.extremes[-1], side="right"))
            places, extremes = places[further:], extremes[further:]
        self.extremes.frombytes(extremes.tobytes())
        self.tokens.frombytes((places + (start + len(piece) + 1 - len(groups))).tobytes())
        return sums[-window:].copy()


class Scratch:
    """Working memory that the staircases of one window share.

    Fresh memory for each piece costs more than all the arithmetic: the kernel maps and unmaps it
    page by page.
    """

    def __init__(self, kind: npt.DTypeLike, window: int) -> None:
        self.piece = max(_AT_ONCE, window)
        self.sums = np.empty(self.piece + window, dtype=kind)
        self.groups = np.empty(self.piece, dtype=kind)


def _reversed(sums: Array) -> Array:
    """Return numbers in the opposite order of `sums`; unsigned ones cannot be negated."""
    return -sums if sums.dtype == np.float64 else ~sums


def _falls(values: Array) -> Ints:
    """Return the positions of the new minima of `values`, the first element included.

    Most values are far above the minimum so far, so whole blocks are compared with it first.
    """
    if not len(values):
        return np.empty(0, dtype=np.int64)
    starts = np.arange(0, len(values), _BLOCK)
    closer = starts[_new_minima(np.minimum.reduceat(values, starts))]
    places = (closer[:, None] + np.arange(_BLOCK)).ravel()
    places = places[: len(places) - max(0, int(places[-1]) + 1 - len(values))]
    return places[_new_minima(values[places])]


def _new_minima(values: Array) -> Ints:
    """Return the positions of the new minima, comparing every element."""
    running = np.minimum.accumulate(values)
    new = np.empty(len(values), dtype=np.bool_)
    new[0] = True
    np.less(running[1:], running[:-1], out=new[1:])
    return new.nonzero()[0]


def staircases(
    problem: StoredProblem, signal: str, window: int, side: int = BELOW
) -> list[Staircase]:
    """Return the staircases of a problem's traces by row, kept for all repeats and thresholds.

    Those of all traces are made at once: the time that it takes tells nothing about one of them.
    """
    # Memory grows with the window, and all windows longer than every trace are alike: no groups.
    window = min(window, int(problem.lengths.max(initial=0)) + 1)

    def make() -> list[Staircase]:
        values = problem.token_signal(signal)
        scratch = Scratch(_sum_type(values.stored(0), window), window)
        return [Staircase(stored, window, scratch, side) for stored in values]

    return problem.cached((Staircase, signal, window, side), make)


def lowest_group(
    problem: StoredProblem, signal: str, row: int, num_tokens: int, window: int
) -> float:
    """Return the lowest group of a trace's first `num_tokens` tokens, or their mean if too few.

    It is NaN without a token.
    """
    found = staircases(problem, signal, window)[row].extreme(num_tokens)
    if found is None:
        return mean_of_last(problem.token_signal(signal).stored(row, num_tokens))
    return found
