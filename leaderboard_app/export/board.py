"""Pages of the board: what is compared, a table for each part of a group, published figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leaderboard_app.export import tradeoff
from leaderboard_app.export.content import Content
from leaderboard_app.export.names import INDEX, file_names
from leaderboard_app.export.pages import Page, Writer
from leaderboard_app.export.tradeoff import heading_of
from leaderboard_app.library.selection import Selection
from leaderboard_app.library.standings import Group, places, standings
from leaderboard_app.views.board.combined import combined_sections
from leaderboard_app.views.board.table import PUBLISHED, board_sections


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
    pictures = tradeoff.pages_of(content.groups)
    page = INDEX if group is None else pages[group]
    stem = "board" if page == INDEX else page.removesuffix(".html")
    first = page == INDEX
    values: dict[str, Any] = {
        "intro": intro(content) if first else [],
        "groups": [(pages[each], heading_of(each)) for each in content.groups],
        "here": "" if group is None else heading_of(group),
        "group": None
        if group is None
        else {
            "heading": heading_of(group),
            "about": _about(content, group),
            "tradeoff": pictures[group],
            "synthetic": group.synthetic,
        },
        "sections": [
            {
                "name": section.name,
                "heading": section.heading,
                "about": section.about,
                "table": writer.table(page, f"{stem}-{section.name}", section.table),
            }
            for section in ([] if group is None else _sections(content, group))
        ],
        "published": _published(content, writer, page) if first else None,
        "cite": _cite(content) if first else None,
        "submit": {
            "about": "Anyone can submit a run of their method; the verifier replays it.",
            "text": "deepprune-sim submit runs/NAME",
        },
    }
    title = content.board.title
    if not first and group is not None:
        title = f"Board: {heading_of(group)}"
    described = content.board.description or " ".join(intro(content))
    writer.page(Page(page, title, described, "board.html", values))


def intro(content: Content) -> list[str]:
    """Return sentences about the board: what is compared, on what, since when, by how many."""
    entries = content.library.entries
    said = [content.board.description] if content.board.description else []
    pools = {column for entry in entries for column in entry.results}
    people = {name.casefold() for entry in entries for name in entry.authors}
    days = sorted(entry.date for entry in entries if entry.date)
    since = f", from {days[0]} to {days[-1]}" if days else ""
    said.append(
        "Policies that reason with many parallel traces, compared by accuracy and by the tokens "
        f"that they generate: {len(entries)} entries by {len(people)} authors on {len(pools)} "
        f"pools of stored traces{since}."
    )
    return said


def _about(content: Content, group: Group) -> str:
    found = standings(content.library, group)
    return f"{len(found)} entries on {', '.join(group.pools)}."


def _sections(content: Content, group: Group) -> Sequence[Any]:
    standing = places(content.library, group.synthetic, group.columns)
    return combined_sections(content.library, standing, group.synthetic, Selection())


def _published(content: Content, writer: Writer, page: str) -> dict[str, Any] | None:
    for section in board_sections(content.library, False, Selection()):
        if section.name == PUBLISHED:
            table = writer.table(page, "published", section.table)
            return {"about": section.about, "table": table}
    return None


def _cite(content: Content) -> dict[str, str]:
    where = f", {content.board.url}" if content.board.url else ""
    return {
        "about": f"Cite an entry as its page says. Cite the board as: {content.board.title}{where}.",
        "text": "",
    }
