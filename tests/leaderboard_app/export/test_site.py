"""The export as a whole: links, bytes, what is shown and what is not."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import html5lib
import pytest
from exported import CLOSED, OPEN, SECRET
from shown_folders import folders_in

from leaderboard_app.export.content import OPEN_LICENCES, WITHHELD
from leaderboard_app.export.site import export_site
from leaderboard_app.library.folders import Folders
from simulator.errors import UserError

ROOT = "https://board.example.org/static/"


class Reader(HTMLParser):
    """Links, resources, ids and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.resources: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.append((tag, name, value or ""))
            if name == "id":
                self.ids.append(value or "")
            elif name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in ("src", "href", "srcset", "data", "action", "poster"):
                self.resources.append(value or "")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def pages(site: Path) -> dict[str, Reader]:
    return {
        str(file.relative_to(site)): Reader(file.read_text(encoding="utf-8"))
        for file in sorted(site.rglob("*.html"))
    }


def files(site: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(site)): file.read_bytes()
        for file in sorted(site.rglob("*"))
        if file.is_file()
    }


def targets(page: str, links: list[str]) -> Iterator[tuple[str, str]]:
    """Files and fragments that relative links lead to."""
    for link in links:
        if not urlsplit(link).scheme:
            parts = urlsplit(urljoin(f"http://site/{page}", link))
            yield unquote(parts.path).lstrip("/"), unquote(parts.fragment)


def test_all_links_lead_to_files_and_to_ids_in_them(site: Path) -> None:
    found = pages(site)
    assert len(found) > 20
    wrong, seen = [], 0
    for name, page in found.items():
        for file, fragment in targets(name, [*page.links, *page.resources]):
            seen += 1
            if not (site / file).is_file() or (fragment and fragment not in found[file].ids):
                wrong.append(f"{name}: {file}#{fragment}")
    assert wrong == []
    assert seen > 500


def test_every_page_is_reached_from_the_first_one(site: Path) -> None:
    found = pages(site)
    reached, waiting = set[str](), ["index.html"]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [file for file, _ in targets(name, found[name].links) if file in found]
    assert reached == set(found)


def test_every_file_is_reached_from_a_page_or_has_a_name_of_its_own(site: Path) -> None:
    used = {
        file
        for name, page in pages(site).items()
        for file, _ in targets(name, [*page.links, *page.resources])
    }
    known = {"export.json", "robots.txt", "sitemap.xml", "preview.png", ".nojekyll"}
    assert set(files(site)) - used == {*known, "vega-licences.txt"}


