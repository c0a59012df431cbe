"""β-SC against values worked out by hand, and against ASC."""

from __future__ import annotations

from pathlib import Path

import pytest
from pools import T
from solved import Outcome, solve

from simulator.errors import UserError
from simulator.policy.posterior import chance_of_lead


def even(*answers: str | None) -> list[T]:
    """Traces of 10, 20, 30, … tokens."""
    return [T(10 * n, answer) for n, answer in enumerate(answers, start=1)]


@pytest.mark.parametrize(
    ("second", "first"), [(0, 4), (1, 6), (2, 8), (3, 9), (4, 11), (5, 12), (6, 14)]
)
def test_votes_needed_are_those_of_the_published_table(second: int, first: int) -> None:
    assert chance_of_lead(first, second) >= 0.95 > chance_of_lead(first - 1, second)


def test_all_at_once_stops_the_rest_where_they_are(tmp_path: Path) -> None:
    # 1 − 2^-5 for four votes of one answer, at 40 tokens.
    outcome = solve(tmp_path, "beta-sc", even(*["1"] * 6), in_flight=0)
    assert outcome == Outcome("1", 10 + 20 + 30 + 3 * 40, 40, 6, [10, 20, 30, 40, 40, 40])


def test_a_new_trace_starts_for_each_that_ends(tmp_path: Path) -> None:
    # Two at a time: ends at 10, 20, then the third (from 10) at 40, the fourth (from 20) at 60,
    # the fifth, from 40 on, has come to 20.
    outcome = solve(tmp_path, "beta-sc", even(*["1"] * 6), in_flight=2)
    assert outcome == Outcome("1", 10 + 20 + 30 + 40 + 20, 60, 5, [10, 20, 30, 40, 20])


def test_one_at_a_time_is_asc_with_a_threshold_that_may_be_met_exactly(tmp_path: Path) -> None:
    outcome = solve(tmp_path / "a", "beta-sc", even("1", "2", *["1"] * 8), in_flight=1)
    assert outcome == solve(tmp_path / "b", "asc", even("1", "2", *["1"] * 8))
    # Three votes: 1 − 2^-4 = 0.9375.
    met = solve(tmp_path / "c", "beta-sc", even(*["1"] * 6), in_flight=1, threshold=0.9375)
    over = solve(tmp_path / "d", "asc", even(*["1"] * 6), threshold=0.9375)
    assert (met.started, over.started) == (3, 4)


def test_the_first_alone_does_not_decide(tmp_path: Path) -> None:
    outcome = solve(tmp_path, "beta-sc", even(*["1"] * 4), in_flight=0, threshold=0.6)
    assert outcome.num_tokens == [10, 20, 20, 20]


def test_what_ends_in_the_same_step_votes_together(tmp_path: Path) -> None:
    traces = [T(10, "2"), T(10, "1"), T(10, "1"), T(20, "2")]
    outcome = solve(tmp_path, "beta-sc", traces, in_flight=3, threshold=0.6)
    assert outcome == Outcome("1", 30, 10, 3, [10, 10, 10])  # 2 to 1: 0.6875


def test_never_certain_it_votes_over_all(tmp_path: Path) -> None:
    outcome = solve(tmp_path, "beta-sc", even("2", None, "1", "1", None))
    assert (outcome.answer, outcome.tokens) == ("1", 150)
    assert solve(tmp_path / "one", "beta-sc", even("1")).answer == "1"


def test_a_trace_without_a_token_holds_up_none(tmp_path: Path) -> None:
    outcome = solve(tmp_path, "beta-sc", [T(0, None), *even("1", "1")])
    assert (outcome.answer, outcome.tokens) == ("1", 30)


def test_a_negative_number_in_flight_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least 1"):
        solve(tmp_path, "beta-sc", even("1"), in_flight=-1)
