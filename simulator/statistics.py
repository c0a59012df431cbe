"""Statistics of methods: bootstrap intervals over problems, pass@k, the Pareto front.

The unit of resampling is the problem. Problems differ far more than repeats on one problem do,
and a new benchmark would bring new problems; so repeats are averaged inside each problem by the
caller, and every function here takes one number a problem.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

RESAMPLES = 10_000
"""Resamples of an interval. The standard error of its ends is then about 0.7% of its width."""

LEVEL = 0.95
"""Coverage of every interval."""

SEED = 20_251_010
"""Seed of the resample counts: the same for every metric and machine, and for every pool by itself.

Pools that are averaged have seeds from here on, one a set of problems
(`simulator.report.paired`)."""

AT_ONCE = 200_000
"""Products that a BLAS is given at a time: few enough that it takes one thread for them.

Waiting for several threads costs more than they save, twenty times more on a busy machine.
"""

ROUNDING = 1e-12
"""How far from zero rounding may have moved the end of an interval that is exactly zero."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval; `low` and `high` are None with fewer than two problems."""

    value: float
    low: float | None
    high: float | None

    def as_dict(self) -> dict[str, float | None]:
        """`{"value": …, "low": …, "high": …}`, ready for JSON."""
        return asdict(self)

    @property
    def covers_zero(self) -> bool | None:
        """Whether zero is in the interval, its ends included; None where there is no interval."""
        if self.low is None or self.high is None:
            return None
        return self.low <= ROUNDING and self.high >= -ROUNDING


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """A figure of several methods, and what it would be on every resample of the problems.

    `values` has shape (methods,), `resamples` (methods, resamples). Figures that come from the
    same resamples can be subtracted and averaged, resample by resample: that is what pairs them.
    `tail` is the share of resamples beyond each end of an interval, None where there are too few
    problems for one.
    """

    values: Floats
    resamples: Floats
    tail: float | None

    def __sub__(self, other: Resampled) -> Resampled:
        """Differences, method by method; `other` may have one method, which all are compared to."""
        return Resampled(
            self.values - other.values, self.resamples - other.resamples, self._tail(other)
        )

    def __add__(self, other: Resampled) -> Resampled:
        """Sums, method by method."""
        return Resampled(
            self.values + other.values, self.resamples + other.resamples, self._tail(other)
        )

    def _tail(self, other: Resampled) -> float | None:
        """The more careful of two: what fewer problems ask for."""
        return None if self.tail is None or other.tail is None else min(self.tail, other.tail)

    def __getitem__(self, methods: slice) -> Resampled:
        """Some of the methods."""
        return Resampled(self.values[methods], self.resamples[methods], self.tail)

    def estimates(self) -> list[Estimate]:
        """Each method's value with its interval."""
        if self.tail is None:
            return [Estimate(value, None, None) for value in self.values.tolist()]
        low, high = np.quantile(self.resamples, [self.tail, 1.0 - self.tail], axis=1).tolist()
        return [Estimate(*each) for each in zip(self.values.tolist(), low, high, strict=True)]


def average(parts: Iterable[Resampled]) -> Resampled:
    """The mean of a figure over pools, each weighted equally, however many problems it has.

    `parts`, of which there is at least one, have the same methods and as many resamples each. Where
    those are independent the interval is a bootstrap stratified by pool. A pool without intervals
    leaves the mean without one too.
    """
    remaining = iter(parts)  # one at a time, which bounds memory
    total, count = next(remaining), 1
    for part in remaining:
        total, count = total + part, count + 1
    return Resampled(total.values / count, total.resamples / count, total.tail)


