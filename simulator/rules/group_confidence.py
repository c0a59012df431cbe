"""Group confidence: the mean of the last `window` tokens (arXiv 2508.15260, section 3.1).

A group ends at each token from the `window`-th on; a trace shorter than that is one group, its
mean. All functions here take the confidences as a pool stores them: thousandths in uint16, whose
sums are whole numbers and therefore exact, or float32, whose sums are taken in float64 from the
trace's first token on. A group's value depends on no token after it, to the last bit.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from simulator.pools.pool import StoredProblem

Stored = npt.NDArray[np.uint16] | npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

_BLOCK = 64
"""Groups that are compared with the running minimum at once."""

_AT_ONCE = 2**15
"""Tokens that a staircase reads at once, unless the window is longer."""

_UINT32_WINDOW = 2**16
"""The longest window whose sum of uint16 always fits into uint32."""


def _scale(stored: Stored) -> float:
    """How many stored units a confidence of 1 is."""
    return 1000.0 if stored.dtype == np.uint16 else 1.0


def _sum_type(stored: Stored, window: int) -> Any:
    """What sums are held in. Running sums may wrap in it: differences are right if they fit."""
    if stored.dtype != np.uint16:
        return np.float64
    return np.uint32 if window <= _UINT32_WINDOW else np.uint64


def group_sums(stored: Stored, window: int) -> npt.NDArray[Any]:
    """Sum of each group in stored units, shape (tokens - window + 1,); empty for a short trace.

    Element i is the group that ends with token `window + i`.
    """
    if len(stored) < window:
        return np.empty(0)
    sums = np.zeros(len(stored) + 1, dtype=_sum_type(stored, window))
    np.cumsum(stored, dtype=sums.dtype, out=sums[1:])
    groups: npt.NDArray[Any] = sums[window:] - sums[:-window]
    return groups


def groups_below(stored: Stored, threshold: float, window: int) -> npt.NDArray[np.bool_]:
    """Whether each group is below `threshold`; shape as `group_sums`."""
    return group_sums(stored, window) / (_scale(stored) * window) < threshold


def mean_confidence(stored: Stored, window: int | None = None) -> float:
    """Mean of the last `window` tokens (all: None); NaN of none."""
    if window is not None:
        stored = stored[max(0, len(stored) - window) :]
    if not len(stored):
        return np.nan
    total = stored.sum(dtype=np.int64 if stored.dtype == np.uint16 else np.float64)
    return float(total / (_scale(stored) * len(stored)))


def bottom_confidence(stored: Stored, share: float, window: int) -> float:
    """Mean of the lowest `share` of groups, at least one of them; NaN without a token."""
    sums = group_sums(stored, window)
    if not len(sums):
        return mean_confidence(stored)
    count = max(1, int(share * len(sums)))
    lowest = np.partition(sums, count - 1)[:count]
    total = lowest.sum(dtype=np.float64 if sums.dtype == np.float64 else np.uint64)
    return float(total / (_scale(stored) * window * count))


class Staircase:
    """The running minimum of a trace's group confidence: where it falls, and to what.

    It answers any threshold and any prefix by bisection, and reads no further into the trace than
    it was ever asked for, a piece that fits into the cache at a time.

    Attributes
    ----------
    minus_lows
        The minima so far, negated so that they ascend, one a step.
    tokens
        How many tokens have been generated at each, ascending, one a step.
    """

    __slots__ = ("_last_sums", "_read", "_scratch", "_stored", "_window", "minus_lows", "tokens")

    def __init__(self, stored: Stored, window: int, scratch: Scratch | None = None) -> None:
        self._stored = stored
        self._window = window
        self._scratch = scratch or Scratch(_sum_type(stored, window), window)
        self._read = 0
        self._last_sums = np.zeros(1, dtype=_sum_type(stored, window))  # of the first tokens
        # A question is one number, which bisect answers ten times as fast as numpy does.
        self.tokens = array("q")
        self.minus_lows = array("d")

    def first_below(self, threshold: float) -> int | None:
        """The first token count at which group confidence is below `threshold`."""
        while True:
            step = bisect_right(self.minus_lows, -threshold)
            if step < len(self.tokens):
                return self.tokens[step]
            if self._read == len(self._stored):
                return None
            self._read_on()

    def lowest(self, num_tokens: int) -> float | None:
        """The lowest group of the first `num_tokens` tokens; None where there is none yet."""
        while self._read < num_tokens:
            self._read_on()
        step = bisect_right(self.tokens, num_tokens)
        return -self.minus_lows[step - 1] if step else None

    def _read_on(self) -> None:
        """Read the next piece of the trace."""
        piece = self._stored[self._read : self._read + self._scratch.piece]
        known = len(self._last_sums)
        sums = self._scratch.sums[: known + len(piece)]
        sums[:known] = self._last_sums
        sums[known:] = piece
        np.cumsum(sums[known - 1 :], out=sums[known - 1 :])
        self._read += len(piece)
        self._last_sums = sums[-self._window :].copy()
        groups = self._scratch.groups[: max(0, len(sums) - self._window)]
        np.subtract(sums[self._window :], sums[: len(groups)], out=groups)
        places = _falls(groups)
        minus_lows: Floats = groups[places] / (-_scale(self._stored) * self._window)
        if self.minus_lows:
            lower = int(minus_lows.searchsorted(self.minus_lows[-1], side="right"))
            places, minus_lows = places[lower:], minus_lows[lower:]
        self.minus_lows.frombytes(minus_lows.tobytes())
        self.tokens.frombytes((places + (self._read + 1 - len(groups))).tobytes())


class Scratch:
    """Memory in which staircases of one window work a piece out, one after the other.

    Fresh memory for each piece costs more than all the arithmetic: the kernel hands it out, and
    takes it back, page by page.
    """

    def __init__(self, kind: npt.DTypeLike, window: int) -> None:
        self.piece = max(_AT_ONCE, window)
        self.sums = np.empty(self.piece + window, dtype=kind)
        self.groups = np.empty(self.piece, dtype=kind)


def _falls(values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Where each new minimum of `values` is, the first element included.

    Most of a trace never comes near its minimum so far, so that whole blocks are compared with it
    first.
    """
    if not len(values):
        return np.empty(0, dtype=np.int64)
    starts = np.arange(0, len(values), _BLOCK)
    closer = starts[_new_minima(np.minimum.reduceat(values, starts))]
    places = (closer[:, None] + np.arange(_BLOCK)).ravel()
    places = places[: len(places) - max(0, int(places[-1]) + 1 - len(values))]
    return places[_new_minima(values[places])]


