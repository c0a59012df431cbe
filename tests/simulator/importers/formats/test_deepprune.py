"""DeepPrune-like files of every plausible shape become pools; the unclear stops the import."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.commands.import_ import import_pool as import_command
from simulator.commands.import_ import parse_map
from simulator.errors import UserError
from simulator.importers.import_pool import ImportReport, import_pool
from simulator.importers.importer import ImportOptions
from simulator.importers.mapping import mapping_toml, propose_mapping
from simulator.pools.pool import Pool

Row = dict[str, Any]

OBJECTS: list[Row] = [
    {
        "problem_id": "p2",
        "problem": "What is 1 + 1?",
        "true_answer": 2,
        "traces": [
            {"response": r"so \boxed{2}", "answer": "2", "num_tokens": 10, "finish_reason": "stop"},
            {"response": r"so \boxed{3}", "answer": "3", "num_tokens": 20, "finish_reason": "stop"},
        ],
    },
    {
        "problem_id": "p1",
        "problem": "Half of one?",
        "true_answer": "1/2",
        "traces": [
            {"response": "never ends", "answer": None, "num_tokens": 300, "finish_reason": "length"}
        ],
    },
]
"""Two problems, three traces, 330 tokens; by hand: p1 has no answer, p2 one right and one wrong."""

LISTS: list[Row] = [
    {
        "problem_id": item["problem_id"],
        "problem": item["problem"],
        "true_answer": item["true_answer"],
        "responses": [trace["response"] for trace in item["traces"]],
        "answers": [trace["answer"] for trace in item["traces"]],
        "token_counts": [trace["num_tokens"] for trace in item["traces"]],
        "finish_reasons": [trace["finish_reason"] for trace in item["traces"]],
    }
    for item in OBJECTS
]

ROWS: list[Row] = [
    {**{k: v for k, v in item.items() if k != "traces"}, **trace}
    for item in OBJECTS
    for trace in item["traces"]
]

BY_NAME: Row = {
    item["problem_id"]: {k: v for k, v in item.items() if k != "problem_id"} for item in OBJECTS
}


def write(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jsonl":
        text = "".join(json.dumps(each) + "\n" for each in value)
        path.write_text(text, encoding="utf-8")
    elif path.suffix == ".parquet":
        rows = [{**row, "true_answer": str(row["true_answer"])} for row in value]
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
        path.write_text(text, encoding="utf-8")
    return path


def load(cache: Path, *paths: Path, **options: Any) -> ImportReport:
    return import_pool(
        "deepprune",
        ImportOptions(paths=paths, **options),
        cache=cache / "cache",
        dataset="d",
        model="m",
        benchmark="b",
    )


def load_value(folder: Path, value: Any, name: str = "traces.json", **options: Any) -> ImportReport:
    return load(folder, write(folder / name, value), **options)


def confidences(report: ImportReport) -> list[list[float]]:
    """Of each trace of a pool's first problem."""
    problem = Pool(report.path).problems[0]
    return [
        problem.token_signal("confidence").of(row).tolist() for row in range(len(problem.lengths))
    ]


SHAPES = [
    (OBJECTS, "traces.json", "a list of trace objects per problem"),
    (OBJECTS, "traces.jsonl", "a list of trace objects per problem"),
    (OBJECTS, "traces.parquet", "a list of trace objects per problem"),
    ({"problems": OBJECTS}, "traces.json", "a list of trace objects per problem"),
    (BY_NAME, "traces.json", "a list of trace objects per problem"),
    (LISTS, "traces.json", "problems with one list per field, one element per trace"),
    (LISTS, "traces.parquet", "problems with one list per field, one element per trace"),
    (ROWS, "traces.json", "one trace per row"),
    (ROWS, "traces.jsonl", "one trace per row"),
    (ROWS, "traces.parquet", "one trace per row"),
]


