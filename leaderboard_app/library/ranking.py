"""Ranks with ties, from pairwise tests over the pools that two entries share.

The rank of an entry is 1 + the number of entries that are significantly better. A is significantly
better than B if the 95% interval of A's accuracy minus B's lies above zero: the paired bootstrap
over problems of docs/decisions/007-intervals.md, on the pools that both ran on, each pool weighted
equally. Ranks are computed once over all entries, so that they do not depend on filters.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from simulator.arrays import Floats, Ints
from simulator.report.paired import difference_of, reduction_of, repeats_of
from simulator.runs.results import Metric, ProblemSums
from simulator.statistics import ROUNDING, SEED, Bootstrap, Resampled, average


class PoolKey(NamedTuple):
    """Traces that two entries must share to be compared."""

    pool: str
    fingerprint: str
    problem_ids: tuple[str, ...]

    @property
    def problems(self) -> tuple[str, tuple[str, ...]]:
        """Benchmark and problems; pools with equal ones are resampled together."""
        return self.pool.rpartition("/")[2], self.problem_ids


@dataclass(frozen=True, slots=True, eq=False)
class Contender:
    """An entry's results on each problem of its pools; unranked entries are measured only."""

    id: str
    ranked: bool
    sums: Mapping[PoolKey, ProblemSums]


@dataclass(frozen=True, slots=True)
class Place:
    """An entry's place on the board.

    Parameters
    ----------
    reduction, difference
        Share of the tokens of cons@N that it saves, and its accuracy minus that of cons@N: means
        over its pools, each weighted equally; None if its answers cannot be used.
    rank
        1 + the number of entries in `better`; None if it is not ranked or `compared` is 0.
    better
        Ids of the entries that are significantly better.
    compared
        Number of ranked entries that share a pool with it.
    pareto
        True if none of those, on the pools that both have, is at least as good in tokens and
        accuracy and better in one of them; None without a rank.
    """

    reduction: Metric | None
    difference: Metric | None
    rank: int | None
    better: tuple[str, ...]
    compared: int
    pareto: bool | None


def usable(sums: ProblemSums) -> bool:
    """Check that a run can have recorded these sums; submissions may contain anything."""
    parts = (sums.correct, sums.tokens, sums.baseline_correct, sums.baseline_tokens)
    most = 2**52 // max(1, len(sums.problem_ids))
    return (
        0 < sums.repeats <= 2**31 // max(1, len(sums.problem_ids)) - 1
        and len(sums.problem_ids) > 0
        and len(set(sums.problem_ids)) == len(sums.problem_ids)
        and all(each.min() >= 0 and each.max() <= most for each in parts)
        and bool((sums.baseline_tokens > 0).all())
        and max(sums.correct.max(), sums.baseline_correct.max()) <= sums.repeats
    )


def rank(contenders: Sequence[Contender]) -> dict[str, Place]:
    """Return the place of every contender, by its id.

    Costs 10 µs per pair of contenders with a shared pool, and 4 bytes per contender, pool and
    resample: 2 s and 140 MiB for 200 contenders on nine pools.
    """
    bootstraps = _bootstraps(contenders)
    reductions = _estimates(contenders, bootstraps, reduction_of)
    differences = _estimates(contenders, bootstraps, difference_of)
    recorded = _recorded(contenders, bootstraps)
    better: dict[int, list[int]] = defaultdict(list)
    compared: dict[int, int] = defaultdict(int)
    beaten: set[int] = set()
    for pools, pairs in _pairs(contenders).items():
        place = {row: index for index, (row, _) in enumerate(pairs)}
        accuracy = average(recorded[pool].accuracy([*place]) for pool in pools)
        tokens = np.mean([recorded[pool].tokens([*place]) for pool in pools], axis=0).tolist()
        for row, others in pairs:
            here = place[row]
            compared[row] += len(others)
            for other in others:
                there = place[other]
                if above_zero(accuracy, there, here):
                    better[row].append(other)
                if _dominates(accuracy.values, tokens, there, here):
                    beaten.add(row)
    return {
        each.id: Place(
            reductions[row],
            differences[row],
            rank=1 + len(better[row]) if compared[row] else None,
            better=tuple(contenders[other].id for other in sorted(better[row])),
            compared=compared[row],
            pareto=row not in beaten if compared[row] else None,
        )
        for row, each in enumerate(contenders)
    }


def above_zero(figure: Resampled, first: int, second: int) -> bool:
    """Return True if the interval of the first figure minus the second lies above zero.

    Same result as `(figure[first] - figure[second]).estimates()`, without sorting the resamples:
    the lower end lies between the two order statistics next to its quantile, so it is enough to
    count resamples at or below zero, except if zero lies between the two.
    """
    if figure.tail is None:
        return False
    resamples = figure.resamples
    below = np.count_nonzero(resamples[first] - resamples[second] <= ROUNDING)
    lower = int(figure.tail * (resamples.shape[1] - 1))  # counted from 0
    if below != lower + 1:
        return bool(below <= lower)
    (estimate,) = (figure[first : first + 1] - figure[second : second + 1]).estimates()
    return estimate.low is not None and estimate.low > ROUNDING


