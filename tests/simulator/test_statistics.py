from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable
from itertools import combinations, pairwise, product
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.stats
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from simulator.statistics import (
    RESAMPLES,
    SEED,
    Bootstrap,
    Estimate,
    Resampled,
    average,
    bootstrap,
    pareto_front,
    pass_at_k,
    student_quantile,
)

MONTE_CARLO = 0.05
"""Share of an interval's width by which two bootstraps of 10,000 resamples may differ.

The 2.5% quantile of 10,000 normal draws has a standard error of 0.7% of the interval's width, the
difference of two such quantiles 1%; five times that.
"""

problem_values = st.lists(
    st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda value: round(value, 3)),
    min_size=2,
    max_size=40,
)


def ends(estimate: Estimate) -> tuple[float, float]:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low, estimate.high


# Values worked out by hand


def test_values_by_hand() -> None:
    three = Bootstrap(3)
    assert three.mean([1.0, 2.0, 6.0]).value == 3.0
    assert three.total([1.0, 2.0, 6.0]).value == 9.0
    assert three.difference([1.0, 2.0, 6.0], [0.0, 4.0, 2.0]).value == 1.0
    assert three.reduction([1.0, 2.0, 7.0], [10.0, 10.0, 20.0]).value == 0.75


def test_the_reduction_is_of_totals_not_a_mean_of_ratios() -> None:
    # One problem halves 10 tokens, the other keeps 90: 95 of 100 tokens, while the mean of the
    # two ratios would be 0.25.
    assert Bootstrap(2).reduction([5.0, 90.0], [10.0, 90.0]).value == pytest.approx(0.05)


def test_equal_problems_have_an_interval_of_no_width() -> None:
    assert Bootstrap(30).mean([0.5] * 30) == Estimate(0.5, 0.5, 0.5)
    tokens = list(range(1, 31))
    assert Bootstrap(30).reduction(tokens, tokens) == Estimate(0.0, 0.0, 0.0)


def test_one_problem_has_a_value_and_no_interval() -> None:
    one = Bootstrap(1)
    assert one.mean([0.25]) == Estimate(0.25, None, None)
    assert one.reduction([1.0], [4.0]) == Estimate(0.75, None, None)


def test_two_problems_give_the_interval_between_them() -> None:
    # A quarter of the resamples is twice the first problem, a quarter twice the second.
    assert Bootstrap(2).mean([1.0, 5.0]) == Estimate(3.0, 1.0, 5.0)


def test_an_estimate_is_ready_for_json() -> None:
    estimate = Bootstrap(2).mean(np.array([1.0, 5.0]))
    assert json.loads(json.dumps(estimate.as_dict())) == {"value": 3.0, "low": 1.0, "high": 5.0}
    assert Estimate(1.0, None, None).as_dict() == {"value": 1.0, "low": None, "high": None}


# Against every resample there is, and against scipy


def test_three_problems_agree_with_all_27_resamples() -> None:
    values = [0.0, 1.0, 5.0]
    exact = Counter(sum(draw) for draw in product(values, repeat=3))
    sampled = Counter((Bootstrap(3)._sums(np.array(values))).tolist())
    assert set(sampled) == set(exact)
    for total, ways in exact.items():
        share = ways / 27
        spread = math.sqrt(share * (1 - share) / RESAMPLES)
        assert abs(sampled[total] / RESAMPLES - share) < 5 * spread

    # In 27ths, sorted: 0 once, 1 and 2 thrice, 3 once, 5 thrice, 6 six times, 7, 10 and 11 thrice,
    # 15 once. With t = 4.303, 1.886 and 1.061 for 95%, 80% and 60% (a t table, 2 degrees of
    # freedom), Φ(−√1.5 t) is below 10⁻⁶, 1.05% and 9.7%; of 27 that is 0, 0.3 and 2.6.
    assert ends(Bootstrap(3).total(values)) == (0.0, 15.0)
    assert ends(Bootstrap(3, level=0.8).total(values)) == (0.0, 15.0)
    assert ends(Bootstrap(3, level=0.6).total(values)) == (1.0, 11.0)


