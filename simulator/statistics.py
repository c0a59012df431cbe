"""Statistics of methods: bootstrap intervals over problems, pass@k, the Pareto front.

The unit of resampling is the problem. Problems differ far more than repeats on one problem, and a
new benchmark would have new problems. So the caller averages repeats within each problem, and every
function here takes one number per problem.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from simulator.arrays import Bools, Floats, Ints

RESAMPLES = 10_000
"""Number of resamples. The standard error of an interval's ends is then about 0.7% of its width."""

LEVEL = 0.95
"""Coverage of every interval."""

SEED = 20_251_010
"""Seed of the resample counts: the same for every metric, every machine, and every single pool.

Pools that are averaged use seeds from this one on, one per set of problems
(`simulator.report.paired`)."""

AT_ONCE = 200_000
"""Number of products passed to the BLAS together, small enough that it uses a single thread.

Waiting for several threads takes longer than they save, up to twenty times on a busy machine.
"""

ROUNDING = 1e-12
"""Tolerance for rounding errors at an interval's end that is exactly zero."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval; `low` and `high` are None with fewer than two problems."""

    value: float
    low: float | None = None
    high: float | None = None

    def as_dict(self) -> dict[str, float | None]:
        """Return `{"value": …, "low": …, "high": …}` for JSON."""
        return {"value": self.value, "low": self.low, "high": self.high}

    @property
    def covers_zero(self) -> bool | None:
        """True if the interval contains zero, also at its ends; None if there is no interval."""
        if self.low is None or self.high is None:
            return None
        return self.low <= ROUNDING and self.high >= -ROUNDING


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """A metric of several methods, with its values on every resample of the problems.

    `values` has shape (methods,), `resamples` (methods, resamples). Metrics from the same resamples
    can be subtracted and averaged resample by resample, which makes the comparison paired. `tail`
    is the share of resamples beyond each end of an interval, None if there are too few problems.
    """

    values: Floats
    resamples: Floats
    tail: float | None

    def __sub__(self, other: Resampled) -> Resampled:
        """Subtract method by method; `other` may have a single method, used for all."""
        return Resampled(
            self.values - other.values, self.resamples - other.resamples, self._tail(other)
        )

    def __add__(self, other: Resampled) -> Resampled:
        """Add method by method."""
        return Resampled(
            self.values + other.values, self.resamples + other.resamples, self._tail(other)
        )

    def _tail(self, other: Resampled) -> float | None:
        """Return the smaller tail of two, that for fewer problems."""
        return None if self.tail is None or other.tail is None else min(self.tail, other.tail)

    def __getitem__(self, methods: slice) -> Resampled:
        """Select some of the methods."""
        return Resampled(self.values[methods], self.resamples[methods], self.tail)

    def estimates(self) -> list[Estimate]:
        """Return each method's value with its interval."""
        if self.tail is None:
            return [Estimate(value, None, None) for value in self.values.tolist()]
        low, high = np.quantile(self.resamples, [self.tail, 1.0 - self.tail], axis=1).tolist()
        return [Estimate(*each) for each in zip(self.values.tolist(), low, high, strict=True)]


def average(parts: Iterable[Resampled]) -> Resampled:
    """Average a metric over pools, each weighted equally, whatever its number of problems.

    There must be at least one of `parts`; all have the same methods and number of resamples. If
    these are independent, the interval is a bootstrap stratified by pool. If one pool has no
    interval, the mean has none either.
    """
    remaining = iter(parts)  # one at a time, which bounds memory
    total, count = next(remaining), 1
    for part in remaining:
        total, count = total + part, count + 1
    return Resampled(total.values / count, total.resamples / count, total.tail)


