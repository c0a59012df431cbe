"""Coverage of intervals of differences, false verdicts, and power, on real pools.

    python benchmarks/difference_coverage.py runs/* [--problems 30 60] [--samples 200]

Takes runs of several methods on the same pools, with the same repeats, each in a folder with the
method's name; docs/decisions/007-intervals.md says how those of its tables are made. All problems
of all pools together are the truth: samples of problems are drawn from them with replacement, so
that the true difference between two methods is known. An interval [0, 0] covers a difference of
zero only.

1. Coverage of the 95% interval of every two methods that are at most 5 points apart, by the number
   of problems of the sample that differ: of the bootstrap that is used for accuracies, and of
   `simulator.significance.contrasts`.
2. False verdicts among 15 methods that are equally good: how often any of them is called better.
   They are equal because they are one method with other repeats; or because the results of the
   runs are dealt out anew on each problem; or because problems are drawn with weights at which the
   means of all runs are equal (the most even such weights), which leaves their differences skewed.
3. Power: how often a sign-flip test tells two methods apart on as many problems as make their
   true difference the smallest detectable one.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from scipy import optimize, stats

from simulator.significance import ALPHA, Problems, contrasts, p_value, verdicts
from simulator.statistics import Bootstrap

Floats = npt.NDArray[np.float64]

CLASSES = ((0, 0), (1, 2), (3, 4), (5, 7), (8, 11), (12, 10**9))
METHODS = 15
CLOSE = 0.05


def read(folder: Path) -> tuple[list[tuple[str, str]], Floats]:
    """Return pool and id of each problem, and right answers of shape (problems, repeats)."""
    rows = pq.read_table(folder / "answers.parquet", columns=["pool", "problem_id", "correct"])
    right: dict[tuple[str, str], list[bool]] = {}
    for pool, problem, correct in zip(*(each.to_pylist() for each in rows.columns), strict=True):
        right.setdefault((pool, problem), []).append(correct)
    names = sorted(right)
    return names, np.array([right[name] for name in names], dtype=np.float64)


def one_pool(count: int) -> Problems:
    return Problems(np.full(count, 1 / count), np.zeros(count, dtype=np.int64))


def coverage(methods: dict[str, Floats], count: int, samples: int) -> None:
    """Print the table of coverage."""
    over = Bootstrap(count, resamples=1_000)
    counts, tail = over.counts.astype(np.float64), over.tail
    assert tail is not None
    rng = np.random.default_rng(0)
    hits, widths, number = np.zeros((2, 3, 6)), np.zeros((2, 3, 6)), np.zeros((3, 6))
    total, repeats = next(iter(methods.values())).shape
    for one, other in combinations(methods, 2):
        difference = methods[one].mean(axis=1) - methods[other].mean(axis=1)
        truth = difference.mean()
        if abs(truth) > CLOSE:
            continue
        drawn = difference[rng.integers(0, total, (samples, count))]
        differing = (drawn != 0).sum(axis=1)
        place = np.select([(differing >= a) & (differing <= b) for a, b in CLASSES], range(6))
        ends = [np.quantile(drawn @ counts / count, [tail, 1 - tail], axis=1).T]
        found = contrasts(drawn / count, one_pool(count), np.full(samples, repeats))
        ends += [np.array([(each.difference.low, each.difference.high) for each in found])]
        groups = [0]
        if "cons@64" in (one, other):
            groups += [1] if {one, other} & {"asc", "esc"} else [2]
        for group in groups:
            np.add.at(number[group], place, 1)
            for which, each in enumerate(ends):
                covered = (each[:, 0] <= truth + 1e-12) & (each[:, 1] >= truth - 1e-12)
                np.add.at(hits[which, group], place, covered)
                np.add.at(widths[which, group], place, 100 * (each[:, 1] - each[:, 0]))
    print(f"{count} problems, {repeats} repeats; coverage, % (width, points)")
    heads = ["all", *(f"{a}" if a == b else f"{a}-{b}" if b < 99 else f"{a}+" for a, b in CLASSES)]
    print(f"| pairs | interval | {' | '.join(heads)} |\n|---|---|{'---:|' * len(heads)}")
    for group, name in enumerate(("every two methods", "asc, esc to cons@64", "others to cons@64")):
        print(f"| {name} | samples | {number[group].sum():.0f} | {_row(number[group], '.0f')} |")
        for which, interval in enumerate(("bootstrap", "ours")):
            share = 100 * hits[which, group].sum() / number[group].sum()
            cells = [
                f"{100 * hit / n:.1f} ({width / n:.1f})" if n else ""
                for hit, width, n in zip(
                    hits[which, group], widths[which, group], number[group], strict=True
                )
            ]
            print(f"| {name} | {interval} | {share:.1f} | {' | '.join(cells)} |")


def _row(values: Floats, form: str) -> str:
    return " | ".join(f"{each:{form}}" for each in values)


def by_bootstrap(scores: Floats) -> bool:
    """Return True if the interval of any pair's difference lies off zero, as ranks had it."""
    over = Bootstrap(scores.shape[1], resamples=2_000)
    assert over.tail is not None
    resampled = scores @ over.counts.astype(np.float64)
    one, other = np.triu_indices(len(scores), 1)
    ends = np.quantile(resampled[one] - resampled[other], [over.tail, 1 - over.tail], axis=1)
    return bool(((ends[0] > 1e-12) | (ends[1] < -1e-12)).any())


