"""Chart of accuracy against cost, with hover texts, selection and zoom."""

from __future__ import annotations

import math
from typing import Any

import altair as alt
import pandas as pd

from leaderboard_app.shown.glossary import FIGURES, Figure
from leaderboard_app.shown.palette import NONE, TEXT, badge_text, colours, shapes
from leaderboard_app.views.tradeoff.points import Point
from leaderboard_app.views.tradeoff.tradeoff import View
from simulator.report.plotting import plot
from simulator.report.plotting.placing import Axis, known
from simulator.runs.results import Metric
from simulator.submissions.published import BADGE as REPORTED

WIDTH, HEIGHT = 760, 420
"""Size of the chart as a file, without its legend; on a page it fills the width."""

NAMED = 32
"""Maximum number of names in the legend; further ones are shown on hover."""

PICKED = "picked"
"""Name of the selection of points; a selected point carries the entry's id as `id`."""

BASELINE_SHAPE = "M-1,-1L1,1M-1,1L1,-1"
PUBLISHED_SHAPE = "triangle-right"
"""Shapes that are not used for entries."""

APART = (0.22, 0.05)
"""Smallest distance of two labels, as shares of the chart's width and height."""

Data = list[dict[str, Any]]


def draw(view: View, *, log: bool) -> Any:
    """Draw the chart as an Altair chart; `log` makes the cost axis logarithmic.

    A click on a point selects it (`PICKED`). A click on a name in the legend shows only that
    method; further clicks add and remove others.
    """
    x_axis, y_axis = cost_axis(view, log=log), accuracy_axis(view)
    x = alt.X(
        "x:Q",
        scale=alt.Scale(
            type="log" if x_axis.log else "linear", domain=[x_axis.low, x_axis.high], nice=False
        ),
        axis=alt.Axis(title=view.measured.cost_name, format="~s", tickCount=5),
    )
    y = alt.Y(
        "y:Q",
        scale=alt.Scale(domain=[y_axis.low, y_axis.high], nice=False, zero=False),
        axis=alt.Axis(title=FIGURES["accuracy"].heading, tickCount=6),
    )
    points, others = entry_marks(view), other_marks(view)
    scales, count = _scales(points, others)
    shown = alt.selection_point(name="methods", fields=["series"], bind="legend", toggle="true")
    picked = alt.selection_point(name=PICKED, fields=["id"], toggle=False)
    # Without Ctrl, the wheel scrolls the page.
    zoom = alt.selection_interval(
        name="zoom", bind="scales", zoom="wheel![event.ctrlKey || event.metaKey]"
    )

    def layer(values: Data, opacity: float = 1.0, **fields: Any) -> Any:
        seen = alt.OpacityValue(0.05, condition={"param": "methods", "value": opacity})
        chart = alt.Chart(pd.DataFrame(values))  # a list of rows is ten times slower
        return chart.encode(x=x, y=y, opacity=seen, **fields)

    colour = alt.Color("series:N")
    looks = {"color": colour, "shape": alt.Shape("series:N"), "tooltip": _hover(view)}
    line = {"strokeWidth": 1.5, "clip": True}
    mark = {"size": 90, "strokeWidth": 2, "clip": True}
    across, upright = bars(view)
    layers = [
        # Vega-Lite binds legend clicks only to the first layer with a legend.
        layer([], **scales).mark_point(filled=True, **mark).add_params(shown),
        layer(_levels(others, x_axis), 0.7, color=colour, x2=alt.X2("x2:Q")).mark_rule(
            strokeDash=[2, 4], **line
        ),
        alt.Chart(pd.DataFrame(steps(view, x_axis)))
        .encode(x=x, y=y)
        .mark_line(interpolate="step-after", color=NONE, strokeDash=[6, 3], **line),
        layer(across, 0.35, color=colour, x2=alt.X2("x2:Q")).mark_rule(**line),
        layer(upright, 0.35, color=colour, y2=alt.Y2("y2:Q")).mark_rule(**line),
        layer(
            _lines(view), 0.9, color=colour, order=alt.Order("place:Q"), detail=alt.Detail("line:N")
        ).mark_line(**line),
        layer(others, **looks).mark_point(filled=False, **mark),
        layer([each for each in points if not each["compared"]], **looks).mark_point(
            filled=False, **mark
        ),
        layer([each for each in points if each["compared"]], **looks)
        .mark_point(filled=True, **mark)
        .add_params(picked, zoom),
    ]
    texts = labels(view, x_axis, y_axis)
    for right in (False, True):
        side: dict[str, Any] = {"align": "right" if right else "left", "dx": -8 if right else 8}
        layers.append(
            layer(
                [each for each in texts if each["right"] == right], text=alt.Text("text:N")
            ).mark_text(dy=-10, fontSize=12, clip=True, color=TEXT, **side)
        )
    return alt.layer(*layers).properties(
        width=WIDTH, height=HEIGHT + 20 * math.ceil(min(count, NAMED) / 2)
    )


