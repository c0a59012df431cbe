"""Everything that the picture draws, with names, places and hover texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leaderboard_app.shown.glossary import FIGURES, Figure
from leaderboard_app.shown.palette import badge_text, colours, shapes
from leaderboard_app.tradeoff.frame import Frame
from leaderboard_app.tradeoff.points import Point
from leaderboard_app.tradeoff.view import (
    View,
    baseline_key,
    numbers,
    published_key,
)
from simulator.report.plotting import plot
from simulator.runs.results import Metric
from simulator.submissions.published import BADGE as REPORTED

COMPARED, APART, BOUND, BASELINE, PUBLISHED = (
    "compared",
    "apart",
    "bound",
    "baseline",
    "published",
)
"""Kinds of marks. A bound is an entry that uses ground truth, such as the oracle."""

BASELINES = "cons@N (baseline)"
"""Series of the baselines."""

Data = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Mark:
    """A point of the picture.

    Parameters
    ----------
    key
        An entry's id, or the key of a baseline or published figure.
    x
        Cost; None for a baseline without one.
    y
        Accuracy in percent.
    name, figures
        Name, and accuracy with cost in words.
    number
        Its number in the tables.
    hover
        Texts by the names of fields.
    """

    key: str
    x: float | None
    y: float
    kind: str
    series: str
    name: str
    figures: str
    number: int
    hover: Mapping[str, str]

    def outside(self, frame: Frame) -> str:
        """Return the edge beyond which the mark is, empty if inside, as `Frame.outside` does."""
        return "" if self.x is None else frame.outside(self.x, self.y)


def marks(view: View) -> list[Mark]:
    """Return everything that is drawn, in the order of its numbers."""
    found = [*_entries(view), *_baselines(view), *_published(view)]
    return sorted(found, key=lambda each: each.number)


def _entries(view: View) -> list[Mark]:
    series, number, names = view.series(), numbers(view), _names(view)
    found = []
    for point in view.points:
        entry = point.entry
        kind = BOUND if entry.unranked else APART
        found.append(
            Mark(
                entry.id,
                point.cost.value,
                100 * point.accuracy.value,
                COMPARED if entry.id in view.compared else kind,
                series[entry.id],
                names[entry.id],
                _figures(view, point.accuracy, point.cost),
                number[entry.id],
                {
                    "label": entry.label,
                    "badge": badge_text(entry.badge),
                    "accuracy": _with_interval(FIGURES["accuracy"], point.accuracy),
                    "cost": _with_interval(view.measured.figure, point.cost),
                    "settings": _settings(point),
                    "front": view.on_front(point),
                },
            )
        )
    return found


def _names(view: View) -> dict[str, str]:
    """Return the method of each entry, or its label if several entries have that method, by id."""
    count = Counter(point.entry.method for point in view.points)
    return {
        point.entry.id: point.entry.method if count[point.entry.method] == 1 else point.entry.label
        for point in view.points
    }


def _baselines(view: View) -> list[Mark]:
    number, accuracy, cost = numbers(view), FIGURES["accuracy"], view.measured.figure
    return [
        Mark(
            baseline_key(each),
            each.cost.value if each.cost else None,
            100 * each.accuracy.value,
            BASELINE,
            BASELINES,
            each.name,
            _figures(view, each.accuracy, each.cost),
            number[baseline_key(each)],
            {
                "label": each.name,
                "badge": "baseline",
                "accuracy": _with_interval(accuracy, each.accuracy),
                "cost": _with_interval(cost, each.cost) if each.cost else "not recorded",
                "settings": "majority voting over the same traces",
                "front": "not compared",
            },
        )
        for each in view.baselines
    ]


def _published(view: View) -> list[Mark]:
    number = numbers(view)
    return [
        Mark(
            published_key(place),
            each.cost,
            100 * each.figure.accuracy,
            PUBLISHED,
            f"published: {each.figure.source.name}",
            each.figure.method,
            _figures(view, Metric(each.figure.accuracy), Metric(each.cost)),
            number[published_key(place)],
            {
                "label": each.figure.method,
                "badge": badge_text(REPORTED),
                "accuracy": FIGURES["accuracy"].text(each.figure.accuracy),
                "cost": view.measured.figure.text(each.cost),
                "settings": each.figure.source.title,
                "front": "not compared",
            },
        )
        for place, each in enumerate(view.measured.published)
    ]


def steps(view: View, frame: Frame) -> Data:
    """Build the corners of the front: the best accuracy at each cost, up to the frame's end."""
    corners = dict.fromkeys((each.cost.value, 100 * each.accuracy.value) for each in view.corners)
    return plot.front([*corners], frame.x.high)


def bars(view: View, frame: Frame) -> tuple[Data, Data]:
    """Build the intervals of cost, and those of accuracy, of the entries inside the frame."""
    series = view.series()
    return plot.bars(
        (each.cost, each.accuracy, series[each.entry.id])
        for each in view.points
        if not frame.outside(each.cost.value, 100 * each.accuracy.value)
    )


def lines(view: View, frame: Frame) -> Data:
    """Build the corners of the lines that join settings, and of one through all cons@N."""
    votes = {vote.point.entry.id for vote in view.votes if vote.point}
    series, paths = BASELINES, []
    for line in view.joined:
        if all(point.entry.id in votes for point in line.points):
            series = line.name
        else:
            paths.append((line.name, [(each.cost, each.accuracy) for each in line.points]))
    paths.append((series, [(vote.cost, vote.accuracy) for vote in view.votes if vote.cost]))
    return [
        {
            "x": cost.value,
            "y": 100 * accuracy.value,
            "series": name,
            "line": number,
            "place": place,
        }
        for number, (name, path) in enumerate(paths)
        for place, (cost, accuracy) in enumerate(path)
        if cost.value > 0 or not frame.x.log
    ]


def looks(every: Sequence[Mark], more: Sequence[str] = ()) -> tuple[dict[str, str], dict[str, str]]:
    """Return a colour and a shape for each series of entries, and for `more` names after them."""
    methods = sorted({each.series for each in every if each.kind not in (BASELINE, PUBLISHED)})
    names = list(dict.fromkeys([*methods, *more]))
    return colours(names), shapes(names)


def _figures(view: View, accuracy: Metric, cost: Metric | None) -> str:
    spent = f" at {view.measured.figure.text(cost.value)}" if cost else ""
    return f"{FIGURES['accuracy'].text(accuracy.value)}%{spent}"


def _with_interval(figure: Figure, metric: Metric) -> str:
    interval = figure.interval(metric)
    return f"{figure.text(metric.value)} ({interval})" if interval else figure.text(metric.value)


def _settings(point: Point) -> str:
    entry = point.entry
    set_ = [f"{name}={entry.parameters.get(name)}" for name in entry.settings]
    return ", ".join([f"N={point.budget}", *set_])
