"""Feed of changes (Atom) and the map of the site, from the dates that the data state."""

from __future__ import annotations

import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from leaderboard_app.export.content import Content
from leaderboard_app.export.names import relative
from leaderboard_app.library.board_file import Board
from leaderboard_app.library.entry import Entry

ATOM = "http://www.w3.org/2005/Atom"
SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"

EPOCH = "1970-01-01T00:00:00Z"
"""Date of what has none: a feed must state one, and that of the export would change every time."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of an entry: its kind, date as in Atom, title and text."""

    entry: Entry
    kind: str
    moment: str
    title: str
    text: str


def changes(content: Content) -> list[Change]:
    """Return the changes of all entries, the latest first."""
    found = [each for entry in content.library.entries for each in _of(content, entry)]
    return sorted(found, key=lambda each: (each.moment, each.entry.id, each.kind), reverse=True)


def _of(content: Content, entry: Entry) -> Iterator[Change]:
    said = entry.description or f"An entry of {content.board.title}."
    yield Change(entry, "added", _moment(entry.date), f"{entry.label}: added", said)
    if entry.verified_at:
        text = "Its figures are those of the verifier's own replays."
        moment = _moment(entry.verified_at)
        if entry.badge in ("verified", "synthetic"):
            yield Change(entry, "verified", moment, f"{entry.label}: verified", text)
    if entry.withdrawn:
        moment = max(_moment(entry.date), _moment(entry.verified_at))
        yield Change(entry, "withdrawn", moment, f"{entry.label}: withdrawn", entry.withdrawn)
    if entry.superseded_by:
        by = content.library.by_id[entry.superseded_by]
        text = f"{by.label} takes its place."
        moment = _moment(by.date)
        yield Change(entry, "superseded", moment, f"{entry.label}: superseded", text)


def _moment(text: str | None) -> str:
    """Return a date or time as Atom has it, in UTC; `EPOCH` if there is none."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        try:
            moment = datetime.combine(date.fromisoformat((text or "")[:10]), datetime.min.time())
        except ValueError:
            return EPOCH
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def feed(content: Content, file: str) -> str:
    """Return the feed of changes, to be written as `file`.

    Ids follow from the board's title and the entries' ids, so that a feed keeps them when the board
    moves. Links are relative if the board states no address.
    """
    board = content.board
    found = changes(content)
    root = ET.Element("feed", {"xmlns": ATOM})
    _add(root, "id", _id(board))
    _add(root, "title", f"Changes of {board.title}")
    if board.description:
        _add(root, "subtitle", board.description)
    _add(root, "updated", max((each.moment for each in found), default=EPOCH))
    _add(_add(root, "author"), "name", board.organisation or board.title)
    if board.url:
        _add(root, "link", rel="self", type="application/atom+xml", href=board.url + file)
    _add(root, "link", rel="alternate", type="text/html", href=board.url or "index.html")
    for each in found:
        item = _add(root, "entry")
        page = relative(file, content.names.entries[each.entry.id])
        _add(item, "id", _id(board, each.entry.id, each.kind))
        _add(item, "title", each.title)
        _add(item, "updated", each.moment)
        _add(item, "link", rel="alternate", type="text/html", href=(board.url or "") + page)
        for name in each.entry.authors:
            _add(_add(item, "author"), "name", name)
        _add(item, "summary", each.text)
    return _text(root)


def sitemap(board: Board, pages: Iterable[str]) -> str:
    """Return the map of the site for search engines; the board must state its address."""
    assert board.url is not None
    root = ET.Element("urlset", {"xmlns": SITEMAP})
    for page in sorted(pages):
        to = "" if page == "index.html" else relative("index.html", page)
        _add(_add(root, "url"), "loc", board.url + to)
    return _text(root)


def _id(board: Board, *parts: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(("deepprune-sim", board.title, *parts))).urn


def _add(parent: ET.Element, tag: str, text: str | None = None, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, tag, attributes)
    if text is not None:
        element.text = "".join(
            each if _is_xml(each) else "\N{REPLACEMENT CHARACTER}" for each in text
        )
    return element


def _is_xml(letter: str) -> bool:
    """Return True for a character that XML 1.0 may contain."""
    code = ord(letter)
    return letter in "\t\n\r" or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code > 0xFFFF


def _text(root: ET.Element) -> str:
    ET.indent(root, "")
    body = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'
