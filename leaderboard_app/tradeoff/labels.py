"""Labels of the picture's points, placed for several widths of the picture.

A page stretches the picture to the window, whose width only the browser knows. The labels are
placed for each of `LAYOUTS`, and the picture shows those of the widest layout that fits; up to the
next one their places are stretched with the picture, which `placement` allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from leaderboard_app.tradeoff.frame import Frame
from leaderboard_app.tradeoff.marks import Data, Mark
from leaderboard_app.tradeoff.placement import PADDING, Placed, Segment, Wanted, place
from leaderboard_app.tradeoff.view import View
from simulator.report.labels import shortened
from simulator.report.plotting.placing import Axis, Point, strokes_of


@dataclass(frozen=True, slots=True)
class Layout:
    """Labels for pictures of at least `width` pixels.

    Names have at most `longest` letters. If `every` is False, only the front's points have names,
    if these are not too long, and the others numbers.
    """

    width: int
    longest: int
    every: bool = True


LAYOUTS = (Layout(240, 16, every=False), Layout(560, 24), Layout(960, 34))

HEIGHT = 430
"""Height of a picture without its axes, in pixels: places are valid from it on."""

MANY = 40
"""Maximum number of labels; of more points, only some have one."""

INSET = (0.02, 0.03)
"""Distance of marks at an edge from it, as shares of the picture's width and height."""


def at(mark: Mark, frame: Frame) -> tuple[float, float]:
    """Return the place where a mark is drawn: at the edge, if it is outside the frame."""
    x = frame.x.high if mark.x is None else mark.x
    return frame.inside(x, mark.y, INSET) if mark.outside(frame) or mark.x is None else (x, mark.y)


@dataclass(frozen=True, slots=True)
class Label:
    """A label that is wanted at a place: its name, and texts to try where that has no room.

    The last of `instead` is its number.
    """

    key: str
    at: tuple[float, float]
    name: str
    instead: tuple[str, ...] = ()
    bold: bool = False


def labels(
    view: View,
    marks: Sequence[Mark],
    frame: Frame,
    steps: Data,
    lines: Data,
    height: int = HEIGHT,
) -> tuple[Data, Data]:
    """Place the labels of the picture's marks for every layout, as `arrange` does."""
    some = _some(view, marks, frame) if len(marks) > MANY else {mark.key for mark in marks}
    names = _names(view, marks, frame)
    spots = {mark.key: at(mark, frame) for mark in marks}
    wanted = []
    for mark in marks:
        if mark.key in some:
            name, *shorter = names[mark.key]
            instead = (*shorter, f"#{mark.number}")
            front = mark.key in view.front
            wanted.append(Label(mark.key, spots[mark.key], name, instead, front))
    others = [spot for key, spot in spots.items() if key not in some]
    return arrange(wanted, frame, others, steps, lines, height)


def arrange(
    wanted: Sequence[Label],
    frame: Frame,
    others: Sequence[tuple[float, float]] = (),
    steps: Sequence[dict[str, Any]] = (),
    lines: Sequence[dict[str, Any]] = (),
    height: int = HEIGHT,
) -> tuple[Data, Data]:
    """Place labels for every layout, beside points, `others` without labels, a front and lines.

    `height` is that of the lowest picture, without its axes, in pixels.

    Returns
    -------
    The labels, and the lines that lead to those that are far from their points. Each has the
    `least` and `most` width of pictures that show it. A text starts `dx` pixels from its `x`.
    """
    texts, leaders = [], []
    for number, layout in enumerate(LAYOUTS):
        rest = LAYOUTS[number + 1 :]
        shown = {"least": layout.width if number else 0, "most": rest[0].width if rest else 1e9}
        x_axis = replace(frame.x, pixels=layout.width)
        y_axis = replace(frame.y, pixels=height, down=True)
        spots = [_pixel(each.at, x_axis, y_axis) for each in wanted]
        placed = place(
            [_texts(each, spot, layout) for each, spot in zip(wanted, spots, strict=True)],
            (layout.width, height),
            dots=[_pixel(each, x_axis, y_axis) for each in others],
            obstacles=strokes_of(x_axis, y_axis, [], steps),
            avoided=_segments(lines, x_axis, y_axis),
        )
        for label, spot, found in zip(wanted, spots, placed, strict=True):
            if found is not None:
                own = {"bold": label.bold, "key": label.key}
                texts.append({**shown, **_text(found, x_axis, y_axis), **own})
                leaders += [{**shown, **each} for each in _leader(found, spot, x_axis, y_axis)]
    return texts, leaders


