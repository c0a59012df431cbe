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
from itertools import pairwise, product

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
Integers = npt.NDArray[np.intp]
Conflicts = npt.NDArray[np.uint8]


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
        each, places = wanted[index], {texts[index]: first[index]}
        for crossing, text in product((False, True), each.texts):
            if text not in places:
                places[text] = surroundings.places([(each.at, text, each.urgent)])[0]
            if text != texts[index]:
                texts[index] = text
                board.replace(index, places[text])
            if board.add(index, crossing=crossing):
                break
    board.improve()
    found: list[Placed | None] = [None] * len(wanted)
    for index, rank in board.rank.items():
        column = board.every[:, index, rank].tolist()
        box, end, leads = Box(*column[:4]), (column[6], column[7]), bool(column[8])
        found[index] = Placed(texts[index], box, leads, end)
    return found


class _Board:
    """Labels that have a place, and which places of all labels these block.

    `every` has the places of every label by its number and rank, the best first; where a label has
    fewer than `MOST`, NaN. `rank` has the rank of the place of each label that has one. `blocked`
    tells for each place whether each label's place meets it (`MEETS`) or only its line (`CROSSES`).
    """

    def __init__(self, places: Sequence[Floats]) -> None:
        self.every = np.full((ROWS, len(places), MOST), np.nan)
        self.blocked = np.zeros((len(places), MOST, len(places)), dtype=np.uint8)
        self.rank: dict[int, int] = {}
        for index, each in enumerate(places):
            self.every[:, index, : each.shape[1]] = each

    def replace(self, index: int, places: Floats) -> None:
        """Give a label other places; it must have none yet."""
        self.every[:, index] = np.nan
        self.every[:, index, : places.shape[1]] = places
        there = [*self.rank]
        held = self.every[:, there, [*self.rank.values()]]
        self.blocked[index][:, there] = _conflicts(self.every[:, index], held)

    def add(self, index: int, *, crossing: bool = False) -> bool:
        """Put a label at its first place that is free, or that moving another label frees.

        With `crossing`, lines to labels may cross.
        """
        conflicts = self._conflicts(index, crossing)
        number = conflicts.sum(axis=1)
        free = np.flatnonzero(number == 0)
        if len(free):
            self._put(index, int(free[0]))
            return True
        single = np.flatnonzero(number == 1)
        blocking = conflicts[single].argmax(axis=1)
        for other in [*dict.fromkeys(blocking.tolist())][:BLOCKING]:
            others = np.delete(self._conflicts(other, crossing), other, axis=1)
            movable = np.flatnonzero(~others.any(axis=1))
            wanted = single[blocking == other]
            found = _conflicts(self.every[:, index, wanted], self.every[:, other, movable])
            fits = ~_counts(found, crossing)
            if fits.any():
                best = int(fits.any(axis=1).argmax())
                self._put(other, int(movable[fits[best].argmax()]))
                self._put(index, int(wanted[best]))
                return True
        return False

    def improve(self) -> None:
        """Move each label to a better place that has become free."""
        for index, rank in self.rank.items():
            conflicts = self._conflicts(index, False)[: min(rank, BETTER)]
            conflicts[:, index] = False
            free = np.flatnonzero(~conflicts.any(axis=1))
            if len(free):
                self._put(index, int(free[0]))

    def _conflicts(self, index: int, crossing: bool) -> Bools:
        """Return True for each place of a label and each label whose place is in its way."""
        there = ~np.isnan(self.every[0, index])
        return _counts(self.blocked[index, there], crossing)

    def _put(self, index: int, rank: int) -> None:
        self.rank[index] = rank
        found = _conflicts(self.every.reshape(ROWS, -1), self.every[:, index, [rank]])
        self.blocked[:, :, index] = found.reshape(-1, MOST)


MEETS, CROSSES = 1, 2
"""Conflicts of two places: a box meets a box or a line; or only their lines cross."""


def _counts(conflicts: Conflicts, crossing: bool) -> Bools:
    """Return True for each conflict, or only for those that are no crossing of lines."""
    found: Bools = (conflicts == MEETS) if crossing else (conflicts > 0)
    return found


def _conflicts(places: Floats, held: Floats) -> Conflicts:
    """Return the conflict of each of `places` and each of `held`; 0 if there is none.

    Only those are compared whose boxes and lines lie where those of the other do.
    """
    found = np.zeros((places.shape[1], held.shape[1]), dtype=np.uint8)
    pairs = _touch(places[9:], held[9:]).nonzero()
    one, other = places[:, pairs[0]], held[:, pairs[1]]
    leads, led = one[8] > 0, other[8] > 0
    meets = _overlap(one, other)
    if leads.any():
        meets |= leads & _meet(one[4:8], other)
    if led.any():
        meets |= led & _meet(other[4:8], one)
    crosses = leads & led
    if crosses.any():
        crosses &= _cross(one[4:8], other[4:8])
    found[pairs] = np.where(meets, MEETS, crosses * CROSSES)
    return found