@pytest.mark.parametrize(("value", "name", "words"), SHAPES)
def test_every_shape_makes_the_same_pool(tmp_path: Path, value: Any, name: str, words: str) -> None:
    report = load_value(tmp_path, value, name)
    assert (report.problems, report.traces, report.tokens) == (2, 3, 330)
    assert (report.token_accuracy, report.signals) == ("total", ["text"])
    assert report.notes[0] == f"files hold {words}"
    first, second = Pool(report.path).problems
    assert (first.problem_id, first.question, first.gold_answer) == ("p1", "Half of one?", "1/2")
    assert first.answer_class.tolist() == [-1]
    assert second.correct.tolist() == [True, False]
    assert second.lengths.tolist() == [10, 20]
    assert second.texts == [r"so \boxed{2}", r"so \boxed{3}"]
    reasons = pq.read_table(report.path / "traces.parquet")["finish_reason"].to_pylist()
    assert reasons == ["length", "stop", "stop"]
    like = load_value(tmp_path / "like", OBJECTS)
    assert like.fingerprint == report.fingerprint


def test_the_mapping_is_told_and_can_be_given_back(tmp_path: Path) -> None:
    path = write(tmp_path / "traces.json", OBJECTS)
    names = ["--dataset", "d", "--model", "m", "--benchmark", "b", "--cache", str(tmp_path / "c")]
    result = CliRunner().invoke(import_command, ["deepprune", str(path), *names])
    assert result.exit_code == 0
    mapping = (
        "--map problem_id=problem_id --map question=problem --map gold_answer=true_answer "
        "--map traces=traces --map text=response --map answer=answer --map num_tokens=num_tokens "
        "--map finish_reason=finish_reason"
    )
    assert f"note: mapping: {mapping}\n" in result.output
    again = load(tmp_path, path, field_map=parse_map(mapping.split()[1::2]))
    assert f"mapping: {mapping}" in again.notes


def test_a_mapping_can_be_kept_as_toml(tmp_path: Path) -> None:
    path = write(tmp_path / "traces.json", {"extra": 1, "data": OBJECTS})
    field_map = {"problems": "data", "finish_reason": ""}
    proposal = propose_mapping(ImportOptions(paths=(path,), field_map=field_map))
    kept = tomllib.loads(mapping_toml(proposal.field_map))
    assert kept["map"] == {
        "problems": "data",
        "problem_id": "problem_id",
        "question": "problem",
        "gold_answer": "true_answer",
        "traces": "traces",
        "text": "response",
        "answer": "answer",
        "num_tokens": "num_tokens",
        "finish_reason": "",
    }
    assert load(tmp_path, path, field_map=kept["map"]).tokens == 330
    assert tomllib.loads(mapping_toml({"text": 'a "b"\\é'}))["map"] == {"text": 'a "b"\\é'}


def test_one_problem_may_be_spread_over_files(tmp_path: Path) -> None:
    half = [{**OBJECTS[0], "traces": [trace]} for trace in OBJECTS[0]["traces"]]
    write(tmp_path / "in" / "0.json", [half[0], OBJECTS[1]])
    write(tmp_path / "in" / "1.json", half[1])  # a file that is one problem
    report = load(tmp_path, tmp_path / "in")
    assert report.fingerprint == load_value(tmp_path / "whole", OBJECTS).fingerprint


def test_a_file_can_be_the_problem(tmp_path: Path) -> None:
    for name, item in zip(("q7", "q3"), OBJECTS, strict=True):
        bare = {k: v for k, v in item.items() if k not in ("problem_id", "problem")}
        write(tmp_path / "in" / f"{name}.json", bare)
    with pytest.raises(UserError, match="--map problem_id=@file where each file is a problem"):
        load(tmp_path, tmp_path / "in")
    report = load(tmp_path, tmp_path / "in", field_map={"problem_id": "@file"})
    assert [p.problem_id for p in Pool(report.path).problems] == ["q3", "q7"]


def test_problems_without_ids_are_told_apart_by_question_and_numbered(tmp_path: Path) -> None:
    rows = [{k: v for k, v in row.items() if k != "problem_id"} for row in ROWS]
    problems = Pool(load_value(tmp_path, rows).path).problems
    assert [(p.problem_id, p.question) for p in problems] == [
        ("00", "What is 1 + 1?"),
        ("01", "Half of one?"),
    ]


