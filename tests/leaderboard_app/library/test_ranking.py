"""Ranks on a fixed set of pools: by hand, and the same as comparing every two by themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard_app.library import ranking
from leaderboard_app.library.ranking import Contender, Place, PoolKey, rank, usable
from simulator.report.common_pools import common_pools
from simulator.report.paired import by_problem, combine
from simulator.runs.results import ProblemSums
from simulator.significance import discoveries, p_value
from simulator.statistics import pareto_front


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


def ranges(found: dict[str, Place]) -> dict[str, str]:
    return {name: place.range for name, place in found.items()}


def test_one_that_is_right_where_the_other_is_wrong_is_ahead_and_equals_share_a_range() -> None:
    key = pool("d/m/b", 10)
    found = ranked(
        bad={key: sums([0] * 10)}, good={key: sums([1] * 10)}, same={key: sums([1] * 10)}
    )
    assert ranges(found) == {"bad": "3", "good": "1–2", "same": "1–2"}
    assert found["bad"].better == ("good", "same")
    assert found["good"].worse == ("bad",)
    assert found["good"].better == ()
    assert found["good"].pools == ("d/m/b",)


def test_ranges_by_hand_where_ranks_are_no_order() -> None:
    # Of 20 problems, low has 6, middle 12 and high 18: 6 more, all one way, is p = 2/2^6 = .031,
    # 12 more is 2/2^12. Of three pairs, the second smallest p may be 2/3 × 5% = .033, the largest
    # 5%: all three are significant.
    key = pool("d/m/b", 20)

    def right(number: int) -> ProblemSums:
        return sums([1] * number + [0] * (20 - number))

    found = ranked(low={key: right(6)}, middle={key: right(12)}, high={key: right(18)})
    assert ranges(found) == {"low": "3", "middle": "2", "high": "1"}
    # 5 more are p = .0625: middle is tied with both, low and high are told apart.
    found = ranked(low={key: right(7)}, middle={key: right(12)}, high={key: right(17)})
    assert ranges(found) == {"low": "2–3", "middle": "1–3", "high": "1–2"}


def test_four_problems_that_differ_one_way_are_a_tie_however_large_they_are() -> None:
    key = pool("d/m/b", 30)
    found = ranked(more={key: sums([1] * 30)}, less={key: sums([1] * 26 + [0] * 4)})
    assert ranges(found) == {"more": "1–2", "less": "1–2"}


def test_a_problem_of_two_models_counts_once() -> None:
    # Three problems, right in both models' pools: as one benchmark they are 3 flips, p = 2/2^3; of
    # two benchmarks they are 6, p = 2/2^6.
    for benchmarks, expected in ((("b", "b"), "1–2"), (("b", "c"), "1")):
        pools = [pool(f"d/{model}/{each}", 3) for model, each in zip("mn", benchmarks, strict=True)]
        found = ranked(
            one={key: sums([1] * 3) for key in pools}, other={key: sums([0] * 3) for key in pools}
        )
        assert found["one"].range == expected


def test_without_an_interval_nobody_is_better() -> None:
    key = pool("d/m/b", 1)
    found = ranked(right={key: sums([1])}, wrong={key: sums([0])})
    assert ranges(found) == {"right": "1–2", "wrong": "1–2"}
    assert found["right"].difference is not None
    assert found["right"].difference.low is None


def test_each_pool_weighs_the_same_whatever_its_number_of_problems() -> None:
    # Right on all 6 problems of one pool, wrong on all 40 of the other: as good as the reverse.
    few, many = pool("d/m/few", 6), pool("d/m/many", 40)
    found = ranked(
        one={few: sums([1] * 6), many: sums([0] * 40)},
        other={few: sums([0] * 6), many: sums([1] * 40)},
    )
    assert ranges(found) == {"one": "1–2", "other": "1–2"}
    assert [round(place.difference.value, 9) for place in found.values() if place.difference] == [
        0.5,
        0.5,
    ]


def test_a_method_on_one_good_pool_has_no_rank_and_changes_none() -> None:
    pools = [pool(f"d/m/b{number}", 8) for number in range(3)]
    entries = {
        f"all{right}": {key: sums([1] * right + [0] * (8 - right)) for key in pools}
        for right in (2, 4, 8)
    }
    before = ranked(**entries)
    assert ranges(before) == {"all2": "3", "all4": "2", "all8": "1"}
    good = {pools[0]: sums([1] * 8)}
    for left_out in (good, good | {pools[1]: sums([1] * 8)}):
        after = ranked(**entries, picked=left_out)
        assert {name: after[name].range for name in before} == ranges(before)
        assert after["picked"].rank is None
        assert after["picked"].pools == before["all2"].pools
        assert after["picked"].difference is not None
        assert after["picked"].difference.value == 1.0  # over its own pools


def test_pools_beyond_those_of_the_ranking_do_not_count() -> None:
    shared, own = pool("d/m/shared", 10), pool("d/m/own", 10)
    found = ranked(
        one={shared: sums([1] * 10), own: sums([0] * 10)},
        other={shared: sums([0] * 10)},
        third={shared: sums([0] * 10)},
    )
    assert ranges(found) == {"one": "1", "other": "2–3", "third": "2–3"}
    assert found["one"].difference is not None
    assert found["one"].difference.value == 1.0


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


def sets(*texts: str) -> list[frozenset[str]]:
    return [frozenset(text) for text in texts]


@pytest.mark.parametrize(
    ("covered", "expected"),
    [
        (["abc", "abc", "a"], "abc"),  # one that leaves pools out
        (["abc", "abc", "ab"], "abc"),
        (["abcd", "abc", "abc"], "abc"),  # one with more
        (["abc", "a", "a", "a", "b"], "a"),  # most have no more
        (["ab", "bc", "ac"], "a"),  # two of three have each: the first by name
        (["ab", "cd", "ab", "cd", "ef", "gh", "ij"], "ab"),  # no majority: the most that share
        (["a", "b"], ""),
        (["abc", "ab"], "ab"),  # two need something in common
        ([], ""),
    ],
)
def test_the_fixed_set_of_pools(covered: list[str], expected: str) -> None:
    assert common_pools(sets(*covered)) == frozenset(expected)


@given(st.lists(st.frozensets(st.sampled_from("abcd")), min_size=2, max_size=7), st.data())
def test_no_single_entry_takes_pools_out_of_a_ranking_of_a_majority(
    covered: list[frozenset[str]], data: st.DataObject
) -> None:
    everything = frozenset("abcd")
    full = [everything] * (len(covered) + 1)
    assert common_pools([*covered, *full]) == everything
    added = data.draw(st.frozensets(st.sampled_from("abcd")))
    assert common_pools([*covered, *full, added]) == everything


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
    found = rank(contest)
    ranked_ones = [each for each in contest if each.ranked]
    fixed = sorted(common_pools([frozenset(each.sums) for each in ranked_ones]))
    among = [each for each in ranked_ones if fixed and set(fixed) <= set(each.sums)]
    assert {each.id for each in contest if found[each.id].rank} == {each.id for each in among}
    names = [key.pool.rpartition("/")[2] for key in fixed]
    compared = []
    for number, one in enumerate(among):
        for other in among[number + 1 :]:
            both = [[one.sums[key], other.sums[key]] for key in fixed]
            (first, second), _ = by_problem(names, both, lambda each: each.correct)
            compared.append((one.id, other.id, first - second))
    apart = discoveries(np.array([p_value(differences) for _, _, differences in compared]))
    better: dict[str, set[str]] = {each.id: set() for each in among}
    for (this, that, differences), significant in zip(compared, apart, strict=True):
        if significant:
            ahead, behind = (this, that) if differences.sum() > 0 else (that, this)
            better[behind].add(ahead)
    for each in among:
        place = found[each.id]
        assert set(place.better) == better[each.id]
        assert place.rank == 1 + len(place.better)
        assert place.last == len(among) - sum(each.id in ones for ones in better.values())
        assert place.compared == len(among) - 1


@settings(max_examples=30)
@given(contests())
def test_figures_are_those_that_reports_have_for_the_same_pools(contest: list[Contender]) -> None:
    found = rank(contest)
    pools = sorted({key for each in contest for key in each.sums})
    fixed = common_pools([frozenset(each.sums) for each in contest if each.ranked])
    if not pools or fixed != set(pools):
        return
    everywhere = [each for each in contest if set(each.sums) == set(pools)]
    averages, _ = combine(
        [key.pool.rpartition("/")[2] for key in pools],
        [[each.sums[key] for each in everywhere] for key in pools],
        [True] * len(everywhere),
    )
    for each, expected in zip(everywhere, averages, strict=True):
        assert found[each.id].reduction == expected.reduction
        assert found[each.id].difference == expected.accuracy_difference


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
    assert place == Place()


def test_places_do_not_depend_on_how_many_contenders_are_held_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(1)
    keys = [pool("d/m/b", 8), pool("d/n/b", 8), pool("d/n/c", 5)]
    contenders = [
        Contender(
            str(number),
            number % 4 > 0,
            {
                key: sums(
                    random.integers(0, 2, len(key.problem_ids)).tolist(),
                    tokens=random.integers(50, 150, len(key.problem_ids)).tolist(),
                    baseline_tokens=200 + number // 3,
                )
                for key in keys
                if number % 3 or key is not keys[1]
            },
        )
        for number in range(11)
    ]
    together = rank(contenders)
    assert any(place.reduction is not None and place.rank is None for place in together.values())
    monkeypatch.setattr(ranking, "AT_ONCE", 3)
    assert rank(contenders) == together
