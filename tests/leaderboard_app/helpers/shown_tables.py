"""Tables as a page shows them, read from the HTML that reaches the browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

from streamlit.testing.v1 import AppTest


class _Reader(HTMLParser):
    """Reader of a page's table: its caption, and the texts of its cells by row.

    A cell's text is what stands before anything smaller: an interval, a note, a sign.
    """

    def __init__(self) -> None:
        super().__init__()
        self.caption, self.rows, self._open, self._small = "", list[list[str]](), "", 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kinds = (dict(attrs).get("class") or "").split()
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")
        if tag in ("caption", "th", "td"):
            self._open, self._small = tag, 0
        elif self._small or tag == "sup" or "dps-below" in kinds or "popover" in dict(attrs):
            self._small += 1

    def handle_endtag(self, tag: str) -> None:
        if tag in ("caption", "th", "td"):
            self._open = ""
        elif self._small:
            self._small -= 1

    def handle_data(self, data: str) -> None:
        if self._open == "caption":
            self.caption += data
        elif self._open and not self._small:
            self.rows[-1][-1] += data


def shown_tables(app: AppTest) -> dict[str, list[dict[str, str]]]:
    """Return the rows of each table of a page by its caption; a row is texts by headings.

    Headings that several columns share are numbered: `Right, %`, `Right, % 2`.
    """
    found = {}
    for html in _html(app):
        reader = _Reader()
        reader.feed(html)
        width = len(reader.rows[-1])
        heads: list[str] = []
        start = next(number for number, row in enumerate(reader.rows) if len(row) == width)
        for text in reader.rows[start]:
            name = text.strip("▲▼ ")
            times = sum(head.split(" #")[0] == name for head in heads)
            heads.append(f"{name} #{times + 1}" if times else name)
        found[reader.caption] = [
            dict(zip(heads, (text.strip() for text in row), strict=True))
            for row in reader.rows[start + 1 :]
        ]
    return found


def _html(app: AppTest) -> Iterator[str]:
    for element in _below(app.main):
        if element.type == "bidi_component" and element.proto.json:
            given = json.loads(element.proto.json)
            if "html" in given:
                yield given["html"]


def _below(node: Any) -> Iterator[Any]:
    for child in getattr(node, "children", {}).values():
        yield child
        yield from _below(child)
