"""The board in the form of published tables: methods as rows, models × benchmarks as columns.

Each model and benchmark has a column of tokens and one of accuracy. Verified entries, published
figures and all other entries are sections of their own; the best figure of a column is marked among
the verified and among the published ones, whatever the filters.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from leaderboard_app.library.library import Entry, Library
from leaderboard_app.library.selection import (
    NO_SIGNAL,
    PoolColumn,
    Selection,
    canonical,
    folded,
    pool_columns,
    results,
)
from leaderboard_app.shown.glossary import FIGURES, TOKEN_ACCURACY
from leaderboard_app.shown.navigation import link
from leaderboard_app.shown.palette import BADGES, badge_help, badge_text
from leaderboard_app.shown.table import Cell, Column, Table
from simulator.loading import is_builtin, load_policy
from simulator.runs.results import Metric
from simulator.signals import SIGNALS
from simulator.submissions.published import BADGE as REPORTED
from simulator.submissions.published import PublishedFigure, Source

TOKENS, ACCURACY = SHOWN = ("tokens_1e8", "accuracy")
"""Metrics shown for each pool."""

MARKS = ("†", "‡", "§", "¶")
"""Footnote signs of sources, doubled when they run out."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row whose figures are not formatted yet, between the cells of its `head` and `tail`.

    `figures`, `missing` and `notes` are by `PoolColumn.key`. `needs` is None if unknown.
    """

    head: tuple[Cell, Cell]
    tail: tuple[Cell, ...]
    badge: str | None
    date: str | None
    needs: tuple[str, ...] | None
    takes_part: bool
    figures: Mapping[str, Mapping[str, Metric]]
    missing: Mapping[str, str]
    notes: Mapping[str, str]
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the board whose rows are compared among themselves, or with nothing.

    `name` is one of `SECTIONS`.
    """

    name: str
    heading: str
    about: str
    table: Table


RANKED, PUBLISHED, APART = SECTIONS = ("verified", "published", "apart")
"""Names of the sections, in order."""


def headings(name: str, *, synthetic: bool) -> tuple[str, str]:
    """Return a section's heading, and a sentence about it."""
    if name == PUBLISHED:
        return (
            "Published",
            "From publications, not replayed: marked among themselves, never ranked.",
        )
    if name == APART:
        return (
            "Not ranked",
            "Not verified, local, withdrawn, superseded or using ground truth: shown for "
            "comparison, with neither marks nor ranks.",
        )
    if synthetic:
        return (
            "Synthetic",
            "Verified on generated traces, and ranked among themselves: they say nothing about any "
            "model or method.",
        )
    return "Verified", "Figures are those of the verifier's own replays."


def board_sections(library: Library, synthetic: bool, selection: Selection) -> tuple[Section, ...]:
    """Build the board in the form of published tables, of real or of synthetic figures.

    A section without rows is left out. The best figure of a column is taken over a section's rows
    before filters.
    """
    columns = pool_columns(library, synthetic)
    sources = _signs(library.published)
    entries = _entry_lines(library, columns, synthetic)
    published = [] if synthetic else _published_lines(library.published, columns, sources)
    parts = {
        RANKED: [line for line in entries if line.takes_part],
        PUBLISHED: published,
        APART: [line for line in entries if not line.takes_part],
    }
    chosen = [
        each
        for each in columns
        if (not selection.models or each.model in selection.models)
        and (not selection.benchmarks or each.benchmark in selection.benchmarks)
    ]
    narrowed = bool(selection.models or selection.benchmarks)
    found = []
    for name, lines in parts.items():
        own = [each for each in chosen if any(each.key in line.figures for line in lines)]
        best = {} if name == APART else _best(lines, own)
        shown = [
            line
            for line in lines
            if selection.takes(line.badge, line.date, line.needs)
            and (not narrowed or any(each.key in line.figures for each in own))
        ]
        if not shown:
            continue
        heading, about = headings(name, synthetic=synthetic)
        table = Table(
            f"{heading}: tokens and accuracy on each model and benchmark",
            tuple(_headings(library, own)),
            tuple(_row(line, own, best) for line in shown),
            tuple(_notes(shown, own, sources, library, marked=bool(best))),
        )
        found.append(Section(name, heading, about, hide(table, selection.hidden)))
    return tuple(found)


def hide(table: Table, hidden: Collection[str]) -> Table:
    """Return the table without hidden columns, named by group or heading.

    The first column always stays.
    """
    keep = [
        index
        for index, column in enumerate(table.columns)
        if index < table.first or (column.group or column.heading) not in hidden
    ]
    return replace(
        table,
        columns=tuple(table.columns[index] for index in keep),
        rows=tuple(tuple(row[index] for index in keep) for row in table.rows),
    )


def hideable(columns: Iterable[PoolColumn]) -> list[str]:
    """Return the names that `Selection.hidden` accepts."""
    headings = [column.heading for column in (*_BEFORE[1:], *_AFTER)]
    return list(dict.fromkeys([*headings, *(column.heading for column in columns)]))


