"""FEval-TTC's database becomes a pool, of one model on one dataset."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from simulator.errors import UserError
from simulator.importers.import_pool import ImportReport, import_pool
from simulator.importers.importer import ImportOptions
from simulator.pools.pool import Pool

Row = dict[str, Any]

LLM = "org/small-1B"
QUESTIONS: Row = {
    "data": [{"question": "2+2?", "answer": "4"}, {"question": "Half?", "answer": "1/2"}],
    "datatype": "Sums",
    "system_prompt": None,
}


def cot(text: str, answer: str | None, tokens: float | None, reason: str = "stop") -> Row:
    metadata = {"dollar_cost": 0.5, "token_cost": tokens, "finish_reason": reason}
    return {"raw_text": text, "answer": answer, "metadata": metadata}


def response(*cots: Any) -> Row:
    request = {"raw_text": "Q", "dollar_cost": 0.1, "token_cost": 12.0}
    return {"cots": list(cots), "request": request, "num_cots": len(cots)}


RESPONSES: Row = {
    "config": {"name": LLM, "temperature": 0.7, "max_tokens": 2048},
    "responses": [
        response(cot("so four", "4", 20.0), cot("hm", None, 2048.0, "max_tokens")),
        response(cot(r"\boxed{0.5}", "wrong", 7)),
    ],
}


def database(path: Path, **members: Any) -> Path:
    files = {
        "dataset_Sums.txt": QUESTIONS,
        f"LLM_{LLM}_dataset_Sums.txt": RESPONSES,
        "dataset_Sums_models.txt": {"llms": [LLM]},
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**files, **members}.items():
            archive.writestr(name, content if isinstance(content, str) else json.dumps(content))
    return path


def load(folder: Path, *paths: Path, **options: Any) -> ImportReport:
    return import_pool(
        "feval-ttc",
        ImportOptions(paths=paths, **options),
        cache=folder / "cache",
        dataset="d",
        model="m",
        benchmark="b",
    )


CHOSEN = {"dataset": "Sums", "llm": LLM}


def test_a_database_by_hand(tmp_path: Path) -> None:
    report = load(tmp_path, database(tmp_path / "api.zip"), field_map=CHOSEN)
    assert (report.problems, report.traces, report.tokens) == (2, 3, 20 + 2048 + 7)
    assert (report.token_accuracy, report.signals, report.notes) == ("total", ["text"], [])
    first, second = Pool(report.path).problems
    assert (first.problem_id, first.question, first.gold_answer) == ("00", "2+2?", "4")
    assert first.answer_class.tolist() == [0, -1]
    assert [first.correct.tolist(), second.correct.tolist()] == [[True, False], [True]]
    traces = pq.read_table(report.path / "traces.parquet").to_pylist()
    assert [trace["finish_reason"] for trace in traces] == ["stop", "length", "stop"]
    assert [trace["prompt_tokens"] for trace in traces] == [12, 12, 12]


def test_the_two_files_of_a_database_make_the_same_pool(tmp_path: Path) -> None:
    whole = load(tmp_path, database(tmp_path / "api.zip"), field_map=CHOSEN)
    with zipfile.ZipFile(tmp_path / "api.zip") as archive:
        archive.extractall(tmp_path / "out")
    parts = [tmp_path / "out" / f"LLM_{LLM}_dataset_Sums.txt", tmp_path / "out/dataset_Sums.txt"]
    assert load(tmp_path / "b", *parts).fingerprint == whole.fingerprint


def test_lengths_that_are_missing_are_estimated(tmp_path: Path) -> None:
    responses = {"responses": [response(cot("a" * 40, "4", None)), response()]}
    path = database(tmp_path / "api.zip", **{f"LLM_{LLM}_dataset_Sums.txt": responses})
    report = load(tmp_path, path, field_map=CHOSEN)
    assert (report.tokens, report.token_accuracy) == (10, "estimated")
    assert report.dropped == {"problem without a usable trace": 1}


def _responses(*given: Any) -> Row:
    return {f"LLM_{LLM}_dataset_Sums.txt": {"responses": list(given)}}


EMPTY = response()

WRONG = [
    ({}, {}, "api.zip: name one with --map dataset=; use one of.*Sums"),
    ({}, {"dataset": "Sums"}, f"name one with --map llm=; use one of.*{LLM}"),
    ({}, {"dataset": "Sums", "llm": "org/small-1"}, "no such llm; .*org/small-1B"),
    ({}, {**CHOSEN, "gold": "a"}, "no field gold"),
    (_responses(EMPTY), CHOSEN, "1 responses for 2 questions; give the files of one dataset"),
    (_responses(EMPTY, 7), CHOSEN, r"responses\[1\]: response is not an object \(7\)"),
    (_responses(EMPTY, {}), CHOSEN, "cots are not a list"),
    (_responses(EMPTY, response(7)), CHOSEN, r"cots\[0\]: chain of thought is not an object"),
    (_responses(EMPTY, response(cot("a", "4", 1.5))), CHOSEN, "token_cost is not a whole number"),
    (_responses(EMPTY, response({**cot("a", "4", 1), "raw_text": None})), CHOSEN, "raw_text is n"),
    (
        {"dataset_Sums.txt": "{"},
        CHOSEN,
        "dataset_Sums.txt: line 1, column 2: the JSON is truncated",
    ),
    ({"dataset_Sums.txt": {"data": 7}}, CHOSEN, "dataset_Sums.txt: holds no list data"),
    ({"dataset_Sums.txt": {"data": [{"question": "?"}] * 2}}, CHOSEN, "question without an answer"),
]


@pytest.mark.parametrize(("members", "field_map", "message"), WRONG)
def test_a_wrong_database_is_named(
    tmp_path: Path, members: Row, field_map: dict[str, str], message: str
) -> None:
    path = database(tmp_path / "api.zip", **members)
    with pytest.raises(UserError, match=message) as told:
        load(tmp_path, path, field_map=field_map)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "cache").exists()


def test_a_damaged_database_and_wrong_paths_are_named(tmp_path: Path) -> None:
    path = database(tmp_path / "api.zip")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UserError, match=r"api\.zip: not readable as zip"):
        load(tmp_path, path, field_map=CHOSEN)
    with pytest.raises(UserError, match=r"none\.zip: no such file"):
        load(tmp_path, tmp_path / "none.zip", field_map=CHOSEN)
    (tmp_path / "a.txt").write_text(json.dumps(QUESTIONS))
    (tmp_path / "b.txt").write_text(json.dumps(QUESTIONS))
    with pytest.raises(UserError, match=r"b\.txt: holds no list of responses"):
        load(tmp_path, tmp_path / "a.txt", tmp_path / "b.txt")
    with pytest.raises(UserError, match="give the database"):
        load(tmp_path, tmp_path / "a.txt")
