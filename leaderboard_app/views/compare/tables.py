"""Tables of the page Compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from leaderboard_app.library.entry import Entry
from leaderboard_app.shown.glossary import FIGURES
from leaderboard_app.shown.navigation import link
from leaderboard_app.shown.table import Cell, Column, Table
from leaderboard_app.views.compare.comparison import (
    SOLVED,
    Difference,
    Shared,
    problems,
)
from simulator.report.rows import RESTS_ON_FEW
from simulator.runs.results import Metric
from simulator.significance import FEW, POWER


def difference_table(found: Sequence[Difference]) -> Table:
    """Build the table of paired differences, a row for each pool and one over all pools."""
    columns = (
        Column("entry", "Entry", numeric=False),
        Column("against", "Compared with", numeric=False),
        Column("pool", "Pool", numeric=False),
        Column(
            "accuracy_difference",
            "Accuracy, points",
            help="Accuracy of the entry minus that of the other on the same problems. "
            f"{RESTS_ON_FEW} rests on fewer than {FEW} problems that differ.",
            descending=True,
        ),
        Column("interval", "95% interval", numeric=False),
        Column(
            "chance",
            "Chance",
            help="Within chance: not significant by a sign-flip test over problems, for this pair "
            f"alone; with the smallest difference that they show with a chance of {POWER:.0%}.",
            numeric=False,
        ),
        Column(
            "reduction",
            "Fewer tokens, %",
            help="Share of the other's tokens that the entry does not generate, with its interval.",
            descending=True,
        ),
        Column("reduction_interval", "95% interval", numeric=False),
    )
    rows = [
        (
            _name(each.first),
            _name(each.second),
            Cell(each.place, each.place),
            replace(
                _cell("accuracy_difference", each.accuracy),
                mark=RESTS_ON_FEW if each.contrast.few else "",
            ),
            _interval("accuracy_difference", each.accuracy),
            _chance(each),
            _cell("reduction", each.saved),
            _interval("reduction", each.saved),
        )
        for each in found
    ]
    return Table("Paired differences", columns, tuple(rows), first=1)


def _chance(difference: Difference) -> Cell:
    """Build the cell of a verdict, with the smallest difference that would be shown."""
    if difference.within_chance is None:
        return Cell("too few problems", "too few problems")
    least = difference.contrast.detectable
    beside = "" if least is None else f" (shows {100 * least:.1f})"
    verdict = "within chance" if difference.within_chance else "more than chance"
    return Cell(f"{verdict}{beside}", verdict, bold=not difference.within_chance)


def matrix(found: Sequence[Difference], entries: Sequence[Entry], metric: str) -> Table:
    """Build the matrix of row minus column for every two entries; `metric` is accuracy or tokens.

    `found` has a difference for each ordered pair. Differences beyond chance are bold; each cell
    has its interval as a note.
    """
    by_pair = {(each.first.id, each.second.id): each for each in found}

    def cell(first: Entry, second: Entry) -> Cell:
        each = by_pair.get((first.id, second.id))
        if each is None:
            return Cell(note="the same entry" if first is second else "not compared")
        figure = each.accuracy if metric == "accuracy" else each.saved
        name = "accuracy_difference" if metric == "accuracy" else "reduction"
        apart = not each.within_chance if metric == "accuracy" else not figure.covers_zero
        marked = first.takes_part and second.takes_part and figure.low is not None
        return replace(_cell(name, figure), bold=apart and marked)

    rows = [(_name(first), *(cell(first, second) for second in entries)) for first in entries]
    heads = (
        Column(entry.id, entry.label, help=f"Compared with {entry.label}", descending=True)
        for entry in entries
    )
    caption = (
        "Accuracy of the row minus that of the column, percentage points"
        if metric == "accuracy"
        else "Share of the column's tokens that the row saves, %"
    )
    place = f" ({found[0].place})" if found else ""
    return Table(
        caption + place,
        (Column("entry", "Entry", numeric=False), *heads),
        tuple(rows),
        (
            "Bold, among verified entries: significant, for accuracy by a sign-flip test over "
            "problems; for tokens the 95% interval does not cover zero. Each value opens its "
            "interval.",
        ),
    )


def problem_link(entry: Entry, pool: Shared, problem_id: str) -> str:
    """Return the link to the entry's replay of a problem."""
    return link(
        "problem", entry=entry.id, pool=pool.results[entry.id].pool, problem=problem_id, repeat=0
    )


def problem_table(pool: Shared, entries: Sequence[Entry], *, contested: bool) -> Table:
    """Build the table of problems with each entry's results.

    `contested` keeps only problems that one entry solves and another does not.
    """
    columns = [Column("problem", "Problem", numeric=False)]
    for entry in entries:
        columns += [
            Column(
                f"{entry.id}:right",
                "Right, %",
                entry.label,
                "Share of repeats with the right answer; bold above one half.",
                descending=True,
            ),
            Column(f"{entry.id}:tokens", "Tokens", entry.label, "Mean over repeats."),
        ]
    rows = []
    for each in problems(pool, entries):
        if contested and not each.contested:
            continue
        cells = [
            Cell(
                each.problem_id,
                each.problem_id,
                link=problem_link(entries[0], pool, each.problem_id),
            )
        ]
        for entry in entries:
            right, tokens = each.right[entry.id], each.tokens[entry.id]
            cells += [
                Cell(
                    f"{100 * right:.0f}",
                    right,
                    link=problem_link(entry, pool, each.problem_id),
                    bold=entry.takes_part and right > SOLVED,
                ),
                Cell(f"{tokens:,.0f}", tokens),
            ]
        rows.append(tuple(cells))
    caption = "Problems that one entry solves and another does not" if contested else "Problems"
    return Table(f"{caption}, {pool.column}", tuple(columns), tuple(rows))


def _name(entry: Entry) -> Cell:
    return Cell(entry.label, entry.label, link=link("entry", entry=entry.id))


def _cell(name: str, metric: Metric) -> Cell:
    return FIGURES[name].cell(metric, alone="no interval: too few problems")


def _interval(name: str, metric: Metric) -> Cell:
    figure = FIGURES[name]
    if metric.low is None or metric.high is None:
        return Cell(note="too few problems")
    return Cell(f"{figure.text(metric.low)} to {figure.text(metric.high)}")
