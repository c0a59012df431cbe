"""Significance of differences in accuracy: sign-flip tests over problems, and ranks from them.

Two methods that are equally good could exchange their results on any problem. A sign-flip test
(Fisher 1935, The Design of Experiments, section 21) does so: it flips the sign of the difference on
each problem at random, and counts how often the mean of the flipped differences is at least as far
from zero as the observed one. Differences on four problems that all point one way happen with a
chance of 2/2⁴ = 12.5%, however large they are.

A problem is flipped as a whole: one that several models' pools share counts as one problem. So the
caller adds up what a method gains on a problem in all pools, and every function here takes one
number per problem. docs/decisions/007-intervals.md has the reasons and measurements.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from simulator.arrays import Array, Bools, Floats, Ints
from simulator.statistics import LEVEL, ROUNDING, SEED, Estimate

ALPHA = 0.05
"""Share of wrong verdicts that are accepted: of one test, or (FDR) among all those made at once."""

FEW = 5
"""Number of differing problems below which a difference is marked: five cannot be significant.

Five that point one way have p = 2/2⁵ = 6.3%."""

EXACT = 12
"""Maximum number of differing problems for which all 2ⁿ flips are tried, not a sample of them."""

FLIPS = 10_000
"""Number of flips otherwise, the observed one included: the least p-value is 1/FLIPS."""

MOST_FLIPS = 1_000_000
"""Maximum number of flips of a pair, enough for 300 methods; a minute for these."""

AT_ONCE = 1_000
"""Number of flips that are drawn together, which the flips depend on."""

IN_CACHE = 1000, 160
"""Number of flips, and of methods compared with one, that fit into a processor's cache together."""

PAIRS_AT_ONCE = 2**20
"""Number of pairs whose numbers are held in memory together."""

POWER = 0.8
"""Chance with which a method that is better by the smallest detectable difference is found so."""

MARGIN = 0.01
"""Default for how much less accurate a method may be that counts as not worse: 1 point."""


@dataclass(frozen=True, slots=True)
class Problems:
    """The problems of a comparison, each counted once over all pools that share it.

    Parameters
    ----------
    weights
        Weight of each problem in a mean over pools, shape (problems,); they add up to 1.
    groups
        Problems drawn together, such as a benchmark's: numbered from 0, shape (problems,).
    """

    weights: Floats
    groups: Ints


@dataclass(frozen=True, slots=True)
class Contrast:
    """Difference in accuracy between two methods on the same problems.

    Parameters
    ----------
    difference
        Mean difference with its interval.
    differing
        Number of problems on which the methods differ.
    detectable
        Smallest difference that these problems show with a chance of POWER; None if there is none.
    """

    difference: Estimate
    differing: int
    detectable: float | None

    @property
    def few(self) -> bool:
        """True if the difference rests on fewer than FEW problems."""
        return self.differing < FEW

    def not_worse(self, margin: float = MARGIN) -> bool | None:
        """Return True if the interval lies above -`margin`; None if there is no interval.

        Non-inferiority is shown by the lower end of a two-sided 95% interval (ICH E9, Statistical
        Principles for Clinical Trials, 1998, section 3.3.2).
        """
        low = self.difference.low
        return None if low is None else low > -margin + ROUNDING


def contrasts(differences: Floats, problems: Problems, repeats: Ints) -> list[Contrast]:
    """Compute the interval of each difference, and the smallest one that could be shown.

    The interval is that of Bonett & Price 2012 (J. Educ. Behav. Stat. 37, 479) for paired
    proportions: two problems are added to each group, of which one is a gain and one a loss, and a
    t interval is computed from all. Without them, an interval from a few differing problems is too
    narrow, and one from none has no width. Their size is the root mean square of the differences
    that there are, and at least 2/√repeats, up to which repeats can hide one: with one repeat 1, as
    for proportions.

    The smallest detectable difference is (t₁₋α/₂ + t_POWER) standard errors, and at least what lets
    FEW + 1 problems, the fewest of a significant difference, be met with a chance of POWER.

    Parameters
    ----------
    differences
        Contribution of each problem to each difference, shape (pairs, problems).
    repeats
        Number of repeats behind each difference, the smaller one of two methods, shape (pairs,).
    """
    from scipy.special import gammaincinv, stdtrit  # slow to import

    values = differences.sum(axis=1)
    differing = (np.abs(differences) > ROUNDING).sum(axis=1)
    if np.bincount(problems.groups).min() < 2:
        return [
            Contrast(Estimate(value), count, None)
            for value, count in zip(values.tolist(), differing.tolist(), strict=True)
        ]
    squares = ((differences / problems.weights) ** 2).sum(axis=1)
    seen = np.sqrt(squares / np.maximum(differing, 1))
    hidden = np.minimum(1.0, 2.0 / np.sqrt(repeats))
    centre, error, freedom = with_two_more(differences, problems, np.maximum(seen, hidden))
    beyond = stdtrit(freedom, (1 + LEVEL) / 2) * error
    ends = (np.clip(end, -1.0, 1.0).tolist() for end in (centre - beyond, centre + beyond))
    size = np.where(differing > 0, seen, hidden)
    _, error, freedom = with_two_more(differences, problems, size)
    met = gammaincinv(FEW + 1, POWER)  # number to be expected for that chance of FEW + 1
    shown = (stdtrit(freedom, 1 - ALPHA / 2) + stdtrit(freedom, POWER)) * error
    shown = np.maximum(shown, met * size / len(problems.groups))
    return [
        Contrast(Estimate(value, *interval), count, least if least < 1 else None)
        for value, *interval, count, least in zip(
            values.tolist(), *ends, differing.tolist(), shown.tolist(), strict=True
        )
    ]