_BEFORE = (
    Column("method", "Method", numeric=False),
    Column("badge", "Badge", numeric=False, help="How far a row's figures have been checked"),
)

_AFTER = (
    Column("organisation", "Organisation", numeric=False),
    Column("date", "Date", numeric=False, descending=True),
    Column("needs", "Needs", numeric=False, help="Signals the method reads; judge if it uses one"),
    Column("budget", "N", help="Maximum number of traces per problem"),
    Column("paper", "Paper", numeric=False),
    Column("code", "Code", numeric=False),
)


def _headings(library: Library, columns: Sequence[PoolColumn]) -> list[Column]:
    exactness = {
        column: result.token_accuracy
        for entry in library.entries
        for column, result in entry.results.items()
    }
    found = [*_BEFORE]
    for each in columns:
        exact = exactness.get(each.column or "", "")
        for name in SHOWN:
            figure = FIGURES[name]
            rough = name == TOKENS and exact == "estimated"
            said = f" {TOKEN_ACCURACY[exact]}" if name == TOKENS and exact in TOKEN_ACCURACY else ""
            found.append(
                Column(
                    f"{each.key}.{name}",
                    figure.heading + (" ≈" if rough else ""),
                    each.heading,
                    figure.help + said,
                    descending=figure.lower_is_better is False,
                )
            )
    return [*found, *_AFTER]


def _entry_lines(library: Library, columns: Sequence[PoolColumn], synthetic: bool) -> list[Line]:
    """Return the lines of entries, sorted by badge (most trusted first) and name."""
    entries, runs = folded(library)
    by_column = {each.column: each for each in columns if each.column is not None}
    order = [*BADGES]
    lines = []
    for entry in sorted(
        entries, key=lambda each: (order.index(each.badge or "broken"), each.label)
    ):
        own = {by_column[name].key: each for name, each in results(entry, synthetic).items()}
        if not own:
            continue
        taken_back = f"Withdrawn: {entry.withdrawn}" if entry.withdrawn else ""
        if entry.superseded_by:
            taken_back = f"Superseded by {entry.superseded_by}."
        also = [f"The same as the local run {run}." for run in runs.get(entry.id, ())]
        times = "" if entry.repeats == 1 else f"{entry.repeats} repeats."
        version = f"Version {entry.version}." if entry.version else ""
        picked = f"{entry.picked_from.capitalize()}." if entry.picked_from else ""
        given = f"{entry.given_cost.capitalize()}." if entry.given_cost else ""
        said = [f"{entry.label}.", version, times, picked, given, entry.description or ""]
        said += [taken_back, entry.note, *also]
        budgets = ", ".join(map(str, sorted({result.budget for result in own.values()})))
        told = (badge_help(entry.badge), taken_back, entry.note)
        badge_note = " ".join(text for text in told if text)
        note = " ".join(text for text in said if text)
        lines.append(
            Line(
                (
                    Cell(entry.label, entry.label, note, link("entry", entry=entry.id)),
                    Cell(badge_text(entry.badge), entry.badge or "broken", badge_note),
                ),
                _tail(entry, entry.date, entry.needs, budgets),
                entry.badge,
                entry.date,
                entry.needs,
                entry.takes_part,
                {key: each.metrics for key, each in own.items()},
                {
                    each.key: _why_missing(library, entry, each)
                    for each in columns
                    if each.key not in own
                },
                dict.fromkeys(own, " ".join(text for text in (taken_back, picked, given) if text)),
            )
        )
    return lines


def _why_missing(library: Library, entry: Entry, column: PoolColumn) -> str:
    """Return the reason an entry has no figure in a column."""
    if column.column is None:
        return "Only published figures: no pool of this model and benchmark was replayed."
    name, _, version = column.column.partition("#")
    pool = library.pool_row(name)
    lacking = [
        need
        for need in entry.needs
        if pool is not None and need in SIGNALS and need not in pool["signals"]
    ]
    if lacking:
        return f"The pool has no {' and no '.join(lacking)}, which the method needs."
    if version and any(result.pool == name for result in entry.results.values()):
        return "Run on another version of this pool."
    return f"{'Withdrawn, and not' if entry.badge == 'withdrawn' else 'Not'} run on {name}."


