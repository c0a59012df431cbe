"""Places of labels: no overlaps, all inside, each clearly its point's, also when stretched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard_app.tradeoff import placement
from leaderboard_app.tradeoff.placement import (
    CLOSE,
    DOT,
    FONT_SIZE,
    PADDING,
    Placed,
    Wanted,
    place,
    text_width,
)
from simulator.report.plotting.placing import Box, Point

WIDTH, HEIGHT = 600.0, 400.0

POINTS = st.lists(
    st.tuples(st.integers(10, int(WIDTH) - 10), st.integers(10, int(HEIGHT) - 10)),
    min_size=1,
    max_size=35,
)


def wanted(points: Sequence[Point], text: str = "parallel-probe") -> list[Wanted]:
    return [Wanted(point, (text, f"#{number}")) for number, point in enumerate(points)]


def overlap(one: Box, other: Box) -> bool:
    """Check that two boxes share more than a border, allowing for rounding."""
    return one.overlap(other) > 1e-6


def around(point: Point) -> Box:
    return Box(point[0] - DOT, point[1] - DOT, point[0] + DOT, point[1] + DOT)


def distance(point: Point, box: Box) -> float:
    across = max(box.left - point[0], 0.0, point[0] - box.right)
    down = max(box.top - point[1], 0.0, point[1] - box.bottom)
    return math.hypot(across, down)


def stretched(found: Placed, by: float) -> Box:
    """Return a label's box in a wider picture: its anchor moves, its size stays."""
    shift = (by - 1) * found.end[0]
    return Box(found.box.left + shift, found.box.top, found.box.right + shift, found.box.bottom)


@settings(deadline=None)
@given(POINTS, st.sampled_from([1.0, 1.3, 1.7, 2.5]))
def test_labels_overlap_neither_each_other_nor_points_at_any_stretch(
    points: list[Point], by: float
) -> None:
    placed = place(wanted(points), (WIDTH, HEIGHT))
    boxes = [stretched(each, by) for each in placed if each is not None]
    assert boxes
    for one, other in combinations(boxes, 2):
        assert not overlap(one, other)
    for box in boxes:
        assert box.left >= 0
        assert box.top >= 0
        assert box.right <= by * WIDTH
        assert box.bottom <= HEIGHT
        assert not any(overlap(box, around((by * x, y))) for x, y in points)


@settings(deadline=None)
@given(POINTS)
def test_a_label_without_a_line_is_nearest_to_its_own_point(points: list[Point]) -> None:
    for point, found in zip(points, place(wanted(points), (WIDTH, HEIGHT)), strict=True):
        if found is not None and not found.leader:
            own = distance(point, found.box)
            assert own <= CLOSE
            assert all(own < distance(other, found.box) for other in points if other != point)
            assert points.count(point) == 1


@settings(deadline=None)
@given(POINTS)
def test_lines_to_labels_end_at_their_box_and_pass_through_no_other(points: list[Point]) -> None:
    placed = place(wanted(points), (WIDTH, HEIGHT))
    there = [(point, each) for point, each in zip(points, placed, strict=True) if each is not None]
    for point, found in there:
        assert distance(found.end, found.box) == pytest.approx(0.0)
        if found.leader:
            others = [each.box for _, each in there if each is not found]
            for step in range(101):
                x = point[0] + (found.end[0] - point[0]) * step / 100
                y = point[1] + (found.end[1] - point[1]) * step / 100
                assert not any(
                    box.left < x < box.right and box.top < y < box.bottom for box in others
                )


def test_a_lonely_label_stands_close_at_the_right() -> None:
    (found,) = place([Wanted((100.0, 200.0), ("asc",))], (WIDTH, HEIGHT))
    assert found is not None
    assert not found.leader
    assert found.box.left == pytest.approx(109.0)
    assert (found.box.top + found.box.bottom) / 2 == pytest.approx(200.0)
    assert found.box.right - found.box.left == pytest.approx(text_width("asc") + 2 * PADDING)
    assert found.box.bottom - found.box.top == FONT_SIZE + 2 * PADDING


def test_at_an_edge_it_stands_on_the_other_side() -> None:
    (found,) = place([Wanted((WIDTH - 12, 200.0), ("parallel-probe",))], (WIDTH, HEIGHT))
    assert found is not None
    assert found.box.right <= WIDTH - 12 - DOT


def test_obstacles_are_avoided_and_a_shorter_text_is_tried() -> None:
    row = [Box(0, 0, WIDTH, 180), Box(0, 220, WIDTH, HEIGHT)]  # a slit of 40 pixels is left
    beside = [Box(0, 180, 90, 220), Box(160, 180, WIDTH, 220)]  # 9 + 51 pixels at the right
    long, short = place(
        [Wanted((100.0, 200.0), ("a name that is far too long", "#1"))] * 2,
        (WIDTH, HEIGHT),
        obstacles=[*row, *beside],
    )
    assert long is not None
    assert long.text == "#1"
    assert short is None or not overlap(long.box, short.box)
    assert place([Wanted((100.0, 200.0), ("x",))], (WIDTH, HEIGHT), obstacles=[*row, *beside])[0]
    everything = [Box(0, 0, WIDTH, HEIGHT)]
    assert place([Wanted((100.0, 200.0), ("x",))], (WIDTH, HEIGHT), obstacles=everything) == [None]


