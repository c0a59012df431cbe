"""Figures of a pool's answers, worked out by hand."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import T, write_pool

from simulator.policy.voting import majority_vote
from simulator.pools.summary import expected_vote, summarise_answers, unanswered_share


def traces(*answers: str | None) -> list[T]:
    return [T(10, answer) for answer in answers]


def test_figures_that_were_worked_out_by_hand(tmp_path: Path) -> None:
    pool = write_pool(
        tmp_path,
        {
            "a": traces("1", "1.0", "2", None),  # 1 wins with 2 of 3 votes
            "b": traces("3", "1", "2", "2"),  # 2 wins
            "c": traces("1", "2", "3", None),  # three tie
            "d": traces(None, None, None, None),
        },
    )
    found = summarise_answers(pool)
    assert found.pass_at_1 == pytest.approx((2 / 4 + 1 / 4 + 1 / 4 + 0) / 4)
    assert found.cons == pytest.approx((1 + 0 + 1 / 3 + 0) / 4)
    assert (found.least_traces, found.most_traces, found.cons_name) == (4, 4, "cons@4")
    assert (found.no_answer, found.no_answer_share, found.unanswered_problems) == (6, 6 / 16, 1)
    assert found.classes == (0, 2.5, 3)
    assert unanswered_share(pool) == 6 / 16


def test_a_vote_over_different_numbers_of_traces_is_of_all(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"a": traces("1"), "b": traces("1", "2", "2")})
    found = summarise_answers(pool)
    assert (found.cons, found.cons_name) == (0.5, "cons@all")
    assert (found.least_traces, found.most_traces) == (1, 3)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["1", "2", "3", None]), min_size=1, max_size=5))
def test_the_vote_is_that_of_cons_over_all_orders(answers: list[str | None]) -> None:
    with TemporaryDirectory() as folder:
        problem = write_pool(Path(folder), {"p": traces(*answers)}).problems[0]
    votes = [
        majority_vote(problem.answer_class[list(order)])
        for order in permutations(range(len(answers)))
    ]
    right = [vote is not None and bool(problem.class_correct[vote]) for vote in votes]
    assert expected_vote(problem) == pytest.approx(sum(right) / len(right))
