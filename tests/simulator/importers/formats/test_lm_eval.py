"""lm-evaluation-harness samples become pools; repeats are traces."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import UserError
from simulator.importers.import_pool import ImportReport, import_pool
from simulator.importers.importer import ImportOptions
from simulator.pools.pool import Pool

Row = dict[str, Any]


def sample(doc_id: int, *texts: str, target: str = "4", **changes: Any) -> Row:
    """Make a sample as `EvaluationTracker` writes it."""
    return {
        "doc_id": doc_id,
        "doc": {"question": f"question {doc_id}", "answer": target},
        "target": target,
        "arguments": {"gen_args_0": {"arg_0": f"Q: question {doc_id}\nA:", "arg_1": {"until": []}}},
        "resps": [list(texts)],
        "filtered_resps": [texts[0]] if len(texts) == 1 else [list(texts)],
        "filter": "none",
        "metrics": ["exact_match"],
        "doc_hash": "d",
        "prompt_hash": "p",
        "target_hash": "t",
        "exact_match": 1.0,
    } | changes


def load(folder: Path, *samples: Any, name: str = "samples_t.jsonl", **options: Any) -> Any:
    path = folder / name
    path.write_text("".join(json.dumps(each) + "\n" for each in samples), encoding="utf-8")
    return load_paths(folder, path, **options)


def load_paths(folder: Path, *paths: Path, **options: Any) -> ImportReport:
    return import_pool(
        "lm-eval",
        ImportOptions(paths=paths, **options),
        cache=folder / "cache",
        dataset="d",
        model="m",
        benchmark="b",
    )


def test_repeats_are_traces(tmp_path: Path) -> None:
    texts = [r"2 + 2 is \boxed{4}", "I give up.", r"\boxed{5}", "ANSWER: 4"]
    report = load(tmp_path, sample(10, *texts), sample(9, r"\boxed{4}"))
    assert (report.problems, report.traces) == (2, 5)
    assert (report.token_accuracy, report.signals) == ("estimated", ["text"])
    assert report.tokens == 4 + 2 + 2 + 2 + 2  # of 18, 10, 9, 9 and 9 characters, at 4 a token
    nine, ten = Pool(report.path).problems
    assert (nine.problem_id, nine.question) == ("00009", "question 9")
    assert (ten.problem_id, ten.question, ten.gold_answer) == ("00010", "question 10", "4")
    assert ten.texts == texts
    assert ten.correct.tolist() == [True, False, False, True]
    assert ten.answer_class.tolist() == [0, -1, 1, 0]
    assert report.disagreements == []


REPEATS: list[Row] = [
    {"resps": [[r"\boxed{4}", "I give up."]], "filtered_resps": ["4"]},  # of a majority, for both
    {"resps": [r"\boxed{4}", "I give up."], "filtered_resps": [r"\boxed{4}", "I give up."]},
    {"resps": [[[r"\boxed{4}", "I give up."]]], "filtered_resps": [[r"\boxed{4}", "I give up."]]},
    {
        "resps": [[r"\boxed{4}"], ["I give up."]],
        "filtered_resps": [r"\boxed{4}", "I give up."],
        "arguments": {f"gen_args_{n}": {"arg_0": "Q", "arg_1": {}} for n in range(2)},
    },
    {"resps": [[r"\boxed{4}"], ["I give up."]], "arguments": [["Q", {}], ["Q", {}]]},
]


@pytest.mark.parametrize("change", REPEATS)
def test_repeats_in_every_form_are_traces_with_answers_of_their_own(
    tmp_path: Path, change: Row
) -> None:
    report = load(tmp_path, sample(0, "x") | change)
    [problem] = Pool(report.path).problems
    assert problem.texts == [r"\boxed{4}", "I give up."]
    assert problem.answer_class.tolist() == [0, -1]
    assert problem.correct.tolist() == [True, False]


def test_a_folder_stands_for_its_compressed_samples_too(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    line = json.dumps(sample(0, r"\boxed{4}")).encode()
    (folder / "samples_t_2025-01-01T10-00-00.0.jsonl.gz").write_bytes(gzip.compress(line))
    assert load_paths(tmp_path, folder).traces == 1


def test_metrics_of_single_responses_are_compared(tmp_path: Path) -> None:
    right = sample(0, r"\boxed{4}", exact_match=0.0)
    wrong = sample(1, r"\boxed{5}", acc=0.0)
    del wrong["exact_match"]
    report = load(tmp_path, right, wrong)
    assert [(d.problem_id, d.graded) for d in report.disagreements] == [("00000", False)]
    assert "grades compared with those of acc, exact_match" in report.notes
    (tmp_path / "b").mkdir()
    assert load(tmp_path / "b", right, field_map={"grade": ""}).disagreements == []


def test_a_filter_has_to_be_chosen_where_there_are_two(tmp_path: Path) -> None:
    target = "2 + 2 = <<2+2=4>>4\n#### 4"
    text = "The answer is 4, or 5"
    lines = [
        sample(0, text, target=target, filter="strict-match", filtered_resps=["[invalid]"]),
        sample(0, text, target=target, filter="flexible-extract", filtered_resps=["4"]),
    ]
    with pytest.raises(
        UserError,
        match=r"per filter \(flexible-extract, strict-match\); .*--map filter=flexible-extract",
    ):
        load(tmp_path, *lines)
    report = load(tmp_path, *lines, field_map={"filter": "flexible-extract"})
    assert report.traces == 1
    assert "lines of other filters were left out (strict-match)" in report.notes
    problem = Pool(report.path).problems[0]
    assert (problem.gold_answer, problem.correct.tolist()) == ("4", [True])
    (tmp_path / "b").mkdir()
    (tmp_path / "c").mkdir()
    boxed = sample(1, r"\boxed{4}", filter="strict-match")
    strict = load(tmp_path / "b", *lines, boxed, field_map={"filter": "strict-match"})
    assert Pool(strict.path).problems[0].answer_class.tolist() == [-1]
    with pytest.raises(UserError, match="no filter lenient; --map filter= takes flexible-extract"):
        load(tmp_path / "c", *lines, field_map={"filter": "lenient"})


def test_gold_answers_and_questions_are_found_where_tasks_put_them(tmp_path: Path) -> None:
    boxed = sample(0, r"\boxed{4}", target=r"so it is $\boxed{4}$.")
    number = sample(1, r"\boxed{4}", doc={"Problem": "P?"}) | {"target": 4}
    bare = sample(2, r"\boxed{4}", doc={}, target="4")
    old = sample(3, r"\boxed{4}", doc={}, arguments=[["the prompt", {}]])
    problems = Pool(load(tmp_path, boxed, number, bare, old).path).problems
    assert [p.gold_answer for p in problems] == ["4"] * 4
    questions = [p.question for p in problems]
    assert questions == ["question 0", "P?", "Q: question 2\nA:", "the prompt"]
    (tmp_path / "b").mkdir()
    field_map = {"gold_answer": "doc.answer", "question": "", "problem_id": "doc_hash"}
    problem = Pool(load(tmp_path / "b", boxed, field_map=field_map).path).problems[0]
    assert (problem.problem_id, problem.question, problem.gold_answer) == ("d", None, "4")


def test_a_second_run_of_a_task_adds_traces(tmp_path: Path) -> None:
    paths = [tmp_path / f"samples_aime24_2025-01-0{day}T10-00-00.0.jsonl" for day in (1, 2)]
    for path in paths:
        path.write_text(json.dumps(sample(0, r"\boxed{4}")) + "\n", encoding="utf-8")
    assert load_paths(tmp_path, *paths).traces == 2
    (tmp_path / "results_2025-01-01T10-00-00.0.json").write_text('{"results": {}}')
    (tmp_path / "c").mkdir()
    assert load_paths(tmp_path / "c", tmp_path).traces == 2
    with pytest.raises(UserError, match=r"no samples_\*.jsonl in this folder; log the samples"):
        load_paths(tmp_path / "e", tmp_path / "cache")
    other = tmp_path / "samples_aime25_2025-01-01T10-00-00.0.jsonl"
    other.write_bytes(paths[0].read_bytes())
    (tmp_path / "b").mkdir()
    for given in ([tmp_path], [paths[0], other]):
        with pytest.raises(UserError, match=r"the task aime25, but samples_aime24_.* one by one"):
            load_paths(tmp_path / "b", *given)


WRONG = [
    ({"resps": ...}, r"not an lm-eval sample \(no resps\)"),
    ({"resps": []}, "resps are not a list of lists of texts"),
    ({"resps": [[]]}, "resps hold no text"),
    ({"resps": [["-1.5", "True"], ["a"]]}, "2 requests in one sample"),
    ({"resps": [[[-1.5, True]], [[-2.5, False]]]}, "resps are log-likelihoods"),
    ({"resps": [[["-1.5", "True"]]]}, "resps are log-likelihoods, not texts; a task with generat"),
    ({"resps": [[7]]}, r"resps\[0\]\[0\]: response is not a text \(7\)"),
    ({"doc_id": ...}, "no doc_id; columns here: doc, target"),
    ({"doc_id": None}, "no doc_id"),
    ({"target": [["4", "5"]]}, "target is neither text nor number .*--map gold_answer=COLUMN"),
    ({"target": " "}, "no gold answer in target"),
    ({"target": "x ####"}, "no gold answer in target"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_a_wrong_sample_is_named_or_left_out(tmp_path: Path, change: Row, message: str) -> None:
    good = sample(0, r"\boxed{4}")
    bad = {k: v for k, v in (sample(1, "b") | change).items() if v is not ...}
    with pytest.raises(UserError, match=f"samples_t.jsonl: line 2.*{message}") as error:
        load(tmp_path, good, bad)
    assert "\n" not in str(error.value)
    report = load(tmp_path, good, bad, drop_bad_rows=True)
    assert report.traces == 1
    assert sum(report.dropped.values()) in (1, 2)  # the line, and the problem if it had no other


def test_unknown_fields_and_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no field gold_anser; did you mean gold_answer"):
        load(tmp_path, sample(0, "a"), field_map={"gold_anser": "doc.answer"})
    with pytest.raises(UserError, match=r"no doc\.gold; columns here: doc_id"):
        load(tmp_path, sample(0, "a"), field_map={"gold_answer": "doc.gold"})
    with pytest.raises(UserError, match=r"grade is neither right nor wrong \('none'\)"):
        load(tmp_path, sample(0, "a"), field_map={"grade": "filter"})
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps(sample(0, "a")) + "\nnope\n")
    with pytest.raises(UserError, match="line 2: column 1: not JSON"):
        load_paths(tmp_path, path)
