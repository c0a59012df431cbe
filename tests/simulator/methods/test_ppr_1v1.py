"""PPR-1v1 against values worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from pools import T
from solved import solve

from simulator.errors import UserError
from simulator.methods.ppr_1v1 import density_at_half


def answered(*answers: str | None) -> list[T]:
    """Make traces of 10, 20, 30, … tokens."""
    return [T(10 * n, answer) for n, answer in enumerate(answers, start=1)]


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ((0, 0), 1),
        ((1, 0), 1),  # 2p
        ((1, 1), 1.5),  # 6p(1 − p)
        ((8, 0), 9 / 256),
        ((10, 1), 11 * 12 / 2**11),
    ],
)
def test_the_density_is_that_of_the_formula(votes: tuple[int, int], expected: float) -> None:
    assert density_at_half(*votes) == pytest.approx(expected, rel=1e-12)


def test_it_needs_eight_that_agree(tmp_path: Path) -> None:
    # (n + 1) / 2^n: 8/128 = 0.0625 for seven, 9/256 = 0.035 for eight.
    outcome = solve(tmp_path, "ppr-1v1", answered(*["1"] * 9))
    assert (outcome.answer, outcome.started, outcome.clock) == ("1", 8, 360)
    assert solve(tmp_path / "b", "ppr-1v1", answered(*["1"] * 9), delta=0.07).started == 7


def test_each_further_answer_makes_it_harder(tmp_path: Path) -> None:
    # One dissenter: (n + 1)(n + 2) / 2^(n + 1), 0.064 for 10 and 0.038 for 11. Two who differ share
    # 0.05: 0.022 for 12.
    one = solve(tmp_path / "one", "ppr-1v1", answered("2", *["1"] * 14))
    two = solve(tmp_path / "two", "ppr-1v1", answered("2", "3", *["1"] * 14))
    assert (one.started, two.started) == (1 + 11, 2 + 12)


def test_traces_without_an_answer_are_no_rivals(tmp_path: Path) -> None:
    outcome = solve(tmp_path, "ppr-1v1", answered(None, "2", None, *["1"] * 14))
    assert (outcome.answer, outcome.started) == ("1", 3 + 11)
    assert solve(tmp_path / "none", "ppr-1v1", answered(None, None)).answer is None


def test_a_delta_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs"):
        solve(tmp_path, "ppr-1v1", answered("1"), delta=1)