def _scales(points: Data, others: Data) -> tuple[dict[str, Any], int]:
    """Return colours and shapes by name with their legend, and the number of names."""
    methods = sorted({each["series"] for each in points})
    names = [*methods, *dict.fromkeys(each["series"] for each in others)]
    own = {each["series"]: each["shape"] for each in others}
    paint, forms = colours(methods), {**shapes(methods), **own}
    legend = alt.Legend(
        title=None,
        orient="bottom",
        columns=alt.ExprRef("max(2, floor(width / 190))"),
        labelLimit=150,
        symbolLimit=NAMED,
        symbolOpacity=1,
    )
    # Only in the first layer: all layers share it, and Altair is slow to check repetitions.
    scales = {
        "color": alt.Color(
            "series:N",
            scale=alt.Scale(domain=names, range=[paint.get(name, NONE) for name in names]),
            legend=legend,
        ),
        "shape": alt.Shape(
            "series:N",
            scale=alt.Scale(domain=names, range=[forms[name] for name in names]),
            legend=legend,
        ),
    }
    return scales, len(names)


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


def key(view: View) -> str:
    """Explain the marks of the chart and its controls."""
    said = ["Bars are 95% intervals; the dashed steps are the Pareto front of the entries shown."]
    if any(not point.entry.takes_part for point in view.points):
        said.append("Hollow entries are not ranked.")
    if view.measured.baselines:
        said.append("× is majority voting over all N traces.")
    if view.measured.published:
        said.append("Hollow ▷ are published figures.")
    if view.joined:
        names = sorted({line.parameter for line in view.joined})
        said.append(f"Lines join settings that differ in {' or '.join(names)} only.")
    said.append(
        "Click a point to see its entry, or names below to show only those. "
        "Ctrl and the mouse wheel zoom, dragging moves, a double click resets the view."
    )
    return " ".join(said)


def cost_axis(view: View, *, log: bool) -> Axis:
    """Return an axis over every cost and interval, with a margin.

    It is linear if a cost is zero.
    """
    measured = view.measured
    metrics = [point.cost for point in view.points]
    metrics += [each.cost for each in measured.baselines if each.cost]
    costs = [end for metric in metrics for end in known(metric)]
    costs += [each.cost for each in measured.published]
    least, most = min(costs, default=1.0), max(costs, default=10.0)
    if log and least > 0:
        margin = max(1.1, (most / least) ** 0.06)
        return Axis(least / margin, most * margin, log=True)
    return Axis(0.0, 1.08 * most or 1.0)


def accuracy_axis(view: View) -> Axis:
    """Return an axis over every accuracy and interval, in percent, with a margin."""
    measured = view.measured
    metrics = [each.accuracy for each in view.points]
    metrics += [each.accuracy for each in measured.baselines]
    percent = [100 * end for metric in metrics for end in known(metric)]
    percent += [100 * each.figure.accuracy for each in measured.published]
    least, most = min(percent, default=0.0), max(percent, default=100.0)
    room = max(2.0, 0.08 * (most - least))
    return Axis(least - room, most + room)


