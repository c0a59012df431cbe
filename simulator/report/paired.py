"""Paired comparison of methods, problem by problem, on one pool and over several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

from simulator.arrays import Ints
from simulator.runs.results import Metric, ProblemSums
from simulator.statistics import SEED, Bootstrap, Resampled, average, bootstrap


@dataclass(frozen=True, slots=True)
class Standing:
    """A method's accuracy minus the best method's on the same problems, as a fraction.

    `tied` is True if the interval contains zero, None if there is no interval. `best` is True for
    the best method itself, whose difference is 0 and which is tied with itself.
    """

    difference: Metric
    tied: bool | None
    best: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """Two methods on one pool: `difference` is the first's accuracy minus the second's.

    `reduction` is the share of the second's tokens saved by the first. Both are fractions.
    """

    first: int
    second: int
    difference: Metric
    tied: bool | None
    reduction: Metric


@dataclass(frozen=True, slots=True)
class Averages:
    """A method's metrics averaged over pools, each pool weighted equally.

    `reduction` is the mean of the pools' reductions, `tokens_per_problem` the mean of their means.
    """

    accuracy: Metric
    tokens_per_problem: Metric
    reduction: Metric
    accuracy_difference: Metric


def best_of(
    accuracy: Sequence[float], tokens: Sequence[float], ranked: Sequence[bool]
) -> int | None:
    """Find the index of the most accurate ranked method.

    Ties go to the one with fewer tokens, then to the first. Returns None if fewer than two methods
    are ranked, because there is nothing to compare.
    """
    among = [index for index, takes_part in enumerate(ranked) if takes_part]
    if len(among) < 2:
        return None
    return min(among, key=lambda index: (-accuracy[index], tokens[index], index))


def standings(sums: Sequence[ProblemSums], ranked: Sequence[bool]) -> list[Standing | None]:
    """Compare each method with the best on one pool.

    Unranked methods get None, and so does a method without others to compare with. `sums` are of
    the same problems in the same order; runs may differ in repeats and budget.
    """
    over = bootstrap(len(sums[0].problem_ids))
    return _standings(_accuracy(over, sums), _tokens(over, sums).values.tolist(), ranked)


def pairs(sums: Sequence[ProblemSums]) -> list[Pair]:
    """Compare all pairs of methods on one pool, each pair once, the earlier method first."""
    over = bootstrap(len(sums[0].problem_ids))
    return _pairs(_accuracy(over, sums), [_tokens(over, sums)])


def pairs_over(benchmarks: Sequence[str], sums: Sequence[Sequence[ProblemSums]]) -> list[Pair]:
    """Compare all pairs of methods over several pools, weighted and resampled as in `combine`.

    `reduction` is the mean of the pools' reductions.
    """
    pools = _with_bootstraps(benchmarks, sums)
    accuracy = average(_accuracy(over, methods) for over, methods in pools)
    return _pairs(accuracy, [_tokens(over, methods) for over, methods in pools])


def _pairs(accuracy: Resampled, tokens: Sequence[Resampled]) -> list[Pair]:
    """Build pairs from the methods' accuracy over all pools and their tokens on each."""
    count = len(accuracy.values)
    found = []
    for first in range(count - 1):
        one, others = slice(first, first + 1), slice(first + 1, None)
        differences = (accuracy[one] - accuracy[others]).estimates()
        saved = average(
            Resampled(
                1.0 - each.values[one] / each.values[others],
                1.0 - each.resamples[one] / each.resamples[others],
                each.tail,
            )
            for each in tokens
        ).estimates()
        found += [
            Pair(first, first + 1 + index, difference, difference.covers_zero, less)
            for index, (difference, less) in enumerate(zip(differences, saved, strict=True))
        ]
    return found


def combine(
    benchmarks: Sequence[str], sums: Sequence[Sequence[ProblemSums]], ranked: Sequence[bool]
) -> tuple[list[Averages], list[Standing | None]]:
    """Average metrics over several pools, each weighted equally, with a bootstrap inside each pool.

    The problems of a pool are resampled independently of those of other pools. Pools of one
    benchmark with the same problems are resampled together, because a hard problem is hard in all
    of them.

    Parameters
    ----------
    benchmarks
        Each pool's benchmark.
    sums
        The methods' sums on each pool; the methods have the same order on every pool.
    ranked
        True for methods that can be the best and are compared with it.

    Returns
    -------
    Averages and standings of each method.
    """
    pools = _with_bootstraps(benchmarks, sums)
    accuracy = average(_accuracy(over, methods) for over, methods in pools)
    tokens = average(_tokens(over, methods) for over, methods in pools)
    reduction = average(reduction_of(over, methods) for over, methods in pools)
    difference = average(difference_of(over, methods) for over, methods in pools)
    figures = [each.estimates() for each in (accuracy, tokens, reduction, difference)]
    averages = [Averages(*row) for row in zip(*figures, strict=True)]
    return averages, _standings(accuracy, tokens.values.tolist(), ranked)