@pytest.mark.parametrize(("freedom", "published"), [(1, 12.706), (2, 4.303), (29, 2.045)])
def test_the_student_quantile_is_the_published_one(freedom: int, published: float) -> None:
    assert round(student_quantile(freedom, 0.95), 3) == published  # any table of Student's t


@given(st.integers(1, 3000), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_student_quantile_agrees_with_scipy(freedom: int, level: float) -> None:
    expected = scipy.stats.t.ppf((1 + level) / 2, freedom)
    assert student_quantile(freedom, level) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("num_problems", [5, 30, 198])
def test_intervals_agree_with_scipy(num_problems: int) -> None:
    rng = np.random.default_rng(num_problems)
    baseline = np.exp(rng.normal(13.0, 0.6, num_problems))
    spent = baseline * rng.beta(2, 5, num_problems)
    ours = Bootstrap(num_problems)
    freedom = num_problems - 1
    student = scipy.stats.t.ppf(0.975, freedom)
    tail = scipy.stats.norm.cdf(-student * math.sqrt(num_problems / freedom))

    def scipys(
        statistic: Callable[..., np.floating[Any]], *data: npt.NDArray[np.float64]
    ) -> tuple[float, float]:
        result = scipy.stats.bootstrap(
            data,
            statistic,
            paired=True,
            vectorized=False,
            method="percentile",
            confidence_level=1 - 2 * tail,
            n_resamples=10_000,
            rng=np.random.default_rng(1),
        )
        low, high = result.confidence_interval
        return float(low), float(high)

    cases = [
        (ours.mean(spent), scipys(np.mean, spent)),
        (ours.total(spent), scipys(np.sum, spent)),
        (
            ours.difference(spent, baseline),
            scipys(lambda a, b: np.mean(a - b), spent, baseline),
        ),
        (
            ours.reduction(spent, baseline),
            scipys(lambda a, b: 1 - np.sum(a) / np.sum(b), spent, baseline),
        ),
    ]
    for estimate, (low, high) in cases:
        assert ends(estimate) == pytest.approx((low, high), abs=MONTE_CARLO * (high - low))


def test_errors_of_a_mean_are_those_of_a_regression_clustered_by_problem() -> None:
    # 30 problems of 16 repeats each. With as many repeats everywhere, the cluster-robust standard
    # error is s/√30 of the problems' means; the bootstrap's lacks the factor √(30/29), its interval
    # does not. An error that takes repeats for independent is a third of it.
    rng = np.random.default_rng(3)
    repeats = rng.normal(0.5, 0.2, (30, 1)) + rng.normal(0, 0.2, (30, 16))
    design = np.ones((repeats.size, 1))
    clusters = {"groups": np.repeat(np.arange(30), 16), "df_correction": True}
    model = sm.OLS(repeats.ravel(), design)
    robust = model.fit(cov_type="cluster", cov_kwds=clusters, use_t=True)
    naive = model.fit()

    means = repeats.mean(axis=1)
    over = bootstrap(30)
    deviation = np.std(over._sums(means) / 30)
    assert deviation * math.sqrt(30 / 29) == pytest.approx(robust.bse[0], rel=0.035)
    assert naive.bse[0] < 0.4 * deviation
    low, high = ends(over.mean(means))
    robust_low, robust_high = robust.conf_int()[0]
    assert (low, high) == pytest.approx(
        (robust_low, robust_high), abs=MONTE_CARLO * (robust_high - robust_low)
    )


def test_differences_agree_with_the_paired_t_interval() -> None:
    rng = np.random.default_rng(5)
    baseline = rng.normal(0.6, 0.3, 60)
    values = baseline + rng.normal(0.02, 0.05, 60)
    low, high = DescrStatsW(values - baseline).tconfint_mean()
    estimate = bootstrap(60).difference(values, baseline)
    assert ends(estimate) == pytest.approx((low, high), abs=MONTE_CARLO * (high - low))


@pytest.mark.parametrize("method", ["wilson", "agresti_coull", "jeffreys"])
def test_accuracies_of_one_repeat_agree_with_intervals_of_a_proportion(method: str) -> None:
    # 150 of 198 right; the bootstrap moves in steps of 1/198.
    low, high = proportion_confint(150, 198, method=method)
    estimate = bootstrap(198).mean([1.0] * 150 + [0.0] * 48)
    assert ends(estimate) == pytest.approx((low, high), abs=1.5 / 198)


def test_many_symmetric_problems_agree_with_bca() -> None:
    values = np.random.default_rng(8).normal(0.5, 0.2, 198)
    result = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=10_000, method="BCa", rng=np.random.default_rng(1)
    )
    low, high = result.confidence_interval
    assert ends(bootstrap(198).mean(values)) == pytest.approx(
        (low, high), abs=MONTE_CARLO * (high - low)
    )


