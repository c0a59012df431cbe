"""Chart of accuracy against cost, with labels, hover texts, selection and zoom.

The figures need no server:

    measured = points.measure(library, columns, "tokens")
    view = tradeoff.choose(measured)
    chart = draw(view, log=True)

`draw` returns an Altair chart, which `leaderboard_app.shown.charts` turns into Vega-Lite or into a
file. It is `WIDTH` by `HEIGHT` pixels or stretched, and shows the labels that fit its width.
`tradeoff.sentence(view)` describes it in words, `key(view)` explains its marks, `tradeoff.tables`
has its figures, and `words.reasons(view)` and `view.omitted` tell which entries it does not show.
`curves.draw(view)` is accuracy over N.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from leaderboard_app.shown.glossary import FIGURES
from leaderboard_app.shown.palette import NONE, TEXT
from leaderboard_app.tradeoff import words
from leaderboard_app.tradeoff.frame import Frame, frame
from leaderboard_app.tradeoff.labels import at, labels
from leaderboard_app.tradeoff.marks import (
    BASELINE,
    BOUND,
    COMPARED,
    PUBLISHED,
    Data,
    Mark,
    bars,
    lines,
    looks,
    marks,
    steps,
)
from leaderboard_app.tradeoff.view import View
from simulator.report.plotting.placing import Axis, log_ticks

WIDTH, HEIGHT = 1000, 520
"""Size of the chart as a file; on a page it fills the width."""

AXIS = 90
"""Height in pixels that the cost axis and its title take at most."""

PICKED = "picked"
"""Name of the selection of points; a selected point carries the entry's id as `id`."""

SHAPES = {BASELINE: "M-1,-1L1,1M-1,1L1,-1", PUBLISHED: "triangle-right"}
"""Shapes of what is no entry."""

EDGES = {
    " left": "M0.9,-1L-0.9,0L0.9,1Z",
    " right": "M-0.9,-1L0.9,0L-0.9,1Z",
    " above": "M-1,0.9L0,-0.9L1,0.9Z",
    " below": "M-1,-0.9L0,0.9L1,-0.9Z",
}
"""Shapes of marks beyond an edge: arrows. No series has a name that starts with a space."""


def key(view: View, *, log: bool = True) -> str:
    """Explain the marks of the chart, and name what is at its edge."""
    return f"{words.key(view, log=log)} {words.outside(view, log=log)}".strip()


def draw(view: View, *, log: bool, height: int = HEIGHT) -> Any:
    """Draw the chart as an Altair chart.

    A click on a point selects it (`PICKED`).

    Parameters
    ----------
    log
        True for a logarithmic cost axis.
    height
        Height of the whole chart in pixels; it may be shown higher, but not lower.
    """
    area = frame(view, log=log)
    every = marks(view)
    corners, joined = steps(view, area), lines(view, area)
    texts, leaders = labels(view, every, area, corners, joined, height - AXIS)
    points = _points(every, area)
    across, upright = bars(view, area)
    draw = _Layers(view, area, every)
    rule: dict[str, Any] = {"strokeWidth": 1.5, "clip": True}
    mark: dict[str, Any] = {"size": 80, "strokeWidth": 2, "clip": True, "opacity": 1}
    inside = [each for each in points if not each["edge"]]
    filled = [each for each in inside if each["kind"] == COMPARED]
    hollow = [each for each in inside if each["kind"] != COMPARED]
    picked = alt.selection_point(name=PICKED, fields=["id"], toggle=False)
    # Without Ctrl, the wheel scrolls the page.
    zoom = alt.selection_interval(
        name="zoom", bind="scales", zoom="wheel![event.ctrlKey || event.metaKey]"
    )
    fits = "datum.least <= width && width < datum.most"
    layers = [
        draw(across, x2="x2:Q").mark_rule(**{**rule, "opacity": 0.2, "strokeWidth": 1}),
        draw(upright, y2="y2:Q").mark_rule(**{**rule, "opacity": 0.2, "strokeWidth": 1}),
        draw(_levels(view, every, area), x2="x2:Q").mark_rule(
            strokeDash=[2, 3], opacity=0.9, **rule
        ),
        draw(corners, plain=True).mark_line(
            interpolate="step-after", color=NONE, strokeDash=[6, 3], strokeWidth=2, clip=True
        ),
        draw(joined, order="place:Q", detail="line:N").mark_line(opacity=0.8, **rule),
        draw(leaders, plain=True, x2="x2:Q", y2="y2:Q")
        .transform_filter(fits)
        .mark_rule(color=TEXT, opacity=0.7, strokeWidth=0.8, clip=True),
        draw(hollow, **draw.looks).mark_point(filled=False, **mark),
        draw([each for each in points if each["edge"]], **draw.looks).mark_point(
            filled=True, **{**mark, "size": 60}
        ),
        draw(filled, **draw.looks).mark_point(filled=True, **mark).add_params(picked, zoom),
        draw(texts, plain=True, text="text:N")
        .transform_filter(fits)
        .mark_text(
            align="left",
            baseline="middle",
            dx=alt.ExprRef("datum.dx"),
            fontSize=12,
            fontWeight=alt.ExprRef("datum.bold ? 'bold' : 'normal'"),
            color=TEXT,
            clip=True,
        ),
    ]
    return alt.layer(*layers).properties(width=WIDTH, height=height)