def test_the_id_of_a_row_is_not_taken_for_the_problem(tmp_path: Path) -> None:
    rows = [{**row, "id": number} for number, row in enumerate(ROWS)]
    rows = [{k: v for k, v in row.items() if k != "problem_id"} for row in rows]
    assert load_value(tmp_path, rows).problems == 2
    bare = [{k: v for k, v in row.items() if k != "problem"} for row in rows]
    with pytest.raises(UserError, match=r"hold the problem; .*name it with --map problem_id="):
        load_value(tmp_path / "bare", bare)


def test_letters_are_compared_as_choices(tmp_path: Path) -> None:
    item = {
        "question": "Which?",
        "true_answer": "C",
        "responses": [r"\boxed{C}", r"\boxed{\text{(c)}}", r"\boxed{B}", "none"],
    }
    report = load_value(tmp_path, [item])
    problem = Pool(report.path).problems[0]
    assert problem.answer_kind == "choice"
    assert problem.correct.tolist() == [True, True, False, False]
    assert problem.answer_class.tolist() == [0, 0, 1, -1]


def test_missing_answers_are_extracted_and_missing_lengths_estimated(tmp_path: Path) -> None:
    texts = [r"\boxed{1} then \boxed{2", "x" * 17 + "\nANSWER: 1", "é" * 8]
    report = load_value(tmp_path, [{"question": "?", "true_answer": "1", "responses": texts}])
    assert report.token_accuracy == "estimated"
    assert "lengths are estimated: 4 characters per token" in report.notes
    problem = Pool(report.path).problems[0]
    assert problem.answer_class.tolist() == [0, 0, -1]
    assert problem.lengths.tolist() == [6, 7, 2]  # of 23, 27 and 8 characters


def test_confidences_and_token_ids_give_lengths(tmp_path: Path) -> None:
    traces = [{"answer": "1", "confs": [1.5, 2.25, 0.125]}, {"answer": "2", "confs": [7.0]}]
    item = {"qid": 3, "ground_truth": "1", "all_traces": traces}
    report = load_value(tmp_path, [item])
    assert (report.tokens, report.token_accuracy, report.signals) == (4, "total", ["confidence"])
    assert confidences(report) == [[1.5, 2.25, 0.125], [7.0]]
    for trace in traces:
        trace["token_ids"] = [5] * len(trace["confs"])
    report = load_value(tmp_path / "ids", [item])
    assert report.tokens == 4
    assert any("--map num_tokens=token_ids" in note for note in report.notes)


def test_log_probabilities_become_confidences(tmp_path: Path) -> None:
    tops = [[[-1.0, -3.0], [-0.5, -1.5]], [[-2.0, -2.0], [0.0, -1.0]]]
    item = {"qid": "q", "true_answer": "1", "answers": ["1", "2"], "logprobs": tops}
    report = load_value(tmp_path, [item])
    assert report.tokens == 4
    told = (
        "confidence is minus the mean of the top 2 log-probabilities of a token; its mean is 1.375"
    )
    assert told in report.notes
    assert confidences(report) == [[2.0, 1.0], [2.0, 0.5]]
    # differences of 2, 1, 0 and 1: 0.8808 and 0.1192, 0.7311 and 0.2689, halves
    expected = [[0.365334, 0.582203], [0.693147, 0.582203]]
    entropy = Pool(report.path).problems[0].token_signal("entropy")
    for row, values in enumerate(expected):
        assert entropy.of(row).tolist() == pytest.approx(values, abs=1e-6)


def test_a_column_of_its_own_goes_before_log_probabilities(tmp_path: Path) -> None:
    tops = [[[-1.0, -3.0], [-0.5, -1.5]]]
    item = {"qid": "q", "true_answer": "1", "answers": ["1"], "logprobs": tops}
    columns = {"confs": [[7.0, 8.0]], "token_entropies": [[0.5, 0.25]]}
    report = load_value(tmp_path, [item | columns])
    assert {"confidence", "entropy"} <= set(report.signals)
    stored = Pool(report.path).problems[0]
    assert confidences(report) == [[7.0, 8.0]]
    assert stored.token_signal("entropy").of(0).tolist() == [0.5, 0.25]
    without = load_value(tmp_path / "without", [item], field_map={"entropy": ""})
    assert "confidence" in without.signals
    assert "entropy" not in without.signals