def with_two_more(
    differences: Floats, problems: Problems, added: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return means with two problems more in each group, their standard errors, and the freedom.

    `added` is the size of the gain and the loss on these, shape (pairs,).
    """
    number = np.bincount(problems.groups).astype(np.float64)
    weight = np.bincount(problems.groups, problems.weights) / number
    mean = _by_group(differences, problems) / (number + 2)
    square = _by_group(differences**2, problems) + 2 * (added[:, None] * weight) ** 2
    variances = number**2 * (square / (number + 2) - mean**2) / (number + 2)
    variance = variances.sum(axis=1)
    freedom = variance**2 / (variances**2 / (number - 1)).sum(axis=1)  # Welch-Satterthwaite
    return (mean * number).sum(axis=1), np.sqrt(variance), freedom


def _by_group(values: Floats, problems: Problems) -> Floats:
    """Add up the columns of each group, shape (rows, groups), in an order that no BLAS changes."""
    members = (problems.groups == group for group in range(int(problems.groups.max()) + 1))
    return np.stack([values[:, each].sum(axis=1) for each in members], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """Comparisons of every two methods; arrays have shape (methods, methods).

    `better[i, j]` is True if method i is significantly better than j, with the rate of false
    discoveries over all pairs held at ALPHA. `p` has the p-value of each pair by itself.
    """

    better: Bools
    p: Floats

    def of(self, first: int, second: int, contrast: Contrast) -> tuple[bool | None, float]:
        """Return True if two methods are tied, and the p-value of their difference.

        `contrast` is their difference; the verdict is None if it has no interval.
        """
        apart = bool(self.better[first, second] or self.better[second, first])
        alone = contrast.difference.low is None
        return None if alone else not apart, float(self.p[first, second])

    @property
    def ranks(self) -> list[tuple[int, int]]:
        """First and last rank that each method can have.

        The first is 1 + the number of methods that are significantly better, the last the number of
        methods minus those that are significantly worse.
        """
        return rank_ranges(self.better)


def rank_ranges(better: Bools) -> list[tuple[int, int]]:
    """Return the first and last rank of each method, as `Verdicts.ranks`."""
    first = 1 + better.sum(axis=0)
    last = len(better) - better.sum(axis=1)
    return [*zip(first.tolist(), last.tolist(), strict=True)]


def verdicts(scores: Floats) -> Verdicts:
    """Compare every two methods, by sign-flip tests and Benjamini-Hochberg over all pairs.

    Parameters
    ----------
    scores
        Contribution of each problem to each method's accuracy, shape (methods, problems): a row
        adds up to the method's mean accuracy over pools.
    """
    first, second = np.triu_indices(len(scores), 1)
    found = p_values(scores, first, second)
    p = np.ones((len(scores), len(scores)))
    p[first, second] = p[second, first] = found
    return Verdicts(_better(scores, first, second, found), p)


def significantly_better(scores: Floats) -> Bools:
    """Return `Verdicts.better` of the same scores; no p-values, for which it takes less."""
    first, second = _pairs(len(scores))
    found = p_values(scores, first, second, all_flips=False)
    return _better(scores, first, second, found)


def _pairs(count: int) -> tuple[Array, Array]:
    """Return the rows of every pair, as `numpy.triu_indices` in less memory."""
    rows = np.arange(count, dtype=_kind(count))
    first = np.repeat(rows, np.arange(count - 1, -1, -1))
    return first, np.concatenate([rows[:0], *(rows[row + 1 :] for row in range(count))])


def _kind(most: int) -> type[np.unsignedinteger[Any]]:
    """Return the smallest of three types that hold whole numbers up to `most`."""
    return next((kind for kind in (np.uint16, np.uint32) if most <= np.iinfo(kind).max), np.uint64)


def _better(scores: Floats, first: Array, second: Array, p: Floats) -> Bools:
    """Return which method of each pair is better, if the p-values tell them apart."""
    limit = _limit(p)
    ahead = scores.sum(axis=1)
    better = np.zeros((len(scores), len(scores)), dtype=bool)
    for start in range(0, len(p), PAIRS_AT_ONCE):
        here = slice(start, start + PAIRS_AT_ONCE)
        told_apart = p[here] <= limit + ROUNDING
        one, other = first[here][told_apart], second[here][told_apart]
        is_one = ahead[one] > ahead[other]
        better[one[is_one], other[is_one]] = True
        better[other[~is_one], one[~is_one]] = True
    return better


def discoveries(p: Floats, level: float = ALPHA) -> Bools:
    """Return which p-values are significant with the false discovery rate held at `level`.

    Benjamini & Hochberg 1995 (J. R. Stat. Soc. B 57, 289): the k smallest, for the largest k whose
    k-th smallest is at most level · k / n. Used for all pairs of methods as by Williams, Jones &
    Tukey 1999 (J. Educ. Behav. Stat. 24, 42).
    """
    limit = _limit(p, level)
    found: Bools = p <= limit + ROUNDING
    return found


def _limit(p: Floats, level: float = ALPHA) -> float:
    """Return level · k / n, up to which p-values are discoveries; below all of them if none is."""
    parts = [
        np.unique(p[start : start + PAIRS_AT_ONCE], return_counts=True)
        for start in range(0, len(p), PAIRS_AT_ONCE)
    ]
    if not parts:
        return -1.0
    values, counts = (np.concatenate(each) for each in zip(*parts, strict=True))
    order = np.argsort(values, kind="stable")
    return _passing(values[order], counts[order], level)


def _passing(values: Floats, counts: Ints, level: float) -> float:
    """Return the limit of `counts` times these p-values, which are in order."""
    allowed = level * np.cumsum(counts) / max(1, int(counts.sum()))
    passing = np.flatnonzero(values <= allowed + ROUNDING)
    return float(allowed[passing[-1]]) if len(passing) else -1.0


def p_value(differences: Floats) -> float:
    """Return the two-sided p-value of a sign-flip test; `differences` has shape (problems,)."""
    both = np.stack([differences, np.zeros_like(differences)])
    (found,) = p_values(both, np.array([0]), np.array([1])).tolist()
    return float(found)


def p_values(scores: Floats, first: Array, second: Array, *, all_flips: bool = True) -> Floats:
    """Return the two-sided p-value of a sign-flip test for each pair of methods.

    All flips are tried if at most EXACT problems differ, else FLIPS of them, the same for every
    pair, with p = (b + 1) / (m + 1) (Phipson & Smyth 2010, arXiv 1603.05766). If the least of these
    could not be significant among so many pairs, pairs that have it get as many as that takes; if
    these are more than MOST_FLIPS, as with one winner among a thousand equals, an upper bound of
    their p-value takes its place (`_bound`).

    Parameters
    ----------
    scores
        As in `verdicts`, shape (methods, problems).
    first, second
        Rows of `scores`, both of shape (pairs,), of whole numbers.
    all_flips
        False to stop trying flips for a pair once they show that it is none of the `discoveries`,
        whatever the others would be. Its p-value is then too small, and still no discovery.
    """
    counts = _differing(scores, first, second)
    p = np.zeros(len(first))  # takes no memory until it is written to
    p[counts == 0] = 1.0
    for number in range(1, EXACT + 1):
        (pairs,) = np.nonzero(counts == number)
        for part in np.array_split(pairs, 1 + (len(pairs) << number) // 2**20):
            p[part] = _exact(scores[first[part]] - scores[second[part]], number)
    is_many = counts > EXACT
    del counts
    many = None if is_many.all() else np.flatnonzero(is_many).astype(_kind(len(p)))
    both = (first, second) if many is None else (first[many], second[many])
    _sample(p, many, _Pairs.of(scores, *both), FLIPS, all_flips)
    del both, many
    extreme = np.flatnonzero(is_many & (p <= 1 / FLIPS))
    if len(extreme) and len(extreme) * ALPHA / len(p) < 1 / FLIPS:
        more = int(len(p) / ALPHA) + 1
        if more <= MOST_FLIPS:
            pairs_left = _Pairs.of(scores, first[extreme], second[extreme])
            _sample(p, extreme, pairs_left, more, all_flips)
        else:
            for part in np.array_split(extreme, 1 + len(extreme) // 2**14):
                bound = _bound(scores[first[part]] - scores[second[part]])
                p[part] = np.minimum(p[part], bound)
    return p


def _bound(differences: Floats) -> Floats:
    """Return an upper bound of each pair's p-value over all flips, shape (pairs,).

    A sum of signed numbers is at least as far from zero with a chance of at most 1 / (4 P(z ≥ √2))
    times that of a normal variable with the same variance, whatever the numbers: Bentkus &
    Dzindzalieta 2015 (Bernoulli 21, 1231). `differences` has shape (pairs, problems).
    """
    from scipy.special import ndtr  # slow to import

    size = np.sqrt((differences**2).sum(axis=1))
    distance = np.abs(differences.sum(axis=1)) - ROUNDING
    found: Floats = 2 * ndtr(-distance / size) / (4 * ndtr(-np.sqrt(2)))
    return found


def _differing(scores: Floats, first: Array, second: Array) -> Array:
    """Count the problems on which the two methods of each pair differ, shape (pairs,).

    Of pairs that differ on more than EXACT, some are left uncounted.
    """
    counts = np.zeros(len(first), dtype=np.uint8)  # at most 3 EXACT
    for start in range(0, scores.shape[1], 2 * EXACT):
        held = np.ascontiguousarray(scores[:, start : start + 2 * EXACT])
        (few,) = np.nonzero(counts <= EXACT)
        for part in np.array_split(few, 1 + len(few) // 2**14):
            apart = np.abs(held[first[part]] - held[second[part]]) > ROUNDING
            counts[part] += np.count_nonzero(apart, axis=1).astype(np.uint8)
    return counts


def _exact(differences: Floats, number: int) -> Floats:
    """Try all flips for pairs with `number` differing problems each, shape (pairs, problems)."""
    equal = np.abs(differences) <= ROUNDING
    order = np.argsort(equal, axis=1, kind="stable")[:, :number]
    held = np.take_along_axis(differences, order, axis=1)
    sums = held[:, :1]  # its sign stays: flipping all signs changes no distance from zero
    for each in held[:, 1:].T[:, :, None]:
        sums = np.concatenate([sums + each, sums - each], axis=1)
    observed = np.abs(held.sum(axis=1, keepdims=True)) - ROUNDING
    p: Floats = (np.abs(sums) >= observed).mean(axis=1)
    return p


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Pairs of methods, in order of the first; `one` and `other` are rows of `scores`.

    `order` has the place of each among the pairs that were given, None if they were in order.
    `totals` are the means of the methods. Thousands of methods have millions of pairs, so that
    there is no array of larger numbers for these.
    """

    scores: Floats
    totals: Floats
    one: Array
    other: Array
    order: Ints | None

    @classmethod
    def of(cls, scores: Floats, first: Array, second: Array) -> _Pairs:
        """Sort pairs, and keep the scores of their methods only."""
        used = np.zeros(len(scores), dtype=np.bool_)
        used[first] = used[second] = True
        one, other, order = first, second, None
        if not used.all():
            places = (np.cumsum(used) - 1).astype(_kind(len(scores)))
            one, other = places[first], places[second]
        if (one[1:] < one[:-1]).any():
            order = np.argsort(one, kind="stable")
            one, other = one[order], other[order]
        return cls(scores[used], scores[used].sum(axis=1), one, other, order)


def _sample(p: Floats, rows: Array | None, pairs: _Pairs, flips: int, all_flips: bool) -> None:
    """Set `p[rows]` from `flips` - 1 random flips, the same for all pairs, and the observed one.

    `rows` are those of the pairs, None for all in their order.

    Without `all_flips`, pairs are left out as soon as they cannot be discoveries: the number of
    flips that reach the observed distance only grows, and more of them give no pair a lower p.
    Those that no flip has reached are kept, because more than `flips` may be tried for them.
    """
    reached = np.ones(len(pairs.one), dtype=_kind(flips))
    if pairs.order is not None:
        rows = pairs.order if rows is None else rows[pairs.order]
    left = np.arange(len(reached), dtype=_kind(len(reached)))
    generator = np.random.PCG64(SEED)
    done, check, limit = 0, IN_CACHE[0], ALPHA
    others = None
    while done < flips - 1 and len(left):
        signs = _signs(generator, pairs.scores.shape[1], min(AT_ONCE, flips - 1 - done))
        for start in range(0, signs.shape[1], IN_CACHE[0]):
            part = signs[:, start : start + IN_CACHE[0]]
            _count(reached, left, pairs, part)
            done += part.shape[1]
            if all_flips:
                continue
            if done >= check:
                check *= 2
                others = _others(p, rows) if others is None else others
                limit = max(_limit_among(reached, flips, *others), 1 / flips)
            left = left[reached[left] <= (limit + ROUNDING) * flips]
    for start in range(0, len(reached), PAIRS_AT_ONCE):
        here = slice(start, start + PAIRS_AT_ONCE)
        p[here if rows is None else rows[here]] = reached[here] / flips


def _others(p: Floats, rows: Array | None) -> tuple[Floats, Ints]:
    """Return the different p-values in other rows than these, in order, and the number of each."""
    there = np.ones(len(p), dtype=np.bool_)
    there[slice(None) if rows is None else rows] = False
    return np.unique(p[there], return_counts=True)


def _limit_among(reached: Array, flips: int, values: Floats, counts: Ints) -> float:
    """Return `_limit` of `reached` / `flips` and `counts` times each of `values`.

    There are as many different numbers of flips as flips, so that they are counted, not sorted.
    """
    times = np.zeros(flips + 1, dtype=np.int64)
    for start in range(0, len(reached), PAIRS_AT_ONCE):
        times += np.bincount(reached[start : start + PAIRS_AT_ONCE], minlength=flips + 1)
    (found,) = np.nonzero(times)
    values, counts = np.concatenate([found / flips, values]), np.concatenate([times[found], counts])
    order = np.argsort(values, kind="stable")
    return _passing(values[order], counts[order], ALPHA)


def _count(reached: Array, left: Array, pairs: _Pairs, signs: Floats) -> None:
    """Add to `reached` how many of some flips reach the observed distance of the pairs `left`.

    Two methods are no further apart than both are from the mean of all methods, so that distances
    of most pairs are out of reach. Others are compared as multiples of 1/`scale`, twice as
    fast: rounding changes a distance by one at most, and those that near are compared again.
    """
    flipped = pairs.scores @ signs
    flipped -= flipped.mean(axis=0)
    farthest = np.abs(flipped).max(axis=1) + ROUNDING
    scale = (2**14 - 1) / farthest.max()  # differences, and those less 1, fit in 16 bits
    scaled = flipped * scale
    coarse = np.rint(scaled, out=scaled).astype(np.int16)
    del scaled
    for row, these in _by_first(left, pairs):
        others = pairs.other[these]
        observed = np.abs(pairs.totals[others] - pairs.totals[row]) - ROUNDING
        within = observed <= farthest[others] + farthest[row]
        these, others, observed = these[within], others[within], observed[within]
        least = np.ceil(observed * scale - 1).astype(np.int16)
        for start in range(0, len(these), IN_CACHE[1]):
            here = slice(start, start + IN_CACHE[1])
            beyond = coarse[others[here]]
            beyond -= coarse[row]
            np.abs(beyond, out=beyond)
            beyond -= least[here, None]
            hits = (beyond >= 0).sum(axis=1, dtype=np.uint16)
            close = np.flatnonzero(beyond.view(np.uint16) <= 2)
            pair, flip = np.divmod(close, signs.shape[1])
            exact = np.abs(flipped[others[here][pair], flip] - flipped[row, flip])
            short = pair[exact < observed[here][pair]]
            hits -= np.bincount(short, minlength=len(hits)).astype(np.uint16)
            reached[these[here]] += hits


def _by_first(left: Array, pairs: _Pairs) -> Iterator[tuple[Any, Array]]:
    """Yield the first method of some pairs, and those of the pairs `left` that have it."""
    for some in np.array_split(left, 1 + len(left) // PAIRS_AT_ONCE):
        one = pairs.one[some]
        bounds = [*(np.flatnonzero(one[1:] != one[:-1]) + 1).tolist(), len(some)]
        for begin, end in pairwise([0, *bounds] if len(some) else []):
            yield one[begin], some[begin:end]


def _signs(generator: np.random.PCG64, problems: int, flips: int) -> Floats:
    """Draw signs of shape (problems, flips), the same on every machine and numpy version (NEP 19).

    The bits are those of PCG64's raw output, from the lowest to the highest.
    """
    raw = generator.random_raw(-(-problems * flips // 64)).astype("<u8")
    bits = np.unpackbits(raw.view(np.uint8), bitorder="little", count=problems * flips)
    signs: Floats = 2.0 * bits.reshape(flips, problems).T.astype(np.float64) - 1.0
    return signs
