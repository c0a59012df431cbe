"""Places of labels in a panel, in pixels, and the values that its axes show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from simulator.report.labels import shortened
from simulator.report.plotting.baselines import Baseline
from simulator.report.rows import Row
from simulator.runs.results import Metric

WIDTH, HEIGHT = 520, 380
"""Size of a panel in pixels."""

FONT_SIZE = 11
CHARACTER_WIDTH = 0.56 * FONT_SIZE

TICKS = 10
"""Most values that a logarithmic axis shows."""

ROOM = 0.8
"""Share of a panel's width that a label may take."""

TICK_ROOM = 34
"""Least distance in pixels between two budgets that an axis shows."""

LOG_FROM = 20
"""Smallest ratio of most to fewest tokens for a logarithmic axis."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Axis:
    """An exact scale from data to pixels, for placing labels."""

    low: float
    high: float
    pixels: int = 1
    log: bool = False
    down: bool = False

    def share(self, value: float) -> float:
        """Return the position of `value`: 0 at the low end, 1 at the high end."""
        return (self._at(value) - self._at(self.low)) / (self._at(self.high) - self._at(self.low))

    def pixel(self, value: float) -> float:
        """Return the pixel at which `value` is drawn."""
        part = self.share(value)
        return self.pixels * (1 - part if self.down else part)

    def value(self, pixel: float) -> float:
        """Return the value drawn at `pixel`."""
        part = 1 - pixel / self.pixels if self.down else pixel / self.pixels
        at = self._at(self.low) + part * (self._at(self.high) - self._at(self.low))
        return math.exp(at) if self.log else at

    def _at(self, value: float) -> float:
        return math.log(value) if self.log else value


def across(item: Row | Baseline, over_n: bool) -> Metric:
    """Return the place of a row or a baseline across a panel over cost, or over N."""
    if isinstance(item, Baseline):
        return Metric(item.budget) if over_n else item.tokens
    return Metric(item.result.budget) if over_n else item.spent


def axes(
    rows: Sequence[Row], stars: Sequence[Baseline] = (), over_n: bool = False
) -> tuple[Axis, Axis]:
    """Return scales that contain every point and interval of a panel, with a margin.

    `stars` are the baselines that are drawn beside the rows. The panel is over cost or N.
    """
    items: list[Row | Baseline] = [*rows, *stars]
    tokens = [end for each in items for end in known(across(each, over_n))]
    percent = [100 * end for each in items for end in known(each.accuracy)]
    log = min(tokens) > 0 and (over_n or max(tokens) > LOG_FROM * min(tokens))
    if over_n:
        margin = max(1.15, (max(tokens) / min(tokens)) ** 0.06)
        x = Axis(min(tokens) / margin, max(tokens) * margin**2, WIDTH, log=True)
    elif log:
        margin = (max(tokens) / min(tokens)) ** 0.06
        x = Axis(min(tokens) / margin, max(tokens) * margin**2, WIDTH, log=True)
    else:
        x = Axis(0.0, 1.12 * max(tokens) or 1.0, WIDTH)
    room = max(2.0, 0.08 * (max(percent) - min(percent)))
    y = Axis(min(percent) - room, max(percent) + room, HEIGHT, down=True)
    return x, y


def known(metric: Metric) -> list[float]:
    """Return a metric's value, and the ends of its interval if it has one."""
    return [end for end in (metric.value, metric.low, metric.high) if end is not None]


def n_ticks(budgets: Sequence[int], axis: Axis) -> list[int]:
    """Choose the budgets that an axis shows: all that are `TICK_ROOM` apart, the largest first."""
    chosen: list[int] = []
    for budget in sorted(set(budgets), reverse=True):
        if all(abs(axis.pixel(budget) - axis.pixel(other)) >= TICK_ROOM for other in chosen):
            chosen.append(budget)
    return chosen[::-1]


def log_ticks(low: float, high: float) -> list[float]:
    """Choose the values that a logarithmic axis shows: round ones, evenly spread, at most `TICKS`.

    They are 1, 2 and 5 times the powers of ten or, where these are too many, powers of ten with
    equal steps.
    """
    least, most = math.floor(math.log10(low)), math.ceil(math.log10(high))
    choices = [[digit * 10.0**power for power in range(least, most + 1) for digit in (1, 2, 5)]]
    choices += [
        [10.0**power for power in range(least, most + 1) if power % step == 0]
        for step in range(1, most - least + 1)
    ]
    for values in choices:
        inside = [value for value in values if low <= value <= high]
        if len(inside) <= TICKS:
            break
    return inside


