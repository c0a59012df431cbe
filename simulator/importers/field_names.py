"""Known column names and types of each field, to map the columns of unknown files."""

from __future__ import annotations

import re
from dataclasses import dataclass

from simulator.signals import PROBE_SIGNALS, TOKEN_SIGNALS


@dataclass(frozen=True, slots=True)
class Field:
    """A field to find a column for: its known names, best first, and its possible types.

    `many` are the types of a column that holds one element per trace.
    """

    names: tuple[frozenset[str], ...]
    one: frozenset[str]
    many: frozenset[str] = frozenset()


def _field(*names: str, one: str, many: str = "") -> Field:
    tiers = tuple(frozenset(plain_name(name) for name in tier.split()) for tier in names)
    return Field(tiers, frozenset(one.split(";")), frozenset(many.split(";")))


def plain_name(name: str) -> str:
    """Normalize a name: lower case, underscores, singular."""
    return name.lower().replace("-", "_").replace(" ", "_").removesuffix("s")


FIELDS: dict[str, Field] = {
    "problem_id": _field(
        "problem_id question_id qid problem_idx question_idx problem_index question_index "
        "task_id prompt_id",
        "id idx index uid uuid",
        "problem question",
        one="text;integer",
    ),
    "question": _field(
        "question problem problem_text question_text",
        "prompt query input instruction",
        one="text;messages",
    ),
    "gold_answer": _field(
        "true_answer gold_answer ground_truth groundtruth gold correct_answer",
        "reference_answer expected_answer target gt",
        one="text;integer;number",
    ),
    "answer_kind": _field(one="text"),
    "traces": _field(
        "traces all_traces trace_list reasoning_traces responses samples outputs generations "
        "completions rollouts candidates trajectories solutions results paths",
        one="objects",
    ),
    "trace_id": _field(
        "trace_id trace_idx trace_index sample_id sample_idx sample_index rollout_id "
        "response_id response_idx",
        one="integer",
        many="integers",
    ),
    "text": _field(
        "text response output completion generation trace content generated_text model_output "
        "full_text full_response response_text model_response raw_response raw_output "
        "reasoning reasoning_content reasoning_trace thinking cot trajectory rollout "
        "generated_response generated_solution generated_output model_solution llm_response",
        "solution sample path",
        "messages conversations conversation",
        one="text;messages",
        many="texts;lists of messages",
    ),
    "answer": _field(
        "answer extracted_answer predicted_answer parsed_answer pred_answer model_answer "
        "final_answer prediction pred",
        one="text;integer;number;null",
        many="texts;integers;numbers;mixed;empty",
    ),
    "num_tokens": _field(
        "num_tokens token_count n_tokens num_output_tokens output_tokens completion_tokens "
        "generated_tokens num_generated_tokens token_num num_tokens_generated "
        "num_completion_tokens response_tokens token_length output_length response_length",
        "tokens length",
        "token_ids output_token_ids",
        "logprobs token_logprobs log_probs output_logprobs",
        one="integer;integers;numbers",
        many="integers;lists of integers;lists of numbers",
    ),
    "prompt_tokens": _field(
        "prompt_tokens input_tokens num_prompt_tokens num_input_tokens",
        one="integer",
        many="integers",
    ),
    "finish_reason": _field(
        "finish_reason stop_reason finished_reason", one="text;null", many="texts"
    ),
    "grade": _field(
        "is_correct correct grade graded",
        one="boolean;integer",
        many="booleans;integers",
    ),
    **{
        name: _field(" ".join(signal.columns), one="numbers", many="lists of numbers")
        for name, signal in TOKEN_SIGNALS.items()
    },
    "logprobs": _field(
        "logprobs top_logprobs token_logprobs log_probs output_top_logprobs",
        one="lists of numbers;number maps;lists of number maps;objects;lists of objects;"
        "lists of lists;lists of lists of numbers",
        many="lists of lists of numbers;lists of number maps;lists of objects;"
        "lists of lists of objects;lists of lists of lists",
    ),
    "probe_positions": _field(one="integers", many="lists of integers"),
    "probe_answers": _field(one="texts;integers;numbers;mixed", many="lists of texts;lists"),
    **{name: _field(one="numbers;integers", many="lists of numbers") for name in PROBE_SIGNALS},
}
"""Fields that can be mapped: those of the problem, then `traces`, then those of a trace.

A field without known names is used only if it is mapped, or if a column has its own name and no
column is searched for.
"""

ALL_FIELDS = ("problems", *FIELDS)
"""Fields that `--map` accepts; `problems` is the list that holds the items of a file."""

LIKELY_GOLD = ("answer", "final_answer", "solution", "label", "expected")
"""Names of columns that are suggested first as gold answers, if no column has a known name."""

LOOKALIKES = {
    "answer": re.compile(r"answer$|^pred"),
    "num_tokens": re.compile(r"^(?!.*(prompt|input|max)).*token"),
    **{name: re.compile(signal.lookalike) for name, signal in TOKEN_SIGNALS.items()},
    "logprobs": re.compile("log_?prob"),
}
"""Patterns of unknown names that may mean a trace field. Such a column must not be ignored
silently: the field's values would be estimated, extracted or left out instead."""

PROBLEM_FIELDS = ("problem_id", "question", "gold_answer", "answer_kind")
TRACE_FIELDS = tuple(name for name in FIELDS if name not in (*PROBLEM_FIELDS, "traces"))

ROW_FIELDS = tuple(name for name in FIELDS if name not in ("traces", "logprobs"))
"""Fields that use the column of their own name in files with one trace per row."""
