"""OpenAI and vLLM responses become pools; log-probabilities become confidences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.errors import UserError
from simulator.importers.import_pool import ImportReport, import_pool
from simulator.importers.importer import ImportOptions
from simulator.importers.logprobs import FROM_LOGPROBS
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
        "confidence is minus the mean of the top 2 log-probabilities of a token; its mean is "
        "0.8333",
        "entropy is that of the top 2 probabilities of a token, renormalised, in nats; its mean is "
        "0.3881",
        "alternatives per token: 1 at 1, 2 at 1, 3 at 1 tokens; the 2 largest count",
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
    report = load(tmp_path, asked(completion("a" * 30, "b" * 20)))
    # one each, and the other 10 in proportion: 6 and 4
    assert Pool(report.path).problems[0].lengths.tolist() == [7, 5]
    assert report.token_accuracy == "estimated"
    assert report.notes[0].startswith("lengths are estimated: the usage of several choices")
    counted = completion("a" * 30, "b" * 20)
    for number, choice in enumerate(counted["choices"]):
        choice["token_ids"] = [1] * (3 + number)
    report = load(tmp_path / "ids", asked(counted))
    assert (report.tokens, report.token_accuracy) == (7, "total")
    bare = completion("a" * 8)
    del bare["usage"]
    report = load(tmp_path / "bare", asked(bare))
    assert (report.tokens, report.token_accuracy) == (2, "estimated")
    assert report.notes == [
        "lengths are estimated: 4 characters per token, where no count is given (1 traces)"
    ]


def test_tokens_that_do_not_make_up_the_text_leave_totals(tmp_path: Path) -> None:
    report = load(tmp_path, asked(completion("something else", logprobs=LEGACY)))
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
    lines = [asked(completion("a"), f"q{n % 2}-sample-{n}") for n in range(4)]
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
    response = completion("a")
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
    report = load(tmp_path, *failed, asked(completion("a")))
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
    (_logprobs(top_logprobs=[{"a": -1}]), r"top_logprobs and tokens differ .*'1 and 3'"),
    (_logprobs(top_logprobs=[7, {"a": -1}, "a"]), "no log-probabilities at token 2"),
    (_logprobs(top_logprobs=[{"a": "b"}] * 3), "logprobs hold something that is not a number"),
    (_logprobs(top_logprobs=[{"a": 0.9}] * 3), "logprobs hold a number that is not the logarithm "
                                               r"of a probability \('0.9 at token 0'\)"),
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


def token(text: str, *tops: float, own: float = -0.5) -> Row:
    """Make one token of a chat completion with the log-probabilities of its alternatives."""
    alternatives = [{"token": f"t{n}", "logprob": top} for n, top in enumerate(tops)]
    return {
        "token": text,
        "logprob": own,
        "bytes": list(text.encode()),
        "top_logprobs": alternatives,
    }


def test_tokens_without_alternatives_never_refuse_a_file(tmp_path: Path) -> None:
    full = [token("ANSWER: ", -1.0, -3.0), token("4", -2.0, -4.0), token("<|end|>", own=-9999.0)]
    empty = chat("", logprobs={"content": [token("", own=-9999.0)]})
    nothing = chat("", logprobs={"content": []})
    report = load(
        tmp_path,
        *(asked(r) for r in (chat("ANSWER: 4", logprobs={"content": full}), empty, nothing)),
    )
    assert (report.traces, report.tokens, report.signals) == (
        3,
        3 + 1 + 12,
        ["text", *FROM_LOGPROBS],
    )
    values = Pool(report.path).problems[0].token_signal("confidence")
    assert values.of(0).tolist() == [2.0, 3.0, 3.0]  # the end token as the token before
    assert values.of(1).tolist() == [0.0]
    assert any(note.startswith("14 of 16 tokens have no log-probability") for note in report.notes)


def echoed(prompt: list[str], *answers: list[str], completion_tokens: int | None = None) -> Row:
    """Make a completion that begins with its prompt, as OpenAI's `echo` does."""
    choices = []
    for n, answer in enumerate(answers):
        tokens = prompt + answer
        offsets = [sum(map(len, tokens[:m])) for m in range(len(tokens))]
        own: list[Any] = [None, *[-1.0] * (len(tokens) - 1)]
        tops: list[Any] = [None, *[{"a": -1.0, "b": -2.0}] * (len(tokens) - 1)]
        logprobs = {"tokens": tokens, "token_logprobs": own, "top_logprobs": tops}
        text = "".join(tokens)
        logprobs["text_offset"] = offsets
        choices.append({"index": n, "text": text, "logprobs": logprobs, "finish_reason": "stop"})
    total = sum(map(len, answers)) if completion_tokens is None else completion_tokens
    usage = {"prompt_tokens": len(prompt), "completion_tokens": total}
    return {"object": "text_completion", "choices": choices, "usage": usage}


