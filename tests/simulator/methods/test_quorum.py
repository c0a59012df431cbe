"""Quorum against values worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pools import T
from solved import Outcome, solve

from simulator.errors import UserError

# Bars: 8 starters of which 4 vote, doubt 2: 0.5 + 0.25 × (4 − votes) / 3, so 0.667 at the second
# vote and 0.583 at the third. Chances to lead: 0.875 for 2:0, 0.6875 for 2:1, 0.8125 for 3:1.


def even(*answers: str | None) -> list[T]:
    """Traces of 10, 20, 30, … tokens."""
    return [T(10 * n, answer) for n, answer in enumerate(answers, start=1)]


def holding(*answers: str) -> list[T]:
    """Make a trace of 15 tokens that answers 1, and traces of 95 that hold these answers."""
    running = [T(95, "1", dict.fromkeys(range(10, 95, 10), answer)) for answer in answers]
    return [T(15, "1", {10: "1"}), *running]


def test_two_votes_that_agree_stop_the_rest_where_they_are(tmp_path: Path) -> None:
    outcome = solve(tmp_path, "quorum", even(*["1"] * 8))
    assert outcome == Outcome("1", 10 + 7 * 20, 20, 8, [10, *[20] * 7])


def test_a_contested_vote_goes_on_until_the_bar(tmp_path: Path) -> None:
    outcome = solve(tmp_path, "quorum", even("1", "2", *["1"] * 6))
    assert outcome == Outcome("1", 10 + 20 + 6 * 30, 30, 8, [10, 20, *[30] * 6])


@pytest.mark.parametrize(("doubt", "votes"), [(2.0, 3), (0.0, 4)])
def test_doubt_lowers_the_bar(tmp_path: Path, doubt: float, votes: int) -> None:
    # All 8 may vote. At the third vote the bar is 0.679 with doubt 2, and 0.857 without; at the
    # fourth, it is 0.786 without.
    outcome = solve(
        tmp_path, "quorum", even("1", "2", *["1"] * 6), finishers=1, doubt=doubt, scatter=0
    )
    assert outcome.clock == 10 * votes


def test_the_last_vote_ends_it_and_ties_go_to_the_first_to_finish(tmp_path: Path) -> None:
    # Of 8, 4 vote at most; 1, 2, none and 3 in the order in which they finish.
    traces = [T(30, None), T(20, "2"), T(10, "1"), T(40, "3"), *[T(90, "3")] * 4]
    outcome = solve(tmp_path, "quorum", traces, scatter=0)
    assert (outcome.answer, outcome.clock) == ("1", 40)


@pytest.mark.parametrize(("scatter", "clock"), [(0.6, 40), (0.5, 50), (0.0, 80)])
def test_votes_that_scatter_end_it(tmp_path: Path, scatter: float, clock: int) -> None:
    # Two of four votes for the leading two answers are half, two of five less.
    outcome = solve(tmp_path, "quorum", even(*"12345678"), finishers=1, doubt=0, scatter=scatter)
    assert (outcome.answer, outcome.clock) == ("1", clock)


@pytest.mark.parametrize(
    ("held", "clock"),
    [
        (["1", "1", "1"], 15),  # all hold the answer
        (["1", "1", "1", "1", "2"], 15),  # one of five is half of the 40% needed
        (["1", "1", "1", "2"], 95),  # one of four is more
        (["1", "3", "4", "5", "6"], 95),  # one holds it, two are needed
    ],
)
def test_running_traces_that_hold_the_first_answer_end_it(
    tmp_path: Path, held: list[str], clock: int
) -> None:
    assert solve(tmp_path, "quorum", holding(*held)).clock == clock
    assert solve(tmp_path / "unasked", "quorum", holding(*held), support=0).clock == 95


def test_starters_are_the_dial(tmp_path: Path) -> None:
    outcome = solve(tmp_path, "quorum", even(*["1"] * 8), starters=3)
    assert outcome == Outcome("1", 10 + 20 + 20, 20, 3, [10, 20, 20])
    assert solve(tmp_path / "one", "quorum", even("1")).answer == "1"


def test_a_trace_without_a_token_holds_up_none(tmp_path: Path) -> None:
    outcome = solve(tmp_path, "quorum", [T(0, None), *even("1", "1")])
    assert (outcome.answer, outcome.tokens) == ("1", 30)


@pytest.mark.parametrize(
    "settings", [{"starters": -1}, {"finishers": 0}, {"support": 2}, {"scatter": -1}, {"doubt": -1}]
)
def test_values_that_make_no_sense_are_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"must be|is above 0"):
        solve(tmp_path, "quorum", even("1"), **settings)