def test_single_log_probabilities_are_no_confidence_unless_mapped(tmp_path: Path) -> None:
    traces = [{"text": "ANSWER: 1", "token_logprobs": [-1.0, -0.25]}]
    item = {"qid": "q", "true_answer": "1", "traces": traces}
    report = load_value(tmp_path, [item])
    assert report.signals == ["text"]
    assert report.mapping["num_tokens"] == "token_logprobs"  # there is one a token
    mapped = load_value(tmp_path / "m", [item], field_map={"logprobs": "token_logprobs"})
    assert confidences(mapped) == [[1.0, 0.25]]
    told = (
        "confidence is minus the mean of the top 1 log-probabilities of a token; its mean is 0.625"
    )
    assert told in mapped.notes


def test_gold_answers_may_sit_in_the_traces(tmp_path: Path) -> None:
    traces = [
        {"true_answer": "2", "qid": "q", "text": "ANSWER: 2"},
        {"true_answer": "2", "text": "b"},
    ]
    traces[1]["qid"] = "q"
    assert load_value(tmp_path, {"x": traces, "y": "z"}, field_map={"traces": "x"}).traces == 2
    traces[1]["true_answer"] = "3"
    with pytest.raises(UserError, match=r"x\[1\]: true_answer differs .* first trace \('3'\)"):
        load_value(tmp_path / "b", {"x": traces, "y": "z"}, field_map={"traces": "x"})


def test_reasoning_and_answer_can_be_joined(tmp_path: Path) -> None:
    traces = [
        {"reasoning_content": "hm", "content": r"\boxed{2}"},
        {"reasoning_content": None, "content": "x"},
    ]
    item = {"qid": "q", "true_answer": "2", "samples": traces}
    with pytest.raises(UserError, match=r"--map text=reasoning_content\+content to join them"):
        load_value(tmp_path, [item])
    report = load_value(tmp_path, [item], field_map={"text": "reasoning_content+content"})
    assert Pool(report.path).problems[0].texts == ["hm\n\n\\boxed{2}", "x"]


def test_grades_are_compared(tmp_path: Path) -> None:
    item = {"qid": "q", "true_answer": "2", "responses": [r"\boxed{2}"], "is_correct": [False]}
    assert [d.graded for d in load_value(tmp_path, [item]).disagreements] == [False]


PROBLEM: Row = {"qid": "q", "true_answer": "2", "responses": ["a"]}

UNCLEAR = [
    (
        {**PROBLEM, "ground_truth": "2"},
        "gold_answer can be true_answer or ground_truth; choose one with "
        "--map gold_answer=true_answer, or --map gold_answer= to leave it out",
    ),
    (
        {**PROBLEM, "question": "?", "problem": "?"},
        "question can be question or problem; .* --map question=question",
    ),
    ({**PROBLEM, "completions": ["b"]}, "text can be responses or completions"),
    (
        {**PROBLEM, "traces": [{"text": "a"}]},
        "traces can be traces or responses; .* --map traces=traces, or --map traces= and --map tex",
    ),
    ({**PROBLEM, "answers": ["1"], "predictions": ["2"]}, "answer can be answers or predictions"),
    ({**PROBLEM, "num_tokens": [1], "token_counts": [2]}, "num_tokens can be num_tokens or token"),
    (
        {"qid": "q", "answer": "2", "responses": ["a"]},
        r"hold the gold answer; columns here: qid \(text\), answer \(text\), responses \(texts\); "
        "name it with --map gold_answer=answer",
    ),
    ({"qid": "q", "true_answer": "2"}, "no column is known to hold the response or answer"),
    (
        {**PROBLEM, "generated_token_counts": [1], "max_tokens": [9]},
        "num_tokens may be generated_token_counts; map it with "
        "--map num_tokens=generated_token_counts, or leave the field out with --map num_tokens=; "
        "in full: --map problem_id=qid --map gold_answer=true_answer --map text=responses "
        "--map num_tokens=generated_token_counts$",
    ),
    (
        {**PROBLEM, "regex_answers": ["1"]},
        "answer may be regex_answers; map it with --map answer=r",
    ),
    ({**PROBLEM, "group_confs": [[0.5]]}, "confidence may be group_confs"),
    ({**PROBLEM, "group_entropy": [[0.5]]}, "entropy may be group_entropy"),
    ({**PROBLEM, "the_logprobs": [[[-0.5]]]}, "logprobs may be the_logprobs"),
    (
        {"qid": "q", "true_answer": "2", "traces": [{"content": "a", "reasoning": "b"}]},
        r"text can be content or reasoning; .* --map text=reasoning\+content to join them",
    ),
    (
        {"qid": "q", "true_answer": "2", "answers": ["2"]},
        "no column is known to hold the token count",
    ),
]