def even_weights(means: Floats) -> Floats:
    """Return weights of problems at which all methods have one mean; `means` (methods, problems).

    Those with the largest entropy are exponential in the differences from the mean method.
    """
    centred = (means - means.mean(axis=0)).T

    def spread(slope: Floats) -> tuple[float, Floats]:
        power = centred @ slope
        weights = np.exp(power - power.max())
        weights /= weights.sum()
        return float(power.max() + np.log(np.exp(power - power.max()).sum())), weights @ centred

    slope = optimize.minimize(spread, np.zeros(len(means)), jac=True, method="BFGS").x
    power = centred @ slope
    weights = np.exp(power - power.max())
    found: npt.NDArray[np.float64] = weights / weights.sum()
    return found


def false_verdicts(methods: dict[str, Floats], shape: tuple[int, ...], samples: int) -> None:
    """Print how often one of 15 equal methods is called better.

    `shape` is (problems, models): a problem is drawn in all models together.
    """
    count = min(60, shape[0]) if shape[1] > 1 else 30
    rng = np.random.default_rng(0)
    means = np.stack([each.mean(axis=1).reshape(shape).mean(axis=1) for each in methods.values()])
    weights = even_weights(means[:METHODS])
    off = np.ptp(means[:METHODS] @ weights)
    wrong = np.zeros((3, 2))
    base = methods["cons@16"].reshape(*shape, -1)
    for _ in range(samples):
        drawn = rng.permutation(shape[0])[:count]
        order = rng.permutation(base.shape[2])[: METHODS * (base.shape[2] // METHODS)]
        split = base[drawn][:, :, order].reshape(count, shape[1], METHODS, -1)
        same = split.mean(axis=(1, 3)).T / count
        dealt = rng.permuted(means[:METHODS, drawn], axis=0) / count
        even = means[:METHODS, rng.choice(shape[0], count, p=weights)] / count
        for row, scores in enumerate((same, dealt, even)):
            wrong[row] += by_bootstrap(scores), verdicts(scores).better.any()
    where = f"{count} problems" + (f" in {shape[1]} pools each" if shape[1] > 1 else "")
    for row, kind in enumerate(("one method, other repeats", "results dealt out", "weights")):
        shares = " | ".join(f"{100 * each / samples:.1f}" for each in wrong[row])
        print(f"| {where} | {kind} | {shares} |")
    print(f"(means equal to {off:.1e}; {1 / (weights**2).sum():.0f} of {shape[0]} problems count)")


def power(methods: dict[str, Floats], samples: int) -> None:
    """Print how often differences of the size of the smallest detectable one are found."""
    samples = min(samples, 50)
    rng = np.random.default_rng(0)
    found, stated = [], []
    for one, other in combinations(methods, 2):
        difference = methods[one].mean(axis=1) - methods[other].mean(axis=1)
        truth, deviation = abs(difference.mean()), difference.std()
        if truth < 1e-3:
            continue
        quantiles = stats.norm.ppf(1 - ALPHA / 2) + stats.norm.ppf(0.8)
        count = round((quantiles * deviation / truth) ** 2)
        if not 20 <= count <= 200:
            continue
        drawn = difference[rng.integers(0, len(difference), (samples, count))]
        found.append(np.mean([p_value(each / count) <= ALPHA for each in drawn]))
        least = contrasts(drawn / count, one_pool(count), np.full(samples, 64))
        stated.append(np.median([each.detectable or 1 for each in least]) / truth)
    low, middle, high = np.quantile(found, [0.1, 0.5, 0.9])
    print(f"{len(found)} pairs, 20 to 200 problems: power {middle:.0%} ({low:.0%} to {high:.0%})")
    print(f"stated smallest detectable difference / the true one: {np.median(stated):.2f}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--problems", type=int, nargs="+", default=[30, 60])
    parser.add_argument("--samples", type=int, default=400)
    given = parser.parse_args()
    methods: dict[str, npt.NDArray[np.float64]] = {}
    names: list[tuple[str, str]] = []
    for run in given.runs:
        names, methods[run.name] = read(run)
    pools = sorted({pool for pool, _ in names})
    print(f"{len(methods)} runs: {', '.join(methods)}\n{len(pools)} pools: {', '.join(pools)}\n")
    for count in given.problems:
        coverage(methods, count, given.samples)
    print("\nAny of 15 equal methods called better, % of samples")
    print("| problems | equal because | bootstrap | ours |\n|---|---|---:|---:|")
    false_verdicts(methods, (len(names), 1), given.samples)
    units = sorted({(pool.rpartition("/")[2], problem) for pool, problem in names})
    models = len(names) // len(units)
    order = sorted(range(len(names)), key=lambda i: (names[i][0].rpartition("/")[2], names[i][1]))
    together = {name: values[order] for name, values in methods.items()}
    false_verdicts(together, (len(units), models), given.samples)
    print()
    power(methods, given.samples)


if __name__ == "__main__":
    main()