def mean_accuracy(benchmarks: Sequence[str], sums: Sequence[Sequence[ProblemSums]]) -> list[Metric]:
    """Average the accuracy of each method over several pools, as in `combine`."""
    return _averaged(benchmarks, sums, lambda each: each.correct)


def mean_tokens(benchmarks: Sequence[str], sums: Sequence[Sequence[ProblemSums]]) -> list[Metric]:
    """Average the tokens per problem of each method over several pools, as in `combine`."""
    return _averaged(benchmarks, sums, lambda each: each.tokens)


def _averaged(
    benchmarks: Sequence[str],
    sums: Sequence[Sequence[ProblemSums]],
    number: Callable[[ProblemSums], Ints],
) -> list[Metric]:
    """Average a number over problems, then over pools.

    Pools of the same problems have the same resamples. If a method has the same number of repeats
    on each, its numbers on these pools are added up first and resampled once.
    """
    found: dict[Bootstrap, list[tuple[Ints, Ints]]] = {}
    for over, methods in _with_bootstraps(benchmarks, sums):
        values, repeats = np.stack([number(each) for each in methods]), repeats_of(methods)
        same = found.setdefault(over, [])
        if same and (same[-1][1] == repeats).all() and _fits(same[-1][0], values):
            same[-1] = (same[-1][0] + values, repeats)
        else:
            same.append((values, repeats))
    parts = (over.means(*each) for over, same in found.items() for each in same)
    total = reduce(add, parts)
    count = len(benchmarks)
    mean = Resampled(total.values / count, total.resamples / count, total.tail)
    return mean.estimates()


def _fits(one: Ints, other: Ints) -> bool:
    """Check that the sum of both over all problems is exact as a float."""
    return int(one.max() + other.max()) * len(one[0]) <= 2**52


def _with_bootstraps(
    benchmarks: Sequence[str], sums: Sequence[Sequence[ProblemSums]]
) -> list[tuple[Bootstrap, Sequence[ProblemSums]]]:
    """Pair each pool's methods with its bootstrap; pools of the same problems share one."""
    bootstraps: dict[tuple[str, tuple[str, ...]], Bootstrap] = {}
    pools = []
    for benchmark, methods in zip(benchmarks, sums, strict=True):
        problems = (benchmark, methods[0].problem_ids)
        if problems not in bootstraps:
            seed = SEED + len(bootstraps)
            bootstraps[problems] = Bootstrap(len(methods[0].problem_ids), seed=seed)
        pools.append((bootstraps[problems], methods))
    return pools


def _standings(
    accuracy: Resampled, tokens: Sequence[float], ranked: Sequence[bool]
) -> list[Standing | None]:
    best = best_of(accuracy.values.tolist(), tokens, ranked)
    if best is None:
        return [None] * len(ranked)
    differences = (accuracy - accuracy[best : best + 1]).estimates()
    return [
        Standing(each, each.covers_zero, index == best) if takes_part else None
        for index, (each, takes_part) in enumerate(zip(differences, ranked, strict=True))
    ]


def repeats_of(sums: Sequence[ProblemSums]) -> Ints:
    """Return each method's number of repeats."""
    return np.array([each.repeats for each in sums], dtype=np.int64)


def _accuracy(over: Bootstrap, sums: Sequence[ProblemSums]) -> Resampled:
    return over.means(np.stack([each.correct for each in sums]), repeats_of(sums))


def _tokens(over: Bootstrap, sums: Sequence[ProblemSums]) -> Resampled:
    return over.means(np.stack([each.tokens for each in sums]), repeats_of(sums))


def reduction_of(over: Bootstrap, sums: Sequence[ProblemSums]) -> Resampled:
    """Return the share of the tokens of cons@N that each method saves on a pool."""
    baseline = np.stack([each.baseline_tokens for each in sums])
    return over.reductions(np.stack([each.tokens for each in sums]), baseline)


def difference_of(over: Bootstrap, sums: Sequence[ProblemSums]) -> Resampled:
    """Return each method's accuracy on a pool minus that of cons@N."""
    gained = np.stack([each.correct - each.baseline_correct for each in sums])
    return over.means(gained, repeats_of(sums))