def _new_minima(values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Where each new minimum is, looking at every element."""
    running = np.minimum.accumulate(values)
    new = np.empty(len(values), dtype=np.bool_)
    new[0] = True
    np.less(running[1:], running[:-1], out=new[1:])
    return new.nonzero()[0]


class Staircases(dict[int, Staircase]):
    """The staircases of a problem's traces by row, each made when it is first asked for."""

    def __init__(self, problem: StoredProblem, window: int) -> None:
        self._confidence = problem.confidence
        self._window = window
        self._scratch = Scratch(_sum_type(problem.confidence.values, window), window)

    def __missing__(self, row: int) -> Staircase:
        self[row] = Staircase(self._confidence.stored(row), self._window, self._scratch)
        return self[row]


def staircases(problem: StoredProblem, window: int) -> Staircases:
    """A problem's staircases, kept for all repeats and thresholds."""
    # A window longer than every trace has no group, however long; memory is taken by its length.
    window = min(window, int(problem.lengths.max(initial=0)) + 1)
    key = (Staircases, window)
    if key not in problem.prepared:
        problem.prepared[key] = Staircases(problem, window)
    found: Staircases = problem.prepared[key]
    return found


def lowest_confidence(problem: StoredProblem, row: int, num_tokens: int, window: int) -> float:
    """The lowest group of a trace's first `num_tokens` tokens; their mean if fewer than a window.

    NaN without a token.
    """
    lowest = staircases(problem, window)[row].lowest(num_tokens)
    if lowest is None:
        return mean_confidence(problem.confidence.stored(row, num_tokens))
    return lowest
