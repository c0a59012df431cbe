"""Sizes of comparisons: by hand, against the intervals of reports, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simulator.arrays import Floats
from simulator.significance import FEW, Problems, p_values
from simulator.studies.power import Study, chance_of, first_from


def one_pool(differences: Floats, repeats: int = 64, chance: Floats | None = None) -> Study:
    """Return a study of one pool from the difference on each problem."""
    count = len(differences)
    problems = Problems(np.full(count, 1 / count), np.zeros(count, dtype=np.int64))
    return Study(differences / count, problems, repeats, chance)


differences_of_30 = st.lists(st.integers(-64, 64), min_size=30, max_size=30)


@given(differences_of_30, st.sampled_from([2, 64]))
def test_the_problems_at_hand_show_what_reports_say_of_them(
    counts: list[int], repeats: int
) -> None:
    study = one_pool(np.array(counts) / 64, repeats)
    least = study.contrast.detectable
    if least is None:  # 100 points or more
        assert study.detectable(30) >= 1
        return
    assert study.detectable(30) == pytest.approx(least)
    assert study.needed(least) == 30


def test_in_two_benchmarks_too() -> None:
    rng = np.random.default_rng(5)
    weights = np.r_[np.full(30, 0.5 / 30), np.full(60, 0.5 / 60)]
    problems = Problems(weights, np.r_[np.zeros(30, dtype=np.int64), np.ones(60, dtype=np.int64)])
    study = Study(rng.normal(0.02, 0.2, 90) * weights, problems, 64, None)
    assert study.contrast.detectable is not None
    assert study.detectable(90) == pytest.approx(study.contrast.detectable)


def test_the_number_of_problems_is_that_of_the_textbook_formula() -> None:
    # Differences of +-20 points around 1 have a standard deviation of 20 points, so that 1 point
    # needs ((1.960 + 0.842) * 20 / 1)^2 = 3,140 problems. The two problems that intervals add to
    # 1,000 are as large as the others, and change nothing.
    values = np.where(np.arange(1000) % 2, 0.2, -0.2) + 0.01
    quantiles = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    needed = one_pool(values).needed(0.01)
    assert needed == pytest.approx((quantiles * 20) ** 2, rel=0.005)


def test_few_problems_that_differ_have_to_be_met() -> None:
    # Problems that differ do so by 100 points, so that for 10 points one in ten does. Six, the
    # fewest that are significant, are among n with a chance of 80% if their mean number is 7.91:
    # P(Poisson >= 6) = 80%. The variance, that of one in 200, would ask for 5 problems.
    values = np.zeros(2000)
    values[:10] = 1.0
    assert stats.poisson.sf(FEW, 7.91) == pytest.approx(0.8, abs=1e-3)
    assert one_pool(values).needed(0.1) == 80


@pytest.mark.parametrize("kind", ["normal", "few"])
def test_so_many_problems_are_told_apart_with_a_chance_of_80_percent(kind: str) -> None:
    rng = np.random.default_rng(11)
    if kind == "normal":
        population = rng.normal(0.0, 0.2, 4000)
        population += 0.04 - population.mean()
    else:  # a quarter of the problems differ, three fifths of these in favour of the first
        population = np.repeat([0.5, -0.5, 0.0], [600, 400, 3000])
    truth = float(population.mean())
    number = one_pool(population).needed(truth)
    assert number is not None
    samples = 500
    drawn = rng.choice(population, (samples, number)) / number
    scores = np.concatenate([drawn, np.zeros((1, number))])
    p = p_values(scores, np.arange(samples), np.full(samples, samples))
    found = float((p <= 0.05).mean())
    # The standard error of a share of 80% of 500 is 1.8%. Sign-flip tests have a little less power
    # than the normal approximation says where differences are few, by the steps of their p-values.
    assert abs(found - 0.8) < 3 * 0.018 + (0.03 if kind == "few" else 0.0), (number, found)


def test_variance_between_repeats_by_hand() -> None:
    first = np.array([[1, 1, 0, 0], [1, 1, 1, 1]])
    second = np.array([[1, 0, 0, 0], [0, 0, 0, 0]])
    # Paired, the first problem's differences are 0, 1, 0, 0, with a variance of 1/4, and their mean
    # has one of 1/16. Unpaired, the variances are 1/3 and 1/4, in four repeats each.
    assert chance_of(first, second, paired=True) == pytest.approx([1 / 16, 0])
    assert chance_of(first, second, paired=False) == pytest.approx([(1 / 3 + 1 / 4) / 4, 0])
    assert chance_of(first[:, :1], second, paired=True) is None


def test_more_repeats_lessen_the_part_that_is_chance_and_no_other() -> None:
    rng = np.random.default_rng(2)
    spread, repeats = 0.1, 4
    centres = rng.normal(0.5, spread, 2000).clip(0, 1)
    first = (rng.random((2000, repeats)) < centres[:, None]).astype(np.int64)
    second = (rng.random((2000, repeats)) < 0.5).astype(np.int64)
    chance = chance_of(first, second, paired=False)
    assert chance is not None
    weight = 1 / 2000
    values = first.mean(axis=1) - second.mean(axis=1)
    study = one_pool(values, repeats, chance * weight**2)
    # Between problems the variance is 0.01; between repeats 0.24 + 0.25 a repeat, in four 0.1225.
    assert study.chance_share == pytest.approx(0.1225 / 0.1325, abs=0.02)
    unlimited, same, double = (
        study.detectable(2000, each) ** 2 for each in (math.inf, repeats, 2 * repeats)
    )
    assert same == study.detectable(2000) ** 2
    # Of 2,000 problems, a share of the variance is known to 3% of the whole, 0.004.
    assert unlimited / same == pytest.approx(0.01 / 0.1325, abs=0.03)
    assert double == pytest.approx((unlimited + same) / 2)


def test_a_second_pool_of_as_many_problems_is_as_good_as_twice_the_problems() -> None:
    study = one_pool(np.random.default_rng(7).normal(0.02, 0.2, 30))
    assert study.detectable_with(1, 30, study.variance) == pytest.approx(study.detectable(60))


def test_a_pool_of_one_model_beside_three_counts_a_quarter() -> None:
    study = one_pool(np.random.default_rng(7).normal(0.02, 0.2, 3000))
    # Standard errors: sqrt((3/4)^2 * v/3000 + (1/4)^2 * 3v/3000) = sqrt(0.75 * v/3000).
    with_it = study.detectable_with(3, 3000, 3 * study.variance)
    assert with_it == pytest.approx(np.sqrt(0.75) * study.detectable(3000), rel=1e-3)


@given(st.integers(1, 10**6), st.integers(1, 100))
def test_the_first_number_that_holds_is_found(threshold: int, start: int) -> None:
    assert first_from(lambda number: number >= threshold, start) == max(threshold, start)


def test_no_number_holds() -> None:
    assert first_from(lambda number: False, 6) is None
