"""HTML pages from templates, and the tables on them with their files."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from leaderboard_app.export.folder import Folder
from leaderboard_app.export.names import Names, relative
from leaderboard_app.library.board_file import Board
from leaderboard_app.shown.table import Cell, Table, as_csv, as_html, first_rows

TEMPLATES = Path(__file__).with_name("templates")

ROWS = 500
"""Maximum number of rows of a table on a page; its files have all of them."""

PREVIEW = "preview.png"
FEED = "feed.xml"


@dataclass(frozen=True, slots=True)
class Shown:
    """A table on a page: its HTML, and its files as pairs of name and link."""

    html: Markup
    files: tuple[tuple[str, str], ...] = ()
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its file, named from the export's root, and what its template shows.

    `parents` are the pages above it, as pairs of file and title.
    """

    file: str
    title: str
    description: str
    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    parents: tuple[tuple[str, str], ...] = ()
    charts: bool = False


@dataclass(frozen=True)
class Writer:
    """Writes the pages of a board and the files of their tables into `folder`.

    Every page links to the pages of `navigation`, pairs of file and title.
    """

    folder: Folder
    board: Board
    names: Names
    navigation: tuple[tuple[str, str], ...] = ()

    def page(self, page: Page) -> None:
        """Write a page."""

        def link(to: str) -> str:
            return relative(page.file, to)

        title = page.title
        if page.title != self.board.title:
            title = f"{page.title} · {self.board.title}"
        html = (
            _templates()
            .get_template(page.template)
            .render(
                page=page,
                board=self.board,
                link=link,
                head_title=" ".join(title.split()),
                description=" ".join(page.description.split())[:300],
                address=self.board.url and self.board.url + _address(page.file),
                preview=self.board.url + PREVIEW if self.board.url else link(PREVIEW),
                navigation=self.navigation,
                **page.values,
            )
        )
        self.folder.write(page.file, html + "\n")

    def table(self, page: str, stem: str, table: Table) -> Shown:
        """Write a table as CSV and JSON beside the page, and return it for the page."""
        self.folder.write(f"{stem}.csv", as_csv(table))
        self.folder.write(f"{stem}.json", as_json(table))
        files = tuple((kind.upper(), relative(page, f"{stem}.{kind}")) for kind in ("csv", "json"))
        shown = self.shown(page, first_rows(table, ROWS))
        return Shown(shown.html, files, len(table.rows))

    def shown(self, page: str, table: Table) -> Shown:
        """Return a table for a page, without files."""
        html = as_html(self.names.localised(table, page), sortable=False)
        return Shown(Markup(html), rows=len(table.rows))


def as_json(table: Table) -> str:
    """Return a table as JSON: its columns, its notes, and a row's unrounded values by column."""
    ends = {
        column.key
        for place, column in enumerate(table.columns)
        if any(row[place].low is not None or row[place].high is not None for row in table.rows)
    }
    content = {
        "caption": table.caption,
        "columns": [
            {
                name: value
                for name, value in (
                    ("key", each.key),
                    ("heading", each.heading),
                    ("group", each.group),
                    ("help", each.help),
                )
                if value
            }
            for each in table.columns
        ],
        "rows": [],
        "notes": list(table.notes),
    }
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    rows = ",\n  ".join(_as_json(_values(table, row, ends)) for row in table.rows)
    return text.replace('\n "rows": []', f'\n "rows": [\n  {rows}\n ]', 1) if rows else text


_ROW = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",\n   ", ": "))


def _as_json(row: Mapping[str, Any]) -> str:
    """Return a row as `json.dumps` indents it, which is much slower with an indent."""
    return "{\n   " + _ROW.encode(row)[1:-1] + "\n  }"


def _values(table: Table, row: Sequence[Cell], ends: Collection[str]) -> dict[str, Any]:
    """Return a row's values by the keys that they have in CSV."""
    values: dict[str, Any] = {}
    for column, cell in zip(table.columns, row, strict=True):
        values[column.key] = cell.text or None if cell.value is None else _finite(cell.value)
        if column.key in ends:
            values[f"{column.key}_low"] = _finite(cell.low)
            values[f"{column.key}_high"] = _finite(cell.high)
    return values


def _finite(value: float | str | None) -> float | str | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def data_block(text: str) -> Markup:
    """Return JSON for a `<script type="application/json">`, which no text in it can end."""
    return Markup(text.replace("<", "\\u003c"))


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _address(file: str) -> str:
    """Return a page's file as it stands in addresses; that of the first page is empty."""
    return "" if file == "index.html" else relative("index.html", file)
