"""Pickles as DeepConf's released code writes them become a pool; bad ones are named in a line."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer as Library
from tokenizers import models, pre_tokenizers

from simulator.errors import UserError
from simulator.importers.import_pool import ImportReport, import_pool
from simulator.importers.importer import ImportOptions
from simulator.pools.pool import Pool

Trace = dict[str, Any]


def trace(text: str, tokens: int, **changes: Any) -> Trace:
    """Make a trace as the released code does: confidences are numpy scalars of three decimals."""
    confs = [round(np.float64(10 + 0.001 * number), 3) for number in range(tokens)]
    boxed = text.split("boxed{")[-1].split("}")[0] if "boxed" in text else None
    return {
        "stop_reason": "stop",
        "text": text,
        "token_ids": list(range(tokens)),
        "num_tokens": tokens,
        "confs": confs,
        "extracted_answer": boxed,
    } | changes


def offline(qid: int, *traces: Trace, **changes: Any) -> dict[str, Any]:
    return {
        "final_answer": "7",
        "voting_results": {"majority": {"answer": "7", "num_votes": 2, "confidence": None}},
        "warmup_traces": [],
        "final_traces": [],
        "all_traces": list(traces),
        "conf_bar": None,
        "config": {"model": "DeepSeek-8B", "mode": "offline", "window_size": 2048},
        "mode": "offline",
        "timestamp": "2026-01-01T00:00:00",
        "question": f"What is {qid}?",
        "ground_truth": "7",
        "qid": qid,
        "run_id": "0",
        "evaluation": {"majority": {"is_correct": np.bool_(True)}},
    } | changes


def online(qid: int, warmup: list[Trace], final: list[Trace], **changes: Any) -> dict[str, Any]:
    for each in [*warmup, *final]:
        each["group_confs"] = [round(sum(each["confs"]) / len(each["confs"]), 3)]
        each["min_conf"] = min(each["group_confs"])
    changes = {"warmup_traces": warmup, "final_traces": final, "mode": "online"} | changes
    return offline(qid, *warmup, *final, conf_bar=10.004) | changes


def write(
    folder: Path, content: Any, *, qid: int = 0, rid: str = "0", mode: str = "offline"
) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"deepthink_{mode}_qid{qid}_rid{rid}_20260101_000000.pkl"
    path.write_bytes(pickle.dumps(content))
    return path


def import_files(folder: Path, *paths: Path, **options: Any) -> ImportReport:
    return import_pool(
        "deepconf",
        ImportOptions(paths=paths, **options),
        cache=folder / "cache",
        dataset="d",
        model="m",
        benchmark="b",
    )


SEVEN = r"so \boxed{7}"
EIGHT = r"so \boxed{8}"
TEN = r"so \boxed{10}"


def test_offline_files_by_hand(tmp_path: Path) -> None:
    files = tmp_path / "files"
    write(files, offline(10, trace(EIGHT, 3)), qid=10)
    write(files, offline(2, trace(SEVEN, 12), trace(EIGHT, 5), trace("?", 4)), qid=2)
    report = import_files(tmp_path, files)
    assert (report.problems, report.traces, report.tokens) == (2, 4, 24)
    assert (report.token_accuracy, report.signals) == ("total", ["text", "confidence"])
    assert report.notes == ["model in the files: DeepSeek-8B"]
    first, second = Pool(report.path).problems
    assert (first.problem_id, second.problem_id) == ("02", "10")
    assert (first.question, first.gold_answer, first.answer_kind) == ("What is 2?", "7", "math")
    assert first.lengths.tolist() == [12, 5, 4]
    assert [*first.class_texts, None][0:2] == ["7", "8"]
    assert first.answer_class.tolist() == [0, 1, -1]
    assert first.correct.tolist() == [True, False, False]
    assert first.texts == [SEVEN, EIGHT, "?"]
    assert first.token_signal("confidence").of(1).tolist() == [10.0, 10.001, 10.002, 10.003, 10.004]
    assert pq.read_schema(report.path / "confidence.parquet").names[-1] == "thousandths"


@pytest.mark.parametrize("numbers", [np.asarray, list])
def test_confidences_may_be_arrays(tmp_path: Path, numbers: Any) -> None:
    confs = numbers([1.5, 2.25])
    path = write(tmp_path, offline(0, trace(SEVEN, 2, confs=confs)))
    problem = Pool(import_files(tmp_path, path).path).problems[0]
    assert problem.token_signal("confidence").of(0).tolist() == [1.5, 2.25]


def test_runs_of_a_problem_go_on_where_the_one_before_ends(tmp_path: Path) -> None:
    files = tmp_path / "files"
    write(files, offline(0, trace(TEN, 10)), rid="10")
    write(files, offline(0, trace("two", 2), trace("three", 3)), rid="2")
    write(files, offline(1, trace("four", 4)), qid=1)
    first, second = Pool(import_files(tmp_path, files).path).problems
    assert (first.trace_ids.tolist(), first.texts) == ([0, 1, 2], ["two", "three", TEN])
    assert (second.trace_ids.tolist(), second.texts) == ([0], ["four"])


def early_files(folder: Path) -> Path:
    files = folder / "files"
    warmup = [trace(SEVEN, 9), trace(EIGHT, 3)]  # the latter is below the bar, but has its end
    final = [
        trace(r"first \boxed{8}, no", 4, stop_reason="gconf_threshold"),
        trace(SEVEN, 11),
        trace("cut", 12, stop_reason="length"),
        trace("unmarked", 13),
    ]
    write(files, online(0, warmup, final), mode="online")
    write(files, offline(0, trace(EIGHT, 5)), rid="1")
    return files


def test_early_stopped_traces_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    files = early_files(tmp_path)
    report = import_files(tmp_path, files)
    problem = Pool(report.path).problems[0]
    # Offline files come first, by name.
    assert problem.trace_ids.tolist() == [0, 1, 2, 4, 5, 6]
    assert problem.lengths.tolist() == [5, 9, 3, 11, 12, 13]
    assert report.dropped == {}
    assert report.notes == [
        "model in the files: DeepSeek-8B",
        "1 traces stopped early (1 × gconf_threshold), 4 tokens, were left out; "
        "--include-early-stopped keeps them",
        "1 traces of online files came after the warm-up and ended without an answer; the "
        "confidence bar may have stopped them unmarked",
    ]


def test_early_stopped_traces_that_are_asked_for_have_no_answer(tmp_path: Path) -> None:
    report = import_files(tmp_path, early_files(tmp_path), include_early_stopped=True)
    rows = pq.read_table(report.path / "traces.parquet").to_pylist()
    assert [row["trace_id"] for row in rows] == list(range(7))
    assert [row["finish_reason"] for row in rows].index("early_stopped") == 3
    assert (rows[3]["answer"], rows[3]["answer_class"], rows[3]["num_tokens"]) == (None, -1, 4)
    assert rows[5]["finish_reason"] == "length"
    assert (
        "1 traces stopped early (1 × gconf_threshold) are kept as early_stopped"
        in (report.notes[1])
    )


def test_a_trace_below_the_bar_that_has_no_stop_reason_was_stopped_early(tmp_path: Path) -> None:
    final = [trace(SEVEN, 3, stop_reason=None), trace(SEVEN, 11, stop_reason=None)]
    path = write(tmp_path, online(0, [trace(SEVEN, 3, stop_reason=None)], final))
    report = import_files(tmp_path, path)
    assert Pool(report.path).problems[0].trace_ids.tolist() == [0, 2]
    assert "1 × below conf_bar" in report.notes[1]


def test_traces_without_confidences(tmp_path: Path) -> None:
    path = write(tmp_path, offline(0, trace(SEVEN, 2, confs=[]), trace(EIGHT, 3)))
    report = import_files(tmp_path, path)
    assert report.signals == ["text"]
    assert "the first trace has no confs: no confidence was kept" in report.notes


def test_the_extracted_answer_stands_in_for_a_missing_box(tmp_path: Path) -> None:
    path = write(tmp_path, offline(0, trace("7", 2, extracted_answer="7"), trace("", 1)))
    assert Pool(import_files(tmp_path, path).path).problems[0].correct.tolist() == [True, False]


def test_letters_are_choices_and_kinds_can_be_forced(tmp_path: Path) -> None:
    path = write(tmp_path, offline(0, trace(r"\boxed{(b)}", 2), ground_truth="B"))
    report = import_files(tmp_path, path)
    assert Pool(report.path).problems[0].correct.tolist() == [True]
    report = import_files(tmp_path / "text", path, answer_kind="text")
    assert Pool(report.path).problems[0].correct.tolist() == [False]


BAD_TRACES = [
    ({"confs": [1.0]}, r"confs and num_tokens differ \(\(1, 3\)\); give one number per token"),
    ({"confs": [1.0, 2.0, None]}, "confs holds None"),
    ({"confs": [1.0, 2.0, True]}, "confs holds a bool"),
    ({"confs": [1.0, 2.0, float("nan")]}, "confs holds a number that is not finite"),
    ({"confs": [1.0, 2.0, 10**400]}, "confs holds a number that is too large"),
    ({"confs": np.zeros((3, 1))}, "confs is a ndarray, not a list of numbers"),
    ({"confs": "high"}, "confs is a str, not a list of numbers"),
    ({"confs": []}, "trace without confs, unlike the first"),
    ({"num_tokens": 4}, r"token_ids and num_tokens differ \(\(3, 4\)\)"),
    ({"num_tokens": 0, "token_ids": []}, "num_tokens is below 1"),
    ({"num_tokens": [3]}, "num_tokens is a list"),
    ({"num_tokens": "3"}, "num_tokens is not a number"),
    ({"text": None}, "text is None, not a text"),
    ({"stop_reason": 7}, "stop_reason is a int, not a text"),
    ({"extracted_answer": [7]}, "extracted_answer is a list"),
]


@pytest.mark.parametrize(("change", "message"), BAD_TRACES)
def test_a_bad_trace_is_named(tmp_path: Path, change: Trace, message: str) -> None:
    path = write(tmp_path, offline(0, trace(SEVEN, 5), {**trace("bad", 3), **change}))
    fails(tmp_path, path, f"trace 1: {message}")
    report = import_files(tmp_path, path, drop_bad_rows=True)
    assert (report.traces, report.tokens, sum(report.dropped.values())) == (1, 5, 1)


BAD_FILES = [
    ([1], "holds a list, not a dict"),
    (offline(1, trace(SEVEN, 2)), "qid is not the 0 of the file's name"),
    (offline(0, trace(SEVEN, 2), ground_truth=""), "ground_truth is empty"),
    (offline(0, trace(SEVEN, 2), ground_truth=["7"]), "ground_truth is a list"),
    (offline(0, trace(SEVEN, 2), question=7), "question is a int, not a text"),
    (offline(0, all_traces="x"), "all_traces is a str, not a list"),
    (offline(0, all_traces=["x"]), "trace 0: trace is a str, not a dict"),
    (offline(0), "problem without a usable trace"),
]


@pytest.mark.parametrize(("content", "message"), BAD_FILES)
def test_a_bad_file_is_named(tmp_path: Path, content: Any, message: str) -> None:
    fails(tmp_path, write(tmp_path, content), message)


def fails(folder: Path, path: Path, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        import_files(folder, path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    assert list((folder / "cache").rglob("*")) == []


def test_files_that_do_not_belong_together_are_named(tmp_path: Path) -> None:
    one = write(tmp_path, offline(0, trace(SEVEN, 2)))
    other = offline(0, trace(SEVEN, 2), config={"model": "QwQ"})
    with pytest.raises(UserError, match=r"traces of QwQ, but .* has those of DeepSeek-8B"):
        import_files(tmp_path, one, write(tmp_path, other, rid="1"))
    other = offline(0, trace(SEVEN, 2), ground_truth="8")
    with pytest.raises(UserError, match="ground_truth differs from the same problem's other"):
        import_files(tmp_path, one, write(tmp_path, other, rid="2"))
    with pytest.raises(UserError, match="given twice; name each file once"):
        import_files(tmp_path, one, one)


def test_paths_that_say_too_little_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "files", offline(0, trace(SEVEN, 2)))
    with pytest.raises(UserError, match="its name does not say which problem it is"):
        import_files(tmp_path, path.rename(path.with_name("a.pkl")))
    with pytest.raises(UserError, match=r"no deepthink_\*.pkl file in this folder"):
        import_files(tmp_path, tmp_path / "files")
    with pytest.raises(UserError, match="no such file"):
        import_files(tmp_path, tmp_path / "nothing")
    with pytest.raises(UserError, match="deepconf files have fixed fields"):
        import_files(tmp_path, tmp_path / "files", field_map={"a": "b"})


def test_other_formats_have_no_early_stopped_traces(tmp_path: Path) -> None:
    options = ImportOptions(paths=(tmp_path,), include_early_stopped=True)
    with pytest.raises(UserError, match="--include-early-stopped: only deepconf files mark"):
        import_pool("jsonl", options, cache=tmp_path, dataset="d", model="m", benchmark="b")


def test_a_tokenizer_places_the_tokens(tmp_path: Path) -> None:
    library = Library(models.WordLevel({"so": 0, "?": 1}, unk_token="?"))
    library.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    library.save(str(tmp_path / "tokenizer.json"))
    # One token more than the text has: the end token, which DeepConf forces when it stops a trace.
    final = [trace("so so so", 4, stop_reason="gconf_threshold"), trace(SEVEN, 11)]
    path = write(tmp_path, online(0, [trace(SEVEN, 3)], final))
    report = import_files(
        tmp_path, path, tokenizer=str(tmp_path / "tokenizer.json"), include_early_stopped=True
    )
    assert report.token_accuracy == "total"
    assert "in 1 of 3 traces the file and the tokenizer count different numbers" in report.notes[-1]
    ends = Pool(report.path).problems[0].token_ends
    assert [each.tolist() for each in ends[:2]] == [[2, 12, 12], [2, 5, 8, 8]]


def test_names_in_files_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    config = {"model": "evil\x1b[2Jname\nnote: fine"}
    report = import_files(tmp_path, write(tmp_path, offline(0, trace(SEVEN, 2), config=config)))
    assert all(note.isprintable() for note in report.notes)


class _Attack:
    def __reduce__(self) -> Any:
        return os.system, ("touch code_ran",)


def test_no_code_of_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, offline(0, trace(SEVEN, 2), evaluation=_Attack()))
    fails(tmp_path, path, r"needs (posix|nt)\.system")
    assert not (tmp_path / "code_ran").exists()


def test_one_trace_many_times_is_not_many_traces(tmp_path: Path) -> None:
    large = trace(SEVEN + "x" * 100_000, 2)
    path = write(tmp_path, offline(0, *[large] * 50))
    fails(tmp_path, path, "trace 1: traces share their contents with others")


def test_recursive_structures_are_named(tmp_path: Path) -> None:
    endless: list[Any] = []
    endless.append(endless)
    path = write(tmp_path, offline(0, trace(SEVEN, 2), ground_truth=endless))
    fails(tmp_path, path, "ground_truth is a list")
