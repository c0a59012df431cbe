"""Items come out of compressed files and CSV as out of plain JSON lines; damage is named."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import UserError
from simulator.importers import json_files
from simulator.importers.import_pool import ImportReport, import_pool
from simulator.importers.importer import ImportOptions
from simulator.importers.items import Cells, items_of, parsed_cell
from simulator.pools.pool import Pool

Row = dict[str, Any]

ROWS: list[Row] = [
    {"problem_id": f"p{n % 2}", "gold_answer": "7", "answer": str(7 + n % 3), "num_tokens": 10 + n}
    for n in range(40)
]


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as file:
        file.write(data)
    return bytes(sink.getvalue().to_pybytes())


def lines(rows: list[Row]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def table(rows: list[Row], **how: Any) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), **how)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def load(folder: Path, name: str, data: bytes, **options: Any) -> ImportReport:
    folder.mkdir(exist_ok=True, parents=True)
    (folder / name).write_bytes(data)
    return import_pool(
        "jsonl",
        ImportOptions(paths=(folder / name,), **options),
        cache=folder / "cache",
        dataset="d",
        model="m",
        benchmark="b",
    )


FILES: list[tuple[str, Callable[[list[Row]], bytes]]] = [
    ("a.jsonl.gz", lambda rows: gzip.compress(lines(rows))),
    ("a.jsonl.gz", lambda rows: gzip.compress(lines(rows[:9])) + gzip.compress(lines(rows[9:]))),
    ("a.jsonl.zst", lambda rows: zstd(lines(rows))),
    ("a.jsonl.zst", lambda rows: zstd(lines(rows[:9])) + zstd(lines(rows[9:]))),
    ("named-otherwise.jsonl", lambda rows: zstd(lines(rows))),
    ("a.json.gz", lambda rows: gzip.compress(json.dumps(rows).encode())),
    ("a.json.zst", lambda rows: zstd(json.dumps(rows, indent=1).encode())),
    ("a.csv", table),
    ("a.CSV", lambda rows: b"\xef\xbb\xbf" + table(rows, lineterminator="\n")),
    ("a.csv.gz", lambda rows: gzip.compress(table(rows))),
    ("a.tsv.zst", lambda rows: zstd(table(rows, delimiter="\t"))),
]


@pytest.mark.parametrize(("name", "write"), FILES)
def test_every_file_makes_the_same_pool(
    tmp_path: Path, name: str, write: Callable[[list[Row]], bytes]
) -> None:
    plain = load(tmp_path / "plain", "a.jsonl", lines(ROWS))
    report = load(tmp_path / "other", name, write(ROWS))
    assert (report.traces, report.tokens) == (40, sum(10 + n for n in range(40)))
    assert report.fingerprint == plain.fingerprint


def test_a_folder_stands_for_its_compressed_files_too(tmp_path: Path) -> None:
    folder = tmp_path / "all"
    folder.mkdir()
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(lines(ROWS[:1])))
    (folder / "b.csv.zst").write_bytes(zstd(table(ROWS[1:2])))
    (folder / "c.txt.gz").write_bytes(b"not rows")
    found = list(items_of(ImportOptions(paths=(folder,))))
    assert [item.where.rsplit("/", 1)[1] for item in found] == [
        "a.jsonl.gz: line 1",
        "b.csv.zst: row 1",
    ]


GZ, ZST = gzip.compress(lines(ROWS)), zstd(lines(ROWS))

DAMAGED = [
    ("a.jsonl.gz", GZ[:-9], "not readable as gzip .Compressed file ended before .*truncated"),
    ("a.jsonl.gz", GZ[: len(GZ) // 2], "not readable as gzip"),
    ("a.jsonl.gz", GZ[:-5] + b"\0" + GZ[-4:], "not readable as gzip .CRC check failed"),
    ("a.json.gz", gzip.compress(json.dumps(ROWS).encode())[:-12], "not readable as gzip"),
    ("a.jsonl.zst", ZST[:-3], "not readable as zstd .*truncated, download or export it again"),
    ("a.jsonl.zst", ZST[: len(ZST) // 2], "not readable as zstd"),
    ("a.jsonl.zst", ZST[:20] + b"zzzz" + ZST[24:], "not readable as zstd"),
    ("a.csv.gz", gzip.compress(table(ROWS))[:-12], "not readable as gzip"),
    ("a.jsonl.gz", gzip.compress(b"", mtime=0), "holds no row"),
    ("a.parquet.gz", GZ, "a compressed Parquet file, .*decompress it"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "data", "message"), DAMAGED)
@pytest.mark.parametrize("drop", [False, True])
def test_damaged_files_are_named_and_leave_nothing(
    tmp_path: Path, name: str, data: bytes, message: str, drop: bool
) -> None:
    with pytest.raises(UserError, match=f"{name}: {message}") as error:
        load(tmp_path, name, data, drop_bad_rows=drop)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "cache").exists()


HEAD = b"problem_id,gold_answer,answer,num_tokens\n"

WRONG_CSV = [
    (HEAD + b"p,7,7,5\np,7,7\n", "row 2: 3 cells, but the first row names 4 columns; quote cells"),
    (HEAD + b'p,7,"7,5\n', "row 1: not CSV .unexpected end of data"),
    (HEAD + b'p,7,"7"x,5\n', "row 1: not CSV"),
    (HEAD + b"p,7,7,many\n", "row 1: num_tokens is not a number .'many'"),
    (HEAD + b"p,,7,5\n", "row 1: gold_answer is empty"),
    (HEAD + b"p,7,7,\n", "row 1: no column num_tokens"),
    (HEAD + b"p,7,\xff,5\n", "row 1: not UTF-8"),
    (HEAD, "holds no row"),
    (b"a;b\n1;2\n", "cells are separated by ';'; write commas, or tabs in a .tsv file"),
    (b"a\tb\n1\t2\n", "cells are separated by"),
    (b"", "holds no row"),
    (b"answer,answer,gold_answer\n1,2,3\n", "2 columns are named answer; rename or remove all but"),
    (b'question,gold_answer,text\nq,7,"[\'a\', \'b\']"\n',
     "row 1: text is a list in a cell .*; write lists of responses as JSON lines or Parquet"),
    (b'question,gold_answer,text\nq,7,"[""a"", ""b""]"\n', "row 1: text is a list in a cell"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "message"), WRONG_CSV)
def test_wrong_csv_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(UserError, match=f"a.csv: {message}") as error:
        load(tmp_path, "a.csv", data)
    assert "\n" not in str(error.value)


def test_cells_are_numbers_and_lists_where_a_field_wants_them(tmp_path: Path) -> None:
    data = (
        b"problem_id,gold_answer,answer,num_tokens,confidence,grade,text\n"
        b'1,007,007,2.0,"[1, 0.5]",True,"a,\nb"\n'
        b'1,007,"[0,1]",2,"[2, 3]",0,4\n'
        b'1,007,,2,"[2, 3]",,c\n'
    )
    report = load(tmp_path, "a.csv", data)
    [problem] = Pool(report.path).problems
    assert (problem.problem_id, problem.gold_answer) == ("1", "007")
    assert problem.class_texts[:2] == ["007", "[0,1]"]
    assert problem.answer_class.tolist() == [0, 1, -1]
    assert problem.texts == ["a,\nb", "4", "c"]
    assert problem.token_signal("confidence").of(0).tolist() == [1.0, 0.5]
    assert report.disagreements == []


def test_a_line_longer_than_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_files, "MAX_LINE", 2000)
    row = {**ROWS[0], "text": "a" * 2000}
    with pytest.raises(UserError, match="line 2 is longer than 2,000 bytes"):
        load(tmp_path, "a.jsonl.gz", gzip.compress(lines([ROWS[0], row])))
    monkeypatch.setattr(json_files, "MAX_TEXT", 2000)
    row["text"] = "a"
    with pytest.raises(UserError, match="more than 2,000 bytes of JSON; split it"):
        load(tmp_path, "a.json.gz", gzip.compress(json.dumps([row] * 40, indent=1).encode()))


CELL = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('\n",'), min_size=1)


@settings(max_examples=50)
@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=5))
def test_cells_come_back_whatever_is_in_them(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("cells") / "a.csv"
    path.write_bytes(table([{"a": a, "b": b} for a, b in cells]))
    values = [item.value for item in items_of(ImportOptions(paths=(path,)))]
    assert values == [Cells(a=a, b=b) for a, b in cells]


@pytest.mark.parametrize(
    ("cell", "value"),
    [("12", 12), ("-1.5", -1.5), ("[1, null]", [1, None]), ("TRUE", True), ("1/2", "1/2"),
     ("007", "007"), ("[1", "[1"), ("-Infinity", float("-inf")), ("NaN", "NaN"), ("x", "x")],
)  # fmt: skip
def test_a_cell_is_parsed_only_as_json(cell: str, value: Any) -> None:
    assert parsed_cell(cell) == value