class Bootstrap:
    """Percentile intervals from one set of resamples of the problems, shared by every metric.

    All metrics see the same resamples, so those of one problem set are paired with one another.

    The interval is the percentile bootstrap (Efron & Tibshirani 1993, ch. 13), widened for few
    problems as a t interval is ("expanded", Hesterberg 2015, arXiv 1411.5279): its ends are not
    the 2.5% and 97.5% quantiles of the resamples but those at Φ(−√(n/(n−1)) · t₀.₉₇₅,ₙ₋₁) and one
    minus that, 1.9% and 98.1% for n = 30. Without that, intervals are a factor of √((n−1)/n) and
    the tails of a t distribution too narrow; docs/decisions/007-intervals.md has the figures.
    Where only few problems make the difference, coverage still falls short of `level`: an interval
    holds only as much spread as the problems show.

    The same input gives the same bits on every machine and numpy version: the counts come from
    PCG64's raw output, whose stream numpy guarantees (NEP 19; it does not guarantee those of the
    distributions), and sums are taken problem by problem, not by a BLAS whose order of summation
    depends on the processor.

    Costs `2 * resamples * num_problems` bytes as long as it lives (4 MB for 198 problems), about
    0.2 ms a problem to set up, and 10 to 15 µs a problem for each metric.

    Parameters
    ----------
    num_problems
        Length of every array handed to the methods; their order must be the same in all.
    resamples, level, seed
        See the constants of this module.

    Attributes
    ----------
    counts
        How often each resample holds each problem, shape (num_problems, resamples).
    """

    def __init__(
        self,
        num_problems: int,
        *,
        resamples: int = RESAMPLES,
        level: float = LEVEL,
        seed: int = SEED,
    ) -> None:
        if num_problems < 1:
            raise ValueError("a statistic needs at least one problem")
        if not 0.0 < level < 1.0:
            raise ValueError(f"level {level} is not between 0 and 1")
        self.num_problems = num_problems
        self.level = level
        self.tail = _tail(num_problems, level)
        self.counts = _resample_counts(num_problems, resamples, seed)

    def mean(self, values: npt.ArrayLike) -> Estimate:
        """Mean over problems of `values`, shape (num_problems,)."""
        array = self._checked(values)
        return self.estimate(_total(array) / len(array), self._sums(array) / len(array))

    def total(self, values: npt.ArrayLike) -> Estimate:
        """Sum over problems of `values`, shape (num_problems,): the whole benchmark's."""
        array = self._checked(values)
        return self.estimate(_total(array), self._sums(array))

    def difference(self, values: npt.ArrayLike, baseline: npt.ArrayLike) -> Estimate:
        """Mean over problems of `values - baseline`, paired; both of shape (num_problems,)."""
        return self.mean(self._checked(values) - self._checked(baseline))

    def reduction(self, values: npt.ArrayLike, baseline: npt.ArrayLike) -> Estimate:
        """`1 - sum(values) / sum(baseline)`, paired; both of shape (num_problems,).

        A share of the benchmark's total, so a problem weighs as much as it costs. Every element
        of `baseline` must be positive.
        """
        spent, reference = self._checked(values), self._checked(baseline)
        if (reference <= 0).any():
            raise ValueError("a reduction needs a positive baseline on every problem")
        return self.estimate(
            1.0 - _total(spent) / _total(reference),
            1.0 - self._sums(spent) / self._sums(reference),
        )

    def ratio(self, part: npt.ArrayLike, whole: npt.ArrayLike) -> Estimate | None:
        """`sum(part) / sum(whole)`, paired; both of shape (num_problems,), `whole` not negative.

        The ratio estimator of a share whose denominator differs between problems. A problem whose
        `whole` is 0 says nothing about it. None where that is every problem; no interval where it
        is all but one. Resamples of such problems alone have no ratio and are left out.
        """
        share, size = self._checked(part), self._checked(whole)
        if (size < 0).any():
            raise ValueError("the whole of a ratio cannot be negative")
        telling = np.count_nonzero(size)
        if telling == 0:
            return None
        value = _total(share) / _total(size)
        if telling == 1:
            return Estimate(value, None, None)
        sizes = self._sums(size)
        defined = sizes > 0
        return self.estimate(value, self._sums(share)[defined] / sizes[defined])

    def means(self, sums: Ints, repeats: Ints) -> Resampled:
        """Means over problems and repeats of several methods, paired.

        Parameters
        ----------
        sums
            Each method's sum over repeats on each problem, whole numbers of shape
            (methods, num_problems).
        repeats
            How many repeats each method had, shape (methods,).
        """
        resampled, total = self._whole_sums(sums)
        divisor = (repeats * self.num_problems).astype(np.float64)
        return Resampled(total / divisor, resampled / divisor[:, None], self.tail)

    def reductions(self, sums: Ints, baseline: Ints) -> Resampled:
        """`1 - sums / baseline` of several methods, paired: as `reduction`, from sums over repeats.

        Both have shape (methods, num_problems); every element of `baseline` must be positive.
        """
        if (baseline <= 0).any():
            raise ValueError("a reduction needs a positive baseline on every problem")
        spent, spent_total = self._whole_sums(sums)
        reference, reference_total = self._whole_sums(baseline)
        return Resampled(1.0 - spent_total / reference_total, 1.0 - spent / reference, self.tail)

    def _whole_sums(self, values: Ints) -> tuple[Floats, Floats]:
        """Sums over each resample, shape (methods, resamples), and over the problems.

        Whole numbers below 2^53 add up exactly in any order, so here a BLAS may do it, which is
        much faster for many methods, and equal means are equal to the last bit.
        """
        if values.ndim != 2 or values.shape[1] != self.num_problems:
            raise ValueError(f"sums of shape {values.shape}, expected (…, {self.num_problems})")
        if int(np.abs(values).max(initial=0)) * self.num_problems >= 2**53:
            raise ValueError("sums are too large to be added up exactly")
        whole = values.astype(np.float64)
        resampled = np.empty((len(values), self.counts.shape[1]))
        step = max(1, AT_ONCE // max(1, values.size))
        for start in range(0, resampled.shape[1], step):
            block = slice(start, start + step)
            resampled[:, block] = whole @ self.counts[:, block].astype(np.float64)
        return resampled, whole.sum(axis=1)

    def _checked(self, values: npt.ArrayLike) -> Floats:
        array = np.asarray(values, dtype=np.float64)
        if array.shape != (self.num_problems,):
            raise ValueError(f"values of shape {array.shape}, expected ({self.num_problems},)")
        if not np.isfinite(array).all():
            raise ValueError("values must be finite: a problem without a value has no place here")
        return array

    def _sums(self, values: Floats) -> Floats:
        """Sum of `values` over each resample, shape (resamples,)."""
        sums = np.zeros(self.counts.shape[1])
        product = np.empty_like(sums)
        for count, value in zip(self.counts, values, strict=True):
            np.multiply(count, value, out=product)
            sums += product
        return sums

    def estimate(self, value: float, resampled: Floats) -> Estimate:
        """A value with the interval that its values on resamples give, shape (resamples,).

        For metrics that are no mean of one number a problem: they are worked out from `counts`.
        """
        if self.tail is None:
            return Estimate(value, None, None)
        low, high = np.quantile(resampled, [self.tail, 1.0 - self.tail])
        return Estimate(value, float(low), float(high))


@lru_cache(maxsize=8)
def bootstrap(num_problems: int) -> Bootstrap:
    """The project's bootstrap for benchmarks of this many problems, set up once a process."""
    return Bootstrap(num_problems)


def _tail(num_problems: int, level: float) -> float | None:
    """Share of the resamples beyond each end of an interval; None for a single problem."""
    if num_problems < 2:
        return None
    from scipy.special import ndtr, stdtrit  # slow to import, and only intervals need it

    student = stdtrit(num_problems - 1, (1.0 + level) / 2.0)
    return float(ndtr(-student * math.sqrt(num_problems / (num_problems - 1))))


def _total(values: Floats) -> float:
    """The correctly rounded sum, which does not depend on the order of the problems."""
    return math.fsum(values.tolist())


def _resample_counts(num_problems: int, resamples: int, seed: int) -> npt.NDArray[np.int16]:
    """How often each resample holds each problem, shape (num_problems, resamples)."""
    generator = np.random.PCG64(seed)
    counts = np.zeros((num_problems, resamples), dtype=np.int16)
    flat = counts.reshape(-1)  # one index is twice as fast as two
    every = np.arange(resamples)
    for _ in range(num_problems):
        # The top 32 bits scaled to 0…num_problems-1: uneven by less than num_problems / 2^32.
        drawn = ((generator.random_raw(resamples) >> np.uint64(32)) * num_problems) >> np.uint64(32)
        flat[drawn.astype(np.int64) * resamples + every] += 1
    return counts


def pass_at_k(n: npt.ArrayLike, c: npt.ArrayLike, k: int) -> Floats:
    """Chance that k of n traces, drawn without replacement, hold one of the c correct ones.

    The unbiased estimator 1 − C(n−c, k) / C(n, k) of Chen et al. 2021 (arXiv 2107.03374, section
    2.1), built up draw by draw as p ← p + (1 − p) · c / (n − i): only positive terms, so nothing
    overflows or cancels, and k=1 gives c/n itself.

    Parameters
    ----------
    n, c
        Traces and correct traces, whole numbers of any shapes that broadcast together.
    k
        Traces drawn, between 1 and the smallest n.

    Returns
    -------
    Probabilities of the broadcast shape.

    Raises
    ------
    ValueError
        k is below 1 or above n, or c is negative or above n.
    """
    traces, correct = np.broadcast_arrays(np.asarray(n), np.asarray(c))
    if traces.dtype.kind not in "iu" or correct.dtype.kind not in "iu":
        raise ValueError("pass@k counts traces: n and c must be whole numbers")
    if k < 1 or (k > traces).any():
        raise ValueError(f"pass@{k} needs k between 1 and the number of traces")
    if (correct < 0).any() or (correct > traces).any():
        raise ValueError("pass@k needs 0 <= c <= n")
    chance = np.zeros(traces.shape)
    for drawn in range(k):
        chance += (1.0 - chance) * np.minimum(1.0, correct / (traces - drawn))
    return np.where(traces - correct < k, 1.0, np.minimum(chance, 1.0))


def pareto_front(tokens: npt.ArrayLike, accuracy: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Which methods no other beats: none has fewer tokens and no less accuracy, or the reverse.

    `tokens` (fewer is better) and `accuracy` (more is better) have shape (methods,), as has the
    mask returned. Methods that agree in both are on the front together.
    """
    cost = np.asarray(tokens, dtype=np.float64)
    score = np.asarray(accuracy, dtype=np.float64)
    if cost.ndim != 1 or cost.shape != score.shape:
        raise ValueError(f"tokens of shape {cost.shape}, accuracy of shape {score.shape}")
    if np.isnan(cost).any() or np.isnan(score).any():
        raise ValueError("a method without tokens or accuracy has no place on a Pareto front")
    costs, group = np.unique(cost, return_inverse=True)
    best = np.full(len(costs), -np.inf)
    np.maximum.at(best, group, score)
    best_cheaper = np.concatenate([[-np.inf], np.maximum.accumulate(best)[:-1]])[: len(costs)]
    front: npt.NDArray[np.bool_] = (score == best[group]) & (score > best_cheaper[group])
    return front