class Bootstrap:
    """Percentile intervals from one set of resamples of the problems, shared by every metric.

    All metrics use the same resamples, so metrics on the same problems are paired.

    The interval is the percentile bootstrap (Efron & Tibshirani 1993, ch. 13), widened for few
    problems like a t interval ("expanded", Hesterberg 2015, arXiv 1411.5279): its ends are not
    the 2.5% and 97.5% quantiles of the resamples but those at Φ(−√(n/(n−1)) · t₀.₉₇₅,ₙ₋₁) and one
    minus that, 1.9% and 98.1% for n = 30. Without this, intervals are a factor of √((n−1)/n) and
    the tails of a t distribution too narrow; docs/decisions/007-intervals.md has the numbers. If
    only few problems differ, coverage is still below `level`: an interval reflects only as much
    spread as the problems show.

    The same input gives the same bits on every machine and numpy version. The counts come from
    PCG64's raw output, whose stream numpy guarantees (NEP 19; it does not guarantee those of the
    distributions). Sums are taken problem by problem, not by a BLAS, whose order of summation
    depends on the processor.

    It uses `2 * resamples * num_problems` bytes (4 MB for 198 problems), about 0.2 ms per problem
    to set up, and 10 to 15 µs per problem for each metric.

    Parameters
    ----------
    num_problems
        Length of every array passed to the methods; problems must have the same order in all.
    resamples, level, seed
        See the constants of this module. Without resamples, values have no intervals.

    Attributes
    ----------
    counts
        Number of times each resample has each problem, shape (num_problems, resamples).
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
        self.tail = _tail(num_problems, level) if resamples else None
        self.counts = _resample_counts(num_problems, resamples, seed)

    def mean(self, values: npt.ArrayLike) -> Estimate:
        """Estimate the mean over problems of `values`, shape (num_problems,)."""
        array = self._checked(values)
        return self.estimate(_total(array) / len(array), self._sums(array) / len(array))

    def total(self, values: npt.ArrayLike) -> Estimate:
        """Estimate the sum over all problems of `values`, shape (num_problems,)."""
        array = self._checked(values)
        return self.estimate(_total(array), self._sums(array))

    def difference(self, values: npt.ArrayLike, baseline: npt.ArrayLike) -> Estimate:
        """Estimate the mean of `values - baseline`, paired; both of shape (num_problems,)."""
        return self.mean(self._checked(values) - self._checked(baseline))

    def reduction(self, values: npt.ArrayLike, baseline: npt.ArrayLike) -> Estimate:
        """Estimate `1 - sum(values) / sum(baseline)`, paired; both of shape (num_problems,).

        It is a share of the benchmark's total, so problems are weighted by their cost. Every
        element of `baseline` must be positive.
        """
        spent, reference = self._checked(values), self._checked(baseline)
        if (reference <= 0).any():
            raise ValueError("a reduction needs a positive baseline on every problem")
        return self.estimate(
            1.0 - _total(spent) / _total(reference),
            1.0 - self._sums(spent) / self._sums(reference),
        )

    def ratio(self, part: npt.ArrayLike, whole: npt.ArrayLike) -> Estimate | None:
        """Estimate `sum(part) / sum(whole)`, paired; both of shape (num_problems,), `whole` >= 0.

        The ratio estimator of a share whose denominator differs between problems. Problems with a
        `whole` of 0 have no effect. If all are 0, the result is None; if all but one, it has no
        interval. Resamples with only such problems have no ratio and are left out.
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

    def resampled(self, values: npt.ArrayLike) -> Resampled:
        """Return the mean over problems of `values`, shape (num_problems,), on every resample."""
        array = self._checked(values)
        count = len(array)
        mean = np.array([_total(array) / count])
        return Resampled(mean, self._sums(array)[None] / count, self.tail)

    def means(self, sums: Ints, repeats: Ints) -> Resampled:
        """Compute means over problems and repeats of several methods, paired.

        Parameters
        ----------
        sums
            Each method's sum over repeats on each problem, whole numbers of shape
            (methods, num_problems).
        repeats
            Number of repeats of each method, shape (methods,).
        """
        resampled, total = self._whole_sums(sums)
        divisor = (repeats * self.num_problems).astype(np.float64)
        return Resampled(total / divisor, resampled / divisor[:, None], self.tail)

    def reductions(self, sums: Ints, baseline: Ints) -> Resampled:
        """Compute `1 - sums / baseline` of several methods, paired, like `reduction`.

        Both are sums over repeats, of shape (methods, num_problems). Every element of `baseline`
        must be positive.
        """
        if (baseline <= 0).any():
            raise ValueError("a reduction needs a positive baseline on every problem")
        spent, spent_total = self._whole_sums(sums)
        distinct, rows = np.unique(baseline, axis=0, return_inverse=True)  # often a single one
        reference, reference_total = self._whole_sums(distinct)
        rows = rows.reshape(-1)  # numpy 2.0.0 returns a column
        saved = spent
        saved /= reference if len(distinct) == 1 else reference[rows]
        np.subtract(1.0, saved, out=saved)
        return Resampled(1.0 - spent_total / reference_total[rows], saved, self.tail)

    def _whole_sums(self, values: Ints) -> tuple[Floats, Floats]:
        """Sum over each resample, shape (methods, resamples), and over the problems.

        Whole numbers below 2^53 add up exactly in any order. So a BLAS can be used here, which is
        much faster for many methods, and equal means are equal to the last bit.
        """
        if values.ndim != 2 or values.shape[1] != self.num_problems:
            raise ValueError(f"sums of shape {values.shape}, expected (…, {self.num_problems})")
        if int(np.abs(values).max(initial=0)) * self.num_problems >= 2**53:
            raise ValueError("sums are too large to be added up exactly")
        whole = values.astype(np.float64)
        resampled = np.empty((len(values), self.counts.shape[1]))
        side = max(1, math.isqrt(AT_ONCE // self.num_problems))
        for start in range(0, resampled.shape[1], side):
            columns = slice(start, start + side)
            counts = self.counts[:, columns].astype(np.float64)
            for first in range(0, len(whole), side):
                rows = slice(first, first + side)
                resampled[rows, columns] = whole[rows] @ counts
        return resampled, whole.sum(axis=1)

    def _checked(self, values: npt.ArrayLike) -> Floats:
        array = np.asarray(values, dtype=np.float64)
        if array.shape != (self.num_problems,):
            raise ValueError(f"values of shape {array.shape}, expected ({self.num_problems},)")
        if not np.isfinite(array).all():
            raise ValueError("values must be finite: every problem needs a value")
        return array

    def _sums(self, values: Floats) -> Floats:
        """Sum `values` over each resample, shape (resamples,)."""
        sums = np.zeros(self.counts.shape[1])
        if not len(sums):
            return sums
        product = np.empty_like(sums)
        for count, value in zip(self.counts, values, strict=True):
            np.multiply(count, value, out=product)
            sums += product
        return sums

    def estimate(self, value: float, resampled: Floats) -> Estimate:
        """Return a value with the interval from its values on resamples, shape (resamples,).

        Use it for metrics that are not a mean of one number per problem, with values from `counts`.
        """
        if self.tail is None:
            return Estimate(value, None, None)
        low, high = np.quantile(resampled, [self.tail, 1.0 - self.tail])
        return Estimate(value, float(low), float(high))


@lru_cache(maxsize=8)
def bootstrap(num_problems: int) -> Bootstrap:
    """Return the bootstrap for a number of problems, set up once per process."""
    return Bootstrap(num_problems)


def _tail(num_problems: int, level: float) -> float | None:
    """Return the share of resamples beyond each end of an interval; None for a single problem."""
    if num_problems < 2:
        return None
    student = student_quantile(num_problems - 1, level)
    return math.erfc(student * math.sqrt(num_problems / (num_problems - 1) / 2.0)) / 2.0


def student_quantile(freedom: int, level: float) -> float:
    """Return the t with P(|T| ≤ t) = `level` for Student's distribution, to 12 digits.

    `scipy.special` has the same, but takes as long to import as a short run does without it. From
    the series of Abramowitz & Stegun 1964, 26.7.3 and 26.7.4, by Newton's method. The probability
    is concave for t > 0, so it rises to the solution from the normal quantile, which is below.
    """
    log_scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)
    scale = 2.0 * math.exp(log_scale) / math.sqrt(freedom * math.pi)
    t = NormalDist().inv_cdf((1.0 + level) / 2.0)
    while True:
        density = scale * (1.0 + t * t / freedom) ** (-(freedom + 1) / 2)
        step = (level - _student_within(freedom, t)) / density
        if step <= 1e-13 * t:
            return t
        t += step


def _student_within(freedom: int, t: float) -> float:
    """Return P(|T| ≤ t) for Student's distribution."""
    angle = math.atan2(t, math.sqrt(freedom))
    square = math.cos(angle) ** 2
    terms = [math.cos(angle) ** (freedom % 2)] if freedom > 1 else []
    for exponent in range(freedom % 2 + 2, freedom - 1, 2):
        terms.append(terms[-1] * square * (exponent - 1) / exponent)
    series = math.sin(angle) * math.fsum(terms)
    return series if freedom % 2 == 0 else 2.0 / math.pi * (angle + series)


def _total(values: Floats) -> float:
    """Compute the correctly rounded sum, which does not depend on the order of the problems."""
    return math.fsum(values.tolist())


def _resample_counts(num_problems: int, resamples: int, seed: int) -> npt.NDArray[np.int16]:
    """Count how often each resample has each problem, shape (num_problems, resamples)."""
    generator = np.random.PCG64(seed)
    counts = np.zeros((num_problems, resamples), dtype=np.int16)
    flat = counts.reshape(-1)  # one index is twice as fast as two
    every = np.arange(resamples)
    for _ in range(num_problems if resamples else 0):
        # The top 32 bits scaled to 0…num_problems-1: uneven by less than num_problems / 2^32.
        drawn = ((generator.random_raw(resamples) >> np.uint64(32)) * num_problems) >> np.uint64(32)
        flat[drawn.astype(np.int64) * resamples + every] += 1
    return counts


def pass_at_k(n: npt.ArrayLike, c: npt.ArrayLike, k: int) -> Floats:
    """Compute the chance that k of n traces, drawn without replacement, include a correct one.

    The unbiased estimator 1 − C(n−c, k) / C(n, k) of Chen et al. 2021 (arXiv 2107.03374, section
    2.1), computed draw by draw as p ← p + (1 − p) · c / (n − i). All terms are positive, so nothing
    overflows or cancels, and k=1 gives exactly c/n.

    Parameters
    ----------
    n, c
        Numbers of traces and correct traces, of any shapes that broadcast together.
    k
        Number of traces drawn, between 1 and the smallest n.

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


def pareto_front(tokens: npt.ArrayLike, accuracy: npt.ArrayLike) -> Bools:
    """Return the mask of methods on the Pareto front.

    No other method is as good in both tokens and accuracy and better in one. `tokens` (fewer is
    better), `accuracy` (more is better) and the mask have shape (methods,). Methods equal in both
    are on the front together.
    """
    cost = np.asarray(tokens, dtype=np.float64)
    score = np.asarray(accuracy, dtype=np.float64)
    if cost.ndim != 1 or cost.shape != score.shape:
        raise ValueError(f"tokens of shape {cost.shape}, accuracy of shape {score.shape}")
    if np.isnan(cost).any() or np.isnan(score).any():
        raise ValueError("a Pareto front needs tokens and accuracy of every method")
    costs, group = np.unique(cost, return_inverse=True)
    best = np.full(len(costs), -np.inf)
    np.maximum.at(best, group, score)
    best_cheaper = np.concatenate([[-np.inf], np.maximum.accumulate(best)[:-1]])[: len(costs)]
    front: Bools = (score == best[group]) & (score > best_cheaper[group])
    return front


def undominated(costs: npt.ArrayLike) -> Bools:
    """Return the mask of methods on the Pareto front of any number of costs.

    `costs` (fewer is better) has shape (methods, axes), the mask shape (methods,). A method is on
    the front if no other is as good on all axes and better on one; so equal methods are on it
    together.
    """
    table = np.asarray(costs, dtype=np.float64)
    if not table.size:
        return np.ones(len(table), dtype=np.bool_)
    if table.ndim != 2 or np.isnan(table).any():
        raise ValueError("a Pareto front needs all costs of every method")
    front = [not np.any((table <= row).all(axis=1) & (table < row).any(axis=1)) for row in table]
    return np.array(front)
