"""Judges: pairs in canonical order, identities, and the cost of a call."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from judges.kinds.hf import HfJudge
from judges.kinds.lexical import LexicalJudge
from judges.kinds.oracle import OracleJudge
from judges.prefixes import Truncation
from judges.protocol import (
    Identity,
    Judge,
    QuestionTokens,
    Reads,
    StoredJudge,
    all_pairs,
    tokens_read,
)

IDENTITY = Identity(
    "hf-Judge", "1f0c", "a3b1", Truncation("tokens", 500), (("same", "Yes"), ("seed", 1))
)


def test_all_pairs_are_sorted_and_have_the_lower_index_first() -> None:
    assert all_pairs(4).tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    assert all_pairs(1).shape == (0, 2)
    assert len(all_pairs(512)) == 130_816


@pytest.mark.parametrize(
    ("reads", "in_full", "reused", "charged"),
    [
        # An encoder embeds each of the four traces once, whatever the pairs.
        ("prefixes", 10 + 20 + 30 + 40, 100, 100),
        # A causal model reads a template of 5 for each of four pairs, of which 2 come last. First
        # traces are 10, 10, 10 and 20, second ones 20, 30, 40 and 30.
        ("pairs", 20 + 50 + 120, (3 + 10) + (3 + 20) + 8 + 120, 190),
        # Trace 0 is the first of a pair in both calls, so the second reads it again.
        ("pairs, shared in a call", 190, 164, (3 + 10) + (3 + 10) + (3 + 20) + 8 + 120),
        ("pairs, shared", 190, 164, 164),
        # Runs of before: in full, and with the whole template once for each first trace.
        (None, 190, (5 + 10) + (5 + 20) + 120, 190),
    ],
)
def test_what_is_computed_depends_on_how_a_judge_reads(
    reads: Reads | None, in_full: int, reused: int, charged: int
) -> None:
    pairs, call = np.array([[0, 1], [0, 2], [0, 3], [1, 2]]), np.array([7, 7, 9, 9])
    prefixes = np.array([10, 20, 30, 40])
    assert tokens_read(prefixes, 5, 2, reads, pairs, call) == (in_full, reused, charged)
    assert tokens_read(prefixes, 5, 2, reads, pairs[:0], call[:0]) == (0, 0, 0)


def test_a_question_is_read_with_each_prompt_and_shared_where_it_stands_before_the_second() -> None:
    pairs, call = np.array([[0, 1], [0, 2], [0, 3], [1, 2]]), np.array([7, 7, 9, 9])
    prefixes = np.array([10, 20, 30, 40])
    # As above, with 100 tokens more in each of the four prompts, which the first traces 0 and 1
    # share (over all calls; 0, 0 and 1 in a call), or 1,000 more at the end, which none do.
    counts = {
        QuestionTokens(shared=100): (190 + 400, 164 + 200, 177 + 300),
        QuestionTokens(tail=1_000): (190 + 4_000, 164 + 4_000, 177 + 4_000),
    }
    for question, expected in counts.items():
        read = tokens_read(prefixes, 5, 2, "pairs, shared in a call", pairs, call, question)
        assert read == expected


@pytest.mark.parametrize(("share", "charged"), [(True, "as read"), (False, "in full")])
@pytest.mark.parametrize(
    "text",
    [
        None,
        "{question} {trace_a} {trace_b} Yes or No?",
        "A {trace_a} of {question} B {trace_b} Yes or No?",
        "A {trace_a} B {trace_b} to {question} Yes or No?",
    ],
)
def test_the_tokens_that_go_through_a_causal_model_are_those_charged(
    causal_model: Path,
    tmp_path: Path,
    text: str | None,
    share: bool,
    charged: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prompt, asked = tmp_path / "prompt.txt", "What is 1 + 1, in words?"
    prompt.write_text(text or "A {trace_a} B {trace_b} Yes or No?")
    judge = HfJudge(
        model=str(causal_model), prompt=str(prompt), share=share, device="cpu", batch_tokens=1
    )
    prefixes = ["Wait, the red answer", "a blue one; 12345", "green or yellow", "we get 9"]
    seen = 0
    forward = judge.model.forward

    def counted(*given: Any, input_ids: Any, **named: Any) -> Any:
        nonlocal seen
        seen += input_ids.numel()  # a batch is one row, so that none is padded
        return forward(*given, input_ids=input_ids, **named)

    counted.__signature__ = inspect.signature(forward)  # type: ignore[attr-defined]
    monkeypatch.setattr(judge.model, "forward", counted)
    calls = [np.array([[0, 1], [0, 2], [1, 2]]), np.array([[0, 3], [2, 3]])]
    for pairs in calls:
        judge.score(prefixes, pairs, asked)
    counts, question = judge.prefix_tokens(prefixes), judge.question_tokens(asked)
    assert any(question) == (text is not None)
    template = judge.template_tokens, judge.tail_tokens, judge.reads
    call = np.array([0, 0, 0, 1, 1])
    read = tokens_read(counts, *template, np.concatenate(calls), call, question)
    assert seen == read.charged
    assert (read.charged == read.in_full) == (charged == "in full")
    assert read.reused < read.in_full


@pytest.mark.parametrize(
    "changed",
    [
        replace(IDENTITY, name="hf-Other"),
        replace(IDENTITY, weights="1f0d"),
        replace(IDENTITY, prompt="a3b2"),
        replace(IDENTITY, truncation=Truncation("words", 500)),
        replace(IDENTITY, truncation=Truncation("tokens", 501)),
        replace(IDENTITY, settings=(("same", "Yes"), ("seed", 2))),
    ],
)
def test_whatever_changes_a_score_changes_the_folder(changed: Identity) -> None:
    assert changed.folder != IDENTITY.folder


def test_an_identity_keeps_its_folder_and_can_be_read_by_people() -> None:
    assert IDENTITY.folder.startswith("hf-Judge-tokens-500-")
    assert IDENTITY.folder == replace(IDENTITY).folder
    strange = replace(IDENTITY, name="../a b/ü\0" + "x" * 300).folder
    assert re.fullmatch(r"[A-Za-z0-9.-]{1,99}", strange)


def test_the_judges_here_are_judges() -> None:
    assert isinstance(LexicalJudge(), Judge)
    assert not isinstance(LexicalJudge(), StoredJudge)
    assert isinstance(OracleJudge(), StoredJudge)
    assert not isinstance(OracleJudge(), Judge)