Bootstraps = Mapping[tuple[str, tuple[str, ...]], Bootstrap]
"""One set of resamples for each set of problems, by `PoolKey.problems`."""


def _bootstraps(contenders: Iterable[Contender]) -> Bootstraps:
    """Make the bootstraps, seeded in the order of pools as in `simulator.report.paired.combine`."""
    pools = sorted({pool for each in contenders for pool in each.sums})
    problems = dict.fromkeys(pool.problems for pool in pools)
    return {
        each: Bootstrap(len(each[1]), seed=SEED + number) for number, each in enumerate(problems)
    }


Figure = Callable[[Bootstrap, Sequence[ProblemSums]], Resampled]
"""A figure of several contenders on one pool."""


def _estimates(
    contenders: Sequence[Contender], bootstraps: Bootstraps, figure: Figure
) -> list[Metric | None]:
    """Return each contender's figure averaged over its pools; None for one without pools."""
    totals: list[Resampled | None] = [None] * len(contenders)
    for pool, rows in _by_pool(contenders).items():
        found = figure(bootstraps[pool.problems], [contenders[row].sums[pool] for row in rows])
        for index, row in enumerate(rows):
            here, before = found[index : index + 1], totals[row]
            totals[row] = here if before is None else before + here
    metrics: list[Metric | None] = []
    for each, total in zip(contenders, totals, strict=True):
        if total is None:
            metrics.append(None)
            continue
        count = len(each.sums)
        mean = Resampled(total.values / count, total.resamples / count, total.tail)
        metrics += mean.estimates()
    return metrics


def _by_pool(contenders: Sequence[Contender]) -> dict[PoolKey, list[int]]:
    """Return the contenders that ran on each pool, with pools sorted."""
    found: dict[PoolKey, list[int]] = defaultdict(list)
    for row, each in enumerate(contenders):
        for pool in each.sums:
            found[pool].append(row)
    return {pool: found[pool] for pool in sorted(found)}


@dataclass(frozen=True, slots=True, eq=False)
class _Recorded:
    """Results of the contenders on one pool.

    `place` maps a contender to its row in the arrays; `hits` counts right answers on each resample,
    summed over repeats.
    """

    problems: int
    tail: float | None
    place: Mapping[int, int]
    repeats: Ints
    correct: Ints
    spent: Ints
    hits: np.ndarray[tuple[int, int], np.dtype[np.int32]]

    def accuracy(self, contenders: Sequence[int]) -> Resampled:
        """Return the contenders' accuracies, as `Bootstrap.means` would."""
        rows = [self.place[each] for each in contenders]
        divisor = (self.repeats[rows] * self.problems).astype(np.float64)
        return Resampled(
            self.correct[rows] / divisor, self.hits[rows] / divisor[:, None], self.tail
        )

    def tokens(self, contenders: Sequence[int]) -> Floats:
        """Return the contenders' tokens per problem."""
        rows = [self.place[each] for each in contenders]
        return self.spent[rows] / (self.repeats[rows] * self.problems)


def _recorded(contenders: Sequence[Contender], bootstraps: Bootstraps) -> dict[PoolKey, _Recorded]:
    found = {}
    for pool, rows in _by_pool(contenders).items():
        over = bootstraps[pool.problems]
        sums = [contenders[row].sums[pool] for row in rows]
        correct = np.stack([each.correct for each in sums])
        problems = len(pool.problem_ids)
        means = over.means(correct, np.ones(len(rows), dtype=np.int64)).resamples
        np.multiply(means, problems, out=means)
        found[pool] = _Recorded(
            problems,
            over.tail,
            {row: index for index, row in enumerate(rows)},
            repeats_of(sums),
            correct.sum(axis=1),
            np.array([each.tokens.sum() for each in sums]),
            np.rint(means, out=means).astype(np.int32),
        )
    return found


Pairs = list[tuple[int, list[int]]]
"""Contenders, each with those that it is compared with."""


def _pairs(contenders: Sequence[Contender]) -> dict[tuple[PoolKey, ...], Pairs]:
    """Return ranked contenders and those that each is compared with, by their shared pools."""
    pools = {row: frozenset(each.sums) for row, each in enumerate(contenders) if each.ranked}
    numbers = {pool: number for number, pool in enumerate(sorted(set().union(*pools.values())))}
    named = list(numbers)
    short = {row: frozenset(numbers[pool] for pool in found) for row, found in pools.items()}
    shared: dict[frozenset[int], Pairs] = defaultdict(list)
    for row, ours in short.items():
        others: dict[frozenset[int], list[int]] = defaultdict(list)
        for other, theirs in short.items():
            if other != row and (both := ours & theirs):
                others[both].append(other)
        for both, found in others.items():
            shared[both].append((row, found))
    return {tuple(named[each] for each in sorted(both)): all_ for both, all_ in shared.items()}


def _dominates(
    accuracy: Floats,
    tokens: Sequence[float],
    first: int,
    second: int,
) -> bool:
    """Return True if the first is at least as good as the second in both, and better in one."""
    gained = accuracy[first] - accuracy[second]
    saved = tokens[second] - tokens[first]
    return bool(saved >= 0 and gained >= -ROUNDING and (saved > 0 or gained > ROUNDING))
