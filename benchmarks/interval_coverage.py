"""Coverage of 95% intervals, for samples of 30 problems like those of benchmarks.

python benchmarks/interval_coverage.py [PROBLEMS]

Prints the share of 4,000 samples whose interval covers the true value, in percent, for four
methods: the plain percentile bootstrap, ours (percentile, widened like a t interval), BCa (Efron
1987) and a t interval with a jackknife error. The standard error of a share is about 0.4.
Differences in accuracy have intervals of their own: `difference_coverage.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import stats

from simulator.statistics import Bootstrap

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], tuple[Floats, Floats]]

SAMPLES = 4_000
RESAMPLES = 2_000
METHODS = ("percentile", "ours", "BCa", "t")


def shares_right(rate: float, spread: float, repeats: int) -> Draw:
    """Make a draw of accuracies with beta-distributed P(correct): most close to 1 or to 0."""

    def draw(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
        chance = rng.beta(spread * rate, spread * (1 - rate), n)
        return rng.binomial(repeats, chance) / repeats, np.ones(n)

    return draw


def tokens(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    """Draw lognormal tokens per problem."""
    return np.exp(rng.normal(0, 0.6, n)), np.ones(n)


def spent(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    """Draw tokens of a method and of its baseline; the method saves 5/7 on average."""
    baseline = np.exp(rng.normal(0, 0.6, n))
    return baseline * rng.beta(2, 5, n), baseline


CASES: list[tuple[str, Draw, float]] = [
    ("accuracy 67%, 64 repeats", shares_right(2 / 3, 0.75, 64), 2 / 3),
    ("accuracy 83%, 64 repeats", shares_right(5 / 6, 0.6, 64), 5 / 6),
    ("accuracy 95%, 64 repeats", shares_right(0.95, 0.3, 64), 0.95),
    ("accuracy 80%, 1 repeat", shares_right(0.8, 0.6, 1), 0.8),
    ("tokens, lognormal", tokens, float(np.exp(0.18))),
    ("share of baseline's tokens", spent, 2 / 7),
]


def intervals(part: Floats, whole: Floats, counts: Floats, tail: float) -> list[Floats]:
    """Compute the interval of `sum(part) / sum(whole)` by each of METHODS."""
    n = len(part)
    value = part.sum() / whole.sum()
    resampled = (part @ counts) / (whole @ counts)
    without = (part.sum() - part) / (whole.sum() - whole)
    pull = without.mean() - without
    error = np.sqrt((n - 1) / n * (pull**2).sum())
    below = np.mean(resampled < value) + np.mean(resampled == value) / 2
    bias = stats.norm.ppf(np.clip(below, 1 / RESAMPLES, 1 - 1 / RESAMPLES))
    skew = (pull**3).sum() / (6 * (pull @ pull) ** 1.5) if error else 0.0
    moved = bias + stats.norm.ppf([0.025, 0.975])
    corrected = stats.norm.cdf(bias + moved / (1 - skew * moved))
    student = stats.t.ppf([0.025, 0.975], n - 1)
    return [
        np.quantile(resampled, [0.025, 0.975]),
        np.quantile(resampled, [tail, 1 - tail]),
        np.quantile(resampled, corrected),
        value + student * error,
    ]


def main() -> None:
    """Print the table."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    over = Bootstrap(n, resamples=RESAMPLES)
    assert over.tail is not None
    counts = over.counts.astype(np.float64)
    print(f"| {n} problems | {' | '.join(METHODS)} |\n|---|{'---:|' * len(METHODS)}")
    for name, draw, truth in CASES:
        rng = np.random.default_rng(0)
        hits = np.zeros(len(METHODS))
        for _ in range(SAMPLES):
            ends = np.array(intervals(*draw(rng, n), counts, over.tail))
            hits += (ends[:, 0] <= truth + 1e-12) & (ends[:, 1] >= truth - 1e-12)
        print(f"| {name} | {' | '.join(f'{100 * hit / SAMPLES:.1f}' for hit in hits)} |")


if __name__ == "__main__":
    main()
