"""Tokens charged as the programs of SCOUT and AutoTTS do, on values worked out by hand."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pools import T, write_problem

from simulator.errors import UserError
from simulator.pools.charging import charged
from simulator.pools.pool import StoredProblem
from simulator.replay.orders import orders, shuffled

ALL = np.array([0, 1, 2, 3])


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> StoredProblem:
    traces = [
        T(1200, "1", {500: "1", 1000: "1"}),
        T(3000, "2", {500: "2", 1000: "2"}),  # its probes end early
        T(300, "1", {}),
        T(1000, "1", {500: "1", 1000: "1"}),
    ]
    return write_problem(tmp_path_factory.mktemp("cache"), traces)


@pytest.mark.parametrize(
    ("generated", "tokens"),
    [
        ([0, 0, 0, 0], [0, 0, 0, 0]),
        ([1, 500, 1, 500], [500, 500, 300, 500]),  # without probes, all of the trace
        ([501, 999, 299, 501], [1000, 1000, 300, 1000]),
        ([1000, 1000, 300, 1000], [1000, 1000, 300, 1000]),
        ([1001, 1001, 300, 1000], [1200, 3000, 300, 1000]),  # past the last probe, the rest
        ([1200, 3000, 300, 1000], [1200, 3000, 300, 1000]),  # never more than there is
    ],
)
def test_whole_steps_are_charged_and_then_the_rest(
    problem: StoredProblem, generated: list[int], tokens: list[int]
) -> None:
    assert charged("scout", problem, ALL, np.array(generated)).tolist() == tokens
    assert charged("generated", problem, ALL, np.array(generated)).tolist() == generated


def test_rows_may_come_in_any_order_and_shape(problem: StoredProblem) -> None:
    rows = np.array([[1, 0], [3, 2]])
    generated = np.array([[1001, 1], [1, 0]])
    assert charged("scout", problem, rows, generated).tolist() == [[3000, 500], [500, 0]]


@given(st.lists(st.integers(0, 3000), min_size=4, max_size=4))
def test_the_charge_is_between_what_was_generated_and_the_whole(
    problem: StoredProblem, wanted: list[int]
) -> None:
    generated = np.minimum(wanted, problem.lengths)
    found = charged("scout", problem, ALL, generated)
    assert (generated <= found).all()
    assert (found <= problem.lengths).all()
    assert ((found == 0) == (generated == 0)).all()
    assert charged("scout", problem, ALL, found).tolist() == found.tolist()


def test_probes_that_are_not_at_one_interval_cannot_be_counted_in(tmp_path: Path) -> None:
    problem = write_problem(tmp_path, [T(900, "1", {500: "1", 600: "1"})])
    with pytest.raises(UserError, match=r"p: its probes are not at the multiples .*--charging"):
        charged("scout", problem, np.array([0]), np.array([10]))


def test_orders_are_those_that_the_program_shuffles(problem: StoredProblem) -> None:
    expected = []
    for seed in (7, 8):  # as `Question` does with its list of branches
        branches = list("abcd")
        random.Random(seed).shuffle(branches)
        expected.append(["abcd".index(each) for each in branches])
    drawn = [*orders(problem, 4, range(2), 7, 123, "scout")]
    assert [order.tolist() for order in drawn] == expected
    (first,) = orders(problem, 3, [1], 7, 456, "scout")  # of any problem, the same
    assert first.tolist() == expected[1][:3]
    assert sorted(shuffled(128, 0).tolist()) == list(range(128))
