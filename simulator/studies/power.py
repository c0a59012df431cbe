"""Sizes of comparisons: differences that problems can show, and problems that differences need.

The figures are about the sign-flip test of `simulator.significance` between two methods alone, at
ALPHA and with a chance of POWER, in the normal approximation that its `contrasts` use as well. The
variance of a problem's difference has two parts: problems differ, and so do repeats of one problem.
The second falls with the number of repeats, the first only with the number of problems.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from simulator.arrays import Floats, Ints
from simulator.significance import (
    ALPHA,
    FEW,
    POWER,
    Contrast,
    Problems,
    contrasts,
    p_value,
    with_two_more,
)
from simulator.statistics import ROUNDING

MOST_PROBLEMS = 10**9
"""Number of problems from which on no number is given."""


@dataclass(frozen=True, eq=False)
class Study:
    """Two methods on the same problems.

    Parameters
    ----------
    differences
        Contribution of each problem to the difference in accuracy, shape (problems,).
    problems
        Their weights and groups.
    repeats
        Number of repeats behind each contribution.
    chance
        Variance of each contribution over such sets of repeats, shape (problems,); None with a
        single repeat, which does not tell.
    """

    differences: Floats
    problems: Problems
    repeats: int
    chance: Floats | None

    @cached_property
    def contrast(self) -> Contrast:
        """The difference with its interval, and the smallest one that these problems show."""
        (found,) = contrasts(self.differences[None], self.problems, np.array([self.repeats]))
        return found

    @property
    def p(self) -> float:
        """The p-value of the difference, by itself."""
        return p_value(self.differences)

    @property
    def number(self) -> int:
        """Number of problems."""
        return len(self.differences)

    @cached_property
    def chance_share(self) -> float | None:
        """Share of the variance that is between repeats, at most 1; None if it is not known."""
        if self.chance is None or not self.variance:
            return None
        return min(1.0, self.number * float(self.chance.sum()) / self.variance)

    def detectable(self, number: int, repeats: float | None = None) -> float:
        """Return the smallest difference that `number` such problems show, as a fraction.

        `repeats` may be other than the study's; infinity for no variance between them.
        """
        return self._least(self._variance_with(repeats) / number, number)

    def detectable_with(self, pools: int, number: int, variance: float) -> float:
        """Return the smallest difference shown by `pools` and one more, each weighted equally.

        That one has `number` new problems, whose differences have this `variance`.
        """
        share = 1 / (pools + 1)
        before, added = self.variance / self.number, variance / number
        square = (1 - share) ** 2 * before + share**2 * added
        return self._least(square, self.number + number)

    def _least(self, square: float, number: int) -> float:
        """Return the smallest difference shown with a standard error, squared."""
        from scipy.special import gammaincinv, stdtrit  # slow to import

        freedom = max(1.0, (self._freedom + 1) * number / self.number - 1)
        quantiles = stdtrit(freedom, 1 - ALPHA / 2) + stdtrit(freedom, POWER)
        least = quantiles * np.sqrt(square)
        return float(max(least, gammaincinv(FEW + 1, POWER) * self._size / number))

    def needed(self, difference: float, repeats: float | None = None) -> int | None:
        """Return the number of such problems that show a `difference`, a fraction above 0.

        More than `FEW` in any case; None from `MOST_PROBLEMS` on.
        """
        return first_from(
            lambda number: self.detectable(number, repeats) <= difference * (1 + 1e-9), FEW + 1
        )

    def _variance_with(self, repeats: float | None) -> float:
        """Return the variance of a problem's difference with another number of repeats."""
        share = self.chance_share
        if repeats is None or share is None:
            return self.variance
        return self.variance * (1 - share + share * self.repeats / repeats)

    @cached_property
    def _size(self) -> float:
        """Root mean square of the differences that there are, or what repeats can hide."""
        values = self.differences / self.problems.weights
        differing = values[np.abs(self.differences) > ROUNDING]
        if len(differing):
            return float(np.sqrt((differing**2).mean()))
        return min(1.0, 2.0 / float(np.sqrt(self.repeats)))

    @cached_property
    def _spread(self) -> tuple[float, float]:
        """Variance of a problem's difference as `contrasts` estimate it, and its freedom."""
        size = np.array([self._size])
        _, error, freedom = with_two_more(self.differences[None], self.problems, size)
        return float(error[0] ** 2) * self.number, float(freedom[0])

    @property
    def variance(self) -> float:
        """Variance of a problem's difference, averaged over the pools that share it."""
        return self._spread[0]

    @property
    def _freedom(self) -> float:
        return self._spread[1]


def first_from(holds: Callable[[int], bool], start: int) -> int | None:
    """Find the smallest number from `start` on that holds, as all larger ones do, by bisection."""
    low, high = start - 1, start
    while not holds(high):
        low, high = high, 2 * high
        if high > MOST_PROBLEMS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def chance_of(first: Ints, second: Ints, *, paired: bool) -> Floats | None:
    """Return the variance of each problem's mean difference over sets of so many repeats.

    Parameters
    ----------
    first, second
        1 where a method is right in a repeat, else 0, of shape (problems, repeats) each.
    paired
        True if both started the traces in the same order in each repeat.

    Returns
    -------
    Variances of shape (problems,); None if one has a single repeat.
    """
    fewest = min(first.shape[1], second.shape[1])
    if fewest < 2:
        return None
    if paired:
        apart = first[:, :fewest].astype(np.float64) - second[:, :fewest]
        found: Floats = apart.var(axis=1, ddof=1) / fewest
        return found
    both: Floats = sum(
        (each.var(axis=1, ddof=1) / each.shape[1] for each in (first, second)),
        start=np.zeros(len(first)),
    )
    return both