def test_no_resource_is_loaded_from_elsewhere(site: Path) -> None:
    for name, page in pages(site).items():
        outside = [each for each in page.resources if urlsplit(each).scheme or each[:2] == "//"]
        address = ROOT + ("" if name == "index.html" else name)
        assert outside == [address]  # the canonical link, which nothing loads
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(|@import", style.read_text(encoding="utf-8"))


def test_pages_are_valid_html(site: Path) -> None:
    for name in pages(site):
        parser = html5lib.HTMLParser()
        parser.parse((site / name).read_text(encoding="utf-8"))
        assert parser.errors == [], name


def test_each_page_has_one_heading_a_title_of_its_own_and_a_language(site: Path) -> None:
    titles = []
    for name, page in pages(site).items():
        assert len(page.ids) == len(set(page.ids)), name
        assert page.tags.count("h1") == page.tags.count("title") == page.tags.count("main") == 1
        assert ("html", "lang", "en") in page.attributes
        text = (site / name).read_text(encoding="utf-8")
        titles += re.findall(r"<title>(.*?)</title>", text)
    assert len(titles) == len(set(titles))


def test_hostile_texts_are_text(site: Path) -> None:
    shown = 0
    for name, page in pages(site).items():
        assert not [each for each in page.attributes if each[1].startswith("on")], name
        addresses = [value for _, key, value in page.attributes if key in ("href", "src")]
        assert not [each for each in addresses if each.lower().startswith(("javascript:", "data:"))]
        assert "x" not in page.resources
        shown += any("<img src=x onerror=alert(1)>" in text for text in page.texts)
    assert shown >= 1
    (entry,) = (site / "entry").glob("odd*.html")
    assert re.fullmatch(r"odd-name-more-[0-9a-f]{8}\.html", entry.name)


def test_previews_have_a_title_a_text_and_a_picture(site: Path) -> None:
    for name, page in pages(site).items():
        meta = dict(_meta(page))
        assert meta["og:title"]
        assert meta["og:description"]
        assert meta["og:image"] == f"{ROOT}preview.png"
        assert meta["twitter:card"] == "summary_large_image"
        assert meta["og:url"] == ROOT + ("" if name == "index.html" else name)
    size = (site / "preview.png").read_bytes()[16:24]
    assert (int.from_bytes(size[:4]), int.from_bytes(size[4:])) == (1200, 630)


def _meta(page: Reader) -> Iterator[tuple[str, str]]:
    given = [(name, value) for tag, name, value in page.attributes if tag == "meta"]
    for (first, key), (second, value) in pairwise(given):
        if first in ("property", "name") and second == "content":
            yield key, value


def test_without_an_address_there_is_no_map_and_the_picture_is_relative(
    board: Folders, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    submissions = shutil.copytree(board.submissions, tmp_path / "submissions")
    (submissions / "board.toml").unlink()
    export_site(replace(board, submissions=submissions), tmp_path / "site")
    assert "no url in board.toml" in capfd.readouterr().err
    assert not (tmp_path / "site" / "sitemap.xml").exists()
    assert "Sitemap" not in (tmp_path / "site" / "robots.txt").read_text(encoding="utf-8")
    page = pages(tmp_path / "site")["entry/2026-11-20-cons.html"]
    assert dict(_meta(page))["og:image"] == "../preview.png"
    assert ("link", "rel", "canonical") not in page.attributes


def test_the_map_of_the_site_lists_every_page(site: Path) -> None:
    text = (site / "sitemap.xml").read_text(encoding="utf-8")
    listed = re.findall("<loc>(.*?)</loc>", text)
    names = [name for name in pages(site) if name != "index.html"]
    assert sorted(listed) == sorted([ROOT, *(ROOT + name for name in names)])
    robots = (site / "robots.txt").read_text(encoding="utf-8")
    assert robots.endswith(f"Sitemap: {ROOT}sitemap.xml\n")


def test_the_same_board_gives_the_same_bytes_from_another_folder(
    board: Folders, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = folders_in(tmp_path / "elsewhere")
    shutil.copytree(board.cache, moved.cache)
    shutil.copytree(board.submissions, moved.submissions)
    for file in moved.submissions.rglob("*"):
        os.utime(file, (1_000_000, 1_000_000))
    monkeypatch.chdir(tmp_path)
    export_site(folders_in(Path("elsewhere")), Path("again"))
    first, again = files(site), files(tmp_path / "again")
    assert [name for name in first if first[name] != again.get(name)] == []
    assert first.keys() == again.keys()


def test_a_changed_submission_changes_its_own_files_and_the_tables_that_name_it(
    board: Folders, site: Path, tmp_path: Path
) -> None:
    submissions = shutil.copytree(board.submissions, tmp_path / "submissions")
    metadata = submissions / "2026-11-20-short" / "submission.toml"
    text = metadata.read_text(encoding="utf-8")
    metadata.write_text(text.replace("short, in words.", "Another text."), encoding="utf-8")
    target = shutil.copytree(site, tmp_path / "site")
    os.utime(target / "entry" / "2026-11-20-cons.html", (1_000_000, 1_000_000))
    export_site(replace(board, submissions=submissions), target)
    old, new = files(site), files(target)
    changed = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    assert {"entry/2026-11-20-short.html", "feed.xml", "export.json", "index.html"} <= changed
    assert {name for name in changed if name.startswith(("entry", "problem", "pool"))} == {
        "entry/2026-11-20-short.html"
    }
    assert (
        target / "entry" / "2026-11-20-cons.html"
    ).stat().st_mtime == 1_000_000  # not written again


def test_files_of_a_removed_entry_go_and_foreign_ones_stay(
    board: Folders, site: Path, tmp_path: Path
) -> None:
    submissions = shutil.copytree(board.submissions, tmp_path / "submissions")
    shutil.rmtree(submissions / "2026-11-20-short")
    target = shutil.copytree(site, tmp_path / "site")
    assert (target / "entry" / "2026-11-20-short").is_dir()
    (target / ".git").mkdir()
    (target / ".git" / "HEAD").write_text("ref: refs/heads/main\n", encoding="utf-8")
    (target / "CNAME").write_text("board.example.org\n", encoding="utf-8")
    export_site(replace(board, submissions=submissions), target)
    assert (target / ".git" / "HEAD").is_file()
    assert (target / "CNAME").is_file()
    assert not (target / "entry" / "2026-11-20-short.html").exists()
    assert not (target / "entry" / "2026-11-20-short").exists()


def test_local_runs_and_paths_of_this_machine_are_not_in_it(board: Folders, site: Path) -> None:
    assert (board.runs / SECRET).is_dir()
    for name, content in files(site).items():
        assert SECRET.encode() not in content, name
        assert str(board.submissions.parent).encode() not in content, name


def test_questions_are_shown_only_under_a_licence_that_allows_it(site: Path) -> None:
    shown = (site / f"problem/{OPEN}/p1.html").read_text(encoding="utf-8")
    square = "<math><msup><mi>x</mi><mn>2</mn></msup></math>"
    assert f"What is p1? &lt;b&gt;x&lt;/b&gt; {square}" in shown
    assert (site / f"problem/{OPEN}/p1.svg").is_file()
    assert "gold" in (site / f"pool/{OPEN}.csv").read_text(encoding="utf-8")
    hidden = (site / f"problem/{CLOSED}/p1.html").read_text(encoding="utf-8")
    assert "What is p1?" not in hidden
    assert WITHHELD in hidden
    assert not (site / f"problem/{CLOSED}/p1.svg").exists()
    assert "gold" not in (site / f"pool/{CLOSED}.csv").read_text(encoding="utf-8")
    assert not [name for name, content in files(site).items() if b"w0 w1 w2" in content]


@pytest.mark.parametrize(
    ("licence", "is_open"),
    [
        ("Apache-2.0", True),
        ("mit", True),
        ("CC-BY-4.0", True),
        ("cc-by-sa-4.0", True),
        ("CC-BY-NC-4.0", False),
        ("none stated", False),
        ("see https://example.org/mit", False),
        ("", False),
    ],
)
def test_licences_under_which_questions_may_be_shown(licence: str, is_open: bool) -> None:
    assert bool(OPEN_LICENCES.fullmatch(licence)) is is_open


def test_a_withdrawn_and_a_superseded_entry_say_so(site: Path) -> None:
    text = (site / "entry/2026-11-20-esc.html").read_text(encoding="utf-8")
    assert "Withdrawn: A mistake in the prompt." in text
    text = (site / "entry/2026-11-20-asc-1.html").read_text(encoding="utf-8")
    assert 'Superseded by <a href="2026-11-20-asc-2.html">2026-11-20-asc-2</a>' in text


def test_a_citation_names_the_exported_page(site: Path) -> None:
    text = (site / "entry/2026-11-20-cons.html").read_text(encoding="utf-8")
    assert f"entry 2026-11-20-cons, {ROOT}entry/2026-11-20-cons.html" in text
    assert "entry?entry=" not in text


def test_a_board_without_entries_and_one_without_anything(tmp_path: Path) -> None:
    folders = folders_in(tmp_path)
    export_site(folders, tmp_path / "site")
    assert "Published figures" in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert set(pages(tmp_path / "site")) == {"index.html"}
    folders.submissions.mkdir()
    (folders.submissions / "published.toml").write_text("format = 1\n", encoding="utf-8")
    export_site(folders, tmp_path / "site")
    assert set(pages(tmp_path / "site")) == {"index.html"}
    assert "DeepPrune" not in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")


def test_an_invalid_board_file_is_a_user_error_and_nothing_is_written(tmp_path: Path) -> None:
    folders = folders_in(tmp_path)
    folders.submissions.mkdir()
    (folders.submissions / "board.toml").write_text("titel = 1\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"board\.toml.*titel"):
        export_site(folders, tmp_path / "site")
    assert [each.name for each in tmp_path.iterdir()] == ["submissions"]


def test_a_board_whose_pools_are_not_at_hand_has_all_pages(
    board: Folders, site: Path, tmp_path: Path
) -> None:
    alone = replace(board, cache=tmp_path / "pools")
    export_site(alone, tmp_path / "site")
    found = pages(tmp_path / "site")
    assert "The pool was not at hand" in " ".join(found[f"problem/{OPEN}/p1.html"].texts)
    assert set(found) == set(pages(site))
