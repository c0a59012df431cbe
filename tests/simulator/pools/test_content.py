"""A pool's fingerprint covers what is stored in its files, however it is stored."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.pools.check import check_pool
from simulator.pools.content import ContentHash, content_of
from simulator.pools.pool import SCHEMAS, Pool, PoolInfo, read_info
from simulator.pools.records import ProblemRecord, TraceRecord
from simulator.pools.writer import PoolWriter
from simulator.signals import TOKEN_SIGNALS
from simulator.storage import file_sha256

CONFIDENCES = [1.0, 2.5, 3.25, 4.125]


def write(cache: Path, confidences: list[float] | None = None, **about: Any) -> Path:
    """Write three problems of two traces with every signal; return the pool's folder."""

    def trace(number: int, answer: str | None, values: list[float]) -> TraceRecord:
        return TraceRecord(
            number,
            4,
            answer,
            text="aβ cd ef" if answer else "",
            token_ends=np.array([2, 3, 5, 8]) if answer else None,
            token_signals={
                "confidence": np.array(values),
                "entropy": np.array([2.0, 1.5, 0.5, 0.125]),
            },
            probe_positions=np.array([2, 4]),
            probe_answers=[None, "9"],
            prompt_tokens=7 if answer else None,
        )

    known = {"dataset": "test", "model": "model", "benchmark": "tiny"}
    info = PoolInfo(**known | {"importer": "t", "importer_version": "1"} | about, **TOTAL)
    with PoolWriter(cache, info) as writer:
        for problem in "abc":
            last = CONFIDENCES if problem == "a" else confidences or CONFIDENCES
            traces = [trace(0, "1", CONFIDENCES), trace(1, None, last)]
            writer.add(ProblemRecord(problem, "?" if problem < "c" else None, "1", "math", traces))
    return writer.path


TOTAL: dict[str, Any] = {"token_accuracy": "total"}


def recomputed(folder: Path) -> str:
    """Return the fingerprint that the rows in the files of a pool give."""
    info = read_info(folder)
    content = content_of(folder, info.content)
    return dataclasses.replace(info, content=content).fingerprint


def store_again(folder: Path, change: Callable[[str, pa.Table], pa.Table], **how: Any) -> None:
    """Write each Parquet file again, and give `pool.json` the new hashes of the files."""
    info = read_info(folder)
    for name in info.content:
        file = folder / f"{name}.parquet"
        pq.write_table(change(name, pq.read_table(file)), file, **how)
        info.sha256[file.name] = file_sha256(file)
    (folder / "pool.json").write_text(json.dumps(dataclasses.asdict(info)))


WAYS: list[dict[str, Any]] = [
    {"compression": "none"},
    {"compression": "gzip", "use_dictionary": False},
    {"compression": "snappy", "row_group_size": 1},
    {"compression": "zstd", "row_group_size": 4, "data_page_size": 64},
    {"version": "1.0", "data_page_version": "2.0", "write_statistics": False},
    {"store_schema": False},
]


@pytest.mark.parametrize("how", WAYS, ids=str)
@pytest.mark.parametrize("last", [CONFIDENCES, [0.1, 0.2, 1 / 3, 70000.0]], ids=["uint16", "f32"])
def test_a_pool_stored_in_another_way_keeps_its_fingerprint(
    tmp_path: Path, how: dict[str, Any], last: list[float]
) -> None:
    folder = write(tmp_path, last)
    stored = read_info(folder).fingerprint
    assert recomputed(folder) == stored
    before = {file.name: file.read_bytes() for file in folder.glob("*.parquet")}
    store_again(folder, lambda name, table: table, **how)
    assert any(file.read_bytes() != before[file.name] for file in folder.glob("*.parquet"))
    assert read_info(folder).fingerprint == stored
    assert recomputed(folder) == stored


def test_a_pool_in_one_row_group_a_problem_is_sound_in_any_compression(tmp_path: Path) -> None:
    folder = write(tmp_path)
    store_again(folder, lambda name, table: table, compression="gzip", row_group_size=2)
    assert check_pool(folder) == []
    assert Pool(folder).problems[0].token_signal("confidence").of(1).tolist() == CONFIDENCES


def retyped(name: str, table: pa.Table) -> pa.Table:
    """Store texts as dictionaries and thousandths as float32 or float64, for every column."""
    columns = []
    for field in table.schema:
        column = table[field.name].combine_chunks()
        if pa.types.is_string(field.type):
            column = column.dictionary_encode()
        elif pa.types.is_binary(field.type):
            kind = pa.float64() if name == "entropy" else pa.float32()
            lists = [np.frombuffer(cell.as_py(), "<u2") / 1000.0 for cell in column]
            column = pa.array(lists, pa.large_list(kind))
        elif field.type == pa.int32():
            column = column.cast(pa.int64())
        columns.append(column)
    names = [name if each == "thousandths" else each for each in table.column_names]
    return pa.table(dict(zip(names, columns, strict=True)))


def test_the_types_that_values_are_stored_in_do_not_count(tmp_path: Path) -> None:
    folder = write(tmp_path)
    stored = read_info(folder).fingerprint
    store_again(folder, retyped)
    kinds = [pq.read_schema(folder / f"{name}.parquet").field(2).type for name in TOKEN_SIGNALS]
    assert kinds == [pa.large_list(pa.float32()), pa.large_list(pa.float64())]
    assert recomputed(folder) == stored


def packed(*thousandths: int) -> bytes:
    return np.array(thousandths, "<u2").tobytes()


def edited(column: str, row: int, value: Any) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        rows = table.to_pylist()
        assert rows[row][column] != value
        rows[row][column] = value
        return pa.Table.from_pylist(rows, schema=table.schema)

    return change