# Ratios


def test_ratios_by_hand() -> None:
    # Of 1, 2 and 4 kept are 1, 1 and 0: 2 of 7. The resamples of two problems are twice the first,
    # twice the second, and one each.
    ratio = Bootstrap(3).ratio([1, 1, 0], [1, 2, 4])
    assert ratio is not None
    assert ratio.value == 2 / 7
    assert Bootstrap(2).ratio([1, 1], [1, 4]) == Estimate(0.4, 0.25, 1.0)


def test_a_ratio_over_nothing_is_undefined_and_over_one_problem_has_no_interval() -> None:
    assert Bootstrap(3).ratio([0, 0, 0], [0, 0, 0]) is None
    assert Bootstrap(3).ratio([0, 0.5, 0], [0, 1, 0]) == Estimate(0.5, None, None)


def test_problems_without_a_denominator_do_not_move_a_ratio_but_widen_its_interval() -> None:
    told = Bootstrap(20).ratio([1.0] * 10 + [0.0] * 10, [1.0] * 20)
    silent = Bootstrap(60).ratio([1.0] * 10 + [0.0] * 50, [1.0] * 20 + [0.0] * 40)
    assert told is not None
    assert silent is not None
    assert silent.value == told.value == 0.5
    assert np.isfinite(ends(silent)).all()
    assert ends(silent)[1] - ends(silent)[0] >= ends(told)[1] - ends(told)[0] - 0.05


def test_a_ratio_agrees_with_scipy() -> None:
    rng = np.random.default_rng(2)
    whole = rng.integers(0, 5, 40)
    part = rng.binomial(whole, 0.6)
    freedom = 39
    tail = scipy.stats.norm.cdf(-scipy.stats.t.ppf(0.975, freedom) * math.sqrt(40 / freedom))
    result = scipy.stats.bootstrap(
        (part, whole),
        lambda a, b: np.sum(a) / np.sum(b),
        paired=True,
        vectorized=False,
        method="percentile",
        confidence_level=1 - 2 * tail,
        n_resamples=10_000,
        rng=np.random.default_rng(1),
    )
    low, high = result.confidence_interval
    estimate = Bootstrap(40).ratio(part, whole)
    assert estimate is not None
    assert ends(estimate) == pytest.approx((low, high), abs=MONTE_CARLO * (high - low))


# Several methods, several pools


def test_methods_from_sums_are_those_one_by_one() -> None:
    rng = np.random.default_rng(4)
    sums = rng.integers(1, 10**9, (3, 30))
    baseline = rng.integers(10**9, 10**10, (3, 30))
    repeats = np.array([1, 64, 100])
    over = bootstrap(30)
    for index, estimate in enumerate(over.means(sums, repeats).estimates()):
        alone = over.mean(sums[index] / repeats[index])
        assert [estimate.value, *ends(estimate)] == pytest.approx([alone.value, *ends(alone)])
    for index, estimate in enumerate(over.reductions(sums, baseline).estimates()):
        alone = over.reduction(sums[index], baseline[index])
        assert [estimate.value, *ends(estimate)] == pytest.approx([alone.value, *ends(alone)])


