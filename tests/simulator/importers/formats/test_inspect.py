"""inspect_ai logs become pools with texts and grades, from both forms that are published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import UserError
from simulator.importers.formats.inspect_log import share_out
from simulator.importers.import_pool import ImportReport, import_pool
from simulator.importers.importer import ImportOptions
from simulator.pools.pool import Pool

MODEL = "openai/o9"

HEADER: dict[str, Any] = {
    "eval": {"model": MODEL, "task": "aime", "run_id": "r1", "task_id": "t1", "created": "2025"},
    "stats": {"model_usage": {MODEL: {"output_tokens": 100}, "grader": {"output_tokens": 7}}},
}


def sample(problem: str, epoch: int, text: str, grade: str = "C", **more: Any) -> dict[str, Any]:
    score = {"value": grade, "answer": text, "explanation": "CORRECT"}
    fields = {"id": problem, "epoch": epoch, "input": f"{problem}?", "target": "007"}
    return {**fields, "scores": {"graded": score}, **more}


SUMMARIES = [
    sample("p2", 1, "a" * 8 + "\nANSWER: 7"),  # 18 characters
    sample("p1", 2, r"ANSWER: 7 or \boxed{8}", "I"),  # 22 characters
    sample("p1", 1, "", "I"),  # 0 characters
]


def import_logs(folder: Path, *paths: Path, **options: Any) -> ImportReport:
    return import_pool(
        "inspect",
        ImportOptions(paths=paths, **options),
        cache=folder / "cache",
        dataset="d",
        model="m",
        benchmark="b",
    )


def write_pair(folder: Path, header: object = HEADER, summaries: object = SUMMARIES) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "header.json").write_text(json.dumps(header))
    (folder / "summaries.json").write_text(json.dumps(summaries))
    return folder


def test_a_pair_by_hand(tmp_path: Path) -> None:
    report = import_logs(tmp_path, write_pair(tmp_path / "log"))
    assert (report.problems, report.traces, report.tokens) == (2, 3, 100)
    assert (report.token_accuracy, report.signals) == ("estimated", ["text"])
    assert any("divided in proportion" in note for note in report.notes)
    assert any("visible text only" in note for note in report.notes)
    first, second = Pool(report.path).problems
    assert (first.problem_id, first.question, first.gold_answer) == ("p1", "p1?", "007")
    assert first.trace_ids.tolist() == [0, 1]
    assert first.answer_class.tolist() == [-1, 0]
    assert first.class_texts == ["8"]
    assert second.class_texts == ["7"]
    assert second.correct.tolist() == [True]
    # 97 tokens beside one each: 97 · 18/40 = 43.65 and 97 · 40/40, in file order p2, p1/2, p1/1
    assert second.lengths.tolist() == [1 + 44]
    assert first.lengths.tolist() == [1, 1 + 53]
    assert report.disagreements == []


def test_the_summaries_themselves_may_be_named(tmp_path: Path) -> None:
    folder = write_pair(tmp_path / "log")
    assert import_logs(tmp_path, folder / "summaries.json").tokens == 100


def test_without_a_total_lengths_are_four_characters_a_token(tmp_path: Path) -> None:
    folder = write_pair(tmp_path / "log", {**HEADER, "stats": {}})
    report = import_logs(tmp_path, folder)
    assert report.tokens == 4 + 6 + 1  # round(18/4), round(22/4), at least 1
    assert any("4 characters per token" in note for note in report.notes)


def test_grades_that_disagree_are_reported(tmp_path: Path) -> None:
    summaries = [sample("p", 1, "ANSWER: 7", "I"), sample("p", 2, "ANSWER: 9", "C")]
    summaries += [sample("p", 3, "ANSWER: 9", "P"), sample("p", 4, "ANSWER: 7", "1.0")]
    summaries[3]["scores"]["graded"]["value"] = 1.0
    report = import_logs(tmp_path, write_pair(tmp_path / "log", summaries=summaries))
    found = [(d.trace_id, d.answer, d.gold_answer, d.graded) for d in report.disagreements]
    assert found == [(0, "7", "007", False), (1, "9", "007", True)]


def test_samples_that_ended_in_an_error_are_left_out(tmp_path: Path) -> None:
    summaries = [*SUMMARIES, sample("p1", 3, "", error="API down")]
    report = import_logs(tmp_path, write_pair(tmp_path / "log", summaries=summaries))
    assert (report.traces, report.dropped) == (3, {"sample ended in an error": 1})
    assert "left out: 1 × sample ended in an error" in report.notes
    assert "API down" in report.dropped_examples[0]


def test_epochs_of_a_second_log_go_on(tmp_path: Path) -> None:
    one = write_pair(tmp_path / "one")
    second = {**HEADER, "eval": {**HEADER["eval"], "run_id": "r2"}}
    two = write_pair(tmp_path / "two", second, [sample("p1", 1, "ANSWER: 7")])
    report = import_logs(tmp_path, one, two)
    assert Pool(report.path).problems[0].trace_ids.tolist() == [0, 1, 2]
    assert report.tokens == 200


def test_logs_that_do_not_belong_together(tmp_path: Path) -> None:
    one = write_pair(tmp_path / "one")
    other_model = {**HEADER, "eval": {**HEADER["eval"], "model": "other/x", "run_id": "r2"}}
    two = write_pair(tmp_path / "two", other_model)
    with pytest.raises(UserError, match=r"a log of other/x, but .* is one of openai/o9"):
        import_logs(tmp_path, one, two)
    other_task = {**HEADER, "eval": {**HEADER["eval"], "task": "gpqa", "run_id": "r2"}}
    two = write_pair(tmp_path / "two", other_task)
    with pytest.raises(UserError, match=r"a log of the task 'gpqa', but"):
        import_logs(tmp_path, one, two)
    with pytest.raises(UserError, match="the same log as"):
        import_logs(tmp_path, one, write_pair(tmp_path / "three"))


WRONG = [
    (HEADER, [], "summaries.json: holds no sample"),
    (HEADER, {}, "summaries.json: holds a JSON dict, not a list of samples"),
    (HEADER, [7], "sample 0 is a int, not an object"),
    ([], SUMMARIES, "header.json: header is a list, not an object"),
    ({}, SUMMARIES, "header.json: 'eval' is a NoneType, not an object"),
    ({"eval": {}}, SUMMARIES, "names no model"),
    (HEADER, [sample("p", 1, "a"), sample("p", 1, "b")], "sample p, epoch 1: duplicate trace"),
    (HEADER, [sample("p", 0, "a")], "sample p, epoch 0: epoch is below 1"),
    (HEADER, [{**sample("p", 1, "a"), "epoch": None}], "epoch is not a number"),
    (HEADER, [{**sample("p", 1, "a"), "epoch": [1]}], "epoch is not a number"),
    (HEADER, [{**sample("p", 1, "a"), "target": []}], "sample without a target"),
    (HEADER, [{**sample("p", 1, "a"), "target": [None, " "]}], "sample without a target"),
    (HEADER, [{**sample("p", 1, "a"), "target": [["A"]]}], "target is neither text nor number"),
    (HEADER, [{**sample("p", 1, "a"), "target": None}], "sample without a target"),
    (HEADER, [{**sample("p", 1, "a"), "scores": {}}], "row without an answer field"),
    (HEADER, [{**sample("p", 1, "a"), "id": None}], "without a usable id"),
    (HEADER, [sample("p", 1, "a"), {**sample("p", 2, "b"), "target": "9"}], "target differs from"),
]


@pytest.mark.parametrize(("header", "summaries", "message"), WRONG)
def test_wrong_logs_are_named_in_one_line(
    tmp_path: Path, header: object, summaries: object, message: str
) -> None:
    folder = write_pair(tmp_path / "log", header, summaries)
    with pytest.raises(UserError, match=message) as caught:
        import_logs(tmp_path, folder)
    assert str(caught.value).startswith(str(folder))
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "cache").rglob("*")) == []


def test_bad_samples_can_be_left_out(tmp_path: Path) -> None:
    summaries = [*SUMMARIES, sample("p1", 0, "ANSWER: 7")]
    folder = write_pair(tmp_path / "log", summaries=summaries)
    report = import_logs(tmp_path, folder, drop_bad_rows=True)
    assert (report.traces, report.tokens, report.dropped) == (3, 100, {"epoch is below 1": 1})


def test_files_that_are_no_logs(tmp_path: Path) -> None:
    folder = write_pair(tmp_path / "log")
    (folder / "header.json").unlink()
    with pytest.raises(UserError, match=r"no header.json in this folder"):
        import_logs(tmp_path, folder)
    with pytest.raises(UserError, match="no such file"):
        import_logs(tmp_path, tmp_path / "x.eval")
    (tmp_path / "x.txt").touch()
    with pytest.raises(UserError, match=r"not an inspect log; give an .eval or .json file"):
        import_logs(tmp_path, tmp_path / "x.txt")
    (tmp_path / "x.eval").write_bytes(b"PK\x03\x04 cut off")
    (tmp_path / "y.json").write_text('{"version": 2, "eval"')
    for name in ("x.eval", "y.json"):
        with pytest.raises(UserError, match="not readable as an inspect log") as caught:
            import_logs(tmp_path, tmp_path / name)
        assert "\n" not in str(caught.value)


def test_without_inspect_ai_the_error_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.eval").touch()
    monkeypatch.setitem(__import__("sys").modules, "inspect_ai.log", None)
    with pytest.raises(UserError, match=r"pip install '\.\[inspect\]' in a clone"):
        import_logs(tmp_path, tmp_path / "x.eval")


def test_any_of_several_targets_is_right(tmp_path: Path) -> None:
    several: dict[str, Any] = {"target": ["sofa", "couch", "sofa"]}
    texts = ["ANSWER: couch", "ANSWER: chair", "ANSWER: sofa", "ANSWER: Couch"]
    summaries = [sample("p", n + 1, text, **several) for n, text in enumerate(texts)]
    report = import_logs(
        tmp_path, write_pair(tmp_path / "a", summaries=summaries), answer_kind="text"
    )
    pool = Pool(report.path)
    [problem] = pool.problems
    assert (problem.gold_answer, pool.info.accepted) == ("sofa", {"p": ["couch"]})
    assert problem.correct.tolist() == [True, False, True, True]
    assert problem.answer_class.tolist() == [0, 1, 0, 0]  # one answer, that is voted for together
    assert "1 problems accept several answers" in report.notes
    assert [d.trace_id for d in report.disagreements] == [1]


def test_several_letters_of_a_choice_are_right_together(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"target": ["A", "C"], "choices": ["w", "x", "y", "z"]}
    summaries = [sample("p", n, f"ANSWER: {a}", **fields) for n, a in ((1, "A, C"), (2, "A"))]
    report = import_logs(tmp_path, write_pair(tmp_path / "a", summaries=summaries))
    [problem] = Pool(report.path).problems
    assert (problem.gold_answer, problem.correct.tolist()) == ("A, C", [True, False])


# UKGovernmentBEIS/inspect_ai#310
def test_a_choice_may_be_given_by_its_text(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"target": "iron", "choices": ["zinc", "lead", "iron"]}
    for scorer, gold in (("choice", "C"), ("match", "iron")):
        score = {scorer: {"value": "I", "answer": "C"}}
        summaries = [sample("p", 1, "ANSWER: C", **fields, scores=score)]
        folder = tmp_path / scorer
        report = import_logs(folder, write_pair(folder / "a", summaries=summaries))
        [problem] = Pool(report.path).problems
        assert (problem.gold_answer, problem.correct.tolist()) == (gold, [scorer == "choice"])


def test_samples_that_were_not_scored_have_no_grades(tmp_path: Path) -> None:
    score = {"graded": {"value": float("nan"), "answer": "ANSWER: 7"}}
    summaries = [sample("p", 1, "", scores=score)]
    report = import_logs(tmp_path, write_pair(tmp_path / "a", summaries=summaries))
    assert (report.traces, report.disagreements) == (1, [])
    assert "no sample has a grade to compare with" in report.notes


@pytest.fixture(scope="module", params=["eval", "json"])
def native_log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a log with inspect_ai: two problems, two epochs, one sample in error."""
    log_module = pytest.importorskip("inspect_ai.log")
    model_module = pytest.importorskip("inspect_ai.model")
    scorer_module = pytest.importorskip("inspect_ai.scorer")

    def output(content: Any, tokens: int, stop: str = "stop") -> Any:
        message = model_module.ChatMessageAssistant(content=content)
        choice = model_module.ChatCompletionChoice(message=message, stop_reason=stop)
        usage = model_module.ModelUsage(input_tokens=11, output_tokens=tokens)
        return model_module.ModelOutput(model=MODEL, choices=[choice], usage=usage)

    reasoning = [
        model_module.ContentReasoning(reasoning="let me think"),
        model_module.ContentText(text="ANSWER: 8"),
    ]
    samples = []
    for number, (problem, epoch, content, tokens, stop, grade) in enumerate(
        [
            ("p1", 1, r"so \boxed{7}", 40, "stop", "C"),
            ("p1", 2, reasoning, 60, "stop", "I"),
            ("p2", 1, "cut off", 99, "max_tokens", "I"),
            ("p2", 2, "", 5, "stop", "I"),
        ]
    ):
        messages = [model_module.ChatMessageUser(content=f"{problem}?")]
        score = scorer_module.Score(value=grade, answer="7" if grade == "C" else None)
        error = None
        if number == 3:
            error = log_module.EvalError(message="API down", traceback="", traceback_ansi="")
        samples.append(
            log_module.EvalSample(
                id=problem,
                epoch=epoch,
                input=messages,
                target="007",
                output=output(content, tokens, stop),
                scores={"match": score},
                error=error,
            )
        )
    written = log_module.EvalLog(
        status="success",
        eval=log_module.EvalSpec(
            created="2025-01-01T00:00:00+00:00",
            task="aime",
            dataset=log_module.EvalDataset(),
            model=MODEL,
            config=log_module.EvalConfig(),
        ),
        samples=samples,
    )
    path: Path = tmp_path_factory.mktemp("logs") / f"log.{request.param}"
    log_module.write_eval_log(written, str(path))
    return path


