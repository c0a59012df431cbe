"""Accuracy against cost: the entries shown, their Pareto front, a table and a text.

`leaderboard_app.tradeoff.chart` draws it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from leaderboard_app.library.entry import Entry
from leaderboard_app.library.standings import BOUNDS, RECORD, part_of
from leaderboard_app.shown.glossary import FIGURES
from leaderboard_app.shown.navigation import link
from leaderboard_app.shown.palette import badge_help, badge_text
from leaderboard_app.shown.table import Cell, Column, Table
from leaderboard_app.tradeoff.lines import Joined, clocks, joined_lines, unlike
from leaderboard_app.tradeoff.points import (
    COSTS,
    NAMES,
    Baseline,
    Measured,
    Omitted,
    Point,
)
from simulator.methods import match_name
from simulator.runs.results import Metric
from simulator.statistics import pareto_front
from simulator.submissions.published import BADGE as REPORTED

MOST_DRAWN = 300
"""Maximum number of points in a picture: more would cover each other."""


@dataclass(frozen=True, slots=True)
class Vote:
    """Majority voting over `budget` traces: an entry's point or, without one, a baseline."""

    budget: int
    accuracy: Metric
    cost: Metric | None
    point: Point | None = None


@dataclass(frozen=True, slots=True)
class View:
    """Points shown, sorted by cost.

    Parameters
    ----------
    compared
        Ids of the entries that are compared: the ranked ones or, if none is shown, all but those
        that use ground truth and those that are withdrawn, superseded or broken.
    front
        Ids of the compared entries on their Pareto front.
    hidden
        Entries with figures that filters leave out, by reason.
    """

    measured: Measured
    points: tuple[Point, ...]
    compared: frozenset[str]
    front: frozenset[str]
    joined: tuple[Joined, ...]
    hidden: tuple[Omitted, ...] = ()

    @property
    def ranked(self) -> bool:
        """True if the entries that are compared are ranked ones."""
        return any(each.entry.takes_part for each in self.points)

    @property
    def best(self) -> list[Point]:
        """Entries that are compared, sorted by cost."""
        return [point for point in self.points if point.entry.id in self.compared]

    @property
    def apart(self) -> list[Point]:
        """Entries that are not compared, sorted by cost."""
        return [point for point in self.points if point.entry.id not in self.compared]

    @property
    def corners(self) -> list[Point]:
        """Entries on the front, sorted by cost."""
        on_front = [point for point in self.points if point.entry.id in self.front]
        return sorted(on_front, key=lambda each: (each.cost.value, each.entry.label))

    @property
    def baselines(self) -> list[Baseline]:
        """Baselines that are not there as an entry, by N."""
        there = {point.entry.policy for point in self.best}
        return [each for each in self.measured.baselines if each.name not in there]

    @property
    def votes(self) -> list[Vote]:
        """Majority voting over N traces by N: compared entries, and the baselines beside them."""
        names = {each.name: each.budget for each in self.measured.baselines}
        found = [
            Vote(names[point.entry.policy], point.accuracy, point.cost, point)
            for point in self.best
            if point.entry.policy in names
        ]
        found += [Vote(each.budget, each.accuracy, each.cost) for each in self.baselines]
        return sorted(found, key=lambda each: each.budget)

    @property
    def omitted(self) -> tuple[Omitted, ...]:
        """Entries that are not drawn, by reason."""
        return (*self.measured.omitted, *self.hidden)

    def on_front(self, point: Point) -> str:
        """Return `yes`, `no`, or `not compared`."""
        if point.entry.id not in self.compared:
            return "not compared"
        return "yes" if point.entry.id in self.front else "no"

    def series(self) -> dict[str, str]:
        """Return what each entry's colour stands for, by id: its line's name, else its method."""
        names = {point.entry.id: point.entry.method for point in self.points}
        for line in self.joined:
            names |= {point.entry.id: line.name for point in line.points}
        return names


