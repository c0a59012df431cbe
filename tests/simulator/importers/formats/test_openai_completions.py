"""OpenAI and vLLM responses become pools; log-probabilities become confidences."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import UserError
from simulator.importers.import_pool import ImportReport, import_pool
from simulator.importers.importer import ImportOptions
from simulator.importers.logprobs import FROM_LOGPROBS, SignalTally, ends_of_tokens
from simulator.pools.pool import Pool

Row = dict[str, Any]


def completion(*texts: str, **choice: Any) -> Row:
    """Make a response of the completions API."""
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "choices": [
            {"index": i, "text": text, "finish_reason": "stop", "logprobs": None} | choice
            for i, text in enumerate(texts)
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21},
    }


def chat(content: str | None, **choice: Any) -> Row:
    """Make a response of the chat API."""
    message = {"role": "assistant", "content": content, **choice.pop("message", {})}
    return {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"} | choice],
        "usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21},
    }


def asked(response: Row, custom_id: str = "p", gold: str | None = "4") -> Row:
    """Make a line of the batch API's output, with the gold answer beside it."""
    line = {"custom_id": custom_id, "response": {"status_code": 200, "body": response}}
    return line | {"error": None} | ({} if gold is None else {"gold_answer": gold})


LEGACY = {
    "tokens": ["\\boxed", "{4}", " ok"],
    "token_logprobs": [-1.0, -9.0, 0.0],
    "top_logprobs": [
        {"\\boxed": -1.0, "So": -2.0},
        {"{5}": -0.5, "{6}": -1.5, "{4}": -9.0},  # vLLM adds the sampled token
        {" ok": 0.0},  # two that read the same
    ],
    "text_offset": [0, 6, 9],
}
"""By hand, with the top 2: (1 + 2) / 2 = 1.5, (0.5 + 1.5) / 2 = 1.0, and 0 of a single one."""


def chat_logprobs(*tokens: str | bytes) -> Row:
    """Every token has log-probability −1, and −3 is the second of its top two."""
    content = []
    for token in tokens:
        raw = token.encode() if isinstance(token, str) else token
        content.append(
            {
                "token": raw.decode(errors="replace"),
                "logprob": -1.0,
                "bytes": list(raw),
                "top_logprobs": [{"token": "a", "logprob": -1.0}, {"token": "b", "logprob": -3.0}],
            }
        )
    return {"content": content}


def load(folder: Path, *lines: Any, **options: Any) -> ImportReport:
    folder.mkdir(exist_ok=True)
    path = folder / "responses.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return load_path(folder, path, **options)


def load_path(folder: Path, path: Path, **options: Any) -> ImportReport:
    return import_pool(
        "openai",
        ImportOptions(paths=(path,), **options),
        cache=folder / "cache",
        dataset="d",
        model="m",
        benchmark="b",
    )


def test_completions_with_logprobs_are_exact(tmp_path: Path) -> None:
    report = load(tmp_path, asked(completion(r"\boxed{4} ok", logprobs=LEGACY)))
    assert (report.problems, report.traces, report.tokens) == (1, 1, 3)
    assert (report.token_accuracy, report.signals) == ("exact", ["text", *FROM_LOGPROBS])
    assert len(report.notes) == len(FROM_LOGPROBS) + 2
    assert [*report.notes[:2], *report.notes[-2:]] == [
        "confidence is minus the mean of the top 2 log-probabilities of a token",
        "entropy is that of the top 2 probabilities of a token, renormalised, in nats",
        "1 tokens have fewer log-probabilities than their trace's others",
        "1 traces have another number of tokens in usage than with log-probabilities; "
        "the latter was used",
    ]
    problem = Pool(report.path).problems[0]
    assert problem.correct.tolist() == [True]
    assert problem.token_signal("confidence").of(0).tolist() == [1.5, 1.0, 0.0]
    # 1 / (1 + 1 / e) = 0.7311 and 0.2689 in the first two: 0.7311 x 0.3133 + 0.2689 x 1.3133
    expected = [0.582203, 0.582203, 0.0]
    assert problem.token_signal("entropy").of(0).tolist() == pytest.approx(expected, abs=1e-6)
    assert np.asarray(problem.token_ends[0]).tolist() == [6, 9, 12]