def _signs(figures: Sequence[PublishedFigure]) -> dict[str, str]:
    """Return a footnote sign for each source by its name, the earliest source first."""
    sources = {figure.source.name: figure.source for figure in figures}
    order = sorted(sources.values(), key=lambda each: (str(each.date or "9999"), each.name))
    return {
        source.name: MARKS[index % len(MARKS)] * (1 + index // len(MARKS))
        for index, source in enumerate(order)
    }


def _published_lines(
    figures: Sequence[PublishedFigure], columns: Sequence[PoolColumn], signs: Mapping[str, str]
) -> list[Line]:
    """Return a line for each method of each source, in the order listed."""
    by_line: dict[tuple[str, str], list[PublishedFigure]] = {}
    for figure in figures:
        by_line.setdefault((figure.source.name, figure.method), []).append(figure)
    keys = {
        (canonical(each.model), canonical(each.benchmark)): each.key
        for each in columns
        if each.published
    }
    lines = []
    for (_, method), listed in by_line.items():
        source = listed[0].source
        own = {keys[canonical(each.model), canonical(each.benchmark)]: each for each in listed}
        absent = f"Not published in {source.title}."
        note, mark = f"{method}, as published in {source.title}.", signs[source.name]
        needs, day = _known_needs(method), source.date.isoformat() if source.date else None
        lines.append(
            Line(
                (
                    Cell(method, method, note, mark=mark),
                    Cell(badge_text(REPORTED), REPORTED, badge_help(REPORTED)),
                ),
                _tail(source, day, needs, ""),
                REPORTED,
                day,
                needs,
                True,
                {
                    key: {TOKENS: Metric(each.tokens_1e8), ACCURACY: Metric(each.accuracy)}
                    for key, each in own.items()
                },
                {
                    each.key: absent
                    if each.published
                    else "Published figures are from other traces than this pool's."
                    for each in columns
                    if each.key not in own
                },
                dict.fromkeys(own, f"Published, not replayed. Source: {source.title}"),
                mark,
            )
        )
    return lines


def _known_needs(method: str) -> tuple[str, ...] | None:
    """Return the signals a published method needs if it is built in, else None."""
    name = method.casefold()
    return tuple(load_policy(name).policy.requires) if is_builtin(name) else None


def _best(lines: Sequence[Line], columns: Sequence[PoolColumn]) -> dict[tuple[str, str], str]:
    """Return the best figure of each column as displayed, so that equal texts are ties.

    Publications round: 26 of 30 problems in a replay tie with a published 86.7%.
    """
    best = {}
    for each in columns:
        for name in SHOWN:
            shown = {
                FIGURES[name].text(metric.value)
                for line in lines
                if line.takes_part and (metric := line.figures.get(each.key, {}).get(name))
            }
            if shown:
                choose = min if FIGURES[name].lower_is_better else max
                best[each.key, name] = choose(shown, key=lambda text: float(text.replace(",", "")))
    return best


def _row(
    line: Line, columns: Sequence[PoolColumn], best: Mapping[tuple[str, str], str]
) -> tuple[Cell, ...]:
    figures = [
        _figure(line, each.key, name, best.get((each.key, name)))
        for each in columns
        for name in SHOWN
    ]
    return (*line.head, *figures, *line.tail)


def _tail(
    of: Entry | Source, day: str | None, needs: Sequence[str] | None, budget: str
) -> tuple[Cell, ...]:
    """Build the cells behind a row's figures."""
    reads = "not known" if needs is None else ", ".join(needs) or NO_SIGNAL
    return (
        _stated(of.organisation),
        _stated(day),
        Cell(reads, reads),
        _stated(budget),
        Cell("paper", of.paper, link=of.paper) if of.paper else _stated(None),
        Cell("code", of.code, link=of.code) if of.code else _stated(None),
    )


def _stated(text: str | None) -> Cell:
    return Cell(text, text) if text else Cell(note="Not stated.")


def _figure(line: Line, key: str, name: str, best: str | None) -> Cell:
    metric = line.figures.get(key, {}).get(name)
    if metric is None:
        return Cell(note=line.missing.get(key, "Not in its summary."))
    figure = FIGURES[name]
    text = figure.text(metric.value)
    is_best = line.takes_part and text == best
    interval = figure.interval(metric)
    return Cell(
        text,
        metric.value,
        " ".join(said for said in (interval + "." * bool(interval), line.notes[key]) if said),
        bold=is_best and name == TOKENS,
        underlined=is_best and name == ACCURACY,
        mark=line.mark,
        low=metric.low,
        high=metric.high,
    )


def _notes(
    lines: Sequence[Line],
    columns: Sequence[PoolColumn],
    signs: Mapping[str, str],
    library: Library,
    *,
    marked: bool,
) -> list[str]:
    notes = []
    if marked:
        notes.append(
            "Bold: fewest tokens in a column. Underlined: highest accuracy. Ties included. Both "
            "over all rows of this section, whatever the filters."
        )
    estimated = {
        column
        for entry in library.entries
        for column, result in entry.results.items()
        if result.token_accuracy == "estimated"
    }
    if any(each.column in estimated for each in columns):
        notes.append(f"≈ {TOKEN_ACCURACY['estimated']}")
    sources = {figure.source.name: figure.source for figure in library.published}
    shown = {line.mark for line in lines}
    notes += [f"{sign} {_cited(sources[name])}" for name, sign in signs.items() if sign in shown]
    return notes


def _cited(source: Source) -> str:
    parts = (source.organisation, str(source.date or ""), source.paper)
    return f"Published, not replayed: {source.title}. {', '.join(each for each in parts if each)}."
