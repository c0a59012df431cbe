"""Chart of accuracy over N: entries of one method with the same parameters, and cons@N."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import altair as alt
import pandas as pd

from leaderboard_app.shown.glossary import FIGURES
from leaderboard_app.shown.palette import NONE, TEXT
from leaderboard_app.tradeoff.chart import HEIGHT, SHAPES, WIDTH
from leaderboard_app.tradeoff.frame import Frame
from leaderboard_app.tradeoff.labels import LAYOUTS, Label, arrange
from leaderboard_app.tradeoff.marks import BASELINE, BASELINES, Data, looks, marks
from leaderboard_app.tradeoff.view import View, curves
from simulator.report.plotting.placing import Axis, n_ticks
from simulator.runs.results import Metric

HOW_TO = (
    "No method here ran with several N. A run over several makes a curve: "
    "`deepprune-sim run esc -n 8,16,32,64 -d POOL`, or `'cons@{8,16,32,64}'`."
)
"""Text for a view without curves."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Accuracies of a method by N, ascending; `vote` is True for majority voting."""

    name: str
    values: tuple[tuple[int, Metric], ...]
    vote: bool = False


def curves_over_n(view: View) -> list[Curve]:
    """Return the curves with at least two N: of methods, then that of cons@N."""
    votes = {vote.point.entry.id for vote in view.votes if vote.point}
    name, found = BASELINES, []
    for line in curves(view):
        if all(point.entry.id in votes for point in line.points):
            name = line.name
        else:
            values = tuple((each.results[0].budget, each.accuracy) for each in line.points)
            found.append(Curve(line.name, values))
    voting = {vote.budget: vote.accuracy for vote in view.votes if vote.budget}
    return [*found, *([Curve(name, tuple(voting.items()), vote=True)] if len(voting) > 1 else [])]


def sentence(view: View) -> str:
    """Describe the chart in words, with the figures of every curve."""
    accuracy = FIGURES["accuracy"]
    said = [f"Accuracy over N on {view.measured.heading}."]
    for curve in curves_over_n(view):
        figures = ", ".join(f"{accuracy.text(each.value)}% at {n}" for n, each in curve.values)
        said.append(f"{curve.name}: {figures}.")
    return " ".join(said)


def key(view: View) -> str:
    """Explain the chart."""
    found = curves_over_n(view)
    halves = sorted(
        50 * (metric.high - metric.low)
        for each in found
        for _, metric in each.values
        if metric.low is not None and metric.high is not None
    )
    said = "Each line is a method with the same parameters and several N"
    if any(each.vote for each in found):
        said += ", cons@N is majority voting over all of them"
    typical = f", typically ±{halves[len(halves) // 2]:.1f} points" if halves else ""
    return f"{said}. Intervals of 95% are shown on hover{typical}."


def draw(view: View) -> Any:
    """Draw the curves as an Altair chart; None if there are none."""
    found = curves_over_n(view)
    if not found:
        return None
    area = _frame(found)
    names = [each.name for each in found]
    paint, forms = looks(marks(view), [each for each in names if each != BASELINES])
    colour = alt.Color(
        "series:N",
        scale=alt.Scale(domain=names, range=[paint.get(each, NONE) for each in names]),
        legend=None,
    )
    shape = alt.Shape(
        "series:N",
        scale=alt.Scale(domain=names, range=[forms.get(each, SHAPES[BASELINE]) for each in names]),
        legend=None,
    )
    x = alt.X(
        "x:Q",
        scale=alt.Scale(type="log", domain=[area.x.low, area.x.high], nice=False),
        axis=alt.Axis(
            title="N, traces per problem",
            values=n_ticks(
                [n for each in found for n, _ in each.values],
                replace(area.x, pixels=LAYOUTS[0].width),
            ),
            format="d",
        ),
    )
    y = alt.Y(
        "y:Q",
        scale=alt.Scale(domain=[area.y.low, area.y.high], nice=False, zero=False),
        axis=alt.Axis(title=FIGURES["accuracy"].heading, tickCount=6),
    )

    def layer(values: Data, **fields: Any) -> Any:
        return alt.Chart(pd.DataFrame(values)).encode(x=x, y=y, **fields)

    points = _points(found)
    texts, leaders = _labels(found, area)
    fits = "datum.least <= width && width < datum.most"
    tips = [
        alt.Tooltip(f"{field}:N", title=title)
        for field, title in (("series", "Method"), ("n", "N"), ("accuracy", "Accuracy, %"))
    ]
    return alt.layer(
        layer(points, color=colour).mark_line(strokeWidth=1.5, clip=True),
        layer(points, color=colour, shape=shape, tooltip=tips).mark_point(
            filled=True, size=80, opacity=1, clip=True
        ),
        layer(leaders, x2="x2:Q", y2="y2:Q")
        .transform_filter(fits)
        .mark_rule(color=TEXT, opacity=0.7, strokeWidth=0.8, clip=True),
        layer(texts, text="text:N")
        .transform_filter(fits)
        .mark_text(
            align="left",
            baseline="middle",
            dx=alt.ExprRef("datum.dx"),
            fontSize=12,
            color=TEXT,
            clip=True,
        ),
    ).properties(width=WIDTH, height=HEIGHT)


def _frame(found: Sequence[Curve]) -> Frame:
    """Return axes over every N and accuracy, with room for names at the right."""
    budgets = [n for each in found for n, _ in each.values]
    percent = [100 * metric.value for each in found for _, metric in each.values]
    ratio = max(budgets) / min(budgets)
    room = max(1.0, 0.1 * (max(percent) - min(percent)))
    return Frame(
        Axis(min(budgets) / ratio**0.06, max(budgets) * ratio**0.2, log=True),
        Axis(min(percent) - room, max(percent) + room),
    )


def _points(found: Sequence[Curve]) -> Data:
    accuracy = FIGURES["accuracy"]
    return [
        {
            "x": n,
            "y": 100 * metric.value,
            "series": each.name,
            "n": str(n),
            "accuracy": f"{accuracy.text(metric.value)} {accuracy.interval(metric)}".strip(),
        }
        for each in found
        for n, metric in each.values
    ]


def _labels(found: Sequence[Curve], area: Frame) -> tuple[Data, Data]:
    """Place the name of each curve beside its largest N."""
    ends = [(each.values[-1][0], 100 * each.values[-1][1].value) for each in found]
    wanted = [Label(each.name, end, each.name) for each, end in zip(found, ends, strict=True)]
    others = [(float(n), 100 * metric.value) for each in found for n, metric in each.values[:-1]]
    lines = [
        {"x": n, "y": 100 * metric.value, "line": number}
        for number, each in enumerate(found)
        for n, metric in each.values
    ]
    return arrange(wanted, area, others, lines=lines)