def test_chat_completions_with_reasoning_and_characters_of_several_tokens(tmp_path: Path) -> None:
    tokens: list[str | bytes] = [
        "<think>",
        "hm ",
        b"\xf0\x9f",
        b"\x98\x80",
        "</think>",
        "ANSWER: 4",
        "<|end|>",
    ]
    response = chat(
        "ANSWER: 4",
        message={"reasoning_content": "hm 😀"},
        logprobs=chat_logprobs(*tokens),
    )
    report = load(tmp_path, asked(response))
    assert (report.tokens, report.token_accuracy) == (7, "exact")
    problem = Pool(report.path).problems[0]
    assert problem.texts == ["<think>hm 😀</think>ANSWER: 4"]
    # "<think>" 7, "hm " 10, half a character 10, all of it 11, "</think>" 19, the rest 28
    assert np.asarray(problem.token_ends[0]).tolist() == [7, 10, 10, 11, 19, 28, 28]
    assert problem.token_signal("confidence").of(0).tolist() == [2.0] * 7
    # 0.8808 x 0.1269 + 0.1192 x 2.1269
    entropies = problem.token_signal("entropy").of(0).tolist()
    assert entropies == pytest.approx([0.365334] * 7, abs=1e-6)
    assert problem.correct.tolist() == [True]


def test_without_logprobs_reasoning_is_wrapped_and_usage_counts(tmp_path: Path) -> None:
    first = asked(chat("4", message={"reasoning": r"\boxed{4}"}))
    second = asked(chat(None, message={"content": [{"type": "text", "text": "ANSWER: 5"}]}))
    report = load(tmp_path, first, second)
    assert (report.traces, report.tokens, report.token_accuracy) == (2, 24, "total")
    assert report.notes == []
    problem = Pool(report.path).problems[0]
    assert problem.texts == ["<think>\n\\boxed{4}\n</think>\n\n4", "ANSWER: 5"]
    assert problem.correct.tolist() == [True, False]


def test_the_usage_of_several_choices_is_shared_out(tmp_path: Path) -> None:
    texts = f"{'a' * 21}\\boxed{{4}}", "b" * 20  # 30 and 20 characters
    report = load(tmp_path, asked(completion(*texts)))
    # one each, and the other 10 in proportion: 6 and 4
    assert Pool(report.path).problems[0].lengths.tolist() == [7, 5]
    assert report.token_accuracy == "estimated"
    assert report.notes[0].startswith("lengths are estimated: the usage of several choices")
    counted = completion(*texts)
    for number, choice in enumerate(counted["choices"]):
        choice["token_ids"] = [1] * (3 + number)
    report = load(tmp_path / "ids", asked(counted))
    assert (report.tokens, report.token_accuracy) == (7, "total")
    bare = completion("A: \\(4\\)")
    del bare["usage"]
    report = load(tmp_path / "bare", asked(bare))
    assert (report.tokens, report.token_accuracy) == (2, "estimated")
    assert report.notes == [
        "lengths are estimated: 4 characters per token, where no count is given (1 traces)"
    ]


def test_tokens_that_do_not_make_up_the_text_leave_totals(tmp_path: Path) -> None:
    report = load(tmp_path, asked(completion("ANSWER: 4", logprobs=LEGACY)))
    assert (report.tokens, report.token_accuracy) == (3, "total")
    assert any(note.startswith("1 traces have tokens that do not") for note in report.notes)


def test_sampled_log_probabilities_alone_are_no_confidence(tmp_path: Path) -> None:
    logprobs = {**LEGACY, "top_logprobs": None}
    report = load(tmp_path, asked(completion(r"\boxed{4} ok", logprobs=logprobs)))
    assert (report.signals, report.token_accuracy) == (["text"], "exact")
    assert any("request top_logprobs" in note for note in report.notes)


def test_text_and_token_signals_can_be_left_out(tmp_path: Path) -> None:
    line = asked(completion(r"\boxed{4} ok", logprobs=LEGACY))
    report = load(tmp_path, line, field_map=dict.fromkeys(("text", *FROM_LOGPROBS), ""))
    assert (report.signals, report.token_accuracy, report.tokens) == ([], "total", 3)
    others = load(tmp_path / "one", line, field_map={"text": "", "confidence": ""})
    assert others.signals == [name for name in FROM_LOGPROBS if name != "confidence"]
    assert Pool(report.path).problems[0].correct.tolist() == [True]


def test_problems_are_named_by_columns_and_patterns(tmp_path: Path) -> None:
    lines = [asked(completion("A: 4"), f"q{n % 2}-sample-{n}") for n in range(4)]
    assert load(tmp_path / "a", *lines).problems == 4
    field_map = {"problem_id": "custom_id~^(.+)-sample"}
    problems = Pool(load(tmp_path / "b", *lines, field_map=field_map).path).problems
    assert [(p.problem_id, len(p.lengths)) for p in problems] == [("q0", 2), ("q1", 2)]
    for line in lines:
        line |= {"meta": {"task": 7, "gold": "x", "text": "why?"}, "gold_answer": None}
    field_map = {
        "problem_id": "meta.task",
        "gold_answer": "meta.gold",
        "question": "meta.text",
    }
    [problem] = Pool(load(tmp_path / "c", *lines, field_map=field_map).path).problems
    assert (problem.problem_id, problem.gold_answer, problem.question) == ("7", "x", "why?")