@pytest.mark.parametrize(("item", "message"), UNCLEAR)
def test_what_is_not_clear_stops_with_the_candidates(
    tmp_path: Path, item: Row, message: str
) -> None:
    _fails(tmp_path, [item], f"traces.json: .*{message}")


def test_what_looks_like_a_field_can_be_denied(tmp_path: Path) -> None:
    item = {**PROBLEM, "responses": ["ANSWER: 2"], "generated_token_counts": [7]}
    denied = load_value(tmp_path, [item], field_map={"num_tokens": ""})
    assert denied.token_accuracy == "estimated"
    field_map = {"num_tokens": "generated_token_counts"}
    assert load_value(tmp_path / "b", [item], field_map=field_map).tokens == 7


def test_parquet_is_another_name_of_rows_with_known_columns(tmp_path: Path) -> None:
    row = {"problem_id": "p", "gold": "2", "answer": "2", "num_tokens": 5}
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist([row]), path)
    options = ImportOptions(paths=(path,), field_map={"gold_answer": "gold"})
    reports = [
        import_pool(name, options, cache=tmp_path / name, dataset="d", model="m", benchmark="b")
        for name in ("parquet", "jsonl")
    ]
    assert reports[0].tokens == 5
    assert reports[0].fingerprint == reports[1].fingerprint


def test_what_is_not_clear_can_be_settled(tmp_path: Path) -> None:
    item = {**PROBLEM, "ground_truth": "3", "completions": [r"\boxed{3}"]}
    field_map = {"gold_answer": "ground_truth", "text": "completions"}
    problem = Pool(load_value(tmp_path, [item], field_map=field_map).path).problems[0]
    assert (problem.gold_answer, problem.correct.tolist()) == ("3", [True])


GOOD_ROW: Row = {
    "qid": "q",
    "true_answer": "2",
    "response": r"\boxed{2}",
    "num_tokens": 4,
    "conf": [1.5] * 4,
}

WRONG_ROWS = [
    ({"response": 7}, r"text is not a text \(7\); name another column with --map text=COLUMN"),
    ({"response": ...}, "no response, the column of text; columns here: .* out with --map text="),
    ({"num_tokens": 0}, r"num_tokens is below 1 \(0\)"),
    ({"num_tokens": 5}, "confidence and num_tokens differ .'4 and 5'"),
    ({"num_tokens": "5"}, "num_tokens is not a number"),
    ({"true_answer": ...}, "no true_answer, the column of gold_answer; columns here: qid, re"),
    ({"true_answer": None}, "gold_answer is empty"),
    ({"true_answer": "3"}, r"gold_answer differs from that of the same problem in .*\[0\] \('3'\)"),
    ({"qid": None}, "problem_id is empty"),
    ({"conf": None}, "confidence is not a list"),
    ({"conf": ["a"] * 4}, "confidence holds something that is not a number"),
    ({"conf": [float("nan")] * 4}, "NaN is not JSON; write null where there is no value"),
    ({"conf": [10**400] * 4}, "confidence holds a number that is too large"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), WRONG_ROWS)
def test_a_wrong_row_is_named_or_left_out(tmp_path: Path, change: Row, message: str) -> None:
    row = {key: value for key, value in {**GOOD_ROW, **change}.items() if value is not ...}
    rows = [GOOD_ROW] * 8 + [row]  # beyond those that the mapping is made of
    _fails(tmp_path, rows, rf"traces.json: \[8\]: {message}")
    report = load_value(tmp_path, rows, drop_bad_rows=True)
    assert (report.traces, report.tokens, sum(report.dropped.values())) == (8, 32, 1)


