"""Places of labels beside their points, without overlaps; all units are pixels.

A label is a box of text. It overlaps no other label, no point and no obstacle, stays inside the
picture, and is nearer to its own point than to any other, or has a line that leads to it.

Places stay valid if the picture is stretched and each box keeps its size and its place relative to
its anchor, the end of its line: what is left of a box then moves away from it, never closer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from simulator.report.plotting.placing import Box, Point

FONT_SIZE = 12

DOT = 7.0
"""Half of the size of a point with its margin."""

CLOSE = 13.0
"""Largest distance of a label without a line to its point."""

PADDING = 2.0
"""Margin around a label's text."""

WIDTHS = {0.3: "ijl.,:;'|!", 0.38: "()[]frt- @I/", 0.9: "mwMWQO%", 0.7: "ABCDEFGHJKLNPRSTUVXYZ≥#"}
"""Widths of characters as shares of the font's size, rounded up for usual sans-serif fonts."""

OTHERWISE = 0.58

_WIDTH = {each: width for width, letters in WIDTHS.items() for each in letters}

Segment = tuple[float, float, float, float]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A label that is wanted at a point: the texts to try in order, the most urgent label first."""

    at: Point
    texts: tuple[str, ...]
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """A label's text and box; `leader` is True if a line leads to it, `end` is the line's end."""

    text: str
    box: Box
    leader: bool
    end: Point


def text_width(text: str, bold: bool = False) -> float:
    """Estimate the width of a text, rather too wide than too narrow."""
    width = sum(_WIDTH.get(each, OTHERWISE) for each in text) * FONT_SIZE
    return width * (1.07 if bold else 1.0)


def place(
    wanted: Sequence[Wanted],
    size: Point,
    *,
    dots: Sequence[Point] = (),
    obstacles: Sequence[Box] = (),
    avoided: Sequence[Segment] = (),
) -> list[Placed | None]:
    """Place labels, the urgent ones first, then those with the fewest places.

    One that finds no place may move one other label. As the last resort, lines to labels cross.

    Parameters
    ----------
    wanted
        The labels. One for which no text has a place is None in the result.
    size
        Width and height of the picture.
    dots
        Further points without a label.
    obstacles
        Boxes that no label may overlap.
    avoided
        Lines that labels avoid if they can.
    """
    every = _columns([*(each.at for each in wanted), *dots], 2)
    blocked = _columns([(each.left, each.top, each.right, each.bottom) for each in obstacles], 4)
    surroundings = _Surroundings(size, every, blocked, _columns(avoided, 4))
    first = surroundings.places([(each.at, each.texts[0], each.urgent) for each in wanted])
    order = sorted(
        range(len(wanted)), key=lambda index: (not wanted[index].urgent, len(first[index]), index)
    )
    board = _Board(first)
    texts = [each.texts[0] for each in wanted]
    for index in order:
        each = wanted[index]
        tried = [(each.texts[0], first[index])]
        done = board.add(index)
        for text in each.texts[1:] if not done else ():
            tried.append((text, surroundings.places([(each.at, text, each.urgent)])[0]))
        for crossing in (False, True):
            for text, places in tried if not done else ():
                board.places[index], texts[index] = places, text
                if done := board.add(index, crossing=crossing):
                    break
    board.improve()
    found: list[Placed | None] = [None] * len(wanted)
    for index, column in zip(board.there, board.held.T.tolist(), strict=True):
        box, end, leads = Box(*column[:4]), (column[6], column[7]), bool(column[8])
        found[index] = Placed(texts[index], box, leads, end)
    return found


class _Board:
    """Labels that have a place.

    `places` has the places of every label by its number, the best first, `there` the numbers of
    those that have a place, `held` their places in this order, and `rank` how good these are.
    """

    def __init__(self, places: Sequence[Floats]) -> None:
        self.places = [*places]
        self.there: list[int] = []
        self.rank: list[int] = []
        self.held = np.empty((9, 0))

    def add(self, index: int, *, crossing: bool = False) -> bool:
        """Put a label at its first place that is free, or that moving another label frees.

        With `crossing`, lines to labels may cross.
        """
        places = self.places[index]
        others = self.held.T.tolist()
        for rank, place in enumerate(places[:, :FIRST].T.tolist() if not crossing else ()):
            if all(_apart(place, other) for other in others):
                self._hold(index, rank)
                return True
        conflicts = _conflicts(places, self.held, crossing)
        free = np.flatnonzero(~conflicts.any(axis=1))
        if len(free):
            self._hold(index, int(free[0]))
            return True
        single = np.flatnonzero(conflicts.sum(axis=1) == 1)
        blocking = np.nonzero(conflicts[single])[1]
        for other in [*dict.fromkeys(blocking.tolist())][:BLOCKING]:
            wanted = single[blocking == other]
            rest = np.delete(self.held, other, axis=1)
            moves = self.places[self.there[other]]
            movable = np.flatnonzero(~_conflicts(moves, rest, crossing).any(axis=1))
            fits = ~_conflicts(places[:, wanted], moves[:, movable], crossing)
            if fits.any():
                best = int(fits.any(axis=1).argmax())
                self._move(other, int(movable[fits[best].argmax()]))
                self._hold(index, int(wanted[best]))
                return True
        return False

    def improve(self) -> None:
        """Move each label to a better place that has become free."""
        for number, index in enumerate(self.there):
            better = self.places[index][:, : min(self.rank[number], FIRST)].T.tolist()
            others = np.delete(self.held, number, axis=1).T.tolist() if better else []
            for rank, place in enumerate(better):
                if all(_apart(place, other) for other in others):
                    self._move(number, rank)
                    break

    def _hold(self, index: int, rank: int) -> None:
        self.there.append(index)
        self.rank.append(rank)
        self.held = np.column_stack([self.held, self.places[index][:, rank]])

    def _move(self, number: int, rank: int) -> None:
        self.rank[number] = rank
        self.held[:, number] = self.places[self.there[number]][:, rank]


def _apart(one: Sequence[float], other: Sequence[float]) -> bool:
    """Check that two places do not conflict: what `_conflicts` finds, faster for few."""
    left, top, right, bottom, x, y, _, _, leads = one
    left2, top2, right2, bottom2, x2, y2, _, _, leads2 = other
    if left < right2 and left2 < right and top < bottom2 and top2 < bottom:
        return False
    if not leads and not leads2:
        return True
    if min(left, x) > max(right2, x2) or min(left2, x2) > max(right, x):
        return True
    if min(top, y) > max(bottom2, y2) or min(top2, y2) > max(bottom, y):
        return True
    if (leads and _passes(one, other)) or (leads2 and _passes(other, one)):
        return False
    return not (leads and leads2 and _divides(one, other) and _divides(other, one))


def _passes(one: Sequence[float], other: Sequence[float]) -> bool:
    """Check that a place's line meets another's box."""
    enter, leave = 0.0, 1.0
    for axis in (0, 1):
        start, along = one[4 + axis], (one[6 + axis] - one[4 + axis]) or 1e-9
        first, second = (other[axis] - start) / along, (other[axis + 2] - start) / along
        enter, leave = max(enter, min(first, second)), min(leave, max(first, second))
    return enter <= leave


def _divides(one: Sequence[float], other: Sequence[float]) -> bool:
    """Check that the ends of another place's line are on both sides of a place's line."""
    x, y, across, down = one[4], one[5], one[6] - one[4], one[7] - one[5]
    first = across * (other[5] - y) - down * (other[4] - x)
    return first * (across * (other[7] - y) - down * (other[6] - x)) < 0


def _conflicts(places: Floats, held: Floats, crossing: bool) -> Bools:
    """Return True for each place and each held one whose boxes or lines meet."""
    found = _overlap(places[:4], held[:4])
    leads, led = np.flatnonzero(places[8]), np.flatnonzero(held[8])
    found[:, led] |= _meet(held[4:8, led], places[:4]).T
    found[leads] |= _meet(places[4:8, leads], held[:4])
    if not crossing:
        found[np.ix_(leads, led)] |= _cross(places[4:8, leads], held[4:8, led])
    return found


FIRST, MOST = 12, 60
"""Numbers of places of a label that are tried first, and in all."""

BLOCKING = 3
"""Maximum number of labels in the way of another that may move."""

RADII = (
    (9.0, 8),
    (15.0, 8),
    (24.0, 12),
    (38.0, 12),
    (56.0, 12),
    (80.0, 16),
    (110.0, 16),
    (150.0, 16),
)
"""Distances of places from the point, and numbers of directions."""


def _directions() -> Floats:
    """Return cosine, sine and radius of each place; to the right and above come first."""
    return np.array(
        [
            (math.cos(2 * math.pi * step / count), math.sin(2 * math.pi * step / count), radius)
            for radius, count in RADII
            for step in range(count)
        ]
    ).T


_DIRECTIONS = _directions()


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """Everything that is there before labels are, a column for each point, box and line."""

    size: Point
    points: Floats
    blocked: Floats
    lines: Floats

    def places(self, labels: Sequence[tuple[Point, str, bool]]) -> list[Floats]:
        """Return the places of each label that other labels may still take, the best first.

        A label is a point, a text, and True for bold letters. A place is a column: left, top, right
        and bottom of the box, start and end of the line from its point, 1 if the line is drawn.
        """
        at = _columns([each for each, _, _ in labels], 2)
        widths = [text_width(text, bold) + 2 * PADDING for _, text, bold in labels]
        width, height = np.array(widths)[:, None], FONT_SIZE + 2 * PADDING
        across, up, radius = _DIRECTIONS
        left = at[0][:, None] + radius * across + (0.5 * across - 0.5) * width
        top = at[1][:, None] - radius * up - (0.5 * up + 0.5) * height + 0.0 * width
        boxes = np.stack([left, top, left + width, top + height])
        fits = (left >= 0) & (top >= 0) & (boxes[2] <= self.size[0]) & (boxes[3] <= self.size[1])
        owner, place = fits.nonzero()
        boxes = boxes[:, fits]
        for others in (np.concatenate([self.points - DOT, self.points + DOT]), self.blocked):
            free = ~_overlap(boxes, others).any(axis=1)
            boxes, owner, place = boxes[:, free], owner[free], place[free]
        lines, leads, harm = self._lines(at[:, owner], boxes)
        order = np.lexsort((radius[place] + harm, owner))
        columns = np.concatenate([boxes, lines, leads[None]])[:, order]
        ends = np.searchsorted(owner[order], np.arange(len(labels) + 1))
        return [
            columns[:, start : min(start + MOST, end)] for start, end in pairwise(ends.tolist())
        ]

    def _lines(self, at: Floats, boxes: Floats) -> tuple[Floats, Bools, Floats]:
        """Return the lines to the boxes of points, whether each is needed, and its harm as a cost.

        `at` has the point of each box.
        """
        ends = np.stack([np.clip(at[0], boxes[0], boxes[2]), np.clip(at[1], boxes[1], boxes[3])])
        own = np.hypot(*(ends - at))
        x, y = self.points
        same = (at[0][:, None] == x) & (at[1][:, None] == y)
        across = np.maximum(boxes[0][:, None] - x, x - boxes[2][:, None]).clip(0.0)
        down = np.maximum(boxes[1][:, None] - y, y - boxes[3][:, None]).clip(0.0)
        nearest = np.where(same, np.inf, np.hypot(across, down)).min(axis=1, initial=np.inf)
        leads = (own > CLOSE) | (own >= nearest) | (same.sum(axis=1) > 1)
        lines = np.concatenate([at, ends])
        passed = _meet(lines, np.concatenate([self.points - DOT + 2, self.points + DOT - 2]))
        harm = 18.0 * _meet(self.lines, boxes).sum(axis=0)
        harm += leads * (6.0 + 60.0 * (passed & ~same).sum(axis=1))
        return lines, leads, harm


def _columns(values: Sequence[Sequence[float]], size: int) -> Floats:
    """Return values as an array with a column for each."""
    return np.array(values, dtype=np.float64).reshape(-1, size).T


def _overlap(boxes: Floats, others: Floats) -> Bools:
    """Return True for each of `boxes` and each of `others` that overlap."""
    left, top, right, bottom = boxes[:, :, None]
    found: Bools = (left < others[2]) & (others[0] < right)
    found &= (top < others[3]) & (others[1] < bottom)
    return found


def _meet(segments: Floats, boxes: Floats) -> Bools:
    """Return True for each segment and each box that meet: the slab method."""
    x, y, x2, y2 = segments[:, :, None]
    enter, leave = np.zeros(1), np.ones(1)
    for start, end, low, high in ((x, x2, boxes[0], boxes[2]), (y, y2, boxes[1], boxes[3])):
        along = 1 / np.where(end == start, 1e-9, end - start)
        first, second = (low - start) * along, (high - start) * along
        enter = np.maximum(enter, np.minimum(first, second))
        leave = np.minimum(leave, np.maximum(first, second))
    found: Bools = enter <= leave
    return found


def _cross(lines: Floats, others: Floats) -> Bools:
    """Return True for each of `lines` and each of `others` that cross, other than at an end."""
    ax, ay, bx, by = lines[:, :, None]
    cx, cy, dx, dy = others
    across, down = bx - ax, by - ay
    found: Bools = (across * (cy - ay) - down * (cx - ax)) * (
        across * (dy - ay) - down * (dx - ax)
    ) < 0
    across, down = dx - cx, dy - cy
    found &= (across * (ay - cy) - down * (ax - cx)) * (across * (by - cy) - down * (bx - cx)) < 0
    return found