GOLD_FILES = [
    ("gold.jsonl", '{"problem_id": "p", "gold_answer": 4, "question": "2+2?"}\n', "2+2?"),
    ("gold.json", '[{"problem_id": "p", "gold_answer": "4", "question": "2+2?"}]', "2+2?"),
    ("gold.json", '{"p": {"gold_answer": "4", "question": "2+2?"}}', "2+2?"),
    ("gold.json", '{"p": 4, "q": "C"}', None),
]


@pytest.mark.parametrize(("name", "text", "question"), GOLD_FILES)
def test_gold_answers_come_from_another_file(
    tmp_path: Path, name: str, text: str, question: str | None
) -> None:
    (tmp_path / name).write_text(text)
    field_map = {"gold_file": str(tmp_path / name)}
    line = asked(completion(r"\boxed{4}"), gold=None)
    problem = Pool(load(tmp_path, line, field_map=field_map).path).problems[0]
    assert (problem.gold_answer, problem.question) == ("4", question)
    assert problem.correct.tolist() == [True]
    other = asked(completion("a"), "r", gold=None)
    with pytest.raises(UserError, match=rf"line 1: no gold answer for r in .*{name}; add it"):
        load(tmp_path / "b", other, field_map=field_map)


WRONG_GOLD = [
    ('[{"problem_id": "p"}]', r"\[0\]: no gold_answer; give rows"),
    ('[{"problem_id": null, "gold_answer": "p"}]', r"\[0\]: no problem_id; give rows"),
    ('[{"problem_id": 1, "gold_answer": 2}, {"problem_id": 1, "gold_answer": 2}]', "1 occurs tw"),
    ("[7]", "not an object"),
    ("", "the file is empty"),
]


@pytest.mark.parametrize(("text", "message"), WRONG_GOLD)
def test_a_wrong_file_of_gold_answers_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "gold.json").write_text(text)
    with pytest.raises(UserError, match=f"gold.json.*{message}"):
        load(tmp_path, asked(completion("a")), field_map={"gold_file": f"{tmp_path}/gold.json"})


