"""Averages over pools without what else `combine` works out."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest

from simulator.report.paired import (
    Pair,
    combine,
    mean_accuracy,
    mean_tokens,
    pairs,
    pairs_over,
)
from simulator.runs.results import ProblemSums


def made_sums(problems: str, repeats: int, seed: int) -> ProblemSums:
    """Draw random sums over repeats."""
    random = np.random.default_rng(seed)
    size = len(problems)
    correct, tokens = random.integers(0, repeats + 1, size), random.integers(1, 1000, size)
    return ProblemSums(tuple(problems), repeats, correct, tokens, correct, tokens)


def test_means_are_those_of_combine_intervals_included() -> None:
    # The first and the last pool are of the same problems, and resampled together.
    pools = [("x", "abcdef"), ("y", "abcdefgh"), ("x", "abcdef")]
    sums = [
        [made_sums(problems, repeats, 10 * number + repeats) for repeats in (1, 3)]
        for number, (_, problems) in enumerate(pools)
    ]
    benchmarks = [benchmark for benchmark, _ in pools]
    averages, _ = combine(benchmarks, sums, [True, True])
    accuracy, tokens = mean_accuracy(benchmarks, sums), mean_tokens(benchmarks, sums)
    for found, wanted in ((accuracy, "accuracy"), (tokens, "tokens_per_problem")):
        for one, each in zip(found, averages, strict=True):
            assert astuple(one) == pytest.approx(astuple(getattr(each, wanted)), rel=1e-12)


def test_means_of_the_same_problems_hold_for_other_repeats_and_large_sums() -> None:
    size = 2**52 // 6
    large = [replace(made_sums("abcdef", 2, seed), tokens=np.full(6, size)) for seed in (1, 2)]
    other = made_sums("abcdef", 3, 4)
    benchmarks, sums = ["x"] * 3, [[each] for each in (*large, other)]
    averages, _ = combine(benchmarks, sums, [True])
    accuracy, tokens = mean_accuracy(benchmarks, sums), mean_tokens(benchmarks, sums)
    for (one,), wanted in ((accuracy, "accuracy"), (tokens, "tokens_per_problem")):
        assert astuple(one) == pytest.approx(astuple(getattr(averages[0], wanted)), rel=1e-12)


def test_means_weigh_pools_equally() -> None:
    one = ProblemSums(("a",), 2, *(np.array([value]) for value in (1, 10, 0, 1)))
    two = ProblemSums(("a", "b"), 1, *(np.array(each) for each in ([1, 1], [7, 8], [0, 0], [1, 1])))
    (accuracy,) = mean_accuracy(["x", "y"], [[one], [two]])
    (tokens,) = mean_tokens(["x", "y"], [[one], [two]])
    assert accuracy.value == (0.5 + 1.0) / 2
    assert tokens.value == (5.0 + 7.5) / 2
    assert (tokens.low, tokens.high) == (None, None)  # a pool of one problem has no interval


def test_pairs_over_one_pool_are_the_pairs_of_that_pool() -> None:
    sums = [made_sums("abcdef", repeats, repeats) for repeats in (1, 2, 3)]
    assert pairs_over(["x"], [sums]) == pairs(sums)


def test_pairs_over_pools_have_the_differences_that_standings_have() -> None:
    pools = [("x", "abcdef"), ("y", "abcdefgh"), ("x", "abcdef")]
    sums = [
        [made_sums(problems, repeats, 10 * number + repeats) for repeats in (1, 3)]
        for number, (_, problems) in enumerate(pools)
    ]
    benchmarks = [benchmark for benchmark, _ in pools]
    (pair,) = pairs_over(benchmarks, sums)
    _, (first, second) = combine(benchmarks, sums, [True, True])
    assert first is not None
    assert second is not None
    if second.best:
        assert pair.difference == first.difference
    else:
        assert pair.difference.value == -second.difference.value
        assert (pair.difference.low, pair.difference.high) == pytest.approx(
            (-(second.difference.high or 0), -(second.difference.low or 0))
        )


def test_reductions_over_pools_are_means_of_each() -> None:
    def one(tokens: int) -> ProblemSums:
        return ProblemSums(("a",), 1, *(np.array([each]) for each in (1, tokens, 1, 1)))

    (pair,) = pairs_over(["x", "y"], [[one(50), one(100)], [one(10), one(100)]])
    assert pair == Pair(0, 1, pair.contrast, None, 1.0, pair.reduction)
    assert [pair.difference.value, pair.reduction.value] == pytest.approx([0.0, 0.7])
