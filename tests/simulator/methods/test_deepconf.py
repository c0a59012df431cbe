"""DeepConf and self-certainty against values worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pools import T
from solved import solve

from simulator.errors import UserError
from simulator.policy.voting import weighted_vote


def constant(*confidences: float, answers: str = "", tokens: int = 4) -> list[T]:
    """Traces of equal length, each of one confidence all through; "-" is no answer."""
    given = [None if answer == "-" else answer for answer in answers or "1" * len(confidences)]
    return [
        T(tokens, answer, confidence=[confidence] * tokens)
        for confidence, answer in zip(confidences, given, strict=True)
    ]


# Online


@pytest.mark.parametrize(
    ("name", "stopped_at"),
    [
        # Lowest groups of the warm-up are 1, 2, … 11, so the percentiles are whole: the 90th is 10.
        ("deepconf-low", {9.9: 2, 10.0: 4, 2.0: 2, 1.9: 2}),
        ("deepconf-high", {9.9: 4, 10.0: 4, 2.0: 4, 1.9: 2}),
    ],
)
def test_low_keeps_ten_percent_though_the_published_library_calls_that_percentile_10(
    tmp_path: Path, name: str, stopped_at: dict[float, int]
) -> None:
    """The trap: its `confidence_percentile=90` keeps 90 percent and is DeepConf-high."""
    traces = constant(*range(1, 12), *stopped_at)
    outcome = solve(tmp_path, name, traces, warm_up=11, window=2)
    assert outcome.num_tokens == [4] * 11 + [*stopped_at.values()]


def test_the_threshold_is_interpolated_as_numpy_does(tmp_path: Path) -> None:
    # The 90th percentile of 1, 2, 3, 4 is 3 + 0.7 of the way to 4.
    outcome = solve(
        tmp_path, "deepconf-low", constant(1, 2, 3, 4, 3.699, 3.701), warm_up=4, window=2
    )
    assert outcome.num_tokens == [4, 4, 4, 4, 2, 4]
    assert (outcome.tokens, outcome.clock) == (22, 8)  # partial traces are paid for


def test_a_trace_stops_at_the_first_group_below_and_does_not_vote(tmp_path: Path) -> None:
    traces = [
        *constant(5, 5, answers="11"),
        T(6, "2", confidence=[9, 9, 6, 3.9, 9, 9]),  # groups 9, 7.5, 4.95: stops at 4
        T(6, "2", confidence=[9, 9, 6, 4.0, 9, 9]),  # groups 9, 7.5, 5, 6.5, 9: s itself is kept
        T(6, "2", confidence=[9, 1, 9, 9, 9, 9]),  # groups 5, 5, 9, …
    ]
    outcome = solve(tmp_path, "deepconf-low", traces, warm_up=2, window=2)
    assert outcome.num_tokens == [4, 4, 4, 6, 6]
    assert outcome.answer == "1"  # 10 to 10: seen first; the stopped one would have made it 15


def test_warm_up_traces_below_the_threshold_do_not_vote(tmp_path: Path) -> None:
    traces = constant(1, 2, 3, 7, 8, answers="11122")
    low = solve(tmp_path / "low", "deepconf-low", traces, warm_up=5, window=2)
    assert low.answer == "2"  # s = 7.6, which only the last one passes
    high = solve(tmp_path / "high", "deepconf-high", traces, warm_up=5, window=2)
    assert high.answer == "2"  # s = 1.4: 5 to 15
    every = solve(tmp_path / "100", "deepconf-low", traces, warm_up=5, window=2, keep=100)
    assert every.answer == "2"  # 6 to 15
    few = solve(tmp_path / "few", "deepconf-high", constant(1, 6, 7, answers="112"), warm_up=3)
    assert few.answer == "2"  # s = 2: 6 to 7, where the first would have made it even


def test_votes_count_their_lowest_group_not_their_mean(tmp_path: Path) -> None:
    traces = [
        T(4, "1", confidence=[60, 60, 3, 3]),
        *constant(4, answers="2"),
    ]
    assert solve(tmp_path, "deepconf-high", traces, window=2, keep=100).answer == "2"


def test_a_budget_within_the_warm_up_is_all_warm_up(tmp_path: Path) -> None:
    outcome = solve(tmp_path, "deepconf-low", constant(1, 2, 3, answers="112"), window=2)
    assert outcome.num_tokens == [4, 4, 4]
    assert outcome.answer == "2"


def test_traces_shorter_than_the_window_count_their_mean_and_are_never_halted(
    tmp_path: Path,
) -> None:
    traces = [
        T(3, "1", confidence=[2, 4, 6]),  # 4: the threshold
        T(3, "2", confidence=[0, 0, 6]),  # finishes before a group exists; below s, no vote
        T(9, "3", confidence=[1, 1, 1, 1, 9, 9, 9, 9, 9]),  # halts as soon as there is a group
        T(3, "2", confidence=[3, 4, 8]),
    ]
    outcome = solve(tmp_path, "deepconf-low", traces, warm_up=1, window=4)
    assert outcome.num_tokens == [3, 3, 4, 3]
    assert outcome.answer == "2"  # 5 to 4


def test_all_later_traces_stopped_leaves_the_warm_up_to_vote(tmp_path: Path) -> None:
    outcome = solve(tmp_path, "deepconf-low", constant(5, 1, 2, answers="211"), warm_up=1, window=2)
    assert outcome.num_tokens == [4, 2, 2]
    assert outcome.answer == "2"


@pytest.mark.parametrize("name", ["deepconf-low", "deepconf-offline", "self-certainty"])
def test_without_any_answer_there_is_none(tmp_path: Path, name: str) -> None:
    traces = [*constant(3, 4, 5, answers="---"), T(0, None, confidence=[])]
    assert solve(tmp_path, name, traces, window=2).answer is None


@pytest.mark.parametrize("best", [False, True])
def test_a_trace_without_a_token_has_no_weight(tmp_path: Path, best: bool) -> None:
    traces = [T(0, None, confidence=[]), *constant(3, answers="1")]
    assert solve(tmp_path / "a", "self-certainty", traces, best=best).answer == "1"
    assert solve(tmp_path / "b", "deepconf-offline", traces, window=2).answer == "1"
    assert solve(tmp_path / "c", "deepconf-low", traces, window=2).answer == "1"


def test_with_a_consensus_traces_come_one_at_a_time_until_it_is_reached(tmp_path: Path) -> None:
    traces = constant(4, 4, 4, 1, 6, 5, 4, answers="1212111")
    # s = 4. Shares of "1": 4/8, 8/12, (stopped) 8/12, 14/18, 19/23 = 0.826.
    outcome = solve(tmp_path, "deepconf-high", traces, warm_up=2, window=2, consensus=0.8)
    assert outcome.num_tokens == [4, 4, 4, 2, 4, 4]
    assert outcome.clock == 4 + 4 + 2 + 4 + 4  # the warm-up together, then one after another
    never = solve(tmp_path / "b", "deepconf-high", traces, warm_up=2, window=2, consensus=0.95)
    assert never.started == 7
    once = solve(tmp_path / "c", "deepconf-high", constant(1, 2, 3), warm_up=2, consensus=0.95)
    assert once.started == 2  # the warm-up agrees already
    off = solve(tmp_path / "d", "deepconf-high", constant(1, 2, 3), warm_up=2)
    assert off.started == 3


@pytest.mark.parametrize(("bar", "tokens"), [("exact", [3, 3]), ("rounded", [3, 4])])
def test_the_published_program_rounds_to_three_decimals(
    tmp_path: Path, bar: str, tokens: list[int]
) -> None:
    # The warm-up's only group has a mean of 1.000333…, so s is that or 1.000.
    traces = [T(3, "1", confidence=[1, 1, 1.001]), T(4, "2", confidence=[1, 1, 1, 1])]
    outcome = solve(tmp_path, "deepconf-low", traces, warm_up=1, window=3, bar=bar)
    assert outcome.num_tokens == tokens
    short = [T(2, "1", confidence=[1, 1.001]), T(4, "2", confidence=[1, 1, 1, 1])]
    whole = solve(tmp_path / "short", "deepconf-low", short, warm_up=1, window=3, bar=bar)
    assert whole.num_tokens == [2, 3]  # a mean for want of a group, 1.0005, is not rounded


# Offline

SEVEN_VOTES = [  # of 20 tokens; with a window of 1, tail is the last one and bottom the lowest two
    *[T(20, "1", confidence=[1] * 20)] * 3,  # 1, 1, 1, 1
    *[T(20, "2", confidence=[10] * 17 + [0] * 3)] * 2,  # mean 8.5, tail 0, bottom 0, lowest 0
    T(20, "3", confidence=[0] * 19 + [9]),  # 0.45, 9, 0, 0
    *[T(20, "4", confidence=[0] + [8] * 19)] * 2,  # 7.6, 8, 4, 0
    T(20, "5", confidence=[4.5] * 20),  # 4.5, 4.5, 4.5, 4.5
]


@pytest.mark.parametrize(
    ("measure", "keep", "weighted", "expected"),
    [
        ("mean", 100, False, "1"),  # 3 votes
        ("mean", 100, True, "2"),  # 17 to 15.2
        ("tail", 100, True, "4"),  # 16 to 9
        ("bottom", 100, True, "4"),  # 8 to 4.5
        ("lowest", 100, True, "5"),  # 4.5 to 3
        ("tail", 10, True, "3"),  # the 90th percentile is 8 + 0.2 × 1
        ("bottom", 10, True, "5"),  # the 90th percentile is 4 + 0.2 × 0.5
    ],
)
def test_the_seven_published_votes(
    tmp_path: Path, measure: str, keep: float, weighted: bool, expected: str
) -> None:
    outcome = solve(
        tmp_path,
        "deepconf-offline",
        SEVEN_VOTES,
        measure=measure,
        keep=keep,
        weighted=weighted,
        window=1,
    )
    assert outcome.answer == expected
    assert outcome.tokens == 180  # offline saves nothing


@pytest.mark.parametrize(("keep", "expected"), [(100, "1"), (90, "2"), (50, "2"), (10, "2")])
def test_keep_leaves_out_what_is_below_the_percentile(
    tmp_path: Path, keep: float, expected: str
) -> None:
    traces = constant(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, answers="1111122222")
    outcome = solve(tmp_path, "deepconf-offline", traces, keep=keep, weighted=False)
    assert outcome.answer == expected  # 90: the 10th percentile is 1.9, so that it is 4 to 5


def test_traces_at_the_percentile_are_all_kept(tmp_path: Path) -> None:
    traces = constant(5, 5, 5, answers="122")
    assert solve(tmp_path, "deepconf-offline", traces).answer == "2"


def test_the_percentile_is_over_traces_with_an_answer(tmp_path: Path) -> None:
    traces = constant(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, answers="11112-----")
    outcome = solve(tmp_path, "deepconf-offline", traces)
    assert outcome.answer == "2"  # 4.6 of the first five; 9.1 of all would leave no answer


# Self-certainty


@pytest.mark.parametrize(
    ("confidences", "settings", "expected"),
    [
        ((3, 1, 2, 5, 4), {"p": 0}, "1"),  # a majority vote
        ((3, 1, 2, 5, 4), {}, "2"),  # √3 + √1 + √2 = 4.15 to √5 + √4 = 4.24
        ((4, 1, 2, 5, 3), {}, "1"),  # √4 + √1 + √2 = 4.41 to √5 + √3 = 3.97
        ((4, 1, 2, 5, 3), {"p": 1}, "2"),  # 4 + 1 + 2 to 5 + 3
        ((4, 1, 2, 5, 3), {"best": True}, "2"),
    ],
)
def test_borda_votes_and_best_of_n(
    tmp_path: Path, confidences: tuple[float, ...], settings: dict[str, Any], expected: str
) -> None:
    traces = constant(*confidences, answers="11122")
    assert solve(tmp_path, "self-certainty", traces, **settings).answer == expected


def test_the_largest_p_still_gives_votes_that_add_up(tmp_path: Path) -> None:
    traces = constant(*range(1000), answers="1" * 999 + "2")
    assert solve(tmp_path, "self-certainty", traces, p=50).answer == "1"  # (999/1000)^50 is 0.95
    traces = constant(5, 4, 6, answers="112")
    assert solve(tmp_path / "b", "self-certainty", traces, p=50).answer == "2"


def test_borda_breaks_ties_by_order_twice(tmp_path: Path) -> None:
    # Equal confidence: the first ranks first, so √3 and √2 and √1.
    assert solve(tmp_path / "a", "self-certainty", constant(2, 2, 2, answers="213")).answer == "2"
    # Equal votes: 1 + 4 to 2 + 3.
    traces = constant(1, 2, 3, 4, answers="2112")
    assert solve(tmp_path / "b", "self-certainty", traces, p=1).answer == "2"


def test_the_best_trace_without_an_answer_is_passed_over(tmp_path: Path) -> None:
    traces = constant(9, 2, 3, answers="-12")
    assert solve(tmp_path, "self-certainty", traces, best=True).answer == "2"


def test_self_certainty_ranks_by_the_measure_asked_for(tmp_path: Path) -> None:
    assert solve(tmp_path / "m", "self-certainty", SEVEN_VOTES[3:], best=True).answer == "2"
    for measure, best in [("tail", "3"), ("bottom", "5"), ("lowest", "5")]:
        outcome = solve(
            tmp_path / measure, "self-certainty", SEVEN_VOTES, best=True, measure=measure, window=1
        )
        assert outcome.answer == best


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("deepconf-low", {"keep": 101}),
        ("deepconf-low", {"warm_up": 0}),
        ("deepconf-low", {"window": 0}),
        ("deepconf-low", {"consensus": 1.5}),
        ("deepconf-offline", {"measure": "median"}),
        ("deepconf-offline", {"keep": -1}),
        ("deepconf-offline", {"window": 0}),
        ("self-certainty", {"p": -0.5}),
        ("self-certainty", {"p": 400}),  # 32^400 is no finite number
        ("self-certainty", {"measure": ""}),
    ],
)
def test_parameters_that_make_no_sense_are_refused(
    tmp_path: Path, name: str, settings: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match=r"must be|needs"):
        solve(tmp_path, name, constant(1), **settings)


# Weighted votes


def test_the_heaviest_answer_wins_and_a_tie_goes_to_the_class_seen_first() -> None:
    votes = np.array([2, 0, -1, 0], dtype=np.int32)
    assert weighted_vote(votes, [3, 1, 99, 1.5]) == 2
    assert weighted_vote(votes, [2.5, 1, 99, 1.5]) == 2
    assert weighted_vote(votes, [2, 1, 99, 1.5]) == 0
    assert weighted_vote(votes, [0, 0, 1, 0]) == 2
    assert weighted_vote(votes[2:3], [1]) is None
    assert weighted_vote(votes[:0], []) is None


@pytest.mark.parametrize("weights", [[1, 2], [1, -1, 1], [1, float("nan"), 1], 1])
def test_weights_that_are_none_are_refused(weights: object) -> None:
    with pytest.raises(ValueError, match="weight"):
        weighted_vote(np.array([0, 1, 1], dtype=np.int32), weights)  # type: ignore[arg-type]
