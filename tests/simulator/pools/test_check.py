"""`data verify` finds every way in which a pool can break its promises, and no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulator.cli import main
from simulator.pools.check import check_pool
from simulator.pools.pool import Pool, PoolInfo
from simulator.pools.records import ProblemRecord, TraceRecord
from simulator.pools.writer import PoolWriter
from simulator.storage import file_sha256


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Two problems of two traces with every signal."""

    def trace(number: int, answer: str | None) -> TraceRecord:
        return TraceRecord(
            number,
            4,
            answer,
            text="ab cd ef",
            token_ends=np.array([2, 3, 5, 8]),
            token_signals={
                "confidence": np.array([1.0, 2.5, 3.25, 4.125]),
                "entropy": np.array([2.0, 1.5, 0.5, 0.125]),
            },
            probe_positions=np.array([2, 4]),
            probe_answers=[None, "9"],
        )

    info = PoolInfo("test", "model", "tiny", "test", "1", "exact")
    with PoolWriter(tmp_path, info) as writer:
        for problem in "ab":
            traces = [trace(0, "1"), trace(1, None)]
            writer.add(ProblemRecord(problem, "?", "1", "math", traces))
    return writer.path


def rewrite(pool: Path, name: str, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change the rows of a file, keep its row groups, and put its new hash into pool.json."""
    file = pool / f"{name}.parquet"
    with pq.ParquetFile(file) as stored:
        schema = stored.schema_arrow
        sizes = [stored.metadata.row_group(i).num_rows for i in range(stored.num_row_groups)]
        rows = stored.read().to_pylist()
    change(rows)
    with pq.ParquetWriter(file, schema) as writer:
        for size in sizes:
            writer.write_table(pa.Table.from_pylist(rows[:size], schema=schema))
            rows = rows[size:]
        if rows:
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    described = json.loads((pool / "pool.json").read_text())
    described["sha256"][file.name] = file_sha256(file)
    (pool / "pool.json").write_text(json.dumps(described))


def test_a_sound_pool_has_nothing_wrong_with_it(pool: Path) -> None:
    seen: list[int] = []
    assert check_pool(pool, lambda done, total: seen.append(total)) == []
    assert set(seen) == {2}


def put(column: str, value: Any, row: int = 0) -> Callable[[list[dict[str, Any]]], None]:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[row][column] = value

    return change


def put_values(number: int) -> Callable[[list[dict[str, Any]]], None]:
    return put("thousandths", np.full(number, 9, dtype="<u2").tobytes())


@pytest.mark.parametrize(
    ("file", "change", "finding"),
    [
        ("problems", lambda rows: rows.reverse(), "problems.parquet: 'a' comes after 'b'"),
        ("problems", put("problem_id", "aa"), "traces.parquet: problem 'aa' is missing"),
        ("traces", put("trace_id", 0, 1), "trace ('a', 0) comes after ('a', 0)"),
        ("traces", put("num_tokens", 0), "trace ('a', 0) has 0 tokens"),
        ("traces", put("num_tokens", 5), "pool.json: 16 tokens, but the files have 17"),
        ("traces", lambda rows: rows.pop(), "pool.json: 4 traces, but the files have 3"),
        ("traces", put("answer_class", -1), "answer '1' with class -1"),
        ("traces", put("answer_class", 7), "class 7 is not in classes.parquet"),
        ("traces", put("correct", False), "correct is False, but its class is graded otherwise"),
        ("traces", put("correct", True, 1), "correct is True, but its class is graded otherwise"),
        ("classes", put("answer_class", 5), "problem 'a': class 5 out of order"),
        ("classes", put("answer", "9"), "'9' has two classes"),
        ("confidence", put_values(1), "('a', 0): 1 values of confidence for 4 tokens"),
        ("entropy", put_values(5), "('a', 0): 5 values of entropy for 4 tokens"),
        ("confidence", put("trace_id", 3), "row group 0 does not hold the traces of problem 'a'"),
        ("probes", put("position", [4, 2]), "positions do not ascend"),
        ("probes", put("position", [2, 5]), "a probe outside of its 4 tokens"),
        ("probes", put("position", [0, 4]), "a probe outside of its 4 tokens"),
        ("probes", put("position", [2]), "1 positions for 2 answers"),
        ("probes", put("answer_class", [0, 2]), "an answer class that is not in classes.parquet"),
        ("text", put("token_ends", [1, 2, 3]), "3 token ends for 4 tokens"),
        ("text", put("token_ends", [2, 3, 1, 8]), "token ends do not ascend"),
        ("text", put("token_ends", [2, 3, 5, 9]), "token ends beyond the text"),
        ("text", put("token_ends", None), "no token ends, though pool.json says"),
    ],
)
def test_what_is_wrong_is_named(
    pool: Path, file: str, change: Callable[[list[dict[str, Any]]], None], finding: str
) -> None:
    rewrite(pool, file, change)
    found = check_pool(pool)
    assert any(finding in line for line in found), found


@pytest.fixture
def unfinished(tmp_path: Path) -> Path:
    """Write a whole trace, one that was cut after 3 tokens, and one that was not begun."""

    def trace(number: int, tokens: int, answer: str | None) -> TraceRecord:
        return TraceRecord(
            number,
            tokens,
            answer,
            text="abcd"[:tokens],
            token_ends=np.arange(1, tokens + 1),
            probe_positions=np.arange(1, tokens),
            probe_answers=["1"] * max(0, tokens - 1),
            asked=np.arange(1, tokens) != 2,
            unfinished=answer is None,
        )

    with PoolWriter(tmp_path, PoolInfo("test", "model", "cut", "test", "1", "exact")) as writer:
        traces = [trace(0, 4, "1"), trace(1, 3, None), trace(2, 0, None)]
        writer.add(ProblemRecord("a", "?", "1", "math", traces))
    return writer.path


def describe(pool: Path, **changed: Any) -> None:
    described = json.loads((pool / "pool.json").read_text()) | changed
    (pool / "pool.json").write_text(json.dumps(described))


def test_a_pool_with_unfinished_traces_is_sound(unfinished: Path) -> None:
    assert check_pool(unfinished) == []
    described = json.loads((unfinished / "pool.json").read_text())
    assert (described["unfinished"], described["unasked"], described["tokens"]) == (2, 2, 7)


@pytest.mark.parametrize(
    ("file", "change", "described", "finding"),
    [
        ("traces", put("finish_reason", "stop", 1), {}, "2 unfinished, but the files have 1"),
        (
            "traces",
            put("finish_reason", "stop", 1),
            {"unfinished": 1},
            "traces.parquet: its content is not the one that pool.json has a hash of",
        ),
        ("traces", put("finish_reason", "stop", 2), {}, "('a', 2) has 0 tokens"),
        ("traces", put("answer", "1", 1), {}, "('a', 1) is unfinished, but has an answer"),
        ("traces", put("answer_class", 0, 1), {}, "answer None with class 0"),
        ("traces", put("num_tokens", -1, 2), {}, "('a', 2) has -1 tokens"),
        ("probes", put("answer_class", [0, -1, 0]), {}, "2 unasked, but probes.parquet has 1"),
        (
            "probes",
            put("answer_class", [0, -1, 0]),
            {"unasked": 1},
            "probes.parquet: its content is not the one that pool.json has a hash of",
        ),
        ("probes", put("position", [1, 5], 1), {}, "a probe outside of its 3 tokens"),
        ("problems", lambda rows: None, {"unfinished": 0}, "0 unfinished, but the files have 2"),
        ("problems", lambda rows: None, {"unasked": 0}, "0 unasked, but probes.parquet has 2"),
    ],
)
def test_what_is_wrong_with_unfinished_traces_is_named(
    unfinished: Path,
    file: str,
    change: Callable[[list[dict[str, Any]]], None],
    described: dict[str, Any],
    finding: str,
) -> None:
    rewrite(unfinished, file, change)
    describe(unfinished, **described)
    found = check_pool(unfinished)
    assert any(finding in line for line in found), found


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_a_token_signal_that_is_no_finite_number_is_named(tmp_path: Path, value: float) -> None:
    info = PoolInfo("test", "model", "tiny", "test", "1", "total")
    with PoolWriter(tmp_path, info) as writer:
        signals = {"confidence": np.array([1.0, 1 / 3])}  # not in thousandths
        writer.add(
            ProblemRecord("a", None, "1", "math", [TraceRecord(0, 2, "1", token_signals=signals)])
        )
    assert check_pool(writer.path) == []
    rewrite(writer.path, "confidence", put("float32", np.array([1.0, value], "<f4").tobytes()))
    assert check_pool(writer.path) == [
        f"confidence.parquet: trace ('a', 0): confidence is {value} at token 1, not a finite number"
    ]


def test_a_changed_byte_a_missing_file_and_a_stray_one(pool: Path) -> None:
    content = bytearray((pool / "traces.parquet").read_bytes())
    content[20] ^= 1
    (pool / "traces.parquet").write_bytes(content)
    (pool / "text.parquet").unlink()
    (pool / "extra.parquet").write_bytes(b"")
    assert check_pool(pool) == [
        "text.parquet: missing",
        "extra.parquet: not a file of this pool",
        "traces.parquet: its SHA-256 is not the one in pool.json",
    ]


def test_columns_of_another_kind(pool: Path) -> None:
    table = pq.read_table(pool / "classes.parquet").drop_columns("correct")
    pq.write_table(table, pool / "classes.parquet")
    assert any("classes.parquet: columns problem_id" in line for line in check_pool(pool))


def test_a_description_that_cannot_be_read(pool: Path) -> None:
    (pool / "pool.json").write_text("{")
    assert len(check_pool(pool)) == 1


def test_many_findings_of_one_kind_are_cut_short(pool: Path, tmp_path: Path) -> None:
    info = PoolInfo("test", "model", "long", "test", "1", "total")
    with PoolWriter(tmp_path, info) as writer:
        traces = [TraceRecord(i, 5, "1") for i in range(50)]
        writer.add(ProblemRecord("p", None, "1", "math", traces))

    def all_wrong(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["correct"] = False

    rewrite(writer.path, "traces", all_wrong)
    found = check_pool(Pool(writer.path).path)
    assert len(found) == 21
    assert found[-1] == "… and more of these"


def test_the_command_says_which_pools_are_sound(
    pool: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*arguments: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as ended:
            main(["data", "verify", "--cache", str(pool.parents[2]), *arguments])
        return ended.value.code, capsys.readouterr().out

    assert call() == (0, "test/model/tiny: sound\n")
    rewrite(pool, "traces", put("correct", False))
    code, out = call("*tiny")
    assert code == 1
    assert out.startswith("test/model/tiny: wrong\n  traces.parquet: trace ('a', 0): correct")
    code, out = call("--json")
    assert code == 1
    assert list(json.loads(out)) == ["test/model/tiny"]