def test_urgent_labels_come_first() -> None:
    slit = [Box(0, 0, WIDTH, 188), Box(0, 212, WIDTH, HEIGHT), Box(150, 0, WIDTH, HEIGHT)]
    crowd = [Wanted((100.0, 200.0), ("aaaa",)), Wanted((100.0, 200.0), ("bbbb",), urgent=True)]
    placed = place(crowd, (WIDTH, HEIGHT), obstacles=[*slit, Box(0, 0, 90, HEIGHT)])
    assert [each and each.text for each in placed] == [None, "bbbb"]


def test_a_label_moves_to_make_room_for_another() -> None:
    # The first in order takes the right side; the second point's only free side is that, too.
    walls = [Box(0, 0, WIDTH, 150), Box(0, 250, WIDTH, HEIGHT), Box(260, 0, WIDTH, HEIGHT)]
    points = [(100.0, 200.0), (105.0, 172.0), (105.0, 228.0), (180.0, 200.0)]
    placed = place(wanted(points, "asc, N=16"), (WIDTH, HEIGHT), obstacles=walls)
    assert all(placed)


COORDINATES = st.integers(0, 60).map(float)


@st.composite
def columns(draw: st.DrawFn) -> list[float]:
    """Draw a place: a box, a line to it, 1 if the line is drawn, and the box around all of it."""
    left, top, x, y = (draw(COORDINATES) for _ in range(4))
    right, bottom = left + draw(st.integers(1, 30)), top + draw(st.integers(1, 9))
    end = min(max(x, left), right), min(max(y, top), bottom)
    around = min(left, x), min(top, y), max(right, x), max(bottom, y)
    return [left, top, right, bottom, x, y, *end, float(draw(st.booleans())), *around]


def passes(one: Sequence[float], other: Sequence[float]) -> bool:
    """Check that a place's line meets another's box."""
    enter, leave = 0.0, 1.0
    for axis in (0, 1):
        start, along = one[4 + axis], (one[6 + axis] - one[4 + axis]) or 1e-9
        first, second = (other[axis] - start) / along, (other[axis + 2] - start) / along
        enter, leave = max(enter, min(first, second)), min(leave, max(first, second))
    return enter <= leave


def divides(one: Sequence[float], other: Sequence[float]) -> bool:
    """Check that the ends of another place's line are on both sides of a place's line."""
    x, y, across, down = one[4], one[5], one[6] - one[4], one[7] - one[5]
    first = across * (other[5] - y) - down * (other[4] - x)
    return first * (across * (other[7] - y) - down * (other[6] - x)) < 0


@given(st.lists(columns(), min_size=1, max_size=6), st.lists(columns(), min_size=1, max_size=4))
def test_conflicts_are_boxes_and_lines_that_meet(
    places: list[list[float]], held: list[list[float]]
) -> None:
    found = placement._conflicts(np.array(places).T, np.array(held).T)
    for one, row in zip(places, found.tolist(), strict=True):
        for other, conflict in zip(held, row, strict=True):
            meets = Box(*one[:4]).overlap(Box(*other[:4])) > 0
            meets |= bool(one[8] and passes(one, other)) or bool(other[8] and passes(other, one))
            crosses = one[8] and other[8] and divides(one, other) and divides(other, one)
            expected = placement.MEETS if meets else placement.CROSSES if crosses else 0
            assert conflict == expected


def test_the_same_points_have_the_same_places() -> None:
    points = [(float(37 * n % 580 + 10), float(91 * n % 380 + 10)) for n in range(30)]
    assert place(wanted(points), (WIDTH, HEIGHT)) == place(wanted(points), (WIDTH, HEIGHT))


def test_forty_random_points_all_have_labels() -> None:
    points = [(float(173 * n % 900 + 30), float(269 * n % 380 + 20)) for n in range(40)]
    placed = place(wanted(points), (960.0, 430.0))
    assert [each.text for each in placed if each] == ["parallel-probe"] * 40


@pytest.mark.parametrize("text", ["parallel-probe, N=64", "MMMM", "illi", "asc, threshold=0.95"])
def test_widths_are_those_of_a_usual_font_or_a_bit_more(text: str) -> None:
    # Helvetica's widths in thousandths, from its published metrics.
    helvetica = dict.fromkeys("abdeghnopqu0123456789", 556) | dict.fromkeys("cksvxyz", 500)
    helvetica |= {"i": 222, "j": 222, "l": 222, "f": 278, "t": 278, "r": 333, "m": 833, "w": 722}
    helvetica |= {" ": 278, ",": 278, ".": 278, "-": 333, "=": 584, "N": 722, "M": 833}
    true = sum(helvetica[each] for each in text) * FONT_SIZE / 1000
    assert true <= text_width(text) <= 1.45 * true
