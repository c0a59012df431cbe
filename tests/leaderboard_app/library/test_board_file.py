"""`board.toml` is read as written, and what is wrong in it is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from checkout import ROOT

from leaderboard_app.library.board_file import KEYS, TITLE, Board, read_board
from simulator.errors import UserError


def read(folder: Path, text: str) -> Board:
    (folder / "board.toml").write_text(text, encoding="utf-8")
    return read_board(folder)


def test_without_a_file_a_board_has_a_title_and_no_address(tmp_path: Path) -> None:
    assert read_board(tmp_path) == Board(TITLE)
    assert read_board(tmp_path / "missing") == Board()
    assert Board().address("entry?entry=a") is None


def test_every_field_is_read(tmp_path: Path) -> None:
    values = {
        "title": "Early stopping",
        "url": "https://board.example.org/early",
        "description": "Methods that stop traces.",
        "organisation": "Test Institute",
        "contact": "board@example.org",
        "repository": "https://github.com/example/board",
    }
    assert set(values) == set(KEYS)
    board = read(tmp_path, "".join(f'{key} = "{value}"\n' for key, value in values.items()))
    assert board == Board(**{**values, "url": "https://board.example.org/early/"})
    assert board.address() == "https://board.example.org/early/"
    assert board.address("entry?entry=a") == "https://board.example.org/early/entry?entry=a"
    assert board.address("./?data=real") == "https://board.example.org/early/?data=real"


def test_the_example_in_the_docs_has_every_field(tmp_path: Path) -> None:
    text = (ROOT / "docs/examples/board.toml").read_text(encoding="utf-8")
    board = read(tmp_path, text)
    assert board.url == "https://board.example.org/"
    assert None not in [getattr(board, key) for key in KEYS]


def test_every_field_may_be_left_out(tmp_path: Path) -> None:
    assert read(tmp_path, "format = 1\n") == Board()
    assert read(tmp_path, 'contact = "Ada Lovelace"\n') == Board(contact="Ada Lovelace")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('tittle = "A"', "did you mean title?"),
        ("title = 3", "title: 3 is not text"),
        ('title = ""', "title"),
        (f'title = "{"a" * 101}"', "title has 101 characters, more than 100"),
        ('title = "<b>A</b>"', "title"),
        ('description = "[x](javascript:y)"', "description"),
        ('url = "http://board.example.org/"', "url"),
        ('url = "https://board.example.org/?page=1"', "url has a query or a fragment"),
        ('repository = "javascript:alert(1)"', "repository"),
        ("repository = 1", "repository"),
        ("format = 2", "not of format 1"),
        ("title = ", "cannot be read"),
    ],
)
def test_a_wrong_field_is_named_with_the_file(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(UserError) as found:
        read(tmp_path, text)
    assert named in str(found.value)
    assert "board.toml" in str(found.value)
    assert "\n" not in str(found.value)
