"""Pages of the board: what is compared, a table for each part of a group, published figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leaderboard_app.export import tradeoff
from leaderboard_app.export.content import Content
from leaderboard_app.export.names import INDEX, file_names
from leaderboard_app.export.pages import Page, Writer
from leaderboard_app.export.tradeoff import heading_of
from leaderboard_app.library import citation
from leaderboard_app.library.selection import Selection
from leaderboard_app.library.standings import Group
from leaderboard_app.views.board import first_view, published
from leaderboard_app.views.board.standing_table import Part, parts
from simulator.errors import UserError


def pages_of(groups: Sequence[Group]) -> dict[Group, str]:
    """Return the file of each group's page; the first group is on the first page."""
    files = file_names(tradeoff.key(group) for group in groups)
    return {
        group: INDEX if number == 0 else f"group/{files[tradeoff.key(group)]}.html"
        for number, group in enumerate(groups)
    }


def write_boards(content: Content, writer: Writer) -> None:
    """Write the page of each group; published figures stand on the first one."""
    for group in content.groups or (None,):
        _write(content, writer, group)


def _write(content: Content, writer: Writer, group: Group | None) -> None:
    pages = pages_of(content.groups)
    page = INDEX if group is None else pages[group]
    stem = "board" if page == INDEX else page.removesuffix(".html")
    board, is_first = content.board, page == INDEX
    values: dict[str, Any] = {
        "said": board.description if is_first else None,
        "groups": [(pages[each], heading_of(each)) for each in content.groups],
        "here": None if group is None else heading_of(group),
        "group": None if group is None else _about(content, group),
        "parts": [
            {
                "name": each.name,
                "heading": each.heading,
                "about": each.about,
                "table": writer.table(page, f"{stem}-{each.name}", each.table),
            }
            for each in _parts(content, group)
        ],
        "published": _published(content, writer, page) if is_first else None,
        "is_first": is_first,
        "citations": _citations(content) if is_first else [],
        "how_to_submit": first_view.HOW_TO_SUBMIT.replace("`", ""),
    }
    title = board.title if is_first or group is None else f"Board: {heading_of(group)}"
    what = "" if group is None else first_view.what(content.library, group)
    described = (is_first and board.description) or what or "Published figures."
    writer.page(Page(page, title, described, "board.html", values))


def _parts(content: Content, group: Group | None) -> list[Part]:
    return [] if group is None else [*parts(content.library, group, Selection()).values()]


def _citations(content: Content) -> list[str]:
    """Return citations of the board, as text and in BibTeX."""
    try:
        reference = citation.of_board(content.library)
    except UserError:  # a file is gone or cannot be read
        return []
    return [citation.plain_text(reference), citation.bibtex(reference)]


def _about(content: Content, group: Group) -> dict[str, Any]:
    library = content.library
    return {
        "heading": heading_of(group),
        "what": first_view.what(library, group),
        "finding": first_view.finding(library, group),
        "who": first_view.who(library, group),
        "tradeoff": tradeoff.pages_of(content.groups)[group],
        "synthetic": group.synthetic,
    }


def _published(content: Content, writer: Writer, page: str) -> dict[str, Any] | None:
    table = published.published_table(content.library)
    if table is None:
        return None
    return {
        "heading": published.HEADING,
        "about": published.ABOUT,
        "table": writer.table(page, "published", table),
    }