def choose(measured: Measured, badges: Collection[str] = (), methods: Collection[str] = ()) -> View:
    """Return a view of the entries with one of `badges` and one of `methods`.

    The badge of a broken entry is `""`. Without badges, all are shown but those that are withdrawn,
    superseded or broken; without methods, all.
    """
    points, hidden = [], dict[str, list[Entry]]()
    for point in measured.points:
        if reason := _reason(point.entry, badges, methods):
            hidden.setdefault(reason, []).append(point.entry)
        else:
            points.append(point)
    points.sort(key=lambda each: (each.cost.value, each.entry.label))
    compared = [point for point in points if point.entry.takes_part] or [
        point for point in points if part_of(point.entry) not in (BOUNDS, RECORD)
    ]
    front = pareto_front(
        [point.cost.value for point in compared], [point.accuracy.value for point in compared]
    )
    on_front = (point.entry.id for point, first in zip(compared, front, strict=True) if first)
    if far := _far_below(points, compared):
        points = [point for point in points if point.entry.id not in far]
        hidden[f"further below the Pareto front than the {MOST_DRAWN} drawn"] = [*far.values()]
    ids = frozenset(point.entry.id for point in compared if point.entry.id not in far)
    return View(
        measured,
        tuple(points),
        ids,
        frozenset(on_front),
        tuple(joined_lines(points, ids)),
        tuple(Omitted(reason, tuple(entries)) for reason, entries in hidden.items()),
    )


def _far_below(points: Sequence[Point], compared: Sequence[Point]) -> dict[str, Entry]:
    """Return all points but the `MOST_DRAWN` least below the best compared one at their cost.

    Both are sorted by cost. The entries are by id.
    """
    if len(points) <= MOST_DRAWN:
        return {}
    costs = [point.cost.value for point in compared]
    best = [0.0, *accumulate((point.accuracy.value for point in compared), max)]
    gaps = [best[bisect_right(costs, point.cost.value)] - point.accuracy.value for point in points]
    far = sorted(range(len(points)), key=gaps.__getitem__)[MOST_DRAWN:]
    return {points[place].entry.id: points[place].entry for place in far}


def _reason(entry: Entry, badges: Collection[str], methods: Collection[str]) -> str:
    """Return the reason that filters leave an entry out; empty if it is shown."""
    if badges and (entry.badge or "") not in badges:
        return "hidden by the choice of badges"
    if not badges and part_of(entry) == RECORD:
        return "withdrawn, superseded or broken"
    return "hidden by the choice of methods" if methods and entry.method not in methods else ""


def numbers(view: View) -> dict[str, int]:
    """Return numbers for everything that is drawn, in the order of the tables.

    Keys are entries' ids, and `baseline_key` and `published_key` for the others.
    """
    keys = [point.entry.id for point in view.best]
    keys += [baseline_key(each) for each in view.baselines]
    keys += [published_key(place) for place in range(len(view.measured.published))]
    keys += [point.entry.id for point in view.apart]
    return {key: number for number, key in enumerate(keys, start=1)}


def baseline_key(baseline: Baseline) -> str:
    """Return the key of a baseline among entries' ids, which have no such characters."""
    return f"baseline {baseline.name}"


def published_key(place: int) -> str:
    """Return the key of a published figure among entries' ids, by its place."""
    return f"published {place}"


def _columns(measured: Measured) -> tuple[Column, ...]:
    accuracy, cost = FIGURES["accuracy"], measured.figure
    return (
        Column("entry", "Entry", numeric=False),
        Column("number", "#", help="Number in the picture, where a name has no room."),
        Column("badge", "Badge", numeric=False),
        Column("accuracy", accuracy.heading, help=accuracy.help, descending=True),
        Column(COSTS[measured.cost], measured.cost_name, help=cost.help),
        Column(
            "front",
            "Pareto front",
            help="Yes if no other entry compared is as good in both and better in one.",
            numeric=False,
        ),
        Column("budget", "N", help="Maximum number of traces per problem."),
        Column("repeats", "Repeats", help="Replays of the pool, each in another order."),
    )


