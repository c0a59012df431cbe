"""Pages and tables from texts that mean no good, and names of files."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shown_folders import HOSTILE

from leaderboard_app.export.folder import Folder
from leaderboard_app.export.names import SAFE, Names, file_names, relative
from leaderboard_app.export.pages import Page, Writer, as_json, data_block
from leaderboard_app.library.board_file import Board
from leaderboard_app.shown.table import Cell, Column, Table

ENDING = f"</script></pre></title>{HOSTILE}"

NAMES = Names.of(["an entry", "other"], {"a/b/c": ["p 1", "p2"], "a/b/d": ["p2"]})


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_texts_of_strangers_stay_texts(tmp_path: Path) -> None:
    writer = Writer(Folder(tmp_path), Board(title=ENDING, contact=ENDING), NAMES)
    columns = (Column("a", ENDING, ENDING, ENDING, numeric=False), Column("b", "B"))
    row = (Cell(ENDING, ENDING, ENDING, "javascript:alert(1)", mark="<i>"), Cell(note=ENDING))
    table = Table(ENDING, columns, (row,), (ENDING,))
    values = {
        "about": ENDING,
        "table": writer.table("problems.html", "problems", table),
    }
    writer.page(Page("problems.html", ENDING, ENDING, "pools.html", values))
    tags = Tags((tmp_path / "problems.html").read_text(encoding="utf-8")).found
    assert not [tag for tag, _ in tags if tag in ("img", "i")]
    assert [given.get("src") for tag, given in tags if tag == "script"] == ["tables.js"]
    links = [str(given.get("href")) for tag, given in tags if tag == "a"]
    assert not [each for each in links if each.startswith("javascript")]
    assert json.loads((tmp_path / "problems.json").read_text(encoding="utf-8"))["rows"] == [
        {"a": ENDING, "b": None}
    ]


def test_json_in_a_page_ends_no_script_and_stays_the_same() -> None:
    text = json.dumps({"name": "</script><!-- <script>"})
    assert "<" not in data_block(text)
    assert json.loads(data_block(text)) == json.loads(text)


def test_json_of_a_table_has_unrounded_values_and_intervals() -> None:
    columns = (Column("name", "Name", numeric=False), Column("x", "X", "Group", "help"))
    rows = ((Cell("one"), Cell("0.1", 0.125, low=0.0625, high=float("inf"))), (Cell(), Cell()))
    assert json.loads(as_json(Table("Caption", columns, rows, ("note",)))) == {
        "caption": "Caption",
        "columns": [
            {"key": "name", "heading": "Name"},
            {"key": "x", "heading": "X", "group": "Group", "help": "help"},
        ],
        "rows": [
            {"name": "one", "x": 0.125, "x_low": 0.0625, "x_high": None},
            {"name": None, "x": None, "x_low": None, "x_high": None},
        ],
        "notes": ["note"],
    }


@given(st.lists(st.tuples(st.text(), st.none() | st.floats() | st.text()), max_size=3), st.text())
def test_json_of_a_table_is_indented_as_by_the_standard_library(
    cells: list[tuple[str, float | str | None]], note: str
) -> None:
    columns = (Column("a", "A"), Column('"rows": []', '"rows": []'))
    rows = tuple((Cell(text, value), Cell(note, low=1.0)) for text, value in cells)
    text = as_json(Table(note, columns, rows, (note, '\n "rows": []')))
    assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=1) + "\n"


@pytest.mark.parametrize(
    ("link", "page"),
    [
        ("./", "index.html"),
        ("./?group=x", "index.html"),
        ("entry?entry=other&pool=x", "entry/other.html"),
        ("problem?entry=x&pool=a%2Fb%2Fc&problem=p2", "problem/a/b/c/p2.html"),
        ("data?pool=a%2Fb%2Fd", "pool/a/b/d.html"),
        ("entry?entry=nobody", None),
        ("compare?entries=other", None),
        ("problem?pool=a%2Fb%2Fd&problem=p+1", None),
    ],
)
def test_links_of_the_app_lead_to_pages_of_the_export(link: str, page: str | None) -> None:
    assert NAMES.page_of(link) == page


def test_links_without_a_page_become_text() -> None:
    cells = tuple(
        Cell("x", link=link) for link in ("compare?a=b", "entry?entry=other", "https://x")
    )
    columns = tuple(Column(name, name) for name in "abc")
    table = NAMES.localised(Table("t", columns, (cells,)), "problem/a/b/c/p2.html")
    assert [cell.link for cell in table.rows[0]] == [
        None,
        "../../../../entry/other.html",
        "https://x",
    ]


@pytest.mark.parametrize(
    ("page", "to", "link"),
    [
        ("index.html", "entry/a.html", "entry/a.html"),
        ("entry/a.html", "index.html", "../index.html"),
        ("entry/a.html", "entry/b c.html", "b%20c.html"),
        ("entry/a.html", "entry/a.html", "a.html"),
        ("entry/a.html", "entry/a.html#x", "#x"),
        ("entry/a.html", "index.html#x", "../index.html#x"),
    ],
)
def test_links_are_relative(page: str, to: str, link: str) -> None:
    assert relative(page, to) == link


def test_file_names_are_the_names_if_they_are_safe() -> None:
    assert file_names(["2026-11-30-esc", "Qwen2.5", "p_1"]) == {
        "2026-11-30-esc": "2026-11-30-esc",
        "Qwen2.5": "Qwen2.5",
        "p_1": "p_1",
    }


def test_names_that_differ_in_case_only_have_files_that_differ_in_more() -> None:
    one, two = file_names(["esc", "ESC"]).values()
    assert one.casefold() != two.casefold()


@given(st.lists(st.text(), unique=True))
def test_file_names_are_distinct_and_safe(names: list[str]) -> None:
    found = file_names(names)
    assert found.keys() == set(names)
    assert len({each.casefold() for each in found.values()}) == len(names)
    for name in found.values():
        assert SAFE.fullmatch(name)
        assert not re.search(r'[\\/:*?"<>|\s]|^\.|\.$', name)


@pytest.mark.parametrize("ending", [".html", ".csv", ".JSON", ".Svg"])
def test_no_folder_of_an_entry_has_the_name_of_a_file(tmp_path: Path, ending: str) -> None:
    folder = Folder(tmp_path)
    entries = ["a", f"a{ending}", f"a{ending}{ending}", f"b{ending}"]
    names = Names.of(entries, {"x/y/z": entries, f"x/y/z{ending}": ["p"]})
    for page in (*names.entries.values(), *names.pools.values(), *names.problems.values()):
        folder.write(page, "a page")
        for kind in ("html", "csv", "json", "svg"):
            folder.write(f"{page.removesuffix('.html')}/table.{kind}", "a table")
    pages = [each.removesuffix(".html") for each in names.entries.values()]
    assert pages[0] == "entry/a"
    assert not any(each.casefold().endswith(ending.casefold()) for each in pages)
