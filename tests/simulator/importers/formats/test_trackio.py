"""Traces that trackio has logged become a pool, from Parquet exports and from JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulator.errors import UserError
from simulator.importers.import_pool import ImportReport, import_pool
from simulator.importers.importer import ImportOptions
from simulator.pools.pool import Pool

Row = dict[str, Any]


def trace(question: str, said: str, **metadata: Any) -> Row:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": said}]
    return {"_type": "trackio.trace", "messages": messages, "metadata": metadata}


TRACES = [
    trace("2+2?", r"\boxed{4}", answer="4", reward=1.0),
    trace("2+2?", r"\boxed{5}", answer="4", reward=1.0),
    trace("Half?", "no idea", answer="1/2", reward=0.0),
]


def load(folder: Path, path: Path, **options: Any) -> ImportReport:
    return import_pool(
        "trackio",
        ImportOptions(paths=(path,), **options),
        cache=folder / "cache",
        dataset="d",
        model="m",
        benchmark="b",
    )


def exported(path: Path, traces: list[Row]) -> Path:
    rows = [
        {"id": n, "key": "rollouts", "trace_index": n, "run_name": "r", "step": 3}
        | {name: json.dumps(each[name]) for name in ("messages", "metadata")}
        for n, each in enumerate(traces)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def lines(path: Path, *rows: Row) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


MAP = {"gold_answer": "metadata.answer", "grade": "metadata.reward"}


def test_every_file_makes_the_same_pool(tmp_path: Path) -> None:
    metric = {"step": 1, "loss": 0.5}
    files = [
        exported(tmp_path / "p_traces.parquet", TRACES),
        lines(tmp_path / "a.jsonl", *TRACES),
        lines(tmp_path / "b.jsonl", metric, {"step": 2, "rollouts": TRACES}),
        lines(tmp_path / "c.jsonl", {"step": 2, "rollouts": json.dumps(TRACES)}, metric),
        lines(tmp_path / "d.jsonl", *({"step": n, "one": each} for n, each in enumerate(TRACES))),
    ]
    for number, file in enumerate(files):
        report = load(tmp_path / str(number), file, field_map=MAP)
        assert (report.problems, report.traces, report.signals) == (2, 3, ["text"])
        first, second = Pool(report.path).problems
        assert (first.question, first.gold_answer) == ("2+2?", "4")
        assert (first.texts, second.texts) == ([r"\boxed{4}", r"\boxed{5}"], ["no idea"])
        assert first.correct.tolist() == [True, False]
        assert [d.graded for d in report.disagreements] == [True]


def test_gold_answers_come_from_a_file_by_question(tmp_path: Path) -> None:
    gold = lines(tmp_path / "gold.jsonl", {"question": "2+2?", "gold_answer": 4})
    file = exported(tmp_path / "x.parquet", TRACES[:2])
    report = load(tmp_path, file, field_map={"gold_file": str(gold)})
    assert Pool(report.path).problems[0].gold_answer == "4"
    file = exported(tmp_path / "y.parquet", TRACES)
    with pytest.raises(UserError, match=r"row 3: no gold answer for this question in .*\('Half"):
        load(tmp_path / "b", file, field_map={"gold_file": str(gold)})


def test_wrong_traces_are_named(tmp_path: Path) -> None:
    for row, message in (
        (trace("q", "a"), "no column gold_answer; .*--map gold_answer="),
        ({**TRACES[0], "messages": "[{"}, "line 1: messages: .*the JSON is truncated; export"),
        ({**TRACES[0], "messages": []}, r"text is not a text \(\[\]\)|question is not a text"),
        ({**TRACES[0], "messages": TRACES[0]["messages"][:1]}, "no message of the assistant"),
        ({"loss": 1.0}, "holds no trace with messages; export the traces again"),
    ):
        with pytest.raises(UserError, match=message) as told:
            load(
                tmp_path,
                lines(tmp_path / "a.jsonl", row),
                field_map={} if "column" in message else MAP,
            )
        assert "\n" not in str(told.value)
