"""The pool format: what is written comes back, in the form promised, all of it or nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pools import T, write_pool, write_problem

from simulator.errors import UserError
from simulator.pools.pool import FORMAT, Pool, PoolInfo
from simulator.pools.records import ProblemRecord, TraceRecord
from simulator.pools.writer import PoolWriter, as_thousandths


def record(problem_id: str, *confidences: Sequence[float]) -> ProblemRecord:
    arrays = [np.array(values, dtype=np.float64) for values in confidences]
    traces = [
        TraceRecord(i, len(values), "1", token_signals={"confidence": values})
        for i, values in enumerate(arrays)
    ]
    return ProblemRecord(problem_id, None, "1", "math", traces)


def write(cache: Path, *problems: ProblemRecord) -> Pool:
    info = PoolInfo("test", "model", "tiny", "test", "1", "total")
    with PoolWriter(cache, info) as writer:
        for problem in problems:
            writer.add(problem)
    return Pool(writer.path)


def stored_column(pool: Pool) -> str:
    return str(pq.read_schema(pool.path / "confidence.parquet").names[-1])


def test_confidences_of_three_decimals_are_kept_as_thousandths(tmp_path: Path) -> None:
    values = [0.0, 12.345, 65.535, 0.001]
    pool = write(tmp_path, record("p", values, [7.1]))
    assert stored_column(pool) == "thousandths"
    confidence = pool.problems[0].token_signal("confidence")
    assert confidence.of(0).tolist() == values  # exactly: thousandths lose nothing
    assert confidence.of(1).tolist() == [7.1]
    assert confidence.of(0, 2).tolist() == [0.0, 12.345]


@pytest.mark.parametrize("misfit", [65.536, 0.0005, -1.0, 1e9])
def test_one_value_that_does_not_fit_keeps_the_whole_pool_in_float32(
    tmp_path: Path, misfit: float
) -> None:
    pool = write(tmp_path, record("a", [1.5, 2.25]), record("b", [3.0, misfit]), record("c", [4.0]))
    assert stored_column(pool) == "float32"
    found = [problem.token_signal("confidence").of(0).tolist() for problem in pool.problems]
    assert found == [[1.5, 2.25], [3.0, float(np.float32(misfit))], [4.0]]


@given(st.lists(st.integers(0, 65535)))
def test_every_number_of_thousandths_survives(thousandths: list[int]) -> None:
    values = np.array([n / 1000 for n in thousandths])
    stored = as_thousandths(values)
    assert stored is not None
    assert (stored / 1000.0).tolist() == values.tolist()


def test_signal_files_have_a_row_group_a_problem(tmp_path: Path) -> None:
    pool = write(tmp_path, record("a", [1.0], [2.0]), record("b", [3.0], [4.0], [5.0]))
    metadata = pq.read_metadata(pool.path / "confidence.parquet")
    rows = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    assert rows == [2, 3]


def test_text_and_token_ends_come_back(tmp_path: Path) -> None:
    ends = np.array([3, 4, 10], dtype=np.int64)
    trace = TraceRecord(0, 3, "1", text="abc defghi", token_ends=ends)
    pool = write(tmp_path, ProblemRecord("p", "q?", "1", "math", [trace]))
    problem = pool.problems[0]
    assert problem.texts == ["abc defghi"]
    assert problem.token_ends[0].tolist() == [3, 4, 10]
    encodings = pq.read_metadata(pool.path / "text.parquet").row_group(0).column(3).encodings
    assert "DELTA_BINARY_PACKED" in encodings


def test_text_without_token_ends_is_cut_in_proportion(tmp_path: Path) -> None:
    problem = write_problem(tmp_path, [T(4, "1", text="abcdefghij")])
    assert problem.token_ends[0].tolist() == [2, 5, 7, 10]


def test_the_same_traces_make_the_same_bytes(tmp_path: Path) -> None:
    pools = [
        write_pool(tmp_path / name, {"p": [T(5, "1", {2: "2"}), T(6, None, {2: None})]})
        for name in "ab"
    ]
    first, second = (
        {file.name: file.read_bytes() for file in pool.path.iterdir()} for pool in pools
    )
    assert first == second


def test_classes_and_grades(tmp_path: Path) -> None:
    problem = write_problem(tmp_path, [T(5, "2"), T(5, "1.0"), T(5, None), T(5, "1")], gold="1")
    assert problem.answer_class.tolist() == [0, 1, -1, 1]
    assert problem.correct.tolist() == [False, True, False, True]
    assert problem.class_texts[:2] == ["2", "1.0"]


def test_a_taken_name_is_refused_unless_it_may_be_replaced(tmp_path: Path) -> None:
    write(tmp_path, record("p", [1.0]))
    with pytest.raises(UserError, match=r"test/model/tiny exists.*--replace"):
        write(tmp_path, record("p", [2.0]))
    info = PoolInfo("test", "model", "tiny", "test", "1", "total")
    with PoolWriter(tmp_path, info, replace=True) as writer:
        writer.add(record("p", [2.0]))
    assert Pool(writer.path).problems[0].token_signal("confidence").of(0).tolist() == [2.0]
    assert [path.name for path in writer.path.parent.iterdir()] == ["tiny"]


def test_problems_out_of_order_are_refused_and_nothing_is_left_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="after"):
        write(tmp_path / "cache", record("b", [1.0]), record("a", [1.0]))
    assert list((tmp_path / "cache").rglob("*")) == []


def test_a_pool_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    pool = write(tmp_path, record("p", [1.0]))
    file = pool.path / "pool.json"
    fields = json.loads(file.read_text())
    file.write_text(json.dumps(fields | {"format": FORMAT + 1}))
    with pytest.raises(UserError, match="newer than this program's"):
        Pool(pool.path)


def test_a_signal_that_is_not_there_is_named(tmp_path: Path) -> None:
    pool = write(tmp_path, record("p", [1.0]))
    with pytest.raises(UserError, match="has no probes, which sac needs"):
        pool.require(frozenset({"probes"}), "sac")