def _around(segments: Floats) -> Floats:
    """Return the boxes around segments."""
    ends = segments[:2], segments[2:]
    return np.concatenate([np.minimum(*ends), np.maximum(*ends)])


MOST = 60
"""Maximum number of places of a label."""

BETTER = 12
"""Number of the best places of a label that it moves to once they are free."""

ROWS = 13
"""Rows of places: box, line, 1 if the line is drawn, and the box around all of it."""

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

        A label is a point, a text, and True for bold letters. A place is a column of `ROWS`: left,
        top, right and bottom of the box, start and end of the line from its point, 1 if the line is
        drawn, left, top, right and bottom of box and line.
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
            free = ~_overlap(boxes[:, :, None], others[:, None]).any(axis=1)
            boxes, owner, place = boxes[:, free], owner[free], place[free]
        lines, leads, harm = self._lines(at[:, owner], boxes)
        order = np.lexsort((radius[place] + harm, owner))
        extents = np.minimum(boxes[:2], at[:, owner]), np.maximum(boxes[2:], at[:, owner])
        columns = np.concatenate([boxes, lines, leads[None], *extents])[:, order]
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
        leads: Bools = own > CLOSE
        close = np.flatnonzero(~leads)
        leads[close] = self._nearer(at[:, close], boxes[:, close], own[close])
        lines = np.concatenate([at, ends])
        needed = np.flatnonzero(leads)
        dots = np.concatenate([self.points - DOT + 2, self.points + DOT - 2])
        line, passed = _meeting(lines[:, needed], dots)
        line = needed[line[(at[:, needed[line]] != self.points[:, passed]).any(axis=0)]]
        avoided = np.bincount(_meeting(self.lines, boxes)[1], minlength=len(own))
        crossed = np.bincount(line, minlength=len(own))
        return lines, leads, 18.0 * avoided + 6.0 * leads + 60.0 * crossed

    def _nearer(self, at: Floats, boxes: Floats, own: Floats) -> Bools:
        """Return True for each box that another point is as near to as its own, or shares it."""
        x, y = self.points
        same = (at[0][:, None] == x) & (at[1][:, None] == y)
        across = np.maximum(boxes[0][:, None] - x, x - boxes[2][:, None]).clip(0.0)
        down = np.maximum(boxes[1][:, None] - y, y - boxes[3][:, None]).clip(0.0)
        nearest = np.where(same, np.inf, np.hypot(across, down)).min(axis=1, initial=np.inf)
        found: Bools = (own >= nearest) | (same.sum(axis=1) > 1)
        return found


def _columns(values: Sequence[Sequence[float]], size: int) -> Floats:
    """Return values as an array with a column for each."""
    return np.array(values, dtype=np.float64).reshape(-1, size).T


def _overlap(boxes: Floats, others: Floats) -> Bools:
    """Return True where boxes overlap."""
    found: Bools = (boxes[0] < others[2]) & (others[0] < boxes[2])
    found &= (boxes[1] < others[3]) & (others[1] < boxes[3])
    return found


def _touch(boxes: Floats, others: Floats) -> Bools:
    """Return True for each of `boxes` and each of `others` that share at least a border."""
    left, top, right, bottom = boxes[:, :, None]
    found: Bools = (left <= others[2]) & (others[0] <= right)
    found &= (top <= others[3]) & (others[1] <= bottom)
    return found


def _meeting(segments: Floats, boxes: Floats) -> tuple[Integers, Integers]:
    """Return the numbers of the segment and the box of each pair that meets."""
    segment, box = _touch(_around(segments), boxes).nonzero()
    meets = _meet(segments[:, segment], boxes[:, box])
    return segment[meets], box[meets]


def _meet(segments: Floats, boxes: Floats) -> Bools:
    """Return True where a segment meets a box: the slab method."""
    enter, leave = np.zeros(1), np.ones(1)
    for axis in (0, 1):
        start, along = segments[axis], segments[axis + 2] - segments[axis]
        along = 1 / np.where(along == 0, 1e-9, along)
        first, second = (boxes[axis] - start) * along, (boxes[axis + 2] - start) * along
        enter = np.maximum(enter, np.minimum(first, second))
        leave = np.minimum(leave, np.maximum(first, second))
    found: Bools = enter <= leave
    return found


def _cross(lines: Floats, others: Floats) -> Bools:
    """Return True where a line crosses another, other than at an end."""
    ax, ay, bx, by = lines
    cx, cy, dx, dy = others
    across, down = bx - ax, by - ay
    found: Bools = (across * (cy - ay) - down * (cx - ax)) * (
        across * (dy - ay) - down * (dx - ax)
    ) < 0
    across, down = dx - cx, dy - cy
    found &= (across * (ay - cy) - down * (ax - cx)) * (across * (by - cy) - down * (bx - cx)) < 0
    return found
