"""Pages of the problems of a pool: the results of all entries, and one replay as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape

from markupsafe import Markup

from leaderboard_app.export import charts
from leaderboard_app.export.content import WITHHELD, Content
from leaderboard_app.export.pages import Page, Writer
from leaderboard_app.formulas.mathml import answer_html, text_html
from leaderboard_app.library.entry import Entry, Result
from leaderboard_app.library.standings import RANKED, part_of, places
from leaderboard_app.shown.charts import unchecked
from leaderboard_app.shown.navigation import link
from leaderboard_app.shown.palette import badge_help, badge_text
from leaderboard_app.shown.table import Cell, Column, Table
from leaderboard_app.views.entry.entry import (
    ProblemFigures,
    asked_a_judge,
    problem_cells,
    problem_columns,
)
from leaderboard_app.views.problem import picture as pictures
from leaderboard_app.views.problem import problem as problems
from leaderboard_app.views.problem import saving
from leaderboard_app.views.problem.replay import Replay, problem_of, read_replay
from simulator.errors import UserError
from simulator.pools.pool import Pool

_COLUMNS = (
    Column("entry", "Entry", numeric=False),
    Column("badge", "Badge", numeric=False, help="How far a row's figures have been checked"),
    Column("budget", "N", help="Maximum number of traces per problem"),
    Column("repeats", "Repeats", help="Orders of traces, averaged", csv_only=True),
)


@dataclass(frozen=True)
class OnPool:
    """Results of all entries on a pool, by problem."""

    content: Content
    name: str

    @cached_property
    def results(self) -> list[tuple[Entry, Result, Sequence[ProblemFigures]]]:
        """Entries with their results: ranked ones first, by rank, then the others by name."""
        found = self.content.results_on(self.name)
        return sorted(found, key=lambda each: (*self._rank(each[0], each[1]), each[0].label))

    def _rank(self, entry: Entry, result: Result) -> tuple[bool, float]:
        standing = places(self.content.library, result.synthetic, (result.column,))
        rank = standing[entry.id].rank if entry.id in standing else None
        return part_of(entry) != RANKED, rank or float("inf")

    @cached_property
    def problems(self) -> list[str]:
        """Ids of the problems, sorted."""
        return sorted({each.problem_id for _, _, found in self.results for each in found})

    @property
    def synthetic(self) -> bool:
        """True for generated traces."""
        return any(result.synthetic for _, result, _ in self.results)

    @cached_property
    def pool(self) -> Pool | None:
        """The pool, if it is on this machine and its texts may be published."""
        if not self.content.may_publish(self.name):
            return None
        return self.content.library.pool(self.name)

    def drawn(self, problem: str) -> tuple[Entry, Result] | None:
        """Return the entry whose replay of a problem is drawn; None if the pool is not at hand.

        Of the ranked ones, that which saves most and is right at least as often as cons@N, if any.
        """
        if self.pool is None:
            return None
        here = self.pool.info.fingerprint
        found = [
            row
            for row in self.on_problem[problem]
            if part_of(row.entry) == RANKED and row.result.fingerprint == here
        ]
        if not found:
            return None
        best = max(found, key=_merit)
        return best.entry, best.result

    @cached_property
    def on_problem(self) -> dict[str, list[_Row]]:
        """Results of the entries on each problem, in the order of `results`."""
        rows: dict[str, list[_Row]] = {}
        for entry, result, found in self.results:
            head, judged = _head(entry, result), asked_a_judge(found)
            for each in found:
                rows.setdefault(each.problem_id, []).append(_Row(entry, result, each, head, judged))
        return rows

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Columns of a problem's results, without the problem's own."""
        columns: dict[str, Column] = {}
        for _, result, found in self.results:
            for each in problem_columns(result, judged=asked_a_judge(found))[1:]:
                columns.setdefault(each.key, _for_all(each))
        return tuple(columns.values())

    def table(self, problem: str) -> Table:
        """Build the table of a problem: a row for each entry, as in the entry's own table."""
        rows = []
        for row in self.on_problem[problem]:
            cells = problem_cells(row.figures, judged=row.judged)
            missing = len(self.columns) - len(cells)  # judge calls, the last column
            rows.append((*row.head, *cells, *[Cell()] * missing))
        table = Table(f"All entries on {problem}", (*_COLUMNS, *self.columns), tuple(rows))
        return self.content.publishable(self.name, table)


