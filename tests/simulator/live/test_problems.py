"""Files of problems to be solved live."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import UserError
from simulator.live.problems import read_problems


def test_a_file_as_other_systems_write_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "problems.jsonl"
    file.write_bytes(b'\xef\xbb\xbf{"question": "3+5?", "answer": 8}\r\n\r\n{"question": "1?"}\r\n')

    read = read_problems(file)

    assert [(each.question, each.answer) for each in read] == [("3+5?", "8"), ("1?", "")]


@pytest.mark.parametrize("field", ["question", "answer", "id"])
def test_half_a_character_is_refused_with_its_line(tmp_path: Path, field: str) -> None:
    file = tmp_path / "problems.jsonl"
    row = {"question": "3+5?"} | {field: "a \ud800 b"}
    file.write_text(json.dumps(row))

    with pytest.raises(UserError, match=r"problems\.jsonl:1: half a character"):
        read_problems(file)


@pytest.mark.parametrize("row", [{"answer": {"value": 8}}, {"answer": [8]}, {"id": {"n": 1}}])
def test_an_answer_or_id_that_is_no_text_or_number_is_refused(tmp_path: Path, row: Any) -> None:
    file = tmp_path / "problems.jsonl"
    file.write_text(json.dumps({"question": "3+5?"} | row))

    with pytest.raises(UserError, match="is no text or number"):
        read_problems(file)


def test_an_id_that_occurs_twice_is_named(tmp_path: Path) -> None:
    file = tmp_path / "problems.jsonl"
    file.write_text('{"question": "a", "id": 7}\n{"question": "b", "id": "7"}\n')

    with pytest.raises(UserError, match="two problems with the id '7'"):
        read_problems(file)
