"""Group confidence: the mean of the last `window` tokens (arXiv 2508.15260, section 3.1).

A group ends at each token from the `window`-th on; a trace shorter than that is one group, its
mean. All functions here take the confidences as a pool stores them: thousandths in uint16, whose
sums are whole numbers and therefore exact, or float32, whose sums are taken in float64 from the
trace's first token on. A group's value depends on no token after it, to the last bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from simulator.pool import StoredProblem

Stored = npt.NDArray[np.uint16] | npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

_BLOCK = 128
"""Groups that are compared with the running minimum at once."""

_UINT32_WINDOW = 2**16
"""The longest window whose sum of uint16 always fits into uint32."""


def _scale(stored: Stored) -> float:
    """How many stored units a confidence of 1 is."""
    return 1000.0 if stored.dtype == np.uint16 else 1.0


def _running_sums(stored: Stored, window: int) -> npt.NDArray[Any]:
    """Sum of the first t tokens, t from 0, shape (tokens + 1,); uint32 sums may have wrapped."""
    if stored.dtype != np.uint16:
        kind: Any = np.float64
    else:  # differences of sums that have wrapped are right as long as they fit themselves
        kind = np.uint32 if window <= _UINT32_WINDOW else np.uint64
    sums = np.empty(len(stored) + 1, dtype=kind)
    sums[0] = 0
    np.cumsum(stored, dtype=kind, out=sums[1:])
    return sums


def group_sums(stored: Stored, window: int) -> npt.NDArray[Any]:
    """Sum of each group in stored units, shape (tokens - window + 1,); empty for a short trace.

    Element i is the group that ends with token `window + i`.
    """
    if len(stored) < window:
        return np.empty(0)
    sums = _running_sums(stored, window)
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

    It answers any threshold and any prefix by bisection.

    Attributes
    ----------
    minus_lows
        The minima, negated so that they ascend, shape (steps,).
    tokens
        How many tokens have been generated at each, ascending, shape (steps,).
    """

    __slots__ = ("minus_lows", "tokens")

    def __init__(self, stored: Stored, window: int) -> None:
        sums = group_sums(stored, window)
        place = _falls(sums)
        self.tokens = place + window
        self.minus_lows: Floats = sums[place] / (-_scale(stored) * window)

    def first_below(self, threshold: float) -> int | None:
        """The first token count at which group confidence is below `threshold`."""
        step = int(self.minus_lows.searchsorted(-threshold, side="right"))
        return int(self.tokens[step]) if step < len(self.tokens) else None

    def lowest(self, num_tokens: int) -> float | None:
        """The lowest group of the first `num_tokens` tokens; None where there is none yet."""
        step = int(self.tokens.searchsorted(num_tokens, side="right"))
        return -float(self.minus_lows[step - 1]) if step else None


def _falls(values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Where each new minimum of `values` is, the first element included.

    Most of a trace never comes near its minimum so far, so that blocks are compared with it first.
    """
    whole = len(values) // _BLOCK * _BLOCK
    blocks = values[:whole].reshape(-1, _BLOCK)
    minima = blocks.min(axis=1)
    lowest = np.minimum.accumulate(minima)
    closer = np.flatnonzero(np.append(True, minima[1:] < lowest[:-1])[: len(blocks)])
    places = (closer[:, None] * _BLOCK + np.arange(_BLOCK)).ravel()
    places = np.concatenate([places, np.arange(whole, len(values))])
    if not len(places):
        return places
    running = np.minimum.accumulate(values[places])
    falls: npt.NDArray[np.int64] = places[np.append(True, running[1:] < running[:-1])]
    return falls


def staircase(problem: StoredProblem, row: int, window: int) -> Staircase:
    """A stored trace's staircase, built once for all repeats and thresholds."""
    built = problem.prepared.setdefault((Staircase, window), {})
    if row not in built:
        built[row] = Staircase(problem.confidence.stored(row), window)
    found: Staircase = built[row]
    return found


def lowest_confidence(problem: StoredProblem, row: int, num_tokens: int, window: int) -> float:
    """The lowest group of a trace's first `num_tokens` tokens; their mean if fewer than a window.

    NaN without a token.
    """
    lowest = staircase(problem, row, window).lowest(num_tokens)
    if lowest is None:
        return mean_confidence(problem.confidence.stored(row, num_tokens))
    return lowest