def entry_marks(view: View) -> Data:
    """Build a mark for each entry, with its hover text."""
    series = view.series()
    return [
        {
            "id": point.entry.id,
            **_at(point),
            "series": series[point.entry.id],
            "compared": point.entry.takes_part,
            "label": point.entry.label,
            "badge": badge_text(point.entry.badge),
            "accuracy": _withknown(FIGURES["accuracy"], point.accuracy),
            "cost": _withknown(view.measured.figure, point.cost),
            "settings": _settings(point),
            "front": view.on_front(point),
        }
        for point in view.points
    ]


def other_marks(view: View) -> Data:
    """Build a mark for each baseline and published figure; baselines without a cost have no `x`."""
    accuracy, cost = FIGURES["accuracy"], view.measured.figure
    marks: Data = [
        {
            "x": each.cost.value if each.cost else None,
            "y": 100 * each.accuracy.value,
            "series": f"{each.name} (baseline)",
            "shape": BASELINE_SHAPE,
            "label": each.name,
            "badge": "baseline",
            "accuracy": _withknown(accuracy, each.accuracy),
            "cost": _withknown(cost, each.cost) if each.cost else "not recorded",
            "settings": "majority voting over the same traces",
            "front": "not compared",
        }
        for each in view.measured.baselines
    ]
    marks += [
        {
            "x": each.cost,
            "y": 100 * each.figure.accuracy,
            "series": f"published: {each.figure.source.name}",
            "shape": PUBLISHED_SHAPE,
            "label": each.figure.method,
            "badge": badge_text(REPORTED),
            "accuracy": accuracy.text(each.figure.accuracy),
            "cost": cost.text(each.cost),
            "settings": each.figure.source.title,
            "front": "not compared",
        }
        for each in view.measured.published
    ]
    return marks


def steps(view: View, x_axis: Axis) -> Data:
    """Build the corners of the front: the best accuracy at each cost, up to the axis' end."""
    corners = [(each.cost.value, 100 * each.accuracy.value) for each in view.corners]
    return plot.front(corners, x_axis.high)


def bars(view: View) -> tuple[Data, Data]:
    """Build the intervals of cost, and those of accuracy, of the entries that have some."""
    series = view.series()
    return plot.bars((each.cost, each.accuracy, series[each.entry.id]) for each in view.points)


def labels(view: View, x_axis: Axis, y_axis: Axis) -> Data:
    """Build labels for the front's points, baselines and published figures, without overlaps.

    Everything else is named on hover and in the legend.
    """
    wanted = [(_at(each), each.entry.label, view.series()[each.entry.id]) for each in view.corners]
    wanted += [
        ({"x": mark["x"], "y": mark["y"]}, mark["label"], mark["series"])
        for mark in other_marks(view)
        if mark["x"] is not None
    ]
    placed: list[tuple[float, float]] = []
    found = []
    for at, text, series in wanted:
        here = (x_axis.share(at["x"]), y_axis.share(at["y"]))
        if all(abs(here[0] - x) > APART[0] or abs(here[1] - y) > APART[1] for x, y in placed):
            placed.append(here)
            short = text if len(text) <= 24 else text[:23] + "…"
            found.append({**at, "text": short, "series": series, "right": here[0] > 0.6})
    return found


def _levels(others: Data, x_axis: Axis) -> Data:
    """Build horizontal lines at the accuracy of each baseline."""
    return [
        {"x": x_axis.low, "x2": x_axis.high, "y": each["y"], "series": each["series"]}
        for each in others
        if each["shape"] == BASELINE_SHAPE
    ]


def _lines(view: View) -> Data:
    return [
        {**_at(point), "series": line.name, "line": number, "place": place}
        for number, line in enumerate(view.joined)
        for place, point in enumerate(line.points)
    ]


def _at(point: Point) -> dict[str, float]:
    return {"x": point.cost.value, "y": 100 * point.accuracy.value}


def _withknown(figure: Figure, metric: Metric) -> str:
    interval = figure.interval(metric)
    return f"{figure.text(metric.value)} ({interval})" if interval else figure.text(metric.value)


def _settings(point: Point) -> str:
    entry = point.entry
    set_ = [f"{name}={entry.parameters.get(name)}" for name in entry.settings]
    return ", ".join([f"N={point.budget}", *set_])