def fitting(label: str, width: float) -> str:
    """Cut the middle out of a label that takes more than `ROOM` of `width` pixels."""
    return shortened(label, int(ROOM * width / CHARACTER_WIDTH))


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """Return the area shared with another box."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, width) * max(0.0, height)


def along(points: Sequence[Point]) -> list[Box]:
    """Return small boxes along a line through points, because one box would cover too much."""
    boxes = []
    for (x, y), (x2, y2) in pairwise(points):
        steps = max(1, math.ceil(math.dist((x, y), (x2, y2)) / 4))
        for step in range(steps + 1):
            here, there = x + (x2 - x) * step / steps, y + (y2 - y) * step / steps
            boxes.append(Box(here - 2, there - 2, here + 2, there + 2))
    return boxes


def place_labels(
    labels: Sequence[str],
    points: Sequence[Point],
    strokes: Sequence[Box],
    unlabelled: Sequence[Point] = (),
) -> list[tuple[str, Box]]:
    """Place each label near its point, so that it covers as little else as possible.

    Greedy, from left to right. Of several places around the point, it takes the one that overlaps
    least with earlier labels, points (also `unlabelled` ones), `strokes` (other drawn items) and
    the outside of the panel, and whose line to the point crosses least. All units are pixels.
    """
    height = FONT_SIZE + 3.0
    every = [*points, *unlabelled]
    dots = [Box(x - 6, y - 6, x + 6, y + 6) for x, y in every]
    placed: dict[int, Box] = {}
    lines: list[tuple[Point, Point]] = []
    for index in sorted(range(len(labels)), key=lambda index: points[index]):
        width = CHARACTER_WIDTH * len(labels[index]) + 4

        def cost(
            place: tuple[float, Box], index: int = index, area: float = width * height
        ) -> float:
            distance, box = place
            total = distance + 40 * (area - box.overlap(Box(2, 2, WIDTH - 2, HEIGHT - 2)))
            total += sum(6 * box.overlap(dot) for dot in dots)
            total += sum(box.overlap(stroke) for stroke in strokes)
            total += sum(20 * box.overlap(other) for other in placed.values())
            total += sum(40 for line in lines if _meets(*line, box))
            end = leader(points[index], box)
            if end is not None:
                others = [dot for other, dot in enumerate(dots) if every[other] != points[index]]
                total += 15 + sum(60 for dot in others if _meets(points[index], end, dot))
                total += sum(60 for other in placed.values() if _meets(points[index], end, other))
            return total

        _, best = min(_places(*points[index], width, height), key=cost)
        placed[index] = best
        end = leader(points[index], best)
        if end is not None:
            lines.append((points[index], end))
    return [(label, placed[index]) for index, label in enumerate(labels)]


def _places(x: float, y: float, width: float, height: float) -> list[tuple[float, Box]]:
    """Return boxes around a point with their distance from it, starting at the right."""
    places = []
    for radius in (9, 16, 26, 38, 52, 70, 90, 115, 140):
        for step in range(16):
            angle = 2 * math.pi * step / 16
            across, up = math.cos(angle), math.sin(angle)
            left = x + radius * across + (0.5 * across - 0.5) * width
            middle = y - radius * up - 0.5 * up * height
            box = Box(left, middle - height / 2, left + width, middle + height / 2)
            places.append((float(radius), box))
    return places


def leader(point: Point, box: Box) -> Point | None:
    """Return the end of a line from a point to its label, or None if the label is close enough."""
    x, y = point
    end = (min(max(x, box.left), box.right), min(max(y, box.top), box.bottom))
    return end if math.dist(point, end) > 14 else None


def _meets(start: Point, end: Point, box: Box) -> bool:
    """Check that a line passes through a box, sampled about every two pixels."""
    steps = max(2, int(math.dist(start, end) / 2))
    for step in range(steps + 1):
        x = start[0] + (end[0] - start[0]) * step / steps
        y = start[1] + (end[1] - start[1]) * step / steps
        if box.left <= x <= box.right and box.top <= y <= box.bottom:
            return True
    return False


def strokes_of(
    x_axis: Axis, y_axis: Axis, bars: Sequence[dict[str, Any]], step: Sequence[dict[str, float]]
) -> list[Box]:
    """Return the boxes covered by a panel's interval bars and its front."""
    lines = [(bar["x"], bar["y"], bar.get("x2", bar["x"]), bar.get("y2", bar["y"])) for bar in bars]
    for here, there in pairwise(step):
        lines.append((here["x"], here["y"], there["x"], here["y"]))
        lines.append((there["x"], here["y"], there["x"], there["y"]))
    boxes = []
    for x, y, x2, y2 in lines:
        left, right = sorted((x_axis.pixel(x), x_axis.pixel(x2)))
        top, bottom = sorted((y_axis.pixel(y), y_axis.pixel(y2)))
        boxes.append(Box(left - 1, top - 1, right + 1, bottom + 1))
    return boxes
