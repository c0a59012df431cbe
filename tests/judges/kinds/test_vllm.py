"""Judge `vllm`: the questions it puts to the engine, and the engine itself where it is installed.

vLLM brings its own torch, so that it is tested in an environment of its own: there, and only
there, DEEPPRUNE_SIM_VLLM is set.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from checkout import ROOT

from judges.kinds.hf import HfJudge
from judges.kinds.vllm import VllmJudge
from judges.prefixes import Truncation
from judges.protocol import all_pairs
from simulator.errors import UserError
from simulator.importers.import_pool import import_pool
from simulator.importers.importer import ImportOptions
from simulator.signals import PROBE_SIGNALS

PREFIXES = [
    "Wait, so the red answer is a blue one, thus green or yellow; since we add we get 12.",
    "Two attempts at the same problem",
    "the red answer " * 30,
    "so we add and add, wait, thus blue",
]


class FakeEngine:
    """An engine whose log-probabilities follow from the prompt: -len(prompt) for "Yes"."""

    def __init__(self, labels: tuple[int, int], broken: float | None = None) -> None:
        self.labels, self.broken = labels, broken
        self.model_config = SimpleNamespace(max_model_len=2048)
        self.prompts: list[list[int]] = []

    def generate(self, prompts: list[dict[str, list[int]]], asked: Any, *, use_tqdm: bool) -> Any:
        assert asked.logprob_token_ids == list(self.labels)
        assert (asked.max_tokens, asked.temperature) == (1, 0.0)
        self.prompts = [prompt["prompt_token_ids"] for prompt in prompts]
        return [self._output(len(prompt)) for prompt in self.prompts]

    def _output(self, length: int) -> Any:
        different, same = self.labels
        logprobs = {
            999: SimpleNamespace(logprob=-0.01),  # what was sampled, which is neither
            different: SimpleNamespace(logprob=self.broken or -100.0),
            same: SimpleNamespace(logprob=-100.0 + (length % 7) - 3),
        }
        return SimpleNamespace(outputs=[SimpleNamespace(logprobs=[logprobs])])


@pytest.fixture
def judge(causal_model: Path, monkeypatch: pytest.MonkeyPatch) -> VllmJudge:
    fake = ModuleType("vllm")
    fake.SamplingParams = SimpleNamespace  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", fake)
    judge = VllmJudge(str(causal_model), truncation=Truncation("tokens", 50))
    judge.__dict__["engine"] = FakeEngine(judge.prompter.labels)
    return judge


def test_prompts_are_those_of_hf_sorted_by_first_trace(judge: VllmJudge) -> None:
    pairs = all_pairs(4)[::-1]
    judge.score(PREFIXES, pairs)
    tokens = judge.prompter.tokens(PREFIXES)
    wanted = [
        judge.prompter.head(tokens[a]) + judge.prompter.tail(tokens[b])
        for a, b in all_pairs(4).tolist()
    ]
    assert judge.engine.prompts == wanted


def test_scores_are_of_the_two_labels_alone_in_the_order_asked(judge: VllmJudge) -> None:
    pairs = all_pairs(4)[::-1]
    scores = judge.score(PREFIXES, pairs)
    for score, prompt in zip(scores[::-1].tolist(), judge.engine.prompts, strict=True):
        margin = len(prompt) % 7 - 3  # log P(same) - log P(different), whatever else is sampled
        assert score == pytest.approx(math.exp(margin) / (1 + math.exp(margin)))


def test_without_the_library_the_error_says_what_to_install(
    causal_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)  # what Python does for one that is not there
    judge = VllmJudge(str(causal_model), truncation=Truncation("tokens", 50))
    with pytest.raises(UserError, match=r"judge vllm needs vllm, .* '\.\[vllm\]'"):
        judge.score(PREFIXES, all_pairs(2))


def test_what_is_no_number_is_refused(judge: VllmJudge) -> None:
    judge.__dict__["engine"] = FakeEngine(judge.prompter.labels, math.nan)
    with pytest.raises(UserError, match=r"not finite \(NaN\)"):
        judge.score(PREFIXES, all_pairs(4))


def test_prompts_longer_than_the_context_are_refused(judge: VllmJudge) -> None:
    judge.engine.model_config.max_model_len = 100
    with pytest.raises(UserError, match="longer than its context of 99"):
        judge.score(PREFIXES, all_pairs(4))


def test_its_scores_are_kept_apart_from_those_of_hf(causal_model: Path) -> None:
    where = {"model": str(causal_model), "truncation": Truncation("tokens", 50)}
    ours, theirs = VllmJudge(**where).identity, HfJudge(**where).identity  # type: ignore[arg-type]
    assert (ours.weights, ours.prompt) == (theirs.weights, theirs.prompt)
    assert ours.folder != theirs.folder
    other = VllmJudge(**where, dtype="float32").identity  # type: ignore[arg-type]
    assert ours.folder != other.folder


@pytest.mark.skipif(
    "DEEPPRUNE_SIM_VLLM" not in os.environ, reason="needs vLLM, in an environment of its own"
)
@pytest.mark.parametrize(("dtype", "within"), [("float32", 1e-4), ("bfloat16", 1e-2)])
def test_engine_gives_the_probabilities_of_transformers(
    causal_model: Path, dtype: str, within: float
) -> None:
    where: Any = {"model": str(causal_model), "dtype": dtype}
    cut = Truncation("tokens", 50)
    engine = VllmJudge(**where, memory=0.1, context=1024, eager=True, truncation=cut)
    scores = engine.score(PREFIXES, all_pairs(4))
    wanted = HfJudge(**where, device="cpu", truncation=cut).score(PREFIXES, all_pairs(4))
    assert np.ptp(wanted) > 5 * within  # else any number would do
    np.testing.assert_allclose(scores, wanted, atol=within)


@pytest.mark.skipif(
    "DEEPPRUNE_SIM_VLLM" not in os.environ, reason="needs vLLM, in an environment of its own"
)
def test_traces_recorded_with_the_engine_become_a_pool(causal_model: Path, tmp_path: Path) -> None:
    """The script of the docs, as a user calls it; each trace's figures are of its own length."""
    problems, out = tmp_path / "problems.jsonl", tmp_path / "traces.jsonl"
    problems.write_text('{"problem_id": "p", "question": "1 + 1?", "gold_answer": 2}\n')
    script = ROOT / "docs" / "examples" / "record_traces.py"
    engine = {"dtype": "float32", "max_model_len": 1024, "enforce_eager": True}
    subprocess.run(
        [
            *(sys.executable, script, problems, out, "--model", causal_model),
            *("--traces", "3", "--max-tokens", "30", "--confidence", "--probe-every", "10"),
            *("--engine", json.dumps(engine)),
        ],
        check=True,
    )
    options = ImportOptions(paths=(out,))
    report = import_pool(
        "jsonl", options, cache=tmp_path / "c", dataset="d", model="m", benchmark="b"
    )
    assert (report.traces, report.signals) == (
        3,
        ["text", "confidence", "probes", *PROBE_SIGNALS],
    )
    for row in map(json.loads, out.read_text().splitlines()):
        assert len(row["confidence"]) == row["num_tokens"] <= 30
        assert min(row["confidence"]) > 0
        assert row["probe_positions"] == list(range(10, row["num_tokens"], 10))
