"""Methods compared with each other: paired problem by problem, on one pool and over several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

from simulator.runs.results import Metric, ProblemSums
from simulator.statistics import SEED, Bootstrap, Estimate, Ints, Resampled, average, bootstrap


@dataclass(frozen=True, slots=True)
class Standing:
    """A method's accuracy minus the best method's on the same problems, a fraction.

    `tied` is whether the interval covers zero, None where there is no interval; `best` is whether
    this is that best method, whose difference is 0 and which is tied with itself.
    """

    difference: Metric
    tied: bool | None
    best: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """Two methods on one pool: `difference` is the first's accuracy minus the second's.

    `reduction` is the share of the second's tokens that the first saves. Both are fractions.
    """

    first: int
    second: int
    difference: Metric
    tied: bool | None
    reduction: Metric


@dataclass(frozen=True, slots=True)
class Averages:
    """A method's figures averaged over pools, each pool weighted equally.

    `reduction` is the mean of the pools' reductions, and `tokens_per_problem` of their means.
    """

    accuracy: Metric
    tokens_per_problem: Metric
    reduction: Metric
    accuracy_difference: Metric


def best_of(
    accuracy: Sequence[float], tokens: Sequence[float], ranked: Sequence[bool]
) -> int | None:
    """The most accurate ranked method, of equals the one with the fewest tokens, the first.

    None where fewer than two methods are ranked: there is nobody to be the best of.
    """
    among = [index for index, takes_part in enumerate(ranked) if takes_part]
    if len(among) < 2:
        return None
    return min(among, key=lambda index: (-accuracy[index], tokens[index], index))


def standings(sums: Sequence[ProblemSums], ranked: Sequence[bool]) -> list[Standing | None]:
    """How each method stands to the best on one pool; None for unranked ones and where it is alone.

    `sums` are of the same problems in the same order; runs may differ in repeats and budget.
    """
    over = bootstrap(len(sums[0].problem_ids))
    return _standings(_accuracy(over, sums), _tokens(over, sums).values.tolist(), ranked)


def pairs(sums: Sequence[ProblemSums]) -> list[Pair]:
    """Every two methods of one pool, each pair once, the earlier one first."""
    over = bootstrap(len(sums[0].problem_ids))
    return _pairs(_accuracy(over, sums), [_tokens(over, sums)])


def pairs_over(benchmarks: Sequence[str], sums: Sequence[Sequence[ProblemSums]]) -> list[Pair]:
    """Every two methods over several pools, each weighted equally and resampled as in `combine`.

    `reduction` is the mean of the pools' reductions.
    """
    pools = _with_bootstraps(benchmarks, sums)
    accuracy = average(_accuracy(over, methods) for over, methods in pools)
    return _pairs(accuracy, [_tokens(over, methods) for over, methods in pools])


def _pairs(accuracy: Resampled, tokens: Sequence[Resampled]) -> list[Pair]:
    """Pairs from the methods' accuracy over all pools and their tokens on each."""
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
            Pair(first, first + 1 + index, metric(difference), difference.covers_zero, metric(less))
            for index, (difference, less) in enumerate(zip(differences, saved, strict=True))
        ]
    return found


def combine(
    benchmarks: Sequence[str], sums: Sequence[Sequence[ProblemSums]], ranked: Sequence[bool]
) -> tuple[list[Averages], list[Standing | None]]:
    """Figures over several pools, each weighted equally, with a bootstrap inside each pool.

    The problems of a pool are resampled independently of those of other pools, except that pools
    of one benchmark with the same problems are resampled together: a problem that is hard is hard
    in all of them.

    Parameters
    ----------
    benchmarks
        Each pool's benchmark.
    sums
        For each pool what each method did there, the methods in the same order everywhere.
    ranked
        Which methods may be the best and are compared with it.

    Returns
    -------
    Averages and standings, method by method.
    """
    pools = _with_bootstraps(benchmarks, sums)
    accuracy = average(_accuracy(over, methods) for over, methods in pools)
    tokens = average(_tokens(over, methods) for over, methods in pools)
    reduction = average(_reduction(over, methods) for over, methods in pools)
    difference = average(_difference(over, methods) for over, methods in pools)
    figures = [each.estimates() for each in (accuracy, tokens, reduction, difference)]
    averages = [Averages(*map(metric, row)) for row in zip(*figures, strict=True)]
    return averages, _standings(accuracy, tokens.values.tolist(), ranked)