def test_methods_equal_on_every_problem_differ_by_exactly_nothing() -> None:
    # 3 of 10 and 6 of 20 repeats are the same share.
    rights = np.random.default_rng(6).integers(0, 11, 30)
    figures = bootstrap(30).means(np.stack([rights, 2 * rights]), np.array([10, 20]))
    (none,) = (figures[1:] - figures[:1]).estimates()
    assert none == Estimate(0.0, 0.0, 0.0)
    assert none.covers_zero


def test_zero_at_the_very_end_of_an_interval_is_covered() -> None:
    assert Estimate(0.1, 0.0, 0.2).covers_zero
    assert Estimate(0.1, 1e-17, 0.2).covers_zero
    assert Estimate(-0.1, -0.2, -1e-17).covers_zero
    assert Estimate(0.1, -0.1, 0.2).covers_zero
    assert Estimate(0.1, 0.001, 0.2).covers_zero is False
    assert Estimate(-0.1, -0.2, -0.001).covers_zero is False
    assert Estimate(0.1, None, None).covers_zero is None


def test_pools_count_equally_whatever_their_size() -> None:
    small = Bootstrap(2).means(np.array([[0, 2]]), np.array([2]))  # 0 and 1: 1/2
    large = Bootstrap(100).means(np.array([[1] * 100]), np.array([1]))  # 1
    (both,) = average([small, large]).estimates()
    # The small pool's resamples have means 0, 1/2 and 1, the large one's always 1.
    assert both == Estimate(0.75, 0.5, 1.0)


def test_a_pool_of_one_problem_takes_the_interval_from_the_average() -> None:
    one = Bootstrap(1).means(np.array([[1]]), np.array([1]))
    two = Bootstrap(2).means(np.array([[0, 1]]), np.array([1]))
    assert average([one, two]).estimates() == [Estimate(0.75, None, None)]


def test_pools_resampled_apart_agree_with_scipys_independent_samples() -> None:
    rng = np.random.default_rng(9)
    pools = [rng.integers(0, 65, size) for size in (30, 30, 60)]
    parts = [
        Bootstrap(len(pool), seed=SEED + index).means(pool[None], np.array([64]))
        for index, pool in enumerate(pools)
    ]
    (ours,) = average([Resampled(p.values, p.resamples, 0.025) for p in parts]).estimates()
    result = scipy.stats.bootstrap(
        [pool / 64 for pool in pools],
        lambda *samples: np.mean([np.mean(sample) for sample in samples]),
        vectorized=False,
        method="percentile",
        n_resamples=10_000,
        rng=np.random.default_rng(1),
    )
    low, high = result.confidence_interval
    assert ends(ours) == pytest.approx((low, high), abs=MONTE_CARLO * (high - low))


def test_sums_that_cannot_be_added_exactly_are_refused() -> None:
    with pytest.raises(ValueError, match="too large"):
        Bootstrap(2).means(np.array([[2**52, 1]]), np.array([1]))
    with pytest.raises(ValueError, match="shape"):
        Bootstrap(2).means(np.array([[1, 2, 3]]), np.array([1]))


def test_differences_are_paired() -> None:
    # Problems differ by thousands of tokens, the two methods by about one on every problem.
    rng = np.random.default_rng(0)
    baseline = rng.normal(0, 1000, 30)
    low, high = ends(Bootstrap(30).difference(baseline + 1 + rng.normal(0, 0.1, 30), baseline))
    assert 0.9 < low < high < 1.1


