"""Ranks: the same as comparing every two entries by themselves, and by hand on small pools."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard_app.library.ranking import Contender, Place, PoolKey, above_zero, rank, usable
from simulator.report.paired import combine
from simulator.runs.results import ProblemSums
from simulator.statistics import ROUNDING, Resampled, average, bootstrap, pareto_front


def pool(name: str, problems: int, fingerprint: str = "f") -> PoolKey:
    return PoolKey(name, fingerprint, tuple(f"p{number}" for number in range(problems)))


def sums(
    correct: Sequence[int],
    *,
    repeats: int = 1,
    tokens: Sequence[int] | int = 100,
    baseline: Sequence[int] | int = 0,
    baseline_tokens: int = 200,
) -> ProblemSums:
    size = len(correct)

    def array(values: Sequence[int] | int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.broadcast_to(np.asarray(values, dtype=np.int64), (size,)).copy()

    return ProblemSums(
        tuple(f"p{number}" for number in range(size)),
        repeats,
        array(correct),
        array(tokens),
        array(baseline),
        array(baseline_tokens),
    )


def ranked(**by_pool: dict[PoolKey, ProblemSums]) -> dict[str, Place]:
    return rank([Contender(name, True, found) for name, found in by_pool.items()])


def test_one_that_is_right_where_the_other_is_wrong_is_ahead_and_equals_are_tied() -> None:
    key = pool("d/m/b", 10)
    found = ranked(
        bad={key: sums([0] * 10)}, good={key: sums([1] * 10)}, same={key: sums([1] * 10)}
    )
    assert {name: place.rank for name, place in found.items()} == {"bad": 3, "good": 1, "same": 1}
    assert found["bad"].better == ("good", "same")
    assert found["good"].better == ()


def test_a_difference_on_one_problem_of_ten_is_a_tie() -> None:
    # A resample lacks that problem with probability 0.9^10 = 35%, so the lower end is zero.
    key = pool("d/m/b", 10)
    found = ranked(more={key: sums([1] * 10)}, less={key: sums([1] * 9 + [0])})
    assert [place.rank for place in found.values()] == [1, 1]


def test_without_an_interval_nobody_is_better() -> None:
    key = pool("d/m/b", 1)
    found = ranked(right={key: sums([1])}, wrong={key: sums([0])})
    assert [place.rank for place in found.values()] == [1, 1]
    assert found["right"].difference is not None
    assert found["right"].difference.low is None


def test_each_pool_weighs_the_same_whatever_its_number_of_problems() -> None:
    # Right on all 4 problems of one pool, wrong on all 40 of the other: as good as the reverse.
    few, many = pool("d/m/few", 4), pool("d/m/many", 40)
    found = ranked(
        one={few: sums([1] * 4), many: sums([0] * 40)},
        other={few: sums([0] * 4), many: sums([1] * 40)},
    )
    assert [place.rank for place in found.values()] == [1, 1]
    assert [round(place.difference.value, 9) for place in found.values() if place.difference] == [
        0.5,
        0.5,
    ]


def test_only_pools_that_both_have_count() -> None:
    shared, own = pool("d/m/shared", 10), pool("d/m/own", 10)
    found = ranked(
        one={shared: sums([1] * 10), own: sums([0] * 10)}, other={shared: sums([0] * 10)}
    )
    assert found["other"].better == ("one",)


def test_those_that_share_no_pool_are_not_compared_and_one_compared_with_none_has_no_rank() -> None:
    first, second = pool("d/m/b", 10), pool("d/m/b", 10, fingerprint="another version")
    found = ranked(
        good={first: sums([1] * 10)},
        bad={first: sums([0] * 10)},
        alone={second: sums([0] * 10)},
    )
    assert [(each.rank, each.compared) for each in found.values()] == [(1, 1), (2, 1), (None, 0)]
    assert found["alone"].pareto is None
    assert found["alone"].reduction is not None


def test_unranked_ones_are_measured_and_displace_nobody() -> None:
    key = pool("d/m/b", 10)
    found = rank(
        [
            Contender("oracle", False, {key: sums([1] * 10, tokens=1)}),
            Contender("one", True, {key: sums([0] * 10, tokens=50)}),
            Contender("two", True, {key: sums([0] * 10, tokens=100)}),
        ]
    )
    assert found["oracle"].rank is None
    assert found["oracle"].reduction is not None
    assert found["oracle"].reduction.value == pytest.approx(1 - 1 / 200)
    assert [found[name].rank for name in ("one", "two")] == [1, 1]
    assert [found[name].pareto for name in ("one", "two")] == [True, False]


def test_reduction_and_difference_to_the_baseline_are_means_over_pools() -> None:
    first, second = pool("d/m/b1", 2), pool("d/m/b2", 4)
    (place,) = ranked(
        one={
            first: sums([2, 2], repeats=2, tokens=[50, 150], baseline=[2, 0], baseline_tokens=400),
            second: sums([0, 0, 1, 0], tokens=40, baseline=[1, 0, 0, 0], baseline_tokens=100),
        }
    ).values()
    assert place.reduction is not None
    assert place.difference is not None
    assert place.reduction.value == pytest.approx((0.75 + 0.6) / 2)
    assert place.difference.value == pytest.approx((0.5 + 0.0) / 2)


def test_figures_of_the_pareto_front_are_those_of_all_pools_that_both_have() -> None:
    key = pool("d/m/b", 4)
    tokens = [10, 20, 20, 30, 10]
    right = [1, 2, 3, 3, 1]
    found = rank(
        [
            Contender(str(number), True, {key: sums([1] * good + [0] * (4 - good), tokens=spent)})
            for number, (spent, good) in enumerate(zip(tokens, right, strict=True))
        ]
    )
    assert [place.pareto for place in found.values()] == pareto_front(tokens, right).tolist()


@st.composite
def contests(draw: st.DrawFn) -> list[Contender]:
    """Contenders on some of four pools, of which two have the same problems of one benchmark."""
    pools = [pool("d/m/b", 3), pool("d/n/b", 3), pool("d/m/c", 7), pool("d/m/one", 1)]
    found = []
    for number in range(draw(st.integers(2, 5))):
        chosen = draw(st.lists(st.sampled_from(pools), unique=True, max_size=4))
        own = {}
        for key in chosen:
            repeats = draw(st.sampled_from([1, 2, 3]))
            size = len(key.problem_ids)
            up_to = st.lists(st.integers(0, repeats), min_size=size, max_size=size)
            spent = st.lists(st.integers(0, 9), min_size=size, max_size=size)
            own[key] = sums(draw(up_to), repeats=repeats, tokens=draw(spent), baseline=draw(up_to))
        found.append(Contender(str(number), draw(st.booleans()), own))
    return found


@settings(max_examples=40)
@given(contests())
def test_ranks_are_those_of_comparing_every_two_by_themselves(contest: list[Contender]) -> None:
    from leaderboard_app.library.ranking import _bootstraps

    over = _bootstraps(contest)
    found = rank(contest)
    for one in contest:
        better = []
        for other in contest:
            shared = sorted(set(one.sums) & set(other.sums))
            if one is other or not (one.ranked and other.ranked) or not shared:
                continue
            accuracy = average(
                over[key.problems].means(
                    np.stack([other.sums[key].correct, one.sums[key].correct]),
                    np.array([other.sums[key].repeats, one.sums[key].repeats]),
                )
                for key in shared
            )
            (difference,) = (accuracy[0:1] - accuracy[1:2]).estimates()
            if difference.low is not None and difference.low > ROUNDING:
                better.append(other.id)
        place = found[one.id]
        assert place.better == tuple(better)
        assert place.rank == (1 + len(better) if place.compared else None)


@settings(max_examples=30)
@given(contests())
def test_figures_are_those_that_reports_have_for_the_same_pools(contest: list[Contender]) -> None:
    found = rank(contest)
    pools = sorted({key for each in contest for key in each.sums})
    everywhere = [each for each in contest if set(each.sums) == set(pools)]
    if not pools or not everywhere:
        return
    averages, _ = combine(
        [key.pool.rpartition("/")[2] for key in pools],
        [[each.sums[key] for each in everywhere] for key in pools],
        [True] * len(everywhere),
    )
    for each, expected in zip(everywhere, averages, strict=True):
        assert found[each.id].reduction == expected.reduction
        assert found[each.id].difference == expected.accuracy_difference


@settings(max_examples=200)
@given(
    st.lists(st.integers(-1, 2), min_size=2, max_size=40),
    st.floats(0.001, 0.49),
    st.booleans(),
)
def test_counting_resamples_tells_what_the_quantile_tells(
    resamples: list[int], tail: float, shuffled: bool
) -> None:
    """Whole numbers with many ties, so that zero is at, beside and between order statistics."""
    values = np.array([resamples if shuffled else sorted(resamples), [0] * len(resamples)], float)
    figure = Resampled(values.mean(axis=1), values, tail)
    (estimate,) = (figure[0:1] - figure[1:2]).estimates()
    assert estimate.low is not None
    assert above_zero(figure, 0, 1) == (estimate.low > ROUNDING)


def test_zero_between_two_order_statistics_takes_the_quantile() -> None:
    # Between -1 and 1 at a share of 0.75 of the way: 0.5 is above zero; at 0.25 it is -0.5.
    values = np.array([[-1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    means = values.mean(axis=1)
    assert above_zero(Resampled(means, values, 0.375), 0, 1)
    assert not above_zero(Resampled(means, values, 0.125), 0, 1)


def test_one_pool_alone_is_compared_as_reports_do() -> None:
    key = pool("d/m/b", 30)
    generator = np.random.default_rng(7)
    entries = [sums((generator.random(30) < share).astype(int).tolist()) for share in (0.5, 0.9)]
    found = ranked(low={key: entries[0]}, high={key: entries[1]})
    over = bootstrap(30)
    accuracy = over.means(np.stack([each.correct for each in entries]), np.array([1, 1]))
    (difference,) = (accuracy[1:2] - accuracy[0:1]).estimates()
    assert difference.low is not None
    assert difference.low > 0  # the sample tells them apart
    assert found["low"].better == ("high",)


@pytest.mark.parametrize(
    "wrong",
    [
        sums([2], repeats=1),
        sums([-1]),
        sums([1], repeats=0),
        sums([1], tokens=-5),
        sums([1], tokens=2**60),
        sums([1], baseline=2),
        sums([1], baseline_tokens=0),
        sums([1], repeats=2**40),
        ProblemSums(("p", "p"), 1, *(np.array([1, 1]) for _ in range(4))),
        ProblemSums((), 1, *(np.array([], dtype=np.int64) for _ in range(4))),
    ],
)
def test_what_no_run_records_is_not_used(wrong: ProblemSums) -> None:
    assert not usable(wrong)


def test_what_a_run_records_is_used() -> None:
    assert usable(sums([3, 0], repeats=3, baseline=[1, 2]))


def test_nobody_to_rank() -> None:
    assert rank([]) == {}
    (place,) = rank([Contender("nothing", False, {})]).values()
    assert place == Place(None, None, None, (), 0, None)