def means(
    benchmarks: Sequence[str], sums: Sequence[Sequence[ProblemSums]]
) -> tuple[list[Metric], list[Metric]]:
    """Accuracy and tokens a problem of each method over several pools, as `combine` has them.

    A fraction of its work, for who needs nothing else.
    """
    return mean_accuracy(benchmarks, sums), mean_tokens(benchmarks, sums)


def mean_accuracy(benchmarks: Sequence[str], sums: Sequence[Sequence[ProblemSums]]) -> list[Metric]:
    """Accuracy of each method over several pools, as `combine` has it."""
    return _averaged(benchmarks, sums, lambda each: each.correct)


def mean_tokens(benchmarks: Sequence[str], sums: Sequence[Sequence[ProblemSums]]) -> list[Metric]:
    """Tokens a problem of each method over several pools, as `combine` has them."""
    return _averaged(benchmarks, sums, lambda each: each.tokens)


def _averaged(
    benchmarks: Sequence[str],
    sums: Sequence[Sequence[ProblemSums]],
    number: Callable[[ProblemSums], Ints],
) -> list[Metric]:
    """The mean over problems of a number, averaged over pools.

    Pools of the same problems have the same resamples, so that what a method did on them is added
    up first and resampled once, where it had as many repeats on each.
    """
    found: dict[Bootstrap, list[tuple[Ints, Ints]]] = {}
    for over, methods in _with_bootstraps(benchmarks, sums):
        values, repeats = np.stack([number(each) for each in methods]), _repeats(methods)
        same = found.setdefault(over, [])
        if same and (same[-1][1] == repeats).all() and _fits(same[-1][0], values):
            same[-1] = (same[-1][0] + values, repeats)
        else:
            same.append((values, repeats))
    parts = (over.means(*each) for over, same in found.items() for each in same)
    total = reduce(add, parts)
    count = len(benchmarks)
    mean = Resampled(total.values / count, total.resamples / count, total.tail)
    return [metric(each) for each in mean.estimates()]


def _fits(one: Ints, other: Ints) -> bool:
    """Whether sums over problems of both together stay exact as floats."""
    return int(one.max() + other.max()) * len(one[0]) <= 2**52


def _with_bootstraps(
    benchmarks: Sequence[str], sums: Sequence[Sequence[ProblemSums]]
) -> list[tuple[Bootstrap, Sequence[ProblemSums]]]:
    """Each pool's methods with its bootstrap, the same one for the same problems."""
    bootstraps: dict[tuple[str, tuple[str, ...]], Bootstrap] = {}
    pools = []
    for benchmark, methods in zip(benchmarks, sums, strict=True):
        problems = (benchmark, methods[0].problem_ids)
        if problems not in bootstraps:
            seed = SEED + len(bootstraps)
            bootstraps[problems] = Bootstrap(len(methods[0].problem_ids), seed=seed)
        pools.append((bootstraps[problems], methods))
    return pools


def metric(estimate: Estimate) -> Metric:
    """An estimate as reports show it."""
    return Metric(estimate.value, estimate.low, estimate.high)


def _standings(
    accuracy: Resampled, tokens: Sequence[float], ranked: Sequence[bool]
) -> list[Standing | None]:
    best = best_of(accuracy.values.tolist(), tokens, ranked)
    if best is None:
        return [None] * len(ranked)
    differences = (accuracy - accuracy[best : best + 1]).estimates()
    return [
        Standing(metric(each), each.covers_zero, index == best) if takes_part else None
        for index, (each, takes_part) in enumerate(zip(differences, ranked, strict=True))
    ]


def _repeats(sums: Sequence[ProblemSums]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([each.repeats for each in sums], dtype=np.int64)


def _accuracy(over: Bootstrap, sums: Sequence[ProblemSums]) -> Resampled:
    return over.means(np.stack([each.correct for each in sums]), _repeats(sums))


def _tokens(over: Bootstrap, sums: Sequence[ProblemSums]) -> Resampled:
    return over.means(np.stack([each.tokens for each in sums]), _repeats(sums))


def _reduction(over: Bootstrap, sums: Sequence[ProblemSums]) -> Resampled:
    baseline = np.stack([each.baseline_tokens for each in sums])
    return over.reductions(np.stack([each.tokens for each in sums]), baseline)


def _difference(over: Bootstrap, sums: Sequence[ProblemSums]) -> Resampled:
    gained = np.stack([each.correct - each.baseline_correct for each in sums])
    return over.means(gained, _repeats(sums))