class _Layers:
    """Maker of layers over one pair of axes, with one scale of colours and one of shapes."""

    def __init__(self, view: View, area: Frame, every: Sequence[Mark]) -> None:
        self._x, self._y = _axes(view, area)
        paint, forms = looks(every)
        own = {each.series: SHAPES[each.kind] for each in every if each.kind in SHAPES}
        names = [*paint, *own]
        # Only in one layer each: all share them, and Altair is slow to check repetitions.
        self._colour = alt.Color(
            "series:N",
            scale=alt.Scale(domain=names, range=[paint.get(name, NONE) for name in names]),
            legend=None,
        )
        every_form = {**forms, **own, **EDGES}
        shape = alt.Shape(
            "form:N",
            scale=alt.Scale(domain=[*every_form], range=[*every_form.values()]),
            legend=None,
        )
        self.looks = {"shape": shape, "tooltip": _hover(view)}

    def __call__(self, values: Data, *, plain: bool = False, **fields: Any) -> Any:
        """Make a layer of values, in the colours of their series unless `plain`."""
        if not plain:
            fields["color"] = self._colour
        chart = alt.Chart(pd.DataFrame(values))  # a list of rows is ten times slower
        return chart.encode(x=self._x, y=self._y, **fields)


def _axes(view: View, area: Frame) -> tuple[Any, Any]:
    ticks: Mapping[str, Any] = {"tickCount": 6}
    if area.x.log:
        ticks = {"values": log_ticks(area.x.low, area.x.high)}
    x = alt.X(
        "x:Q",
        scale=_scale(area.x),
        axis=alt.Axis(
            title=view.measured.cost_name,
            labelExpr="datum.value ? format(datum.value, '~s') : '0'",
            labelOverlap=True,
            **ticks,
        ),
    )
    y = alt.Y(
        "y:Q",
        scale=_scale(area.y),
        axis=alt.Axis(
            title=FIGURES["accuracy"].heading,
            tickCount=6,
            labelExpr="0 <= datum.value && datum.value <= 100 ? datum.label : ''",
        ),
    )
    return x, y


def _scale(axis: Axis) -> Any:
    kind = "log" if axis.log else "linear"
    return alt.Scale(type=kind, domain=[axis.low, axis.high], nice=False, zero=False)


def _points(every: Sequence[Mark], area: Frame) -> Data:
    """Build the points; those outside the frame are arrows at its edge."""
    found = []
    for mark in every:
        if mark.x is None:
            continue
        x, y = at(mark, area)
        edge = mark.outside(area)
        entry = {} if mark.kind in SHAPES else {"id": mark.key}
        look = {"series": mark.series, "form": f" {edge}" if edge else mark.series, "edge": edge}
        found.append({**entry, "x": x, "y": y, "kind": mark.kind, **look, **mark.hover})
    return found


def _levels(view: View, every: Sequence[Mark], area: Frame) -> Data:
    """Build lines at the accuracy of what bounds or beats a method: from its cost to the end.

    They are those of entries that use ground truth, and of a baseline that is on no line through
    several or has no cost. A line outside the frame is left out.
    """
    alone = [
        each for each in every if each.kind == BASELINE and (each.x is None or len(view.votes) == 1)
    ]
    return [
        {
            "x": area.x.low if each.kind == BASELINE or each.outside(area) == "left" else each.x,
            "x2": area.x.high,
            "y": each.y,
            "series": each.series,
        }
        for each in every
        if (each.kind == BOUND or each in alone) and area.y.low <= each.y <= area.y.high
    ]


def _hover(view: View) -> list[Any]:
    return [
        alt.Tooltip(f"{field}:N", title=title)
        for field, title in (
            ("label", "Entry"),
            ("badge", "Badge"),
            ("accuracy", FIGURES["accuracy"].heading),
            ("cost", view.measured.cost_name),
            ("settings", "Settings"),
            ("front", "Pareto front"),
        )
    ]