def test_an_echoed_prompt_is_cut_off(tmp_path: Path) -> None:
    prompt = ["What", " is", r" \boxed{1}?"]
    response = echoed(prompt, [" So", r" \boxed{4}"], ["I give up."])
    report = load(tmp_path, asked(response))
    assert (report.traces, report.tokens, report.token_accuracy) == (2, 3, "exact")
    problem = Pool(report.path).problems[0]
    assert problem.texts == [r" So \boxed{4}", "I give up."]
    assert problem.class_texts == ["4"]
    assert np.asarray(problem.token_ends[0]).tolist() == [3, 13]
    assert problem.token_signal("confidence").of(0).tolist() == [1.5, 1.5]
    assert "2 traces echo their prompt, which was cut off" in report.notes


def test_a_prompt_whose_length_is_off_by_one_is_cut_by_the_generated_tokens(tmp_path: Path) -> None:
    response = echoed(["a", "b"], ["4"])
    response["usage"]["prompt_tokens"] = 3  # with a start token that is not echoed
    report = load(tmp_path, asked(response))
    assert (report.tokens, Pool(report.path).problems[0].texts) == (1, ["4"])


def test_an_echo_without_log_probabilities_is_cut_if_the_request_is_logged(tmp_path: Path) -> None:
    request = {"prompt": "2+2=", "echo": True}
    line = {"request": request, "response": completion("2+2=4"), "gold_answer": "4"}
    report = load(tmp_path, line)
    [problem] = Pool(report.path).problems
    assert (problem.question, problem.texts) == ("2+2=", ["4"])


def test_an_echo_of_unknown_end_or_of_nothing_else_is_refused(tmp_path: Path) -> None:
    unknown = echoed(["a", "b"], ["c"], ["d", "e"], completion_tokens=9)
    with pytest.raises(
        UserError, match=r"line 1, .*the prompt is echoed, and its end is not known"
    ):
        load(tmp_path, asked(unknown))
    with pytest.raises(UserError, match="only the prompt is echoed, nothing was generated"):
        load(tmp_path, asked(echoed(["a", "b"], [], completion_tokens=0)))


def responses_api(*output: Row, **change: Any) -> Row:
    """Make a response of the Responses API."""
    usage = {"input_tokens": 7, "output_tokens": 30}
    usage["output_tokens_details"] = {"reasoning_tokens": 24}  # type: ignore[assignment]
    return {
        "object": "response",
        "status": "completed",
        "output": list(output),
        "usage": usage,
    } | change


def message(text: str, **change: Any) -> Row:
    content = [{"type": "output_text", "text": text, "annotations": []} | change]
    return {"type": "message", "role": "assistant", "content": content}