def test_a_native_log_by_hand(tmp_path: Path, native_log: Path) -> None:
    report = import_logs(tmp_path, native_log)
    assert (report.problems, report.traces, report.tokens) == (2, 3, 40 + 60 + 99)
    assert (report.token_accuracy, report.signals) == ("total", ["text"])
    assert report.dropped == {"sample ended in an error": 1}
    first, second = Pool(report.path).problems
    assert (first.question, first.gold_answer) == ("p1?", "007")
    assert first.class_texts == ["7", "8"]
    assert first.texts == [r"so \boxed{7}", "<think>\nlet me think\n</think>\n\nANSWER: 8"]
    assert first.correct.tolist() == [True, False]
    assert second.answer_class.tolist() == [-1]
    traces = pq.read_table(report.path / "traces.parquet").to_pylist()
    assert [trace["finish_reason"] for trace in traces] == ["stop", "stop", "max_tokens"]
    assert [trace["prompt_tokens"] for trace in traces] == [11, 11, 11]
    assert report.disagreements == []


OLD_LOG = {
    "version": 1,
    "status": "success",
    "eval": {
        "run_id": "r", "created": "2024-05-01T10:00:00", "task": "sums", "task_id": "t",
        "dataset": {}, "model": MODEL, "config": {},
    },
    "samples": [
        {
            "id": 1, "epoch": 1, "input": "3+4?", "target": ["7", "seven"], "messages": [],
            "output": {
                "model": "o9",
                "choices": [{"message": {"role": "assistant", "content": "ANSWER: 7"},
                             "stop_reason": "stop"}],
                "usage": {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8},
            },
            "score": {"value": "C", "answer": "7"},
        }
    ],
}  # fmt: skip
"""A log of the first version, with one `score` a sample."""