def _names(view: View, marks: Sequence[Mark], frame: Frame) -> dict[str, list[str]]:
    """Return the texts to try for each mark, by its key.

    On a line, the most expensive setting and those on the front have the line's name and their
    value, the others their value. Outside the frame, figures follow the name.
    """
    on_lines = {}
    for line in view.joined:
        dearest = max(line.points, key=lambda each: each.cost.value)
        for point in line.points:
            texts = [line.value(point)]
            if point is dearest or point.entry.id in view.front:
                texts.insert(0, line.named(point))
            on_lines[point.entry.id] = texts
    return {
        mark.key: [f"{mark.name}, {mark.figures}", mark.name]
        if mark.outside(frame)
        else on_lines.get(mark.key, [mark.name])
        for mark in marks
    }


def _some(view: View, marks: Sequence[Mark], frame: Frame) -> set[str]:
    """Choose at most `MANY` marks, one a place: the front, some at the edge, the best of series."""
    best: dict[str, Mark] = {}
    for mark in marks:
        if mark.series not in best or mark.y > best[mark.series].y:
            best[mark.series] = mark
    front = [mark for mark in marks if mark.key in view.front]
    front = front[:: 1 + len(front) // MANY]
    others = sorted(best.values(), key=lambda each: -each.y)
    edge = [mark for mark in marks if mark.outside(frame)][: MANY // 4]
    chosen: dict[tuple[float, float], str] = {}
    for mark in (*front, *edge, *others):
        if len(chosen) < MANY:
            chosen.setdefault(at(mark, frame), mark.key)
    return {*chosen.values()}


def _texts(label: Label, spot: Point, layout: Layout) -> Wanted:
    texts = [shortened(label.name, layout.longest), *label.instead]
    if not layout.every:
        named = len(label.name) <= layout.longest and (label.bold or not label.instead)
        texts = texts[:1] * named + texts[-1:]
    return Wanted(spot, tuple(texts), label.bold)


def _pixel(at: tuple[float, float], x_axis: Axis, y_axis: Axis) -> Point:
    return x_axis.pixel(at[0]), y_axis.pixel(at[1])


def _segments(lines: Sequence[dict[str, Any]], x_axis: Axis, y_axis: Axis) -> list[Segment]:
    """Return the segments of lines whose corners have the number of their line."""
    return [
        (
            *_pixel((one["x"], one["y"]), x_axis, y_axis),
            *_pixel((two["x"], two["y"]), x_axis, y_axis),
        )
        for one, two in pairwise(lines)
        if one["line"] == two["line"]
    ]


def _text(found: Placed, x_axis: Axis, y_axis: Axis) -> dict[str, Any]:
    """Return a label whose text starts `dx` pixels from its anchor, the end of its line."""
    return {
        "x": x_axis.value(found.end[0]),
        "y": y_axis.value((found.box.top + found.box.bottom) / 2),
        "dx": found.box.left + PADDING - found.end[0],
        "text": found.text,
    }


def _leader(found: Placed, spot: Point, x_axis: Axis, y_axis: Axis) -> Data:
    if not found.leader:
        return []
    (x, y), (x2, y2) = spot, found.end
    return [
        {
            "x": x_axis.value(x),
            "y": y_axis.value(y),
            "x2": x_axis.value(x2),
            "y2": y_axis.value(y2),
        }
    ]
