"""Judges: pairs in canonical order, identities, and the cost of a call."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from judges.kinds.lexical import LexicalJudge
from judges.kinds.oracle import OracleJudge
from judges.prefixes import Truncation
from judges.protocol import Identity, Judge, StoredJudge, all_pairs, tokens_read

IDENTITY = Identity(
    "hf-Judge", "1f0c", "a3b1", Truncation("tokens", 500), (("same", "Yes"), ("seed", 1))
)


def test_all_pairs_are_sorted_and_have_the_lower_index_first() -> None:
    assert all_pairs(4).tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    assert all_pairs(1).shape == (0, 2)
    assert len(all_pairs(512)) == 130_816


def test_tokens_are_read_for_each_pair_in_full_or_the_first_trace_once() -> None:
    prefix_tokens = np.array([10, 20, 30])
    pairs = np.array([[0, 1], [0, 2], [1, 2]])
    # In full: 3 templates of 5, first traces 10 + 10 + 20, second ones 20 + 30 + 30.
    # Reused: templates and first traces of 0 and 1 once (5 + 10 + 5 + 20), second ones as before.
    assert tokens_read(prefix_tokens, 5, pairs) == (15 + 40 + 80, 40 + 80)
    assert tokens_read(prefix_tokens, 5, pairs[:0]) == (0, 0)


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