CHANGES: dict[str, tuple[str, Callable[[pa.Table], pa.Table]]] = {
    "token value": ("confidence", edited("thousandths", 5, packed(1000, 2500, 3250, 4126))),
    "token value moved to the next trace": ("entropy", lambda table: _shift(table)),
    "text": ("text", edited("text", 0, "aβ cd eg")),
    "token ends": ("text", edited("token_ends", 0, [2, 3, 6, 8])),
    "no token ends": ("text", edited("token_ends", 0, None)),
    "token ends where there were none": ("text", edited("token_ends", 1, [])),
    "answer": ("traces", edited("answer", 0, "1 ")),
    "no answer": ("traces", edited("answer", 0, None)),
    "empty answer": ("traces", edited("answer", 1, "")),
    "class of a trace": ("traces", edited("answer_class", 0, 1)),
    "length": ("traces", edited("num_tokens", 3, 5)),
    "prompt": ("traces", edited("prompt_tokens", 1, 0)),
    "grade": ("traces", edited("correct", 1, True)),
    "text of a class": ("classes", edited("answer", 1, "8")),
    "grade of a class": ("classes", edited("correct", 1, True)),
    "probe": ("probes", edited("answer_class", 2, [1, 1])),
    "place of a probe": ("probes", edited("position", 2, [1, 4])),
    "gold": ("problems", edited("gold_answer", 2, "2")),
    "question": ("problems", edited("question", 2, "")),
    "kind": ("problems", edited("answer_kind", 0, "choice")),
    "problem": ("traces", edited("problem_id", 5, "d")),
}


def _shift(table: pa.Table) -> pa.Table:
    rows = table.to_pylist()
    one, two = rows[0]["thousandths"], rows[1]["thousandths"]
    rows[0]["thousandths"], rows[1]["thousandths"] = one[:6], packed(125) + two
    return pa.Table.from_pylist(rows, schema=table.schema)


@pytest.mark.parametrize("what", CHANGES)
def test_one_changed_value_gives_another_fingerprint_and_is_found(
    tmp_path: Path, what: str
) -> None:
    folder = write(tmp_path)
    stored = read_info(folder).fingerprint
    file, change = CHANGES[what]
    store_again(
        folder, lambda name, table: change(table) if name == file else table, row_group_size=2
    )
    assert recomputed(folder) != stored
    assert check_pool(folder) != []


def test_a_value_changed_in_a_sound_pool_is_found_by_its_fingerprint(tmp_path: Path) -> None:
    folder = write(tmp_path)
    change = edited("thousandths", 5, packed(1000, 2500, 3250, 4126))
    store_again(
        folder,
        lambda name, table: change(table) if name == "confidence" else table,
        row_group_size=2,
    )
    assert check_pool(folder) == [
        "confidence.parquet: its content is not the one that pool.json has a hash of"
    ]


def test_what_is_told_of_a_pool_does_not_count_and_what_it_is_does(tmp_path: Path) -> None:
    one = read_info(write(tmp_path / "one")).fingerprint
    same: dict[str, Any] = {
        "source": "https://example.org",
        "licence": "MIT",
        "notes": ["n"],
        "importer": "x",
    }
    assert read_info(write(tmp_path / "two", **same)).fingerprint == one
    info = read_info(write(tmp_path / "three"))
    changes: list[tuple[str, Any]] = [
        ("synthetic", True),
        ("token_accuracy", "estimated"),
        ("benchmark", "other"),
        ("model", "other"),
        ("dataset", "other"),
        ("content", {**info.content, "traces": "0" * 64}),
        ("content", {name: each for name, each in info.content.items() if name != "probes"}),
    ]
    for key, value in changes:
        assert dataclasses.replace(info, **{key: value}).fingerprint != one, key


def test_a_pool_stored_before_keeps_its_fingerprint_and_reads(tmp_path: Path) -> None:
    folder = write(tmp_path)
    fields = json.loads((folder / "pool.json").read_text())
    del fields["content"]
    (folder / "pool.json").write_text(json.dumps(fields))
    lines = "".join(f"{name} {each}\n" for name, each in sorted(fields["sha256"].items()))
    assert read_info(folder).fingerprint == hashlib.sha256(lines.encode()).hexdigest()
    assert Pool(folder).problems[0].class_texts == ["1", "9"]
    assert check_pool(folder) == []


def test_a_signal_that_turns_to_float32_late_is_hashed_as_it_is_stored(tmp_path: Path) -> None:
    folder = write(tmp_path, [1 / 3, 2.5, 3.25, 4.125])  # from problem b on
    assert pq.read_schema(folder / "confidence.parquet").names[-1] == "float32"
    assert recomputed(folder) == read_info(folder).fingerprint


ROWS = st.lists(
    st.tuples(
        st.text("aβ\0", max_size=3),
        st.none() | st.lists(st.integers(-1, 2), max_size=3),
    ),
    max_size=5,
)


def hashed(problems: list[list[tuple[str, list[int] | None]]]) -> str:
    content = ContentHash()
    for number, rows in enumerate(problems):
        table = pa.Table.from_pylist(
            [
                {"problem_id": str(number), "trace_id": row, "text": text, "token_ends": ends}
                for row, (text, ends) in enumerate(rows)
            ],
            schema=SCHEMAS["text"],
        )
        content.add("text", table)
    return content.by_file()["text"]


@settings(max_examples=200, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=2), st.lists(ROWS, min_size=1, max_size=2))
def test_hashes_are_equal_for_equal_rows_only(
    one: list[list[tuple[str, list[int] | None]]], other: list[list[tuple[str, list[int] | None]]]
) -> None:
    rows = [[(n, *row) for n, part in enumerate(each) for row in part] for each in (one, other)]
    assert (hashed(one) == hashed(other)) == (rows[0] == rows[1])