def test_mean_and_total_come_from_the_same_resamples() -> None:
    values = np.random.default_rng(0).normal(10, 3, 30)
    mean, total = bootstrap(30).mean(values), bootstrap(30).total(values)
    assert ends(total) == pytest.approx([30 * end for end in ends(mean)])


# The same everywhere


def test_every_resample_has_as_many_problems_as_there_are() -> None:
    counts = Bootstrap(30).counts
    assert counts.shape == (30, RESAMPLES)
    assert (counts.sum(axis=0) == 30).all()
    # A problem's count over all resamples is binomial with mean 10,000 and deviation 98.
    assert np.abs(counts.sum(axis=1) - RESAMPLES).max() < 5 * 98


def test_the_resamples_never_change() -> None:
    # Not a worked-out value: published intervals can be recomputed only while these stay as is.
    digest = hashlib.sha256(Bootstrap(30).counts.astype("<i2").tobytes()).hexdigest()
    assert digest[:16] == "df07c9dbb9f6eb49"


def test_the_bootstrap_is_set_up_once() -> None:
    assert bootstrap(30) is bootstrap(30)


# Errors


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one problem"):
        Bootstrap(0)
    with pytest.raises(ValueError, match="level"):
        Bootstrap(3, level=95)
    with pytest.raises(ValueError, match="expected"):
        Bootstrap(3).mean([1.0, 2.0])
    with pytest.raises(ValueError, match="finite"):
        Bootstrap(2).mean([1.0, math.nan])
    with pytest.raises(ValueError, match="positive"):
        Bootstrap(2).reduction([1.0, 1.0], [1.0, 0.0])
    with pytest.raises(ValueError, match="positive"):
        Bootstrap(2).reductions(np.array([[1, 1]]), np.array([[1, 0]]))
    with pytest.raises(ValueError, match="negative"):
        Bootstrap(2).ratio([1.0, 1.0], [1.0, -1.0])


# Properties


@given(problem_values)
def test_intervals_are_ordered_and_hold_the_mean(values: list[float]) -> None:
    # Not a theorem for every statistic, but resampled means scatter around the mean: even with one
    # extreme value among n, 1 - 1/e of the resamples hold it and 1/e do not.
    estimate = bootstrap(len(values)).mean(values)
    low, high = ends(estimate)
    rounding = 1e-9 * (1 + max(map(abs, values)))
    assert low <= high
    assert low - rounding <= estimate.value <= high + rounding
    assert min(values) - rounding <= low
    assert high <= max(values) + rounding


@given(problem_values, st.randoms(use_true_random=False))
def test_values_do_not_depend_on_the_order_of_problems(values: list[float], random: Random) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)
    statistics = bootstrap(len(values))
    assert statistics.mean(values).value == statistics.mean(shuffled).value
    assert statistics.total(values).value == statistics.total(shuffled).value


@given(problem_values, st.floats(-1e6, 1e6), st.floats(0.01, 100))
def test_intervals_shift_and_scale_with_the_values(
    values: list[float], shift: float, scale: float
) -> None:
    statistics = bootstrap(len(values))
    before = statistics.mean(values)
    after = statistics.mean(scale * np.array(values) + shift)
    expected = [scale * end + shift for end in (before.value, *ends(before))]
    rounding = 1e-9 * (1 + scale * max(map(abs, values)) + abs(shift))
    assert [after.value, *ends(after)] == pytest.approx(expected, abs=rounding)


# pass@k


@pytest.mark.parametrize("n", range(1, 8))
def test_pass_at_k_agrees_with_all_subsets(n: int) -> None:
    for c in range(n + 1):
        for k in range(1, n + 1):
            subsets = list(combinations(range(n), k))
            hits = sum(min(subset) < c for subset in subsets)
            assert float(pass_at_k(n, c, k)) == pytest.approx(hits / len(subsets), abs=1e-15)


