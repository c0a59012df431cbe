"""Ranges of parameters, and settings drawn from them."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import UserError
from simulator.runs.idle import _changed_nothing
from simulator.runs.space import DIGITS, Range, drawn_points, parse_ranges

NAMES = [("esc", dict[str, str]())]


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("4:64", Range(4, 64, whole=True, log=False)),
        ("0.5:1", Range(0.5, 1, whole=False, log=False)),
        ("1e-4:1:log", Range(1e-4, 1, whole=False, log=True)),
        ("-2:3", Range(-2, 3, whole=True, log=False)),
    ],
)
def test_a_range_is_read(typed: str, wanted: Range) -> None:
    assert parse_ranges({"tau": [typed]}) == {"tau": wanted}


@pytest.mark.parametrize("typed", ["0.5", "tokens=500", "a:b", "1:2:3", "12:00pm", ""])
def test_another_text_is_a_value(typed: str) -> None:
    assert parse_ranges({"tau": [typed]}) == {}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["3:1"], "-p tau=3:1: give the lower end first"),
        (["3:3"], "-p tau=3:3: give the lower end first"),
        (["0:3:log"], "-p tau=0:3:log: give from a number above 0 to a larger one"),
        (["1:3", "5"], "-p tau=1:3,5: give a range, or values, not both"),
    ],
)
def test_a_wrong_range_is_refused(values: list[str], message: str) -> None:
    with pytest.raises(UserError) as raised:
        parse_ranges({"tau": values})
    assert str(raised.value) == message


@given(st.integers(0, 2**32), st.floats(1e-6, 1e3), st.floats(1.001, 1e3), st.booleans())
def test_numbers_drawn_are_within_the_range(seed: int, low: float, ratio: float, log: bool) -> None:
    low, high = float(f"{low:.{DIGITS}g}"), float(f"{low * ratio:.{DIGITS}g}")
    drawn = Range(low, high, whole=False, log=log).draw(random.Random(seed))
    assert low <= float(drawn) <= high


def test_whole_numbers_are_drawn_alike_and_logarithmic_ones_by_ratio() -> None:
    rng = random.Random(0)
    counts = Counter(Range(1, 4, whole=True, log=False).draw(rng) for _ in range(4000))
    # Each has an expected 1000, with a standard deviation of 27.
    assert set(counts) == set("1234")
    assert all(abs(count - 1000) < 4 * 27 for count in counts.values())
    below = sum(float(Range(1e-4, 1, whole=False, log=True).draw(rng)) < 1e-2 for _ in range(4000))
    assert abs(below - 2000) < 4 * math.sqrt(1000)  # half of all are below the middle ratio


def test_settings_are_drawn_without_repeats_the_same_for_a_seed() -> None:
    grid = {"window": ["2:9"], "fixed": ["1"], "how": ["a", "b"]}
    points = drawn_points(NAMES, grid, [8, 16], 12, seed=3)
    assert points == drawn_points(NAMES, grid, [8, 16], 12, seed=3)
    assert points != drawn_points(NAMES, grid, [8, 16], 12, seed=4)
    assert len({(*each.typed.values(), each.budget) for each in points}) == 12
    assert {each.typed["fixed"] for each in points} == {"1"}


def test_of_a_grid_smaller_than_asked_all_settings_are_drawn() -> None:
    points = drawn_points(NAMES, {"window": ["2", "3", "5"]}, [8, 16], 99, seed=0)
    assert {(each.typed["window"], each.budget) for each in points} == {
        (window, budget) for window in "235" for budget in (8, 16)
    }


def test_more_settings_than_a_range_has_are_refused() -> None:
    with pytest.raises(UserError, match="--random 5: the ranges have not so many settings"):
        drawn_points(NAMES, {"window": ["2:3"]}, [None], 5, seed=0)


def test_settings_of_which_no_two_differ_in_one_parameter_alone_tell_of_none() -> None:
    from pathlib import Path

    runs = {Path("a"): {"x": "1", "y": "1"}, Path("b"): {"x": "2", "y": "2"}}
    assert not _changed_nothing("x", runs, dict.fromkeys(runs, "same"))
    assert _changed_nothing(
        "x", runs | {Path("c"): {"x": "2", "y": "1"}}, dict.fromkeys([*runs, Path("c")], "same")
    )
