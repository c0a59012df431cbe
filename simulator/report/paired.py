"""Paired comparison of methods, problem by problem, on one pool and over several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

from simulator.arrays import Floats, Ints
from simulator.runs.results import Metric, ProblemSums
from simulator.significance import Contrast, Problems, contrasts, verdicts
from simulator.statistics import SEED, Bootstrap, Estimate, Resampled, average, bootstrap


@dataclass(frozen=True, slots=True)
class Standing:
    """A method beside the others on the same problems.

    Parameters
    ----------
    contrast
        Its accuracy minus the best method's, as a fraction.
    tied
        True if it is not significantly worse than the best (`simulator.significance.verdicts`);
        None if there are too few problems for an interval.
    best
        True for the best method itself, whose difference is 0 and which is tied with itself.
    p
        p-value of the difference, by itself.
    rank
        First and last rank it can have.
    """

    contrast: Contrast
    tied: bool | None
    best: bool
    p: float
    rank: tuple[int, int]

    @property
    def difference(self) -> Metric:
        """Difference to the best with its interval."""
        return self.contrast.difference


@dataclass(frozen=True, slots=True)
class Pair:
    """Two methods on the same problems: `contrast` is the first's accuracy minus the second's.

    `reduction` is the share of the second's tokens saved by the first. Both are fractions. `tied`
    and `p` are as in `Standing`.
    """

    first: int
    second: int
    contrast: Contrast
    tied: bool | None
    p: float
    reduction: Metric

    @property
    def difference(self) -> Metric:
        """Difference in accuracy with its interval."""
        return self.contrast.difference


@dataclass(frozen=True, slots=True)
class Averages:
    """A method's metrics averaged over pools, each pool weighted equally.

    `reduction` is the mean of the pools' reductions, `tokens_per_problem` the mean of their means.
    `to_baseline` is the difference to cons@N.
    """

    accuracy: Metric
    tokens_per_problem: Metric
    reduction: Metric
    to_baseline: Contrast

    @property
    def accuracy_difference(self) -> Metric:
        """Accuracy minus that of cons@N."""
        return self.to_baseline.difference


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
    return _standings([""], [sums], tokens_of(over, sums).values.tolist(), ranked)


def pairs(sums: Sequence[ProblemSums]) -> list[Pair]:
    """Compare all pairs of methods on one pool, each pair once, the earlier method first."""
    over = bootstrap(len(sums[0].problem_ids))
    return _pairs([""], [sums], [tokens_of(over, sums)])


def pairs_over(benchmarks: Sequence[str], sums: Sequence[Sequence[ProblemSums]]) -> list[Pair]:
    """Compare all pairs of methods over several pools, weighted and resampled as in `combine`.

    `reduction` is the mean of the pools' reductions.
    """
    pools = with_bootstraps(benchmarks, sums)
    return _pairs(benchmarks, sums, [tokens_of(over, methods) for over, methods in pools])


def _pairs(
    benchmarks: Sequence[str],
    sums: Sequence[Sequence[ProblemSums]],
    tokens: Sequence[Resampled],
) -> list[Pair]:
    """Build pairs from the methods' sums and their tokens on each pool."""
    scores, problems = by_problem(benchmarks, sums, _right)
    repeats = fewest_repeats(sums)
    found_better = verdicts(scores)
    found = []
    for first in range(len(scores) - 1):
        one, others = slice(first, first + 1), slice(first + 1, None)
        fewest = np.minimum(repeats[one], repeats[others])
        differences = contrasts(scores[one] - scores[others], problems, fewest)
        saved = average(
            Resampled(
                1.0 - each.values[one] / each.values[others],
                1.0 - each.resamples[one] / each.resamples[others],
                each.tail,
            )
            for each in tokens
        ).estimates()
        found += [
            Pair(first, second, contrast, *found_better.of(first, second, contrast), less)
            for second, contrast, less in zip(
                range(first + 1, len(scores)), differences, saved, strict=True
            )
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
    pools = with_bootstraps(benchmarks, sums)
    accuracy = average(_accuracy(over, methods) for over, methods in pools)
    tokens = average(tokens_of(over, methods) for over, methods in pools)
    reduction = average(reduction_of(over, methods) for over, methods in pools)
    figures = [each.estimates() for each in (accuracy, tokens, reduction)]
    averages = [Averages(*row) for row in zip(*figures, to_baseline(benchmarks, sums), strict=True)]
    return averages, _standings(benchmarks, sums, tokens.values.tolist(), ranked)


def to_baseline(benchmarks: Sequence[str], sums: Sequence[Sequence[ProblemSums]]) -> list[Contrast]:
    """Compare each method with cons@N on the same traces, over pools weighted as in `combine`.

    A run that gives the answers of cons@N for the tokens of cons@N is cons@N: its difference is
    exactly 0.
    """
    gained, problems = by_problem(benchmarks, sums, _gained)
    same = [all(map(_is_baseline, methods)) for methods in zip(*sums, strict=True)]
    return [
        Contrast(Estimate(0.0, 0.0, 0.0), 0, None) if is_baseline else contrast
        for is_baseline, contrast in zip(
            same, contrasts(gained, problems, fewest_repeats(sums)), strict=True
        )
    ]


def _is_baseline(sums: ProblemSums) -> bool:
    return bool(
        (sums.correct == sums.baseline_correct).all()
        and (sums.tokens == sums.baseline_tokens).all()
    )


def by_problem(
    benchmarks: Sequence[str],
    sums: Sequence[Sequence[ProblemSums]],
    number: Callable[[ProblemSums], Ints],
) -> tuple[Floats, Problems]:
    """Add up what each problem contributes to a mean over pools, over all pools that share it.

    A problem is the same in two pools if benchmark and id are. `number` selects the sums over
    repeats of a method on a pool.

    Returns
    -------
    Contributions, shape (methods, problems), and the problems, grouped by benchmark.
    """
    places: dict[tuple[str, str], int] = {}
    columns = []
    for benchmark, methods in zip(benchmarks, sums, strict=True):
        names = [(benchmark.casefold(), each) for each in methods[0].problem_ids]
        columns.append([places.setdefault(name, len(places)) for name in names])
    scores, weights = np.zeros((len(sums[0]), len(places))), np.zeros(len(places))
    for column, methods in zip(columns, sums, strict=True):
        share = 1.0 / (len(column) * len(sums))
        values = np.stack([number(each) for each in methods])
        scores[:, column] += values * (share / repeats_of(methods)[:, None])
        weights[column] += share
    _, groups = np.unique([benchmark for benchmark, _ in places], return_inverse=True)
    return scores, Problems(weights, groups)


def fewest_repeats(sums: Sequence[Sequence[ProblemSums]]) -> Ints:
    """Return each method's number of repeats on the pool where it has the fewest."""
    least: Ints = np.min([repeats_of(methods) for methods in sums], axis=0)
    return least


def _right(sums: ProblemSums) -> Ints:
    return sums.correct


def _gained(sums: ProblemSums) -> Ints:
    return sums.correct - sums.baseline_correct


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
    for over, methods in with_bootstraps(benchmarks, sums):
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


def with_bootstraps(
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
    benchmarks: Sequence[str],
    sums: Sequence[Sequence[ProblemSums]],
    tokens: Sequence[float],
    ranked: Sequence[bool],
) -> list[Standing | None]:
    scores, problems = by_problem(benchmarks, sums, _right)
    # Rounded, as equal means over pools may differ in the last bit.
    best = best_of(scores.sum(axis=1).round(12).tolist(), tokens, ranked)
    if best is None:
        return [None] * len(ranked)
    among = np.flatnonzero(ranked)
    found = verdicts(scores[among])
    ranks = found.ranks
    standing: list[Standing | None] = [None] * len(ranked)
    ahead = among.tolist().index(best)
    repeats = fewest_repeats(sums)
    fewest = np.minimum(repeats[among], repeats[best])
    differences = contrasts(scores[among] - scores[best], problems, fewest)
    for place, (index, contrast) in enumerate(zip(among.tolist(), differences, strict=True)):
        if index == best:
            contrast = Contrast(Estimate(0.0, 0.0, 0.0), 0, None)
        tied, p = found.of(place, ahead, contrast)
        standing[index] = Standing(contrast, tied, index == best, p, ranks[place])
    return standing


def repeats_of(sums: Sequence[ProblemSums]) -> Ints:
    """Return each method's number of repeats."""
    return np.array([each.repeats for each in sums], dtype=np.int64)


def _accuracy(over: Bootstrap, sums: Sequence[ProblemSums]) -> Resampled:
    return over.means(np.stack([each.correct for each in sums]), repeats_of(sums))


def tokens_of(over: Bootstrap, sums: Sequence[ProblemSums]) -> Resampled:
    return over.means(np.stack([each.tokens for each in sums]), repeats_of(sums))


def reduction_of(over: Bootstrap, sums: Sequence[ProblemSums]) -> Resampled:
    """Return the share of the tokens of cons@N that each method saves on a pool."""
    baseline = np.stack([each.baseline_tokens for each in sums])
    return over.reductions(np.stack([each.tokens for each in sums]), baseline)