@pytest.mark.parametrize(("n", "c", "k"), [(4096, 1, 512), (4096, 7, 512), (512, 3, 64)])
def test_pass_at_k_agrees_with_exact_fractions(n: int, c: int, k: int) -> None:
    exact = 1 - math.comb(n - c, k) / math.comb(n, k)
    assert float(pass_at_k(n, c, k)) == pytest.approx(exact, rel=1e-12)


def test_pass_at_k_is_exact_at_its_edges() -> None:
    n = np.array([10, 10, 10, 7])
    assert pass_at_k(n, [0, 0, 10, 0], 5).tolist() == [0.0, 0.0, 1.0, 0.0]
    assert pass_at_k(n, [6, 9, 10, 3], 5).tolist() == [1.0, 1.0, 1.0, 1.0]
    assert pass_at_k(n, [3, 1, 9, 7], 1).tolist() == [0.3, 0.1, 0.9, 1.0]
    assert float(pass_at_k(7, 1, 7)) == 1.0


def test_pass_at_k_broadcasts() -> None:
    table = pass_at_k(np.array([[8], [16]]), np.array([0, 1, 2]), 4)
    assert table.shape == (2, 3)
    assert table[0, 1] == pytest.approx(0.5)
    assert table[1, 1] == pytest.approx(0.25)


def test_pass_at_k_refuses_what_cannot_be() -> None:
    for n, c, k in [(4, 1, 5), (4, 1, 0), (4, 5, 1), (4, -1, 1)]:
        with pytest.raises(ValueError, match="pass@"):
            pass_at_k(n, c, k)
    with pytest.raises(ValueError, match="whole numbers"):
        pass_at_k([0.5], [1], 1)


@given(st.integers(1, 60), st.data())
def test_pass_at_k_grows_with_k_and_c(n: int, data: st.DataObject) -> None:
    c = data.draw(st.integers(0, n))
    by_k = [float(pass_at_k(n, c, k)) for k in range(1, n + 1)]
    assert all(0.0 <= chance <= 1.0 for chance in by_k)
    assert all(a <= b + 1e-12 for a, b in pairwise(by_k))
    assert by_k[0] == c / n
    assert by_k[-1] == (1.0 if c else 0.0)


# The Pareto front


def test_pareto_front_by_hand() -> None:
    tokens = [1.0, 2.0, 2.0, 3.0, 3.0, 4.0]
    accuracy = [0.5, 0.7, 0.7, 0.6, 0.8, 0.8]
    # Both at (2, 0.7) stay; (3, 0.6) costs more than 0.7 does; (4, 0.8) more than (3, 0.8).
    assert pareto_front(tokens, accuracy).tolist() == [True, True, True, False, True, False]


def test_pareto_front_of_nothing_is_empty() -> None:
    assert pareto_front([], []).tolist() == []


def test_pareto_front_refuses_what_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="shape"):
        pareto_front([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="Pareto"):
        pareto_front([1.0, math.nan], [1.0, 2.0])


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=20))
def test_pareto_front_equals_brute_force(methods: list[tuple[int, int]]) -> None:
    def beaten(cost: int, score: int) -> bool:
        return any(c <= cost and s >= score and (c, s) != (cost, score) for c, s in methods)

    mask = pareto_front([c for c, _ in methods], [s for _, s in methods])
    assert mask.tolist() == [not beaten(c, s) for c, s in methods]


def test_without_resamples_values_are_the_same_and_have_no_interval() -> None:
    right, spent, whole = [0.5, 1.0, 0.25], [10.0, 20.0, 31.0], [40.0, 40.0, 0.5]
    plain, usual = Bootstrap(3, resamples=0), Bootstrap(3)
    for found, expected in (
        (plain.mean(right), usual.mean(right)),
        (plain.total(spent), usual.total(spent)),
        (plain.reduction(spent, whole), usual.reduction(spent, whole)),
        (plain.ratio(right, whole), usual.ratio(right, whole)),
    ):
        assert found is not None
        assert expected is not None
        assert (found.value, found.low, found.high) == (expected.value, None, None)
