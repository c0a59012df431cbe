"""Sign-flip tests, ranks and intervals: by hand, and against scipy and simulation."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simulator import significance
from simulator.arrays import Floats
from simulator.significance import (
    ALPHA,
    EXACT,
    FLIPS,
    Contrast,
    Problems,
    contrasts,
    discoveries,
    p_value,
    p_values,
    significantly_better,
    verdicts,
)
from simulator.statistics import SEED, Estimate


def one_pool(count: int) -> Problems:
    return Problems(np.full(count, 1 / count), np.zeros(count, dtype=np.int64))


def contrast(differences: list[float], repeats: int = 64) -> Contrast:
    """Compare two methods on one pool by their difference on each problem."""
    count = len(differences)
    (found,) = contrasts(np.array([differences]) / count, one_pool(count), np.array([repeats]))
    return found


def ends(found: Contrast) -> tuple[float | None, ...]:
    """Return a difference and the ends of its interval."""
    return found.difference.value, found.difference.low, found.difference.high


@pytest.mark.parametrize("differing", range(1, EXACT + 1))
def test_k_problems_that_differ_one_way_have_p_of_two_in_two_to_the_k(differing: int) -> None:
    sizes = np.linspace(0.1, 1, differing)
    assert p_value(np.append(sizes, np.zeros(20))) == pytest.approx(2 / 2**differing)
    assert p_value(-sizes) == pytest.approx(2 / 2**differing)


def test_p_values_by_hand() -> None:
    assert p_value(np.zeros(5)) == 1
    # Sums of ±3 ±2 ±1: 6 4 2 0 0 -2 -4 -6. With the 2 turned round the observed sum is 2, and six
    # of eight are at least as far from zero; with the 1, it is 4: four of eight.
    assert p_value(np.array([3.0, -2.0, 1.0])) == 6 / 8
    assert p_value(np.array([3.0, 2.0, -1.0])) == 4 / 8


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=11))
def test_exact_p_values_are_those_of_scipy(differences: list[int]) -> None:
    expected = stats.permutation_test(
        (np.array(differences, dtype=float),),  # type: ignore[call-overload]
        lambda x, axis: x.sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    ).pvalue
    assert p_value(np.array(differences, dtype=float)) == pytest.approx(expected)


def test_sampled_p_values_are_close_to_those_of_scipy() -> None:
    random = np.random.default_rng(0)
    for size in (EXACT + 1, 40):
        differences = random.normal(0.4, 1, size)
        expected = stats.permutation_test(
            (differences,),
            lambda x, axis: x.mean(axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=2**15,
            rng=1,
        ).pvalue
        assert p_value(differences) == pytest.approx(expected, abs=0.02)


def test_a_sampled_p_value_is_never_zero_and_is_the_same_in_any_company() -> None:
    alone = p_value(np.ones(40))
    assert alone == 1 / FLIPS
    random = np.random.default_rng(0)
    scores = random.random((6, 40))
    first, second = np.triu_indices(6, 1)
    together = p_values(scores, first, second)
    for one, other, p in zip(first, second, together, strict=True):
        assert p_values(scores, np.array([one]), np.array([other])) == pytest.approx(p)


def test_a_tie_has_a_p_of_1_also_if_flips_are_sampled() -> None:
    # 14 problems differ, more than are tried one by one; no flip is nearer to 0 than the tie.
    tie = np.r_[np.ones(7), -np.ones(7), np.zeros(16)] / 30
    assert p_value(tie) == 1.0
    two_extremes = np.r_[1.0, -1.0, np.tile([1.0, -1.0], 6) / 40_000]
    assert p_value(two_extremes) == 1.0


def test_one_pair_among_very_many_gets_as_many_flips_as_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Ten flips can give no p below .1. One of three pairs needs 5% / 3, for which 61 are tried.
    monkeypatch.setattr(significance, "FLIPS", 10)
    scores = np.stack([np.zeros(20), np.full(20, 0.1), np.tile([0.05, 0.051], 10)])
    p = p_values(scores, np.array([0, 0, 1]), np.array([1, 2, 2]))
    assert p.tolist() == pytest.approx([1 / 61] * 3)


@given(st.lists(st.integers(-20, 20).filter(bool), min_size=1, max_size=12))
def test_the_bound_of_many_flips_is_never_below_the_exact_p_value(differences: list[int]) -> None:
    row = np.array([differences], dtype=float)
    assert significance._bound(row)[0] >= p_value(row[0])


def test_one_winner_among_very_many_equals_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.random.default_rng(2).integers(0, 9, (40, 60)) / 600
    scores[0] = scores.max() + 1 / 600  # ahead of all others on every problem
    monkeypatch.setattr(significance, "FLIPS", 10)
    monkeypatch.setattr(significance, "MOST_FLIPS", 0)
    better = significantly_better(scores)
    assert better[0].sum() == 39
    assert not better[1:].any()
    assert (verdicts(scores).better == better).all()


def pair_by_pair(scores: Floats) -> Floats:
    """Compute the p-value of every two methods by itself, on the flips that all pairs share."""
    pairs = [(one, two) for one in range(len(scores)) for two in range(one + 1, len(scores))]
    found = [alone(scores[one] - scores[two], significance.FLIPS) for one, two in pairs]
    extreme = [p <= 1 / significance.FLIPS for p, sampled in found if sampled]
    more = int(len(pairs) / ALPHA) + 1
    if sum(extreme) * ALPHA / len(pairs) < 1 / significance.FLIPS:
        for number, ((one, two), (p, sampled)) in enumerate(zip(pairs, found, strict=True)):
            if sampled and p <= 1 / significance.FLIPS:
                found[number] = alone(scores[one] - scores[two], more)
    return np.array([p for p, _ in found])


def alone(differences: Floats, flips: int) -> tuple[float, bool]:
    """Test one pair, and tell if its flips are a sample."""
    differing = differences[np.abs(differences) > 1e-12]
    if len(differing) <= EXACT:
        signs = 1 - 2 * np.array([*np.ndindex((2,) * len(differing))], dtype=np.int64)
        reached = np.abs(signs @ differing) >= abs(differing.sum()) - 1e-12
        return float(reached.mean()), False
    generator, reached_by = np.random.PCG64(SEED), 1
    for done in range(0, flips - 1, significance.AT_ONCE):
        count = min(significance.AT_ONCE, flips - 1 - done)
        sums = differences @ significance._signs(generator, len(differences), count)
        reached_by += int((np.abs(sums) >= abs(differences.sum()) - 1e-12).sum())
    return reached_by / flips, True


@pytest.mark.parametrize("flips", [20, 1500])
def test_verdicts_are_those_of_every_pair_by_itself(
    flips: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(significance, "FLIPS", flips)
    monkeypatch.setattr(significance, "IN_CACHE", (100, 3))
    random = np.random.default_rng(flips)
    told_apart = 0
    for problems, repeats, spread in product((10, 14, 40), (1, 16), (0.0, 0.2, 1.0)):
        ease = random.beta(2, 1, problems) * (1 + spread * random.normal(size=(9, 1)))
        correct = random.binomial(repeats, np.clip(ease, 0, 1))
        correct[8] = correct[7]  # two are the same
        scores = correct / (repeats * problems)
        expected = pair_by_pair(scores)
        (first, second), found = np.triu_indices(9, 1), verdicts(scores)
        assert found.p[first, second].tolist() == expected.tolist()
        apart = (found.better | found.better.T)[first, second]
        assert (apart == discoveries(expected)).all()
        assert (significantly_better(scores) == found.better).all()
        few_flips = p_values(scores, first, second, all_flips=False)
        assert (few_flips <= expected).all()
        assert (few_flips == expected)[apart].all()
        told_apart += int(apart.sum())
    assert told_apart > 50


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_discoveries_are_those_of_scipy(p: list[float]) -> None:
    adjusted = stats.false_discovery_control(np.array(p), method="bh")
    near = np.abs(adjusted - 0.05) < 1e-9
    assert (discoveries(np.array(p)) == (adjusted <= 0.05))[~near].all()


def test_ranks_are_ranges_by_hand() -> None:
    # The first is better than the third, the second is tied with both.
    better = np.zeros((3, 3), dtype=bool)
    better[0, 2] = True
    assert significance.Verdicts(better, np.ones((3, 3))).ranks == [(1, 2), (1, 3), (2, 3)]


@given(
    st.integers(2, 6).flatmap(
        lambda count: st.lists(
            st.lists(st.integers(0, 4), min_size=8, max_size=8), min_size=count, max_size=count
        )
    )
)
def test_ranges_hold_each_method_and_better_goes_one_way(rows: list[list[int]]) -> None:
    scores: Floats = np.array(rows, dtype=float) / 32
    found = verdicts(scores)
    assert not (found.better & found.better.T).any()
    total = scores.sum(axis=1)
    for number, (first, last) in enumerate(found.ranks):
        assert 1 <= first <= 1 + (total > total[number]).sum()
        assert len(rows) - (total < total[number]).sum() <= last <= len(rows)


def test_the_interval_of_proportions_is_that_of_bonett_and_price() -> None:
    # 30 problems of one repeat: 2 gained, 5 lost. (5 + 1) / 32 - (2 + 1) / 32, and a variance of
    # (9/32 - (3/32)²) / 32; with t for 29 degrees of freedom instead of 1.96.
    found = contrast([1.0] * 5 + [-1.0] * 2 + [0.0] * 23, repeats=1)
    error = ((9 / 32 - (3 / 32) ** 2) / 32) ** 0.5
    reach = stats.t.ppf(0.975, 29) * error
    assert ends(found) == pytest.approx((0.1, 3 / 32 - reach, 3 / 32 + reach))
    assert (found.differing, found.few) == (7, False)


def test_no_differing_problem_has_an_interval_by_the_repeats() -> None:
    for repeats, size in ((1, 1.0), (4, 1.0), (16, 0.5), (64, 0.25), (256, 0.125)):
        found = contrast([0.0] * 30, repeats)
        reach = stats.t.ppf(0.975, 29) * size * 2**0.5 / 32
        assert ends(found) == pytest.approx((0.0, -reach, reach))
        assert (found.differing, found.few) == (0, True)


@given(
    st.lists(st.integers(-64, 64), min_size=2, max_size=40),
    st.sampled_from([1, 16, 64]),
)
def test_an_interval_has_width_and_holds_its_value(differences: list[int], repeats: int) -> None:
    found = contrast([each / 64 for each in differences], repeats)
    low, value, high = found.difference.low, found.difference.value, found.difference.high
    assert low is not None
    assert high is not None
    assert -1 <= low <= value <= high <= 1
    assert low < high
    opposite = contrast([-each / 64 for each in differences], repeats)
    assert opposite.difference.low == pytest.approx(-high)
    assert found.few == (sum(each != 0 for each in differences) < 5)


def test_one_problem_has_no_interval() -> None:
    assert contrast([1.0]) == Contrast(Estimate(1.0), 1, None)


def test_benchmarks_add_their_variances() -> None:
    # Two benchmarks of equal weight, alike: half the difference of each, so the same mean, and an
    # error smaller by √2, with twice the degrees of freedom.
    values = np.array([0.5, -0.25, 0.25, 0.0, 0.5, 0.5, -0.25, 0.0, 0.25, 0.5])
    one = contrast(values.tolist())
    two = np.concatenate([values, values])[None] / 20
    problems = Problems(np.full(20, 1 / 20), np.repeat([0, 1], 10))
    (both,) = contrasts(two, problems, np.array([64]))
    assert both.difference.value == pytest.approx(one.difference.value)

    def width(found: Contrast, freedom: int) -> float:
        assert found.difference.low is not None
        assert found.difference.high is not None
        return (found.difference.high - found.difference.low) / stats.t.ppf(0.975, freedom)

    assert width(both, 18) == pytest.approx(width(one, 9) / 2**0.5)


@pytest.mark.parametrize(("deviation", "share"), [(0.1, 1.0), (0.25, 0.3)])
def test_differences_as_large_as_the_detectable_one_are_found_in_four_of_five_samples(
    deviation: float, share: float
) -> None:
    random = np.random.default_rng(0)

    def draw(shift: float, size: int) -> Floats:
        return np.where(random.random(size) < share, random.normal(shift, deviation, size), 0)

    target = 0.0
    for _ in range(3):  # a larger mean widens the spread where only some problems differ
        sizes = [contrast(draw(target / share, 40).tolist()).detectable for _ in range(100)]
        target = float(np.median([each for each in sizes if each is not None]))
    found = sum(p_value(draw(target / share, 40)) <= 0.05 for _ in range(400))
    assert 0.72 <= found / 400 <= 0.88


def test_the_detectable_difference_needs_six_problems() -> None:
    # Six of size 1/4 are the fewest that are significant; 7.9 must be expected for six in four of
    # five samples: P(Poisson(7.9) ≥ 6) = 80%.
    found = contrast([0.25] + [0.0] * 29).detectable
    assert found == pytest.approx(7.906 * 0.25 / 30, rel=1e-3)
    assert stats.poisson.sf(5, 7.906) == pytest.approx(0.8, abs=1e-3)
    assert contrast([1.0, -1.0, 0.0]).detectable is None


def test_not_worse_is_a_lower_end_above_the_margin() -> None:
    above = Contrast(Estimate(0.0, -0.0099, 0.1), 9, 0.1)
    at = Contrast(Estimate(0.0, -0.01, 0.1), 9, 0.1)
    assert (above.not_worse(0.01), at.not_worse(0.01)) == (True, False)
    assert at.not_worse(0.02)
    assert Contrast(Estimate(1.0), 1, None).not_worse() is None
