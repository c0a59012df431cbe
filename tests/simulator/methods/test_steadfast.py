"""Steadfast against values worked out by hand, and beside quorum where no trace is probed."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pools import T
from solved import Outcome, solve

from simulator.errors import UserError


def even(*answers: str | None) -> list[T]:
    """Traces of 10, 20, 30, … tokens."""
    return [T(10 * n, answer) for n, answer in enumerate(answers, start=1)]


def probed(length: int, answer: str, *held: str) -> T:
    """Make a trace that holds these answers at 10, 20, 30, … tokens."""
    return T(length, answer, {10 * n: each for n, each in enumerate(held, start=1)})


@pytest.mark.parametrize(
    ("power", "answer"),
    [
        (0.0, "1"),  # one vote each, and a tie goes to the first
        (1.0, "3"),  # scores 2/5, 3/4 and 1
    ],
)
def test_votes_count_less_for_an_answer_that_traces_have_left(
    tmp_path: Path, power: float, answer: str
) -> None:
    # All four have held 1, and one is left; of three that held 2, two are left; none has left 3.
    traces = [
        probed(15, "1", "1"),
        probed(25, "2", "1", "2"),
        probed(35, "3", "1", "2", "3"),
        probed(95, "1", "2", "1", "2", "2"),
    ]
    outcome = solve(tmp_path, "steadfast", traces, interval=10, doubt=0, power=power)
    assert outcome == Outcome(answer, 15 + 25 + 2 * 35, 35, 4, [15, 25, 35, 35])


@pytest.mark.parametrize(
    ("power", "interval", "clock"),
    [
        (0, 10, 25),  # 2:0 leads with a chance of 0.875, the bar of 4 votes is 0.833
        (1, 10, 95),  # of five traces that held it, two are left: 2 × 3/6, 0.75
        (0.2, 10, 25),  # 2 × 0.5 ** 0.2 = 1.741, 0.850
        (1, 20, 25),  # the probes at 10 are not seen
        (1, 2000, 25),
    ],
)
def test_the_bar_is_for_scores(tmp_path: Path, power: float, interval: int, clock: int) -> None:
    running = [probed(95, "1", first, "3") for first in "111222"]
    traces = [probed(15, "1", "1"), probed(25, "1", "1", "1"), *running]
    outcome = solve(tmp_path, "steadfast", traces, interval=interval, doubt=0, power=power)
    assert (outcome.answer, outcome.clock) == ("1", clock)


@pytest.mark.parametrize(
    ("held", "clock"),
    [
        ("111", 15),
        ("1123", 15),  # half hold it, and a quarter each another
        ("11122", 95),  # two of five are more than a quarter
        ("123", 95),  # one of three is less than half
    ],
)
def test_running_traces_that_hold_the_first_answer_end_it(
    tmp_path: Path, held: str, clock: int
) -> None:
    traces = [probed(15, "1", "1"), *(probed(95, "1", *[each] * 9) for each in held)]
    assert solve(tmp_path, "steadfast", traces, interval=10, doubt=0).clock == clock
    assert solve(tmp_path / "unasked", "steadfast", traces, interval=20, doubt=0).clock == 95


def test_a_probe_where_a_trace_finishes_is_asked_first(tmp_path: Path) -> None:
    traces = [probed(10, "1", "1"), *(probed(95, "1", "1") for _ in range(3))]
    assert solve(tmp_path, "steadfast", traces, interval=10, doubt=0).clock == 10


def test_votes_that_scatter_end_it(tmp_path: Path) -> None:
    # Two of four votes for the leading two answers are half, two of five less.
    outcome = solve(tmp_path, "steadfast", even(*"12345678"), finishers=1, doubt=0)
    assert (outcome.answer, outcome.clock) == ("1", 50)


def test_starters_are_the_dial(tmp_path: Path) -> None:
    outcome = solve(tmp_path, "steadfast", even(*["1"] * 8), starters=3)
    assert outcome == Outcome("1", 10 + 20 + 20, 20, 3, [10, 20, 20])
    assert solve(tmp_path / "one", "steadfast", even("1")).answer == "1"
    assert solve(tmp_path / "none", "steadfast", even(None, None)).answer is None


def test_a_trace_without_a_token_holds_up_none(tmp_path: Path) -> None:
    outcome = solve(tmp_path, "steadfast", [T(0, None), *even("1", "1")])
    assert (outcome.answer, outcome.tokens) == ("1", 30)


@given(
    traces=st.lists(
        st.tuples(st.integers(1, 12), st.sampled_from(["1", "2", "3", "4", None])), min_size=1
    ),
    finishers=st.sampled_from([0.3, 0.5, 1.0]),
    doubt=st.sampled_from([0.0, 2.0, 4.0]),
)
def test_without_probes_it_is_quorum(
    traces: list[tuple[int, str | None]], finishers: float, doubt: float
) -> None:
    made = [T(length, answer) for length, answer in traces]
    settings: dict[str, Any] = {"finishers": finishers, "doubt": doubt}
    with TemporaryDirectory() as folder:
        ours = solve(Path(folder) / "ours", "steadfast", made, **settings)
        assert ours == solve(Path(folder) / "quorum", "quorum", made, **settings)


@pytest.mark.parametrize(
    "settings",
    [{"starters": -1}, {"finishers": 0}, {"doubt": -1}, {"interval": 0}, {"power": -1}],
)
def test_values_that_make_no_sense_are_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"must be|is above 0"):
        solve(tmp_path, "steadfast", even("1"), **settings)