WRONG_FILES = [
    ("", "the file is empty"),
    ("[]", "holds no row"),
    ("7", "holds a JSON int, no list or object"),
    ("[7]", "holds int, not objects of problems or traces"),
    ('[{"qid": 1}', "line 1, column 12: the JSON is truncated"),
    ('[{"qid": 1}, {"true_answer"]', "line 1, column 28: not JSON"),
    ('{"qid": 1', "line 1, column 10: the JSON is truncated"),
    ('{"a": ' + "[" * 100_000, "JSON nested too deeply"),
    ('{"a": ' + "9" * 5000 + "}", "a number of thousands of digits"),
]


@pytest.mark.parametrize(("text", "message"), WRONG_FILES)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    _fails(tmp_path, text, f"traces.json: {message}")


def test_wrong_options_are_named(tmp_path: Path) -> None:
    for field_map, message in (
        ({"gold_anser": "x"}, "no field gold_anser; did you mean gold_answer?"),
        ({"text": "reply"}, "no column reply, which --map text names; columns here: qid, true_"),
        ({"problems": "data"}, "no list of objects data, which --map problems names; keys here: q"),
    ):
        _fails(tmp_path, PROBLEM, message, field_map=field_map)


def test_lists_of_different_lengths_are_named(tmp_path: Path) -> None:
    item = {**PROBLEM, "responses": ["a", "b"], "token_counts": [3]}
    _fails(tmp_path, [item], r"\[0\]: lists of different lengths \('responses: 2, token_counts: 1")


def test_duplicate_trace_ids_are_named(tmp_path: Path) -> None:
    rows = [{**GOOD_ROW, "sample_idx": 4}, {**GOOD_ROW, "sample_idx": 4}]
    _fails(tmp_path, rows, r"\[1\]: duplicate trace \('q, 4'\); .*--map trace_id=")
    assert load_value(tmp_path, rows, field_map={"trace_id": ""}).traces == 2


def _fails(folder: Path, value: Any, message: str, **options: Any) -> None:
    with pytest.raises(UserError, match=message) as error:
        load_value(folder, value, **options)
    assert "\n" not in str(error.value)
    assert not (folder / "cache").exists()


LEAVES = st.none() | st.booleans() | st.integers(-1, 3) | st.sampled_from(["", "a", r"\boxed{2}"])
VALUES = st.recursive(LEAVES, lambda each: st.lists(each, max_size=3), max_leaves=6)
TRACES = st.fixed_dictionaries(
    {"text": LEAVES},
    optional={"answer": VALUES, "num_tokens": LEAVES, "confs": VALUES, "logprobs": VALUES},
)
PROBLEMS = st.fixed_dictionaries(
    {"qid": LEAVES, "true_answer": LEAVES},
    optional={"traces": st.lists(TRACES | LEAVES, max_size=3), "responses": VALUES},
)


@settings(max_examples=60)
@given(st.lists(PROBLEMS | VALUES, min_size=1, max_size=3), st.booleans())
def test_whatever_is_in_a_file_is_imported_or_refused_in_a_line(
    tmp_path_factory: pytest.TempPathFactory, items: list[Any], drop: bool
) -> None:
    told = ""
    try:
        load_value(tmp_path_factory.mktemp("any"), items, drop_bad_rows=drop)
    except UserError as error:
        told = str(error)
    assert "\n" not in told


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=40)
@given(st.lists(st.lists(TEXTS, min_size=1, max_size=4), min_size=1, max_size=4), st.booleans())
def test_texts_come_back_whatever_characters_are_in_them(
    tmp_path_factory: pytest.TempPathFactory, texts: list[list[str]], escaped: bool
) -> None:
    folder = tmp_path_factory.mktemp("texts")
    texts = [["ANSWER: 1"], *texts]
    items = [
        {"qid": f"{number:02d}", "true_answer": "1", "responses": each}
        for number, each in enumerate(texts)
    ]
    path = folder / "traces.json"
    path.write_text("\ufeff" + json.dumps(items, ensure_ascii=escaped), encoding="utf-8")
    problems = Pool(load(folder, path).path).problems
    assert [problem.texts for problem in problems] == texts
