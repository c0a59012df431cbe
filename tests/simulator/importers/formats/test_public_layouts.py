"""Layouts of files that public programs write come in whole, by their own names.

Each test names its source, a repository and an issue or a file; after `like`, one of the same kind.
The inputs are made by hand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.errors import UserError
from simulator.importers.import_pool import ImportReport, import_pool
from simulator.importers.importer import ImportOptions
from simulator.pools.pool import Pool, StoredProblem

Row = dict[str, Any]


def load(
    folder: Path, form: str, *rows: Any, name: str = "in.jsonl", **columns: str
) -> tuple[ImportReport, StoredProblem]:
    """Import rows, or one value as JSON, and return the report and the first problem."""
    path = folder / name
    if name.endswith(".json"):
        path.write_text(json.dumps(rows[0]), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    options = ImportOptions(paths=(path,), field_map=columns)
    cache = folder / "cache"
    report = import_pool(form, options, cache=cache, dataset="d", model="m", benchmark="b")
    return report, Pool(cache / "d" / "m" / "b").problems[0]


def confidences(problem: StoredProblem) -> list[float]:
    return [round(float(value), 3) for value in problem.token_signal("confidence").of(0)]


TOP = [[("so ", -0.5), ("hm", -1.5)], [(r"\boxed{4}", -0.25), ("x", -2.25)]]
"""Two tokens and their top two: confidences 1.0 and 1.25."""


def tgi(**more: Any) -> Row:
    entries = [[{"id": 7, "text": t, "logprob": p} for t, p in row] for row in TOP]
    details = {
        "finish_reason": "eos_token",
        "generated_tokens": 2,
        "prefill": [{"id": 1, "text": "2+2", "logprob": None}],
        "tokens": [row[0] for row in entries],
        "top_tokens": entries,
    }
    return {"generated_text": r"so \boxed{4}", "details": details | more}


# huggingface/text-generation-inference#604, #868 (top_tokens), and its best_of_sequences
@pytest.mark.parametrize("as_list", [False, True])
def test_the_details_of_tgi_have_tokens_and_alternatives(tmp_path: Path, as_list: bool) -> None:
    other = {
        "generated_text": r"\boxed{5}",
        "finish_reason": "length",
        "generated_tokens": 1,
        "tokens": [{"id": 9, "text": r"\boxed{5}", "logprob": -1.0}],
        "top_tokens": [[{"text": r"\boxed{5}", "logprob": -1.0}, {"text": "y", "logprob": -3.0}]],
    }
    body: Any = tgi() if as_list else tgi(best_of_sequences=[other])
    row = {"custom_id": "p", "gold_answer": "4", "response": [body, body] if as_list else body}
    report, problem = load(tmp_path, "openai", row)
    assert report.token_accuracy == "exact"
    assert problem.lengths.tolist() == [2, 2 if as_list else 1]
    assert problem.correct.tolist() == [True, as_list]
    assert confidences(problem) == [1.0, 1.25]


def llama_cpp(tokens: list[Row], **more: Any) -> Row:
    body = {
        "content": r"so \boxed{4}",
        "tokens_predicted": 2,
        "tokens_evaluated": 5,
        "stop_type": "eos",
        "completion_probabilities": tokens,
    }
    return {"custom_id": "p", "gold_answer": "4", "response": body | more}


# ggml-org/llama.cpp#10783 (log-probabilities), #4088 (probabilities), and post_sampling_probs
def test_the_probabilities_of_llama_cpp_become_logarithms(tmp_path: Path) -> None:
    logs = [
        {"token": row[0][0], "logprob": row[0][1], "bytes": [*row[0][0].encode()]}
        | {"top_logprobs": [{"token": t, "logprob": p} for t, p in row]}
        for row in TOP
    ]
    chances = [[{"tok_str": t, "prob": float(np.exp(p))} for t, p in row] for row in TOP]
    older = [{"content": row[0][0], "probs": each} for row, each in zip(TOP, chances, strict=True)]
    after = [{"token": row[0][0], "prob": each[0]["prob"], "top_probs": each}
             for row, each in zip(TOP, chances, strict=True)]  # fmt: skip
    shapes: list[list[Row]] = [logs, older, after]
    for number, tokens in enumerate(shapes):
        folder = tmp_path / str(number)
        folder.mkdir()
        report, problem = load(folder, "openai", llama_cpp(tokens))
        assert report.token_accuracy == "exact"
        assert confidences(problem) == [1.0, 1.25]
    (tmp_path / "wrong").mkdir()
    wrong: list[Row] = [{"content": "so ", "probs": [{"prob": 1.5}]}] * 2
    with pytest.raises(UserError, match="not between 0 and 1"):
        load(tmp_path / "wrong", "openai", llama_cpp(wrong))
    (tmp_path / "none").mkdir()
    _, problem = load(tmp_path / "none", "openai", llama_cpp([]))
    assert problem.lengths.tolist() == [2]


# IBM/unitxt#1834 (top_tokens), facebookresearch/matrix#53; -inf as pandas and JavaScript write it
@pytest.mark.parametrize("infinity", ["-inf", "-Infinity"])
def test_a_list_of_tokens_with_their_alternatives(tmp_path: Path, infinity: str) -> None:
    entries: list[Row] = [
        {"text": row[0][0], "logprob": row[0][1]}
        | {"top_tokens": [{"text": t, "logprob": p} for t, p in row]}
        for row in TOP
    ]
    entries[0]["top_tokens"].append({"text": "never", "logprob": infinity})
    row = {"problem_id": "p", "gold_answer": "4", "text": r"so \boxed{4}", "logprobs": entries}
    report, problem = load(tmp_path, "deepprune", row)
    assert confidences(problem) == [1.0, 1.25]
    assert any("1 log-probabilities of −inf" in note for note in report.notes)


def test_a_choice_may_hold_the_list_of_tokens_itself(tmp_path: Path) -> None:
    tokens = [
        {"token": row[0][0], "logprob": row[0][1]}
        | {"top_logprobs": [{"token": t, "logprob": p} for t, p in row]}
        for row in TOP
    ]
    body = {"choices": [{"message": {"content": r"so \boxed{4}"}, "logprobs": tokens}]}
    _, problem = load(tmp_path, "openai", {"custom_id": "p", "gold_answer": "4", "response": body})
    assert confidences(problem) == [1.0, 1.25]


# like NVIDIA-NeMo/Skills#497: rows with usage beside the text
def test_the_usage_of_a_row_is_its_length(tmp_path: Path) -> None:
    row = {"problem_id": "p", "gold_answer": "4", "response": r"\boxed{4}"}
    usage = {"prompt_tokens": 3, "completion_tokens": 7, "total_tokens": 10}
    report, problem = load(tmp_path, "deepprune", row | {"usage": usage})
    assert report.token_accuracy == "total"
    assert problem.lengths.tolist() == [7]


THOUGHTS: dict[str, Row] = {
    # thinking-machines-lab/tinker-cookbook#51, fw-ai/cookbook#378
    "thinking": {"role": "assistant", "thinking": r"hm \boxed{5}", "content": r"\boxed{4}"},
    # like vllm-project/vllm#27653, in OpenRouter's form
    "reasoning_details": {
        "role": "assistant",
        "content": r"\boxed{4}",
        "reasoning_details": [{"type": "reasoning.text", "text": r"hm \boxed{5}"}],
    },
    # like sgl-project/sglang#22135, parts of a message
    "parts": {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": r"hm \boxed{5}", "signature": "s"},
            {"type": "text", "text": r"\boxed{4}"},
        ],
    },
}


@pytest.mark.parametrize("name", THOUGHTS)
def test_thinking_is_part_of_the_text(tmp_path: Path, name: str) -> None:
    messages = [{"role": "user", "content": "2+2"}, THOUGHTS[name]]
    row = {"problem_id": "p", "gold_answer": "4", "messages": messages}
    _, problem = load(tmp_path, "deepprune", row)
    assert problem.texts == ["<think>\nhm \\boxed{5}\n</think>\n\n\\boxed{4}"]
    assert problem.correct.tolist() == [True]


def test_the_parts_of_one_message_are_one_text(tmp_path: Path) -> None:
    row = {"problem_id": "p", "gold_answer": "4", "text": THOUGHTS["parts"]["content"]}
    _, problem = load(tmp_path, "jsonl", row)
    assert problem.texts == ["<think>\nhm \\boxed{5}\n</think>\n\n\\boxed{4}"]


# NVIDIA-NeMo/Automodel#2348 (ShareGPT), and the data set OpenThoughts
@pytest.mark.parametrize(("asks", "says"), [("human", "gpt"), ("user", "assistant")])
def test_conversations_of_sharegpt(tmp_path: Path, asks: str, says: str) -> None:
    said = r"<|begin_of_thought|>\boxed{5}<|end_of_thought|> It is \boxed{4}"
    turns = [{"from": asks, "value": "2+2"}, {"from": says, "value": said}]
    row = {"problem_id": "p", "gold_answer": "4", "conversations": turns}
    _, problem = load(tmp_path, "deepprune", row)
    assert problem.texts == [said]
    assert problem.correct.tolist() == [True]


# columns of the data sets LIMO and OpenMathReasoning
@pytest.mark.parametrize("column", ["generated_responses", "generated_solution"])
def test_columns_of_generated_texts_are_known(tmp_path: Path, column: str) -> None:
    texts = [r"\boxed{4}", r"\boxed{5}"]
    given = texts if column.endswith("s") else texts[0]
    row = {"problem": "2+2", "expected_answer": "4", column: given}
    _, problem = load(tmp_path, "deepprune", row)
    assert problem.correct.tolist() == [True, False][: len(problem.lengths)]


# like mlfoundations/evalchemy#52: results of a task are two levels down
def test_the_list_of_problems_may_be_deeper_in_an_object(tmp_path: Path) -> None:
    example = {"problem": "2+2", "expected_answer": "4", "model_outputs": [r"\boxed{4}"]}
    content = {"results": {"AIME24": {"examples": [example]}}, "config": {"model": "m"}}
    columns = {"problems": "results.AIME24.examples"}
    _, problem = load(tmp_path, "deepprune", content, name="in.json", **columns)
    assert problem.correct.tolist() == [True]
    (tmp_path / "other").mkdir()
    columns = {"problems": "results.AIME25.examples"}
    with pytest.raises(UserError, match=r"no list of objects results\.AIME25\.examples"):
        load(tmp_path / "other", "deepprune", content, name="in.json", **columns)


# like huggingface/text-generation-inference#604: lists of tokens are no traces
def test_lists_of_tokens_are_not_taken_for_traces(tmp_path: Path) -> None:
    row = {"problem_id": "p", "gold_answer": "4"} | tgi()
    _, problem = load(tmp_path, "deepprune", row, logprobs="details.top_tokens")
    assert problem.lengths.tolist() == [2]
    assert confidences(problem) == [1.0, 1.25]


# as in the data set OlympiadBench, where final_answer is a list of one
def test_a_gold_answer_in_a_list_of_one(tmp_path: Path) -> None:
    row = {"problem_id": "p", "gold_answer": ["4"], "text": r"\boxed{4}"}
    _, problem = load(tmp_path, "jsonl", row)
    assert (problem.gold_answer, problem.correct.tolist()) == ("4", [True])


# EleutherAI/lm-evaluation-harness, tasks with several targets (multiple_target): any is right
def test_any_of_several_targets_of_the_harness_is_right(tmp_path: Path) -> None:
    row = {
        "doc_id": 0,
        "doc": {"question": "Which?"},
        "target": ["4", "four"],
        "resps": [["The answer is four.", "The answer is 4.", "The answer is 5."]],
        "filtered_resps": [["four", "4", "5"]],
        "filter": "none",
    }
    _, problem = load(tmp_path, "lm-eval", row, name="samples_t.jsonl")
    assert problem.correct.tolist() == [True, True, False]
    assert problem.pool.info.accepted == {"00000": ["four"]}


# like skylight-org/skylight-research#34, where answers are lists in texts
def test_a_list_of_responses_in_one_text_is_refused(tmp_path: Path) -> None:
    texts = json.dumps([r"\boxed{4}", r"\boxed{5}"])
    row = {"problem_id": "p", "gold_answer": "4", "text": texts}
    with pytest.raises(UserError, match=r"text is a list in a text .* write the list itself"):
        load(tmp_path, "jsonl", row)
    (tmp_path / "other").mkdir()
    row = {"problem_id": "p", "gold_answer": "4", "text": '["A", so] it is \\boxed{4}'}
    _, problem = load(tmp_path / "other", "jsonl", row)
    assert problem.correct.tolist() == [True]


# NVIDIA-NeMo/Skills#497: a token's own log-probability is no confidence, but it counts a token
def test_log_probabilities_of_the_sampled_tokens_are_as_many_as_there_are_tokens(
    tmp_path: Path,
) -> None:
    row = {"problem_id": "p", "gold_answer": "4", "text": r"so it is \boxed{4}"}
    report, problem = load(tmp_path, "deepprune", row | {"logprobs": [-0.5, -0.25]})
    assert (report.token_accuracy, report.signals) == ("total", ["text"])
    assert problem.lengths.tolist() == [2]
    (tmp_path / "lists").mkdir()
    rows = {"problem_id": "p", "gold_answer": "4", "outputs": [r"\boxed{4}", r"\boxed{5}"]}
    own = [[-0.5, -0.25], [-0.5]]
    _, problem = load(tmp_path / "lists", "deepprune", rows | {"token_logprobs": own})
    assert problem.lengths.tolist() == [2, 1]
