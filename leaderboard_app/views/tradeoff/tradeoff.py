"""Accuracy against cost: the entries shown, their Pareto front, a table and a text.

`leaderboard_app.views.tradeoff.chart` draws it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from leaderboard_app.library.library import SUPERSEDED
from leaderboard_app.shown.glossary import FIGURES
from leaderboard_app.shown.navigation import link
from leaderboard_app.shown.palette import badge_help, badge_text
from leaderboard_app.shown.table import Cell, Column, Table
from leaderboard_app.views.tradeoff.points import COSTS, NAMES, Measured, Point
from simulator.report.comparison import Row
from simulator.report.lines import find_lines
from simulator.runs.results import Metric, RunResult
from simulator.statistics import pareto_front
from simulator.submissions.published import BADGE as REPORTED


@dataclass(frozen=True, slots=True)
class Joined:
    """Entries that differ in one parameter only, sorted by its value."""

    name: str
    parameter: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class View:
    """Points shown; `front` holds the ids of the entries on their Pareto front."""

    measured: Measured
    points: tuple[Point, ...]
    front: frozenset[str]
    joined: tuple[Joined, ...]

    @property
    def corners(self) -> list[Point]:
        """Entries on the front, sorted by cost."""
        on_front = [point for point in self.points if point.entry.id in self.front]
        return sorted(on_front, key=lambda each: (each.cost.value, each.entry.label))

    def on_front(self, point: Point) -> str:
        """Return `yes`, `no`, or `not compared` for entries that are not ranked."""
        if not point.entry.takes_part:
            return "not compared"
        return "yes" if point.entry.id in self.front else "no"

    def series(self) -> dict[str, str]:
        """Return what each entry's colour stands for, by id: its line's name, else its method."""
        names = {point.entry.id: point.entry.method for point in self.points}
        for line in self.joined:
            names |= {point.entry.id: line.name for point in line.points}
        return names


def choose(measured: Measured, badges: Collection[str] = ()) -> View:
    """Return a view of the entries with one of `badges`, or of all if it is empty.

    The badge of a broken entry is `""`.
    """
    points = [
        point for point in measured.points if not badges or (point.entry.badge or "") in badges
    ]
    points.sort(key=lambda each: (each.cost.value, each.entry.label))
    compared = [point for point in points if point.entry.takes_part]
    front = pareto_front(
        [point.cost.value for point in compared], [point.accuracy.value for point in compared]
    )
    ids = (point.entry.id for point, first in zip(compared, front, strict=True) if first)
    return View(measured, tuple(points), frozenset(ids), tuple(_joined(points, measured)))


def tables(view: View) -> dict[str, Table]:
    """Build the tables of the chart's points by their names, each sorted by cost.

    Entries that are compared come with the baselines; entries that are not ranked, and published
    figures, have tables of their own. One without rows is left out.
    """
    measured = view.measured
    accuracy, cost = FIGURES["accuracy"], measured.figure
    columns = (
        Column("entry", "Entry", numeric=False),
        Column("badge", "Badge", numeric=False),
        Column("accuracy", accuracy.heading, help=accuracy.help, descending=True),
        Column(COSTS[measured.cost], measured.cost_name, help=cost.help),
        Column(
            "front",
            "Pareto front",
            help="Yes if no other entry shown is as good in both and better in one.",
            numeric=False,
        ),
        Column("budget", "N", help="Maximum number of traces per problem."),
        Column("repeats", "Repeats", help="Replays of the pool, each in another order."),
    )

    def row(point: Point) -> tuple[Cell, ...]:
        entry, front, budget = point.entry, view.on_front(point), point.budget
        return (
            Cell(entry.label, entry.label, link=link("entry", entry=entry.id)),
            Cell(badge_text(entry.badge), entry.badge or "broken", badge_help(entry.badge)),
            accuracy.cell(point.accuracy, alone="no interval"),
            cost.cell(point.cost, alone="no interval"),
            Cell(front, front, bold=front == "yes"),
            Cell(budget, int(budget) if budget.isdecimal() else budget),
            Cell(str(entry.repeats), entry.repeats),
        )

    compared = [row(point) for point in view.points if point.entry.takes_part]
    compared += [
        (
            Cell(f"{baseline.name}, baseline", note="Majority voting over the entries' traces"),
            Cell("baseline", "baseline"),
            accuracy.cell(baseline.accuracy, alone="no interval"),
            cost.cell(baseline.cost, alone="no interval", missing="not recorded"),
            Cell("not compared", "not compared"),
            Cell(note="as in its name"),
            Cell(note="as for the entries"),
        )
        for baseline in measured.baselines
    ]
    published: list[tuple[Cell, ...]] = [
        (
            Cell(each.figure.method, note=each.figure.source.title, link=each.figure.source.paper),
            Cell(badge_text(REPORTED), REPORTED, badge_help(REPORTED)),
            accuracy.cell(Metric(each.figure.accuracy), alone="no interval"),
            cost.cell(Metric(each.cost), alone="no interval"),
            Cell("not compared", "not compared"),
            Cell(note="see the publication"),
            Cell(note="see the publication"),
        )
        for each in measured.published
    ]
    apart = [row(point) for point in view.points if not point.entry.takes_part]
    caption = f"Accuracy against {NAMES[measured.cost].lower()} on {measured.place}"
    parts: dict[str, tuple[str, list[tuple[Cell, ...]], Sequence[str]]] = {
        "points": (caption, compared, measured.notes),
        "published": (f"Published: {caption}", published, ()),
        "apart": (f"Not ranked: {caption}", apart, ()),
    }
    return {
        name: Table(title, columns, tuple(rows), tuple(notes))
        for name, (title, rows, notes) in parts.items()
        if rows
    }


HEADINGS = {"points": "Compared", "published": "Published", "apart": "Not ranked"}
"""Headings of the tables."""


def count(view: View) -> str:
    """Return the number of entries shown, in words."""
    return f"{len(view.points)} {'entry' if len(view.points) == 1 else 'entries'}"


def sentence(view: View) -> str:
    """Describe the chart in words, with its main figures."""
    measured = view.measured
    cost = measured.cost_name[0].lower() + measured.cost_name[1:]
    said = [f"Accuracy against {cost} on {measured.place}: {count(view)}."]
    corners = view.corners
    if corners:
        on_it = "; ".join(f"{each.entry.label}, {_said(measured, each)}" for each in corners)
        said.append(f"On the Pareto front, by cost: {on_it}.")
    compared = [point for point in view.points if point.entry.takes_part]
    if compared:
        extremes = {
            "Cheapest": compared[0],
            "Most expensive": max(compared, key=lambda each: each.cost.value),
            "Most accurate": max(compared, key=lambda each: each.accuracy.value),
            "Least accurate": min(compared, key=lambda each: each.accuracy.value),
        }
        said += [
            f"{name}: {each.entry.label}, {_said(measured, each)}."
            for name, each in extremes.items()
        ]
    if apart := len(view.points) - len(compared):
        said.append(f"Not ranked, drawn hollow: {apart}.")
    for baseline in measured.baselines:
        cost = f" at {measured.figure.text(baseline.cost.value)}" if baseline.cost else ""
        said.append(
            f"Baseline {baseline.name}: {FIGURES['accuracy'].text(baseline.accuracy.value)}%{cost}."
        )
    if measured.published:
        said.append(f"{len(measured.published)} published figures are drawn hollow.")
    return " ".join(said)


def _said(measured: Measured, point: Point) -> str:
    accuracy = FIGURES["accuracy"].text(point.accuracy.value)
    return f"{accuracy}% at {measured.figure.text(point.cost.value)}"


def _joined(points: Sequence[Point], measured: Measured) -> list[Joined]:
    """Return lines through entries of one policy at several settings, as reports draw them."""
    by_id = {point.entry.id: point for point in points}
    rows = [
        Row("", point.entry.label, False, _as_run(point, measured.place))
        for point in points
        if point.entry.badge not in ("withdrawn", SUPERSEDED)
    ]
    return [
        Joined(
            line.name,
            line.parameter,
            tuple(by_id[row.result.run] for row in line.rows),
        )
        for line in find_lines(rows)
    ]


def _as_run(point: Point, pool: str) -> RunResult:
    """Convert a point to the form that reports use; `run` is the entry's id."""
    entry, result = point.entry, point.results[0]
    return RunResult(
        run=entry.id,
        path=entry.path,
        policy=entry.policy,
        policy_sha256=entry.policy_sha256,
        parameters=entry.parameters,
        settings=entry.settings,
        unranked=entry.unranked,
        seed=entry.seed,
        repeats=entry.repeats,
        pool=pool,
        fingerprint=None,
        budget=result.budget,
        synthetic=result.synthetic,
        token_accuracy=result.token_accuracy,
        problems=result.problems,
        baseline=result.baseline,
        clock_unit=result.clock_unit,
        serving=result.serving,
        metrics={},
        command=None,
        started_at=None,
        wall_seconds=None,
    )
