"""Page of an entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from leaderboard_app.export.content import Content
from leaderboard_app.export.names import relative
from leaderboard_app.export.pages import Page, Shown, Writer
from leaderboard_app.library import citation
from leaderboard_app.library.entry import Entry
from leaderboard_app.shown.navigation import link
from leaderboard_app.shown.palette import badge_help, badge_text
from leaderboard_app.shown.table import Table
from leaderboard_app.views.entry import entry as entries
from leaderboard_app.views.entry import verification as reports
from leaderboard_app.views.entry.savings import savings_text
from simulator.errors import UserError
from simulator.runs.results import RunResult

SYNTHETIC = "On generated traces: a demonstration that says nothing about any model or method."


def write_entry(content: Content, writer: Writer, entry: Entry) -> None:
    """Write the page of an entry with its tables."""
    page = content.names.entries[entry.id]
    stem = page.removesuffix(".html")
    report = reports.read_report(entry)
    badge = f"{badge_text(entry.badge)}: {badge_help(entry.badge)}"
    submitted = _submitted(content, entry)
    successor = content.names.entries.get(entry.superseded_by or "")
    figures = []
    for said, synthetic in (("", False), (SYNTHETIC, True)):
        if results := entries.results_of(entry, synthetic=synthetic):
            name = "synthetic-figures" if synthetic else "figures"
            table = entries.pool_table(results)
            figures.append((said, writer.table(page, f"{stem}/{name}", table)))
    values = {
        "entry": entry,
        "notices": _notices(entry),
        "successor": (successor, entry.superseded_by) if successor else None,
        "badge": badge,
        "byline": entries.byline(entry),
        "links": [
            (name, to)
            for name, to in (("Paper", entry.paper), ("Code", entry.code))
            if to and to.startswith("https://")
        ],
        "source": _source(entry),
        "figures": figures,
        "submitted": writer.table(
            page, f"{stem}/submitted", entries.submitted_table(entry, submitted)
        )
        if submitted
        else None,
        "problems": _problems(content, writer, entry),
        "about": writer.shown(page, entries.about_table(entry)),
        "parameters": _unless_empty(writer, page, entries.parameter_table(entry)),
        "report": report,
        "steps": None if report.why else writer.shown(page, reports.step_table(report)),
        "facts": reports.facts_text(report),
        "policy": entries.policy_source(entry),
        "commands": entries.commands(entry),
        "citations": _citations(content, entry),
    }
    said = entry.description or f"{entry.method}, an entry of {content.board.title}."
    description = f"{badge_text(entry.badge)}. {said}"
    writer.page(Page(page, entry.label, description, "entry.html", values, _ABOVE))


_ABOVE = (("index.html", "Board"),)


def _submitted(content: Content, entry: Entry) -> Sequence[RunResult]:
    try:
        return content.library.submitted(entry)
    except UserError:  # they do not follow from its answers
        return ()


def _notices(entry: Entry) -> list[str]:
    said = [f"Withdrawn: {entry.withdrawn}"] if entry.withdrawn else []
    return [*said, *([entry.note] if entry.note else [])]


def _source(entry: Entry) -> str:
    said = (f"Source: {entries.SOURCES[entry.basis]}", entry.picked_from, entry.given_cost)
    return " ".join(f"{each[0].upper()}{each[1:]}." for each in said if each)


def _unless_empty(writer: Writer, page: str, table: Table) -> Shown | None:
    return writer.shown(page, table) if table.rows else None


def _citations(content: Content, entry: Entry) -> list[str]:
    """Return citations of the entry's page of the export, as text and in BibTeX."""
    try:
        reference = citation.of_entry(entry, content.board)
    except UserError:  # a file is gone or cannot be read
        return []
    app, here = content.board.address(link("entry", entry=entry.id)), content.board.url
    if app and here:
        page = here + relative("index.html", content.names.entries[entry.id])
        reference = replace(
            reference,
            place=reference.place.replace(app, page),
            url=page if reference.url == app else reference.url,
        )
    return [citation.plain_text(reference), citation.bibtex(reference)]


def _problems(content: Content, writer: Writer, entry: Entry) -> list[dict[str, object]]:
    """Write the tables of the entry's problems, one for each pool."""
    page = content.names.entries[entry.id]
    folder = page.removesuffix(".html")
    shown = []
    both = [*entries.results_of(entry, synthetic=False), *entries.results_of(entry, synthetic=True)]
    for result in both:
        found = content.figures[entry.id, result.column]
        if not found:
            continue
        path = content.names.pools[result.pool].removeprefix("pool/").removesuffix(".html")
        version = result.column.removeprefix(result.pool).replace("#", "-")
        stem = f"{folder}/{path}{version}"
        table = entries.problem_table(entry, result, found)
        table = content.publishable(result.pool, table)
        shown.append(
            {
                "pool": result.column,
                "text": savings_text(result, found),
                "table": writer.table(page, stem, table),
            }
        )
    return shown
