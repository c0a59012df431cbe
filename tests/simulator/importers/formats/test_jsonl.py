"""Rows of any JSON-lines or Parquet files become a pool; wrong ones are named in a line."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulator.errors import UserError
from simulator.importers.import_pool import ImportReport, import_pool
from simulator.importers.importer import ImportOptions
from simulator.pools.pool import Pool
from simulator.signals import TOKEN_SIGNALS

Row = dict[str, Any]

ROWS: list[Row] = [
    {"problem_id": "p2", "gold_answer": "7", "answer": "7.0", "num_tokens": 10},
    {"problem_id": "p1", "gold_answer": "1/2", "answer": "0.5", "num_tokens": 20},
    {"problem_id": "p2", "gold_answer": "7", "answer": None, "num_tokens": 30},
    {"problem_id": "p2", "gold_answer": "7", "answer": 8, "num_tokens": 40.0},
]

GOOD: Row = ROWS[0]


def lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def import_rows(folder: Path, content: str | list[Any] | bytes, **options: Any) -> ImportReport:
    path = folder / "traces.jsonl"
    if isinstance(content, list):
        content = lines(content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return import_paths(folder, path, **options)


def import_paths(folder: Path, *paths: Path, **options: Any) -> ImportReport:
    return import_pool(
        "jsonl",
        ImportOptions(paths=paths, **options),
        cache=folder / "cache",
        dataset="d",
        model="m",
        benchmark="b",
    )


def test_rows_by_hand(tmp_path: Path) -> None:
    report = import_rows(tmp_path, ROWS)
    assert (report.problems, report.traces, report.tokens) == (2, 4, 100)
    assert (report.token_accuracy, report.signals, report.notes) == ("total", [], [])
    first, second = Pool(report.path).problems
    assert (first.problem_id, second.problem_id) == ("p1", "p2")
    assert first.correct.tolist() == [True]
    assert second.trace_ids.tolist() == [0, 1, 2]
    assert second.lengths.tolist() == [10, 30, 40]
    assert second.class_texts == ["7.0", "8"]
    assert second.answer_class.tolist() == [0, -1, 1]
    assert second.answer_kind == "math"


def test_parquet_and_json_lines_make_the_same_pool(tmp_path: Path) -> None:
    rows = [
        {**row, "answer": None if row["answer"] is None else str(row["answer"])} for row in ROWS
    ]
    rows = [{**row, "num_tokens": int(row["num_tokens"])} for row in rows]
    (tmp_path / "a").mkdir()
    one = import_rows(tmp_path / "a", rows)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "traces.parquet")
    two = import_paths(tmp_path, tmp_path / "traces.parquet")
    assert one.fingerprint == two.fingerprint


def test_columns_are_mapped_and_reached_by_dotted_paths(tmp_path: Path) -> None:
    row = {
        "question": "?",
        "answer": "B",  # the gold answer, as many data sets name it
        "generated": {"choices": [{"letter": "(b)"}], "usage": {"out": 12, "in": 3}, "why": "stop"},
        "ok": 0,
    }
    report = import_rows(
        tmp_path,
        [row],
        field_map={
            "gold_answer": "answer",
            "answer": "generated.choices.0.letter",
            "num_tokens": "generated.usage.out",
            "prompt_tokens": "generated.usage.in",
            "finish_reason": "generated.why",
            "grade": "ok",
        },
    )
    problem = Pool(report.path).problems[0]
    assert (problem.problem_id, problem.question) == ("00", "?")
    assert problem.answer_kind == "choice"
    assert problem.correct.tolist() == [True]
    traces = pq.read_table(report.path / "traces.parquet").to_pylist()
    assert (traces[0]["prompt_tokens"], traces[0]["finish_reason"]) == (3, "stop")
    assert [(d.answer, d.graded) for d in report.disagreements] == [("(b)", False)]


def test_a_column_mapped_to_gold_is_not_taken_for_the_answer_as_well(tmp_path: Path) -> None:
    row = {"problem_id": "p", "answer": "B", "num_tokens": 5}
    with pytest.raises(UserError, match="line 1: row without an answer field"):
        import_rows(tmp_path, [row], field_map={"gold_answer": "answer"})


def test_the_last_box_of_the_text_wins_over_the_answer_column(tmp_path: Path) -> None:
    texts = [r"\boxed{1} \boxed{2}", "no box", r"\boxed{3", "日" * 9 + "\ud800"]
    rows = [{"problem_id": "p", "gold_answer": "2", "answer": "9", "text": text} for text in texts]
    report = import_rows(tmp_path, rows)
    assert report.token_accuracy == "estimated"
    assert report.notes == ["lengths are estimated: 4 characters per token"]
    problem = Pool(report.path).problems[0]
    assert [problem.class_texts[kind] for kind in problem.answer_class] == ["2", "9", "9", "9"]
    assert problem.texts == [*texts[:3], "日" * 9 + "\ufffd"]
    assert problem.lengths.tolist() == [5, 2, 2, 2]  # of 19, 6, 8 and 10 characters


def test_rows_without_an_answer_column_may_announce_it_in_the_text(tmp_path: Path) -> None:
    texts = [
        "so\n**ANSWER: 7**",
        "so\n\\[ \\text{ANSWER: } 7. \\]",
        "so",
        r"\boxed{\text{Answer: 7}}",
    ]
    rows = [{"problem_id": "p", "gold_answer": "7", "text": text} for text in texts]
    problem = Pool(import_rows(tmp_path, rows).path).problems[0]
    assert problem.correct.tolist() == [True, True, False, True]
    assert problem.answer_class.tolist() == [0, 0, -1, 0]


@pytest.mark.parametrize("name", TOKEN_SIGNALS)
def test_token_signals_are_kept(tmp_path: Path, name: str) -> None:
    rows = [
        {**GOOD, "num_tokens": 3, name: [0.5, 12, 3.25]},
        {**GOOD, "num_tokens": 1, name: [-0.3]},
    ]
    report = import_rows(tmp_path, rows)
    assert report.signals == [name]
    stored = Pool(report.path).problems[0].token_signal(name)
    assert stored.of(0).tolist() == [0.5, 12.0, 3.25]
    assert stored.of(1).tolist() == [np.float32(-0.3)]
    (tmp_path / "short").mkdir()
    with pytest.raises(UserError, match=f"{name} and num_tokens differ .*--map {name}="):
        import_rows(tmp_path / "short", [{**GOOD, "num_tokens": 2, name: [1.0]}])


def test_trace_ids_are_kept_and_kinds_can_be_forced(tmp_path: Path) -> None:
    rows = [{**GOOD, "trace_id": 5, "gold_answer": "Paris"}, {**GOOD, "trace_id": 2}]
    rows[1] |= {"gold_answer": "Paris", "answer": " PARIS"}
    problem = Pool(import_rows(tmp_path, rows, answer_kind="text").path).problems[0]
    assert problem.trace_ids.tolist() == [2, 5]
    assert problem.correct.tolist() == [True, False]


def test_folders_stand_for_their_files_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    for name, row in (("b/1.jsonl", ROWS[3]), ("a/1.jsonl", ROWS[0])):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("\ufeff" + lines([row]) + "\n\n", encoding="utf-8")
    (folder / "notes.txt").write_text("not a trace")
    problem = Pool(import_paths(tmp_path, folder).path).problems[0]
    assert problem.class_texts == ["7.0", "8"]


WRONG_ROWS = [
    ({"answer": ...}, "row without an answer field; columns here: problem_id, gold_answer, n"),
    ({"gold_answer": ...}, "no column gold_answer; columns here: .*; name the right one"),
    ({"gold_answer": ..., "gold": "7"}, ".* with --map gold_answer=gold,"),
    ({"problem_id": ...}, "no column problem_id"),
    ({"num_tokens": ...}, "no column num_tokens"),
    ({"num_tokens": None}, "no column num_tokens"),
    ({"gold_answer": None}, "gold_answer is empty"),
    ({"gold_answer": " "}, "gold_answer is empty"),
    ({"gold_answer": ["7", "8"]}, r"gold_answer is neither .*--map gold_answer=column\.0"),
    ({"answer": {"a": 1}}, "answer is neither text nor number"),
    ({"num_tokens": -1}, r"num_tokens is below 1 \(-1\); give num_tokens as a whole number"),
    ({"num_tokens": 0}, "num_tokens is below 1"),
    ({"num_tokens": 1.5}, "num_tokens is not a whole number"),
    ({"num_tokens": "12"}, r"num_tokens is not a number \('12'\)"),
    ({"num_tokens": True}, "num_tokens is not a number"),
    ({"num_tokens": float("nan")}, r"column 73: NaN is not JSON; write null where"),
    ({"num_tokens": float("inf")}, "column 73: Infinity is not JSON"),
    ({"num_tokens": 10**30}, "num_tokens is too large"),
    ({"prompt_tokens": -1}, "prompt_tokens is below 0"),
    ({"trace_id": "a"}, "trace_id is not a number .*--map trace_id="),
    ({"trace_id": -1}, "trace_id is negative"),
    ({"text": 7}, "text is not a text"),
    ({"finish_reason": 7}, "finish_reason is not a text"),
    ({"grade": "half"}, r"grade is neither right nor wrong \('half'\)"),
    ({"answer_kind": "essay"}, "unknown answer_kind"),
    ({"confidence": [1.0]}, r"confidence and num_tokens differ \('1 and 10'\)"),
    ({"confidence": ["a"] * 10}, "confidence holds something that is not a number"),
    ({"confidence": [1.0] * 9 + [-1e300]},
     r"confidence holds a number that is too large for a float32 \('-1e\+300 at token 9'\)"),
    ({"confidence": [10**400] * 10}, "confidence holds a number that is too large"),
    ({"confidence": "high"}, "confidence is not a list"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), WRONG_ROWS)
def test_a_wrong_row_is_named(tmp_path: Path, change: Row, message: str) -> None:
    row = {key: value for key, value in {**GOOD, **change}.items() if value is not ...}
    _fails(tmp_path, [row], f"line 1: {message}")
    if "gold_answer" not in row:
        return
    report = import_rows(tmp_path, [row, GOOD], drop_bad_rows=True)
    assert (report.traces, report.tokens, sum(report.dropped.values())) == (1, 10, 1)


WRONG_SECOND_ROWS = [
    ({"answer": ...}, "row without an answer field"),
    ({"text": "a"}, r"trace with text, unlike the first \(.*: line 1\); give every .* text, or"),
    ({"confidence": [1.0] * 10}, "trace with confidence, unlike the first"),
    ({"trace_id": 1}, "trace with trace_id, unlike the first"),
    ({"gold_answer": "8"}, r"gold_answer differs from .* the same problem in .*line 1 \('8'\)"),
    ({"question": "?"}, "question differs"),
    ({"answer_kind": "text"}, "answer_kind differs"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), WRONG_SECOND_ROWS)
def test_a_row_unlike_the_first_is_named(tmp_path: Path, change: Row, message: str) -> None:
    row = {key: value for key, value in {**GOOD, **change}.items() if value is not ...}
    _fails(tmp_path, [GOOD, row], f"line 2: {message}")


def test_duplicate_traces_are_named(tmp_path: Path) -> None:
    rows = [{**GOOD, "trace_id": 3}, {**GOOD, "trace_id": 3}]
    _fails(tmp_path, rows, r"line 2: duplicate trace \('p2, 3'\)")


def test_a_list_of_rows_is_as_good_as_lines(tmp_path: Path) -> None:
    of_lines = import_rows(tmp_path, ROWS)
    (tmp_path / "list.json").write_text(json.dumps(ROWS, indent=1))
    of_list = import_pool(
        "jsonl",
        ImportOptions(paths=(tmp_path / "list.json",)),
        cache=tmp_path / "other",
        dataset="d",
        model="m",
        benchmark="b",
    )
    assert of_list.fingerprint == of_lines.fingerprint


def test_texts_and_confidences_come_back_in_whatever_order_they_stand(tmp_path: Path) -> None:
    said = {(p, k): f"é{p}😀" * (3 * k + 1) for k in range(5) for p in range(3)}
    rows = [
        {
            "problem_id": f"p{p}",
            "gold_answer": "7",
            "answer": "7",
            "trace_id": k,
            "text": text,
            "num_tokens": k + 1,
            "confidence": [p + n / 1024 for n in range(k + 1)],
        }
        for (p, k), text in said.items()
    ]
    pool = Pool(import_rows(tmp_path, rows).path)
    for p, problem in enumerate(pool.problems):
        assert list(problem.texts) == [said[p, k] for k in range(5)]
        for k in range(5):
            expected = [p + n / 1024 for n in range(k + 1)]
            assert problem.token_signal("confidence").stored(k).tolist() == expected


def test_probes_by_hand(tmp_path: Path) -> None:
    rows: list[Row] = [
        {**GOOD, "num_tokens": 10, "probe_positions": [4, 8], "probe_answers": [None, 7]},
        {**GOOD, "num_tokens": 3, "probe_positions": [], "probe_answers": []},
        {**GOOD, "num_tokens": 8, "probe_positions": [8.0], "probe_answers": ["9"]},
    ]
    report = import_rows(tmp_path, rows)
    assert report.signals == ["probes"]
    (problem,) = Pool(report.path).problems
    probes = problem.probes
    assert probes.offsets.tolist() == [0, 2, 2, 3]
    assert probes.positions.tolist() == [4, 8, 8]
    said = [None if c < 0 else problem.class_texts[c] for c in probes.answers.tolist()]
    assert said == [None, "7.0", "9"]  # 7 means what the first trace answered


WRONG_PROBES = [
    ({"probe_positions": [4]}, "probe_positions or probe_answers is not a list"),
    ({"probe_positions": 4, "probe_answers": ["7"]}, "is not a list"),
    ({"probe_positions": [4], "probe_answers": []}, r"differ \('1 and 0'\); give two lists"),
    ({"probe_positions": [4, 4], "probe_answers": [7, 7]}, "are not ascending"),
    ({"probe_positions": [11], "probe_answers": [7]}, r"a probe after .* end \('11 of 10'\)"),
    ({"probe_positions": [0], "probe_answers": [7]}, "probe_positions is below 1"),
    ({"probe_positions": ["a"], "probe_answers": [7]}, "probe_positions is not a number"),
    ({"probe_positions": [4], "probe_answers": [[7]]}, "probe_answers is neither text nor number"),
]


@pytest.mark.parametrize(("change", "message"), WRONG_PROBES)
def test_wrong_probes_are_named(tmp_path: Path, change: Row, message: str) -> None:
    _fails(tmp_path, [{**GOOD, **change}], f"line 1: .*{message}")


PROBED: Row = {**GOOD, "num_tokens": 10, "probe_positions": [4, 8], "probe_answers": [None, 7]}


def test_probe_signals_by_hand(tmp_path: Path) -> None:
    rows = [
        {**PROBED, "probe_mean": [0.5, None], "probe_entropy": [1, 2.5]},
        {**PROBED, "probe_mean": [0, 1 + 1e-7], "probe_entropy": [0.25, None]},  # rounded up
    ]
    report = import_rows(tmp_path, rows)
    assert report.signals == ["probes", "probe_mean", "probe_entropy"]
    [problem] = Pool(report.path).problems
    nan = float("nan")
    np.testing.assert_array_equal(problem.probe_signal("probe_mean"), [0.5, nan, 0, 1])
    np.testing.assert_array_equal(problem.probe_signal("probe_entropy"), [1, 2.5, 0.25, nan])
    (tmp_path / "b").mkdir()
    mapped = [{**PROBED, "sure": [0.5, 0.75], "probe_min": None}]
    report = import_rows(tmp_path / "b", mapped, field_map={"probe_gmean": "sure"})
    assert report.signals == ["probes", "probe_gmean"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probe_mean": [0.5]}, "probe_mean is not a list with one number a probe"),
        ({"probe_mean": 0.5}, "probe_mean is not a list with one number a probe"),
        ({"probe_mean": [0.5, 1.01]}, r"out of bounds \(1.01\); give numbers from 0 to 1"),
        ({"probe_mean": [0.5, -0.01]}, "probe_mean holds a number that is out of bounds"),
        ({"probe_entropy": [0.5, -1]}, "give finite numbers of 0 or more as probe_entropy, or"),
        ({"probe_mean": [0.5, "high"]}, "probe_mean holds something that is not a number"),
        ({"probe_mean": [0.5, True]}, "probe_mean holds something that is not a number"),
        ({"probe_entropy": [0.5, 1e300]}, "too large for a float32"),
        (
            {"probe_positions": None, "probe_answers": None, "probe_mean": [0.5, 0.5]},
            "probe_mean without probe_positions; give one number or null a probe, or leave it out",
        ),
    ],
)
def test_wrong_probe_signals_are_named(tmp_path: Path, change: Row, message: str) -> None:
    _fails(tmp_path, [{**PROBED, **change}], message)


def test_probe_signals_are_of_all_traces_or_none(tmp_path: Path) -> None:
    told = {**PROBED, "probe_min": [0.5, 0.5]}
    _fails(tmp_path, [told, PROBED], "line 2: trace without probe_min, unlike the first")


def test_probes_are_of_all_traces_or_none(tmp_path: Path) -> None:
    probed = {**GOOD, "probe_positions": [4], "probe_answers": [7]}
    _fails(tmp_path, [probed, GOOD], "line 2: trace without probe_positions, unlike the first")


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    row = {"gold_answer": "7", "answer": "7", "num_tokens": 25_000, "text": "x" * 100_000}
    path = tmp_path / "traces.jsonl"
    with path.open("w") as file:
        for number in range(300):
            file.write(json.dumps({**row, "problem_id": f"p{number % 30:02d}"}) + "\n")
    tracemalloc.start()
    try:
        import_paths(tmp_path, path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < path.stat().st_size / 4


WRONG_FILES = [
    (b"", "holds no row"),
    (b"\n\n", "holds no row"),
    (lines([GOOD]) + '{"problem_id": "p', "line 2: column 16: the JSON is truncated"),
    (lines([GOOD]) + "nope\n", r"line 2: column 1: not JSON"),
    (lines([GOOD, [GOOD]]), "line 2: a JSON list, not an object"),
    (b"7\n", "line 1: a JSON int, not an object"),
    (b'{"a": "\xff"}\n', "line 1: not UTF-8; convert the file"),
    ('{"a": ' + "[" * 100_000, "line 1: JSON nested too deeply"),
    ('{"a": ' + "9" * 5000 + "}", "line 1: a number of thousands of digits"),
    (b"PK\x03\x04 zip", "line 1: column 1: not JSON"),
]


@pytest.mark.parametrize(("content", "message"), WRONG_FILES)
def test_a_wrong_file_is_named(tmp_path: Path, content: str | bytes, message: str) -> None:
    _fails(tmp_path, content, message)


def _fails(folder: Path, content: str | bytes | list[Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        import_rows(folder, content)
    assert str(caught.value).startswith(f"{folder / 'traces.jsonl'}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    assert list((folder / "cache").rglob("*")) == []


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4:60] = b"\xff" * 56
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("damage", [_cut, _spoil, Path.touch])
def test_damaged_parquet_is_named(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = tmp_path / "traces.parquet"
    if damage is not Path.touch:
        pq.write_table(pa.Table.from_pylist([GOOD] * 50), path)
    damage(path)
    with pytest.raises(UserError, match="not readable as Parquet") as caught:
        import_paths(tmp_path, path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "cache").rglob("*")) == []


def test_a_missing_value_in_parquet_is_named_by_row(tmp_path: Path) -> None:
    table = pa.table({"problem_id": ["p", "p"], "gold_answer": ["1", "1"], "answer": ["1", None],
                      "num_tokens": [3.0, float("nan")]})  # fmt: skip
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(UserError, match=r"t.parquet: row 2: num_tokens is not a whole number"):
        import_paths(tmp_path, tmp_path / "t.parquet")


def test_paths_that_hold_nothing(tmp_path: Path) -> None:
    (tmp_path / "traces.jsonl").write_text(lines([GOOD]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no \.jsonl, \.ndjson, \.parquet, \.csv, \.tsv file in"):
        import_paths(tmp_path, tmp_path / "empty")
    with pytest.raises(UserError, match=r"no such file \(did you mean traces.jsonl\?\)"):
        import_paths(tmp_path, tmp_path / "trace.jsonl")
    with pytest.raises(UserError, match="given twice"):
        import_paths(tmp_path, tmp_path, tmp_path / "traces.jsonl")


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "traces.jsonl").write_text(lines([GOOD]))
    monkeypatch.setattr("simulator.storage.check_plain", refuse)
    with pytest.raises(UserError, match="permission denied; change its permissions"):
        import_paths(tmp_path, tmp_path / "traces.jsonl")


def test_fields_and_columns_that_there_are_not(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--map anser=a: no field anser; did you mean answer\?"):
        import_rows(tmp_path, [GOOD], field_map={"anser": "a"})
    with pytest.raises(UserError, match=r"no column answr; .*--map answer=answer"):
        import_rows(tmp_path, [GOOD], field_map={"answer": "answr"})


def test_a_field_can_be_left_out(tmp_path: Path) -> None:
    rows = [{**GOOD, "trace_id": "run-a", "text": None}, {**GOOD, "trace_id": "run-a", "text": "x"}]
    report = import_rows(tmp_path, rows, field_map={"trace_id": "", "text": ""})
    assert (report.traces, report.signals) == (2, [])


def test_bad_rows_can_be_left_out_and_are_counted(tmp_path: Path) -> None:
    content = lines([GOOD, {**GOOD, "num_tokens": -1}, {**GOOD, "num_tokens": -2}]) + "{cut"
    report = import_rows(tmp_path, content, drop_bad_rows=True)
    assert (report.traces, report.tokens) == (1, 10)
    assert report.dropped["num_tokens is below 1"] == 2
    assert sum(report.dropped.values()) == 3
    assert any(
        example.endswith("line 3: num_tokens is below 1 (-2)")
        for example in report.dropped_examples
    )


def test_problems_without_ids_are_numbered_by_their_questions(tmp_path: Path) -> None:
    row = {"gold_answer": "1", "answer": "1", "num_tokens": 1}
    rows = [{**row, "question": question} for question in ("b?", "a?", "b?")]
    first, second = Pool(import_rows(tmp_path, rows).path).problems
    assert (first.problem_id, first.question, len(first.lengths)) == ("00", "b?", 2)
    assert (second.problem_id, second.question, len(second.lengths)) == ("01", "a?", 1)


def test_a_column_in_use_is_never_suggested_for_another_field(tmp_path: Path) -> None:
    row = {"question": "q", "gold_answer": "1", "num_tokens": 5}
    with pytest.raises(UserError, match="answer field") as told:
        import_rows(tmp_path, [row])
    assert "answer=COLUMN" in str(told.value)


LISTS: list[Row] = [
    {
        "uuid": "u1",
        "problem": "Six and one?",
        "answer": "7",
        "generations": [r"so \boxed{7}", r"\boxed{8}", "cut"],
        "finish_reasons": ["stop", None, "length"],
        "verified": None,
        "lengths": [5, 4, 9],
    },
    {
        "uuid": "u2",
        "problem": "One?",
        "answer": "1",
        "generations": [r"\boxed{1}"],
        "finish_reasons": None,
        "verified": [False],
        "lengths": [3],
    },
]
"""Two problems, four traces, 21 tokens; nulls stand where the other problem has a list."""

OF_LISTS = {
    "problem_id": "uuid",
    "question": "problem",
    "gold_answer": "answer",
    "text": "generations",
    "finish_reason": "finish_reasons",
    "grade": "verified",
    "num_tokens": "lengths",
}


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet", "a.json"])
def test_a_row_may_be_a_problem_with_lists(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.parquet":
        pq.write_table(pa.Table.from_pylist(LISTS), path)
    else:
        path.write_text(lines(LISTS) if name == "a.jsonl" else json.dumps(LISTS))
    report = import_paths(tmp_path, path, field_map=OF_LISTS)
    assert (report.problems, report.traces, report.tokens) == (2, 4, 21)
    assert report.notes == ["files hold problems with one list per field, one element per trace"]
    first, second = Pool(report.path).problems
    assert (first.problem_id, first.question) == ("u1", "Six and one?")
    assert first.correct.tolist() == [True, False, False]
    assert second.correct.tolist() == [True]
    assert [each.graded for each in report.disagreements] == [False]
    reasons = pq.read_table(report.path / "traces.parquet")["finish_reason"].to_pylist()
    assert reasons == ["stop", None, "length", None]


def test_a_missing_column_is_told_with_a_whole_mapping(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="line 1: no column problem_id; columns here: uuid") as told:
        import_rows(tmp_path, LISTS)
    assert "\n" not in str(told.value)
    assert (
        "or all that were found: --map problem_id=uuid --map question=problem --map "
        "gold_answer=answer --map text=generations --map num_tokens=lengths --map "
        "finish_reason=finish_reasons, or leave such rows"
    ) in str(told.value)


WRONG_LISTS = [
    ({"generations": None}, "problem without traces"),
    ({"generations": "a"}, "generations is not a list with one element per trace; name another"),
    ({"generations": ["a"]}, r"lists of different lengths \('generations: 1, .*lengths: 3'\)"),
    ({"lengths": 5}, "lengths is not a list .*, or leave it out with --map num_tokens="),
    ({"generations": [1, 2, 3]}, r"text is not a text \(1\)"),
    ({"generations": ["a", None, "b"]}, "generations is null; give each trace its resp"),
    ({"generations": ["a", {"x": 1}, "b"]}, r"text is an object; name .* --map traces=COLUMN"),
    ({"lengths": [1, None, 3]}, "trace without num_tokens, unlike the first"),
    ({"lengths": None}, "trace without num_tokens, unlike the first"),
]


@pytest.mark.parametrize(("change", "message"), WRONG_LISTS)
def test_a_wrong_list_is_named_or_left_out(tmp_path: Path, change: Row, message: str) -> None:
    nulls = dict.fromkeys(("finish_reasons", "verified")) if "generations" in change else {}
    nulls |= {"lengths": None} if change.get("generations", 0) is None else {}
    rows = [LISTS[1], {**LISTS[0], **nulls, **change}]
    with pytest.raises(UserError, match=rf"traces.jsonl: line 2[^:]*: {message}") as told:
        import_rows(tmp_path, rows, field_map=OF_LISTS)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "cache").exists()
    report = import_rows(tmp_path, rows, field_map=OF_LISTS, drop_bad_rows=True)
    assert report.problems in (1, 2)
    assert sum(report.dropped.values()) >= 1


def test_empty_lists_are_left_out_and_counted(tmp_path: Path) -> None:
    empty: Row = {name: [] for name in ("generations", "finish_reasons", "verified", "lengths")}
    report = import_rows(tmp_path, [LISTS[0], {**LISTS[1], **empty}], field_map=OF_LISTS)
    assert (report.problems, report.dropped) == (1, {"problem without a usable trace": 1})


def test_lists_by_the_names_of_the_fields_need_no_map(tmp_path: Path) -> None:
    row = {"problem_id": "p", "gold_answer": "4", "answer": ["4", None], "num_tokens": [3, 5]}
    report = import_rows(tmp_path, [row | {"prompt_tokens": 9, "seed": 1}])
    assert (report.traces, report.tokens) == (2, 8)
    assert "columns not used: seed" in report.notes
    table = pq.read_table(report.path / "traces.parquet")
    assert table["prompt_tokens"].to_pylist() == [9, 9]
    assert table["answer"].to_pylist() == ["4", None]


def test_lists_of_objects_are_mapped_as_traces(tmp_path: Path) -> None:
    outputs = [{"text": r"\boxed{4}", "ids": [1, 2]}, {"text": "I give up.", "ids": [1]}]
    row = {"problem_id": "p", "gold_answer": "4", "answer": "4", "outputs": outputs}
    field_map = {"traces": "outputs", "num_tokens": "ids"}
    report = import_rows(tmp_path, [row], field_map=field_map)
    assert (report.traces, report.tokens) == (2, 3)
    # the problem's own `answer` is no trace's
    assert Pool(report.path).problems[0].answer_class.tolist() == [0, -1]


def test_conversations_are_texts_and_questions(tmp_path: Path) -> None:
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "2+2?"},
        {"role": "assistant", "content": r"\boxed{4}", "reasoning_content": "hm"},
    ]
    row = {"gold_answer": "4", "messages": turns}
    field_map = {"text": "messages", "question": "messages"}
    [problem] = Pool(import_rows(tmp_path, [row], field_map=field_map).path).problems
    assert problem.question == "2+2?"
    assert problem.texts == ["<think>\nhm\n</think>\n\n\\boxed{4}"]
    (tmp_path / "b").mkdir()
    with pytest.raises(UserError, match="line 1: no message of the assistant in the conversation"):
        import_rows(tmp_path / "b", [{**row, "messages": turns[:2]}], field_map=field_map)


def test_log_probabilities_are_used_if_they_are_mapped(tmp_path: Path) -> None:
    rows = [{**GOOD, "num_tokens": 2, "lp": {"content": [
        {"token": "a", "logprob": -1.0, "top_logprobs": [{"token": "a", "logprob": -1.0},
                                                         {"token": "b", "logprob": -2.0}]},
        {"token": "b", "logprob": -9999.0, "top_logprobs": []},
    ]}}]  # fmt: skip
    report = import_rows(tmp_path, rows, field_map={"logprobs": "lp"})
    assert report.signals == list(TOKEN_SIGNALS)
    assert Pool(report.path).problems[0].token_signal("confidence").of(0).tolist() == [1.5, 1.5]
    masked = [{**GOOD, "num_tokens": 1, "lp": [[-1.0, -3.0, -9999]]}]
    text = lines(masked).replace("-9999", "-Infinity")
    (tmp_path / "b").mkdir()
    report = import_rows(tmp_path / "b", text, field_map={"logprobs": "lp"})
    assert Pool(report.path).problems[0].token_signal("confidence").of(0).tolist() == [2.0]