@dataclass(frozen=True, slots=True)
class _Row:
    """Result of an entry on a problem; `head` has the cells of `_COLUMNS`."""

    entry: Entry
    result: Result
    figures: ProblemFigures
    head: tuple[Cell, ...]
    judged: bool


def _merit(row: _Row) -> tuple[bool, float]:
    """Return the key of the entry to draw: right as often as cons@N, then tokens saved."""
    return row.figures.accuracy >= row.figures.baseline_accuracy, row.figures.saved


def _head(entry: Entry, result: Result) -> tuple[Cell, ...]:
    return (
        Cell(entry.label, entry.label, link=link("entry", entry=entry.id)),
        Cell(badge_text(entry.badge), entry.badge or "broken", badge_help(entry.badge)),
        Cell(str(result.budget), result.budget),
        Cell(str(entry.repeats), entry.repeats),
    )


def _for_all(column: Column) -> Column:
    """Return a column of an entry's table with a heading that fits every entry.

    Times, as entries may have different clocks, and what follows from others are in the files only.
    """
    headings = {"to_cons": "vs cons@N, points", "clock": "Clock"}
    heading = headings.get(column.key, column.heading)
    return replace(column, heading=heading, csv_only=column.key in ("clock", "saved_tokens"))


def write_problem(writer: Writer, on: OnPool, problem: str) -> None:
    """Write the page of a problem with its table and its picture."""
    names = on.content.names
    page = names.problems[on.name, problem]
    stem = page.removesuffix(".html")
    before, after = problems.neighbours(on.problems, problem)
    neighbours = [
        (names.problems[on.name, name], f"{word}: {name}")
        for word, name in (("Previous", before), ("Next", after))
        if name is not None
    ]
    table = on.table(problem)
    values = {
        "neighbours": neighbours,
        "synthetic": on.synthetic,
        "question": _question(on, problem),
        "withheld": "" if on.pool else _why_withheld(on),
        "table": writer.table(page, stem, table),
        "replay": _replay(writer, on, problem, stem),
    }
    title = f"Problem {problem} of {on.name}"
    description = f"Right answers, tokens and savings of {len(table.rows)} entries on {title}."
    above = (("problems.html", "Problems"), (names.pools[on.name], on.name))
    writer.page(Page(page, title, description, "problem.html", values, above))


def _why_withheld(on: OnPool) -> str:
    if on.content.library.pool_row(on.name) is None:
        return "The pool was not at hand when this page was written, so its question is left out."
    return WITHHELD


def _question(on: OnPool, problem: str) -> Markup | None:
    """Return the question as HTML; None if it is not to be shown."""
    try:
        stored = on.pool and problem_of(on.pool, problem)
    except UserError:  # the pool's files are damaged
        return None
    return text_html(stored.question) if stored and stored.question else None


def _answer(text: str) -> str:
    """Return an answer as HTML: mathematics if it is LaTeX, else its text in quotes."""
    shown = answer_html(text)
    return str(shown) if "<math" in shown else escape(problems.quoted(text))


def _replay(writer: Writer, on: OnPool, problem: str, stem: str) -> dict[str, str] | None:
    """Write the picture of a replay; None if there is none to show."""
    found = on.drawn(problem)
    if found is None:
        return None
    entry, result = found
    try:
        replay: Replay = read_replay(on.content.library, entry, result, problem, 0)
    except UserError:
        return None
    if replay.stored is None or not replay.decoded.any():
        return None
    by = "cluster" if "cluster" in pictures.orders_for(replay) else "start"
    with unchecked():
        chart = pictures.picture(replay, by, ghosts=True, confidence={})
        writer.folder.write(f"{stem}.svg", charts.svg(chart.properties(width=700)))
    return {
        "page": on.content.names.entries[entry.id],
        "entry": entry.label,
        "verdict": Markup(problems.verdict(replay, _answer)),
        "picture": f"{stem}.svg",
        "text": pictures.picture_text(replay),
        "saving": saving.saving_text(replay),
        "marks": pictures.MARKS,
    }