def test_a_file_may_be_one_response_or_an_object_of_them(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    response = completion("A: 4")
    path.write_text(json.dumps(response | {"problem_id": "p", "gold_answer": "4"}, indent=1))
    assert load_path(tmp_path, path).traces == 1
    (tmp_path / "gold.json").write_text('{"p1": 4, "p2": 4}')
    path.write_text(json.dumps({"p1": response, "p2": response}))
    field_map = {"gold_file": str(tmp_path / "gold.json")}
    report = load_path(tmp_path / "b", path, field_map=field_map)
    assert [p.problem_id for p in Pool(report.path).problems] == ["p1", "p2"]


def test_requests_that_failed_are_left_out_and_told(tmp_path: Path) -> None:
    failed = [
        {"custom_id": "p", "response": None, "error": {"code": "batch_expired"}},
        {"custom_id": "p", "response": {"status_code": 500, "body": {}}, "error": None},
    ]
    report = load(tmp_path, *failed, asked(completion("A: 4")))
    assert (report.traces, report.notes) == (1, ["2 requests that failed were left out"])


def _choice(**change: Any) -> Row:
    response = completion(r"\boxed{4} ok", logprobs=LEGACY)
    response["choices"][0] |= change
    return asked(response)


def _logprobs(**change: Any) -> Row:
    return _choice(logprobs=LEGACY | change)


WRONG = [
    ([1], "not a response object"),
    ({"custom_id": "p"}, "no object with choices; columns here: custom_id"),
    (asked({"choices": []}), r"choices is not a list, or is empty \(\[\]\)"),
    (asked(completion("a") | {"object": "chat.completion.chunk"}), "a chunk of a streamed resp"),
    (asked(completion("a"), gold=None), "no gold_answer; .*gold_answer=COLUMN, or .*gold_file=PA"),
    (completion("a") | {"gold_answer": "4"}, "no custom_id; columns here: id, object"),
    (asked(completion("a"), gold="5"), "gold_answer differs from that of the same problem"),
    (asked(completion("a")), "trace without confidence, unlike the first"),
    (asked(completion("a") | {"usage": {"completion_tokens": "9"}}), "usage.completion_to"),
    (_choice(text=7), "choice without text and message"),
    (_choice(message={"content": 7}), r"content is not a text \(7\)"),
    (_choice(message={"reasoning": 7}), "reasoning is not a text"),
    (_choice(message={"reasoning": "z", "content": ""}), "log-probabilities do not cover"),
    (_choice(logprobs=[1]), "logprobs are not an object"),
    (_choice(logprobs={"content": [1]}), "logprobs.content holds something"),
    (_logprobs(tokens=7), "logprobs without a list of tokens"),
    (_logprobs(tokens=[1, 2, 3]), "a token is not a text"),
    (_logprobs(tokens=[], top_logprobs=[]), "number of tokens with log-probabilities is below 1"),
    (_logprobs(top_logprobs=[{"a": -1}]), r"top_logprobs and tokens differ .*'1 and 3'"),
    (_logprobs(top_logprobs=[None, {"a": -1}, {}]), "no log-probabilities at token 0"),
    (_logprobs(top_logprobs=[{"a": -1}, {"a": -1}, {}]), "no log-probabilities at token 2"),
    (_logprobs(top_logprobs=[{"a": "b"}] * 3), "logprobs hold something that is not a number"),
    (_logprobs(top_logprobs=[{"a": None}] * 3), "logprobs hold a number that is not the log"),
    (_logprobs(top_logprobs=[{"a": float("nan")}] * 3), "column 292: NaN is not JSON"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "message"), WRONG)
def test_a_wrong_response_is_named_or_left_out(tmp_path: Path, line: Any, message: str) -> None:
    good = _choice()
    with pytest.raises(UserError, match=f"responses.jsonl: line 2.*: {message}") as error:
        load(tmp_path, good, line)
    assert "\n" not in str(error.value)
    report = load(tmp_path, good, line, drop_bad_rows=True)
    assert (report.traces, sum(report.dropped.values())) == (1, 1)


def test_wrong_options_are_named(tmp_path: Path) -> None:
    line = asked(completion("a"))
    for field_map, message in (
        ({"gold": "x"}, "no field gold"),
        ({"text": "x"}, "--map text=x: text can only be left out"),
        ({"problem_id": "custom_id~("}, "in the pattern; correct it"),
        ({"problem_id": "custom_id~z(.)"}, r"no match for z\(\.\) \('p'\); correct the pattern"),
        ({"gold_file": "a", "gold_answer": "b"}, "give only one of them"),
        ({"gold_file": str(tmp_path / "none.json")}, "none.json: no such file"),
        ({"question": "q"}, "q is not a text"),
    ):
        with pytest.raises(UserError, match=message):
            load(tmp_path, line, field_map=field_map)


LOGPROB = st.floats(-100, 0)


@given(st.lists(st.lists(LOGPROB, min_size=1, max_size=24), min_size=1, max_size=12))
def test_confidence_is_minus_the_mean_of_the_k_largest(rows: list[list[float]]) -> None:
    counts = [len(row) for row in rows]
    k = min(20, sorted(counts)[(len(counts) - 1) // 2])
    expected = [-sum(sorted(row)[-k:]) / min(k, len(row)) for row in rows]
    assert np.allclose(SignalTally().signals(rows)["confidence"], expected)
    named = [{str(n): value for n, value in enumerate(row)} for row in rows]
    assert np.allclose(SignalTally().signals(named)["confidence"], expected)


@given(st.lists(st.lists(LOGPROB, min_size=2, max_size=24), min_size=1, max_size=12))
def test_entropy_is_that_of_the_k_largest_probabilities(rows: list[list[float]]) -> None:
    k = min(20, sorted(map(len, rows))[(len(rows) - 1) // 2])
    expected = []
    for row in rows:
        top = sorted(row)[-k:]
        probabilities = [math.exp(value - top[-1]) for value in top]
        shares = [each / sum(probabilities) for each in probabilities]
        expected.append(-sum(share * math.log(share) for share in shares if share))
    assert np.allclose(SignalTally().signals(rows)["entropy"], expected, atol=1e-12)


def test_single_logprobs_have_no_entropy() -> None:
    tally = SignalTally()
    assert set(tally.signals([[-1.0], [-2.0]])) == {"confidence"}
    assert tally.notes() == [
        "confidence is minus the mean of the top 1 log-probabilities of a token"
    ]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), st.data())
def test_token_ends_follow_from_tokens_however_bytes_are_cut(text: str, data: Any) -> None:
    raw = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    tokens = [piece.decode(errors="replace") for piece in pieces]
    ends = ends_of_tokens(text, tokens, pieces)
    expected = [len(raw[:cut].decode(errors="ignore")) for cut in [*cuts, len(raw)]]
    if "".join(tokens) == text:  # replacement characters may have been there before
        expected = [len("".join(tokens[: n + 1])) for n in range(len(tokens))]
    assert ends is not None
    assert ends.tolist() == expected