def test_the_responses_api(tmp_path: Path) -> None:
    summary = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "I add"}]}
    shown = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "2 and 2"}]}
    cut = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    tokens = [token("\\boxed", -1.0, -2.0), token("{4}", -1.0, -2.0)]
    report = load(
        tmp_path,
        asked(responses_api(summary, message(r"\boxed{4}", logprobs=tokens))),
        asked(responses_api(shown, message("ANSWER: 4"))),
        asked(responses_api(summary, **cut)),
        asked(responses_api(status="failed", error={"code": "server_error"})),
    )
    assert (report.traces, report.tokens, report.token_accuracy) == (3, 90, "total")
    problem = Pool(report.path).problems[0]
    assert problem.texts == [r"\boxed{4}", "<think>\n2 and 2\n</think>\n\nANSWER: 4", ""]
    assert problem.correct.tolist() == [True, True, False]
    assert report.notes == [
        "1 requests that failed were left out",
        "1 traces have hidden reasoning, so their log-probabilities, which do not cover it, were "
        "left out",
        "2 traces have a summary of hidden reasoning, which was left out",
    ]
    plain = responses_api(
        message(r"\boxed{4}", logprobs=tokens),
        usage={"output_tokens": 2, "output_tokens_details": {"reasoning_tokens": 0}},
    )
    report = load(tmp_path / "shown", asked(plain))
    assert (report.tokens, report.token_accuracy) == (2, "exact")
    assert report.signals == ["text", *FROM_LOGPROBS]


def test_logged_pairs_are_told_apart_by_their_prompts(tmp_path: Path) -> None:
    pairs = [
        {"request": {"messages": [{"role": "user", "content": question}]},
         "response": chat(rf"\boxed{{{answer}}}"), "gold_answer": gold}
        for question, answer, gold in (("2+2?", 4, "4"), ("3+3?", 7, "6"), ("2+2?", 5, "4"))
    ]  # fmt: skip
    pairs.append({"request": pairs[0]["request"], "response": {"error": {"message": "busy"}}})
    report = load(tmp_path, *pairs)
    first, second = Pool(report.path).problems
    assert (first.question, first.correct.tolist()) == ("2+2?", [True, False])
    assert (second.question, second.correct.tolist()) == ("3+3?", [False])
    assert "problems are told apart by the prompts of their requests" in report.notes
    assert "1 requests that failed were left out" in report.notes
    for pair in pairs:
        pair.pop("gold_answer", None)
    gold = tmp_path / "gold.jsonl"
    gold.write_text(
        '{"question": "2+2?", "gold_answer": 4}\n{"question": "3+3?", "gold_answer": 6}'
    )
    again = load(tmp_path / "again", *pairs, field_map={"gold_file": str(gold)})
    assert [p.gold_answer for p in Pool(again.path).problems] == ["4", "6"]
    gold.write_text('{"question": "other", "gold_answer": 4}')
    with pytest.raises(UserError, match=r"no gold answer for the prompt of .*line 1 in"):
        load(tmp_path / "none", *pairs, field_map={"gold_file": str(gold)})


def test_pairs_may_be_json_in_texts(tmp_path: Path) -> None:
    request = {"messages": [{"role": "user", "content": "2+2?"}]}
    line = {"request": json.dumps(request), "response": json.dumps(chat("ANSWER: 4"))}
    report = load(tmp_path, line | {"gold_answer": "4"})
    assert Pool(report.path).problems[0].question == "2+2?"
    cut = line | {"gold_answer": "4", "response": line["response"][:-3]}
    with pytest.raises(UserError, match=r"line 1: response: .*the JSON is truncated; save the"):
        load(tmp_path / "b", cut)


def vllm_output() -> Row:
    """Make what vLLM's `LLM.generate` returns, as JSON, with the top 2 and the sampled token."""

    def entry(value: float, rank: int, text: str | None) -> Row:
        return {"logprob": value, "rank": rank, "decoded_token": text}

    first = {"7": entry(-1.0, 1, "so "), "8": entry(-3.0, 2, "hm")}
    last = {"4": entry(-5.0, 9, r"\boxed{4}"), "7": entry(-1.0, 1, "so"), "8": entry(-2.0, 2, "x")}
    outputs = [
        {"index": 0, "text": r"so \boxed{4}", "token_ids": [7, 4], "logprobs": [first, last],
         "finish_reason": "stop", "stop_reason": None},
        {"index": 1, "text": "so ", "token_ids": [7], "logprobs": [first],
         "finish_reason": "length", "stop_reason": None},
    ]  # fmt: skip
    prompt_logprobs = [None, {"1": entry(-9.0, 1, "2")}]
    return {
        "request_id": "0",
        "prompt": "2+2=",
        "prompt_token_ids": [2, 1],
        "prompt_logprobs": prompt_logprobs,
        "outputs": outputs,
        "finished": True,
    }


