"""The ledger of whole runs with models as judges, worked out by hand on one problem."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pools import T, write_pool
from tiny_models import make_byte_tokenizer, make_causal_model, make_encoder

from simulator.cli import main

TEXTS = ["a b c d e f g h", "i j k l", "m n o p q"]
"""Texts of three traces, of which a character is a token: 15, 7 and 9 tokens. Cut at 11 tokens,
they have 11, 7 and 9: 6, 4 and 5 letters."""


@pytest.fixture(autouse=True)
def _pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a pool in which the first two traces answer the same."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", str(tmp_path / "cache"))
    traces = [T(len(text), answer, text=text) for text, answer in zip(TEXTS, "112", strict=True)]
    write_pool(Path("cache"), {"p": traces})


def run(judge: str, tau: float, output: str, *arguments: str) -> dict[str, list[float]]:
    """Return the columns of answers.parquet of 16 repeats of deepprune with this judge."""
    command = ["run", "deepprune", "-p", f"tau={tau}", "-p", "truncation=tokens=11"]
    options = ["--repeats", "16", "--judge-cost", "0.5", "-o", output]
    with pytest.raises(SystemExit) as ended:
        main([*command, "--judge", judge, *options, *arguments])
    assert ended.value.code == 0
    columns: dict[str, list[float]] = pq.read_table(f"{output}/answers.parquet").to_pydict()
    return columns


def stored() -> str:
    """Return the name of the only judge with stored scores."""
    (folder,) = Path("cache", ".judges").iterdir()
    return folder.name


def last_traces(output: str) -> list[int]:
    """Return the trace that came last in each repeat."""
    decisions = pq.read_table(f"{output}/decisions.parquet").to_pylist()
    return [row["trace_id"] for row in decisions if row["order"] == 2]


def test_an_encoder_reads_each_prefix_once(tmp_path: Path) -> None:
    columns = run(f"embedding:model={make_encoder(tmp_path)}", 0, "run")
    # A token each letter, and two more each text: (6 + 2) + (4 + 2) + (5 + 2).
    for name in ("judge_tokens", "judge_tokens_reused", "judge_tokens_charged"):
        assert {*columns[name]} == {21}
    # At τ=0 all are alike, so that all are finished: the last trace is above it after one score. Of
    # the one cluster of three, two have the same answer; both answers are complete in it.
    assert {*columns["judge_calls"]} == {2}
    assert {*columns["clusters"]} == {1}
    assert columns["purity"] == pytest.approx([2 / 3] * 16)
    assert {*columns["completeness"]} == {1}
    assert {*columns["tokens"]} == {15 + 7 + 9}
    again = run(stored(), 0, "again")
    assert again == columns


# Prompts have a token each byte: those of prefixes A and B (11, 7 and 9), of the text around them,
# and the 10 of the question, "What is p?". The three pairs have 11 + 7, 11 + 9 and 7 + 9 in their
# prefixes: 54.
@pytest.mark.parametrize(
    ("prompt", "in_full", "heads", "tails"),
    [
        # `|` once before A, once between, and `?`: 3 bytes.
        ("{question}|{trace_a}|{trace_b}?", 54 + 3 * 13, [10 + 1 + 11 + 1, 10 + 1 + 7 + 1], 25 + 3),
        ("{trace_a}|{question}|{trace_b}?", 54 + 3 * 13, [11 + 1 + 10 + 1, 7 + 1 + 10 + 1], 25 + 3),
        # The question comes after B and is read with each pair.
        ("{trace_a}|{trace_b}|{question}", 54 + 3 * 12, [11 + 1, 7 + 1], 25 + 3 * 11),
        ("{trace_a}|{trace_b}?", 54 + 3 * 2, [11 + 1, 7 + 1], 25 + 3),
    ],
)
def test_a_causal_judge_reads_template_and_question_with_each_pair(
    tmp_path: Path, prompt: str, in_full: int, heads: Sequence[int], tails: int
) -> None:
    Path("prompt.txt").write_text(prompt)
    model = make_causal_model(tmp_path / "m", chat=False, tokenizer=make_byte_tokenizer())
    columns = run(f"hf:model={model},prompt=prompt.txt", 0.999999, "run")
    # `tails` are the second prefixes, 7 + 9 + 9 = 25, and what follows them, in three pairs.
    assert {*columns["judge_tokens"]} == {in_full}
    assert {*columns["judge_tokens_reused"]} == {sum(heads) + tails}
    # At this τ none are alike: the second trace is compared with the first, then the last one with
    # both. If that is trace 0, it is the first of both pairs, else trace 0 is read in each call.
    apart = [0 if last == 0 else heads[0] for last in last_traces("run")]
    assert columns["judge_tokens_charged"] == [sum(heads) + each + tails for each in apart]
    assert {0, heads[0]} == {*apart}
    assert {*columns["judge_calls"]} == {3}
    # Three clusters of one trace are pure. Of their entropy ln 3, answers of two traces and of one
    # explain 2/3 ln 3/2 + 1/3 ln 3.
    assert {*columns["clusters"]} == {3}
    assert {*columns["purity"]} == {1}
    explained = (2 / 3 * np.log(3 / 2) + np.log(3) / 3) / np.log(3)
    assert columns["completeness"] == pytest.approx([explained] * 16)
    # Without the model, its stored scores count the same.
    assert run(stored(), 0.999999, "again") == columns