def test_a_log_of_the_first_version(tmp_path: Path) -> None:
    pytest.importorskip("inspect_ai.log")
    path = tmp_path / "old.json"
    path.write_text(json.dumps(OLD_LOG))
    report = import_logs(tmp_path, path)
    assert (report.traces, report.tokens, report.token_accuracy) == (1, 5, "total")
    assert Pool(report.path).problems[0].correct.tolist() == [True]


def test_lengths_are_those_of_all_generations_but_the_scorers(tmp_path: Path) -> None:
    pytest.importorskip("inspect_ai.log")

    def call(tokens: int, span: str | None, model: str = MODEL, **more: Any) -> dict[str, Any]:
        output = {"model": "o9", "choices": [], "usage": {"output_tokens": tokens}}
        event: dict[str, Any] = {
            "event": "model",
            "timestamp": "2025-01-01T00:00:00+00:00",
            "model": model,
        }
        event |= {"input": [], "tools": [], "tool_choice": "auto", "config": {}, "output": output}
        return event | {"span_id": span} | more

    def span(name: str, kind: str, parent: str | None = None) -> dict[str, Any]:
        event: dict[str, Any] = {
            "event": "span_begin",
            "timestamp": "2025-01-01T00:00:00+00:00",
            "id": name,
        }
        return event | {"type": kind, "name": name, "parent_id": parent}

    log = json.loads(json.dumps(OLD_LOG)) | {"version": 2}
    log["samples"][0]["events"] = [
        span("solve", "solver"),
        call(40, "solve"),
        call(30, "solve"),
        call(11, "solve", model="other/grader"),
        call(12, "solve", role="critic"),
        span("grade", "scorers"),
        span("inner", "agent", parent="grade"),
        call(300, "grade"),
        call(200, "inner"),
        call(5, "solve"),
    ]
    path = tmp_path / "log.json"
    path.write_text(json.dumps(log))
    report = import_logs(tmp_path, path)
    assert report.tokens == 40 + 30 + 5
    assert any(
        note.startswith("1 samples were generated in several calls") for note in report.notes
    )


def test_a_native_log_cut_in_half_is_named(tmp_path: Path, native_log: Path) -> None:
    half = tmp_path / native_log.name
    half.write_bytes(native_log.read_bytes()[: native_log.stat().st_size // 2])
    with pytest.raises(UserError, match="not readable as an inspect log") as caught:
        import_logs(tmp_path, half)
    assert str(caught.value).startswith(f"{half}: ")
    assert "\n" not in str(caught.value)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=50), st.integers(0, 10**9))
def test_shares_add_up_and_follow_the_weights(weights: list[int], spare: int) -> None:
    total = len(weights) + spare
    shares = share_out(total, weights)
    assert sum(shares) == total
    assert min(shares) >= 1
    if any(weights):
        for share, weight in zip(shares, weights, strict=True):
            assert abs(share - 1 - spare * weight / sum(weights)) <= 1 + 1e-6