def test_outputs_of_vllm_with_log_probabilities_by_token_id(tmp_path: Path) -> None:
    report = load(tmp_path, vllm_output() | {"gold_answer": "4"})
    assert (report.problems, report.traces, report.tokens) == (1, 2, 3)
    assert report.token_accuracy == "exact"
    [problem] = Pool(report.path).problems
    assert (problem.question, problem.correct.tolist()) == ("2+2=", [True, False])
    values = problem.token_signal("confidence")
    assert values.of(0).tolist() == [2.0, 1.5]  # the sampled token is not among the top 2
    assert values.of(1).tolist() == [2.0]
    assert "alternatives per token: 2 at 2, 3 at 1 tokens; the 2 largest count" in report.notes


def sglang(text: str, tokens: list[Any], tops: list[Any] | None = None) -> Row:
    """Make what SGLang's `/generate` returns."""
    meta = {"finish_reason": {"type": "stop", "matched": 9}, "prompt_tokens": 5}
    meta |= {"completion_tokens": len(tokens), "output_token_logprobs": tokens}
    return {"text": text, "meta_info": meta | ({"output_top_logprobs": tops} if tops else {})}


def test_triples_of_sglang(tmp_path: Path) -> None:
    tokens = [[-0.1, 11, "so "], [-0.2, 12, r"\boxed{4}"]]
    tops = [[[-0.5, 11, None], [-2.5, 13, None]], [[-0.25, 12, None], [-1.75, 14, None]]]
    several = [sglang(r"so \boxed{4}", tokens, tops), sglang("so ", tokens[:1], tops[:1])]
    line = {"custom_id": "p", "gold_answer": "4", "response": several}
    report = load(tmp_path, line)
    assert (report.traces, report.tokens, report.token_accuracy) == (2, 3, "exact")
    values = Pool(report.path).problems[0].token_signal("confidence")
    assert (values.of(0).tolist(), values.of(1).tolist()) == ([1.5, 1.0], [1.5])
    unnamed = [[-0.1, 11, None], [-0.2, 12, None]]
    one = sglang(r"so \boxed{4}", unnamed, tops) | {"problem_id": "p", "gold_answer": "4"}
    report = load(tmp_path / "one", one)
    assert (report.tokens, report.token_accuracy) == (2, "total")
    assert report.signals == ["text", *FROM_LOGPROBS]


ERRORS: list[Row] = [
    {"custom_id": "a", "response": {"status_code": 400, "body": {"error": {"code": "x"}}}},
    {"custom_id": "b", "response": None, "error": {"code": "batch_expired", "message": "late"}},
    {"custom_id": "c", "response": {"object": "error", "message": "too long", "code": 400}},
    {"custom_id": "d", "response": {"status_code": 200, "body": {"error": {"code": "x"}}}},
]


def test_a_file_of_errors_alone_says_so(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"jsonl: all 4 requests failed \(.*: line 1\); send"
    ) as told:
        load(tmp_path, *ERRORS)
    assert "\n" not in str(told.value)
    report = load(tmp_path / "b", *ERRORS, asked(completion("a")))
    assert report.notes == ["4 requests that failed were left out"]


def test_reasoning_in_the_parts_of_a_message(tmp_path: Path) -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "ANSWER: 4"},
    ]
    report = load(tmp_path, asked(chat(None, message={"content": parts})))
    assert Pool(report.path).problems[0].texts == ["<think>\nhm\n</think>\n\nANSWER: 4"]
