"""The feed of changes, read by a library for feeds."""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import feedparser
from exported import named

from leaderboard_app.export.content import read_content
from leaderboard_app.export.feed import ATOM, feed
from leaderboard_app.library.folders import Folders

ROOT = "https://board.example.org/static/"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def read(site: Path) -> Any:
    found = feedparser.parse((site / "feed.xml").read_bytes())
    assert not found.bozo
    assert found.version == "atom10"
    return found


def test_the_feed_tells_what_was_added_verified_withdrawn_and_superseded(site: Path) -> None:
    found = read(site)
    assert found.feed.title == "Changes of Board of tests & others"
    assert found.feed.updated == "2026-11-29T00:00:00Z"
    said = {(each.title, each.updated) for each in found.entries}
    assert {
        ("cons: added", "2026-11-20T00:00:00Z"),
        ("cons: verified", "2026-11-29T00:00:00Z"),
        ("esc: withdrawn", "2026-11-20T00:00:00Z"),
    } <= said
    (over,) = (each for each in found.entries if "superseded" in each.title)
    assert over.title.startswith("asc-1")
    assert over.summary.startswith("asc-2")
    assert not [title for title, _ in said if title.startswith("short") and "verified" in title]
    moments = [each.updated for each in found.entries]
    assert moments == sorted(moments, reverse=True)


def test_links_of_the_feed_lead_to_pages_of_the_board(site: Path) -> None:
    found = read(site)
    assert {each.link for each in found.entries} <= {
        ROOT + file.relative_to(site).as_posix() for file in site.rglob("*.html")
    }
    assert [each.href for each in found.feed.links] == [f"{ROOT}feed.xml", ROOT]


def test_the_feed_has_what_atom_requires(site: Path) -> None:
    root = ET.fromstring((site / "feed.xml").read_text(encoding="utf-8"))
    ids = [each.text or "" for each in root.iter(f"{{{ATOM}}}id")]
    assert len(ids) == len(set(ids)) == 1 + len(root.findall(f"{{{ATOM}}}entry"))
    assert all(re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", each) for each in ids)
    for element in (root, *root.findall(f"{{{ATOM}}}entry")):
        for name in ("id", "title", "updated"):
            assert len(element.findall(f"{{{ATOM}}}{name}")) == 1
        assert MOMENT.fullmatch(element.findtext(f"{{{ATOM}}}updated") or "")
    assert root.find(f"{{{ATOM}}}author/{{{ATOM}}}name") is not None


def test_ids_stay_when_the_board_moves_or_an_entry_is_described_anew(
    board: Folders, site: Path, tmp_path: Path
) -> None:
    submissions = shutil.copytree(board.submissions, tmp_path / "submissions")
    file = submissions / "board.toml"
    file.write_text(
        file.read_text(encoding="utf-8").replace("board.example", "new.example"), "utf-8"
    )
    file = submissions / named("short") / "submission.toml"
    file.write_text(file.read_text(encoding="utf-8").replace("in words", "anew"), "utf-8")
    moved = feed(read_content(replace(board, submissions=submissions)), "feed.xml")
    before = {each.id: each.title for each in read(site).entries}
    assert {each.id: each.title for each in feedparser.parse(moved.encode()).entries} == before
    assert "https://new.example.org/static/" in moved