def tables(view: View) -> dict[str, Table]:
    """Build the tables of the chart's points by their names, each sorted by cost.

    Entries that are compared come with the baselines; entries that are not compared, and published
    figures, have tables of their own. One without rows is left out.
    """
    measured, number = view.measured, numbers(view)
    accuracy, cost = FIGURES["accuracy"], measured.figure

    def row(point: Point) -> tuple[Cell, ...]:
        entry, front, budget = point.entry, view.on_front(point), point.budget
        return (
            Cell(entry.label, entry.label, link=link("entry", entry=entry.id)),
            _number(number[entry.id]),
            Cell(badge_text(entry.badge), entry.badge or "broken", badge_help(entry.badge)),
            accuracy.cell(point.accuracy, alone="no interval"),
            cost.cell(point.cost, alone="no interval"),
            Cell(front, front, bold=front == "yes"),
            Cell(budget, int(budget) if budget.isdecimal() else budget),
            Cell(str(entry.repeats), entry.repeats),
        )

    compared = [row(point) for point in view.best]
    compared += [
        (
            Cell(f"{baseline.name}, baseline", note="Majority voting over the entries' traces"),
            _number(number[baseline_key(baseline)]),
            Cell("baseline", "baseline"),
            accuracy.cell(baseline.accuracy, alone="no interval"),
            cost.cell(baseline.cost, alone="no interval", missing="not recorded"),
            Cell("not compared", "not compared"),
            Cell(note="as in its name"),
            Cell(note="as for the entries"),
        )
        for baseline in view.baselines
    ]
    published: list[tuple[Cell, ...]] = [
        (
            Cell(each.figure.method, note=each.figure.source.title, link=each.figure.source.paper),
            _number(number[published_key(place)]),
            Cell(badge_text(REPORTED), REPORTED, badge_help(REPORTED)),
            accuracy.cell(Metric(each.figure.accuracy), alone="no interval"),
            cost.cell(Metric(each.cost), alone="no interval"),
            Cell("not compared", "not compared"),
            Cell(note="see the publication"),
            Cell(note="see the publication"),
        )
        for place, each in enumerate(measured.published)
    ]
    caption = f"Accuracy against {NAMES[measured.cost].lower()} on {measured.heading}"
    notes = [*map(omitted_words, view.omitted), *measured.notes]
    parts: dict[str, tuple[str, list[tuple[Cell, ...]], Sequence[str]]] = {
        "points": (caption, compared, notes),
        "published": (f"Published: {caption}", published, ()),
        "apart": (f"Not compared: {caption}", [row(point) for point in view.apart], ()),
    }
    columns = _columns(measured)
    return {
        name: Table(title, columns, tuple(rows), tuple(notes))
        for name, (title, rows, notes) in parts.items()
        if rows
    }


def _number(number: int) -> Cell:
    return Cell(str(number), number)


HEADINGS = {"points": "Compared", "published": "Published", "apart": "Not compared"}
"""Headings of the tables."""


def omitted_words(omitted: Omitted, most: int = 3) -> str:
    """Name the entries that are not drawn for one reason, `most` of them."""
    names = [entry.label for entry in omitted.entries]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    reason = omitted.reason[0].upper() + omitted.reason[1:]
    return f"{reason}: {', '.join(names[:most])}{more}."


def count(view: View) -> str:
    """Return the number of entries shown, in words."""
    return f"{len(view.points)} {'entry' if len(view.points) == 1 else 'entries'}"


def sentence(view: View) -> str:
    """Describe the chart in words, with its main figures."""
    measured = view.measured
    cost = measured.cost_name[0].lower() + measured.cost_name[1:]
    said = [f"Accuracy against {cost} on {measured.heading}: {count(view)}."]
    corners, compared = view.corners, view.best
    if corners:
        on_it = "; ".join(f"{each.entry.label}, {_said(measured, each)}" for each in corners)
        said.append(f"On the Pareto front, by cost: {on_it}.")
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
    said += [
        f"Bound, uses ground truth: {each.entry.label}, {_said(measured, each)}."
        for each in view.apart
        if each.entry.unranked
    ]
    if apart := sum(not each.entry.unranked for each in view.apart):
        said.append(f"Not compared, drawn hollow: {apart}.")
    for baseline in view.baselines:
        cost = f" at {measured.figure.text(baseline.cost.value)}" if baseline.cost else ""
        said.append(
            f"Baseline {baseline.name}: {FIGURES['accuracy'].text(baseline.accuracy.value)}%{cost}."
        )
    if measured.published:
        said.append(f"{len(measured.published)} published figures are drawn hollow.")
    if gone := sum(len(each.entries) for each in view.omitted):
        said.append(f"Not drawn: {gone}.")
    return " ".join(said)


def _said(measured: Measured, point: Point) -> str:
    accuracy = FIGURES["accuracy"].text(point.accuracy.value)
    return f"{accuracy}% at {measured.figure.text(point.cost.value)}"


def curves(view: View) -> list[Joined]:
    """Return the compared entries that differ in N only, by policy and parameters: curves over N.

    An entry can also be on another line of the view.
    """
    families: dict[str, list[Point]] = {}
    for point in view.best:
        entry = point.entry
        found = match_name(entry.policy)
        name = found[0] if found else entry.policy
        key = (name, entry.policy_sha256, sorted(entry.parameters.items()), clocks(point))
        families.setdefault(repr(key), []).append(point)
    lines: list[Joined] = []
    for family in families.values():
        for line in joined_lines(family, view.compared):
            if line.over_n:
                lines.append(replace(line, name=unlike(line.name, lines)))
    return lines
