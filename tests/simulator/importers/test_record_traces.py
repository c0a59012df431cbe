"""The script of the docs that records traces: what it asks vLLM, what it writes, going on."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable
from math import exp
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from checkout import ROOT

from simulator.importers.import_pool import import_pool
from simulator.importers.importer import ImportOptions
from simulator.pools.pool import Pool
from simulator.signals import PROBE_SIGNALS

SCRIPT = ROOT / "docs" / "examples" / "record_traces.py"

PROBLEMS = [
    {"problem_id": "p1", "question": "What is {1} + 1?", "gold_answer": 2},
    {"problem_id": "p2", "question": "What is 2 + 3?", "gold_answer": "5"},
]


class Tokenizer:
    """A token a character."""

    def apply_chat_template(self, messages: list[Any], **given: Any) -> str:
        assert given == {"add_generation_prompt": True, "tokenize": False}
        return f"<user>{messages[0]['content']}</user>"

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        assert not add_special_tokens
        return [ord(character) for character in text]

    def decode(self, token_ids: list[int]) -> str:
        return "".join(map(chr, token_ids))


class Engine:
    """Says what is 1 + seed, 6 + seed tokens long.

    The token at place p has the log-probabilities -p and -2 p - 1, the last of which was sampled
    and, as in vLLM, stands before them a second time.
    """

    calls: list[list[str]]

    def __init__(self, model: str, **given: Any) -> None:
        assert (model, given) == ("m", {"enable_prefix_caching": True, "max_model_len": 9})
        Engine.calls = []

    def get_tokenizer(self) -> Tokenizer:
        return Tokenizer()

    def generate(self, prompts: list[dict[str, list[int]]], sampling: Any) -> list[Any]:
        said = ["".join(map(chr, prompt["prompt_token_ids"])) for prompt in prompts]
        Engine.calls.append(said)
        if isinstance(sampling, list):
            return [self._trace(asked.seed, asked.logprobs) for asked in sampling]
        assert (sampling.temperature, sampling.logprobs) == (0.0, 20)
        return [self._answer(f" {len(prompt)}}} so") for prompt in said]

    def _answer(self, text: str) -> Any:
        """Say a token a character, the n-th with log-probability -n / 10, or -2 for another."""
        output = self._output(text, 0)
        output.outputs[0].token_ids = [ord(character) for character in text]
        output.outputs[0].logprobs = [
            {7: SimpleNamespace(logprob=-2.0), ord(c): SimpleNamespace(logprob=-place / 10)}
            for place, c in enumerate(text, 1)
        ]
        return output

    def _trace(self, seed: int, logprobs: int | None) -> Any:
        output = self._output(f"x\\boxed{{{1 + seed}}}", 6 + seed)
        if logprobs is not None:
            places = range(6 + seed)
            output.outputs[0].logprobs = SimpleNamespace(
                start_indices=[3 * place for place in places],
                end_indices=[3 * place + 3 for place in places],
                logprobs=[-float(n) for p in places for n in (2 * p + 1, p, 2 * p + 1)],
            )
        return output

    def _output(self, text: str, tokens: int) -> Any:
        trace = SimpleNamespace(text=text, token_ids=[120] * tokens, finish_reason="stop")
        return SimpleNamespace(outputs=[trace])


Record = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    fake = ModuleType("vllm")
    fake.LLM, fake.SamplingParams = Engine, SimpleNamespace  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", fake)
    problems, out = tmp_path / "problems.jsonl", tmp_path / "traces.jsonl"
    problems.write_text("".join(json.dumps(problem) + "\n" for problem in PROBLEMS))

    def run(*options: str) -> list[dict[str, Any]]:
        arguments = [str(problems), str(out), "--model", "m", "--engine", '{"max_model_len": 9}']
        monkeypatch.setattr(sys, "argv", ["record_traces.py", *arguments, *options])
        runpy.run_path(str(SCRIPT), run_name="__main__")
        return [json.loads(line) for line in out.read_text().splitlines()]

    return run


def test_rows_by_hand_become_a_pool_with_every_signal(record: Record, tmp_path: Path) -> None:
    rows = record("--traces", "2", "--confidence", "--probe-every", "3")
    assert [(row["problem_id"], row["trace_id"]) for row in rows] == [
        ("p1", 0),
        ("p1", 1),
        ("p2", 0),
        ("p2", 1),
    ]
    asked, probed = Engine.calls
    assert asked[0].startswith("<user>What is {1} + 1?\nReason")
    assert rows[1]["num_tokens"] == 7
    assert rows[1]["prompt_tokens"] == len(asked[1])
    # The mean of p and 2 p + 1, with its sign turned.
    assert rows[1]["confidence"] == [0.5, 2.0, 3.5, 5.0, 6.5, 8.0, 9.5]
    # Six tokens are cut after three and not at their end, seven after three and six.
    assert [row["probe_positions"] for row in rows] == [[3], [3, 6], [3], [3, 6]]
    assert probed[2] == f"{asked[1]}xxxxxx\n</think>\n\nThe final answer is \\boxed{{"
    assert rows[1]["probe_answers"] == [str(len(probed[1])), str(len(probed[2]))]
    # A space, the digits and the brace that closes the box: e^-0.1, e^-0.2, ...
    for number, row in ((1, rows[1]), (0, rows[0])):
        tokens = len(str(len(probed[number]))) + 2
        chances = [exp(-place / 10) for place in range(1, tokens + 1)]
        assert row["probe_mean"][0] == pytest.approx(sum(chances) / tokens)
        assert row["probe_gmean"][0] == pytest.approx(exp(-(tokens + 1) / 20))
        assert row["probe_min"][0] == pytest.approx(chances[-1])
        assert row["probe_entropy"][0] == pytest.approx(0.3866, abs=5e-5)  # of 0.8699 and 0.1301

    options = ImportOptions(paths=(tmp_path / "traces.jsonl",))
    report = import_pool(
        "jsonl", options, cache=tmp_path / "c", dataset="d", model="m", benchmark="b"
    )
    assert report.signals == ["text", "confidence", "probes", *PROBE_SIGNALS]
    first, second = Pool(report.path).problems
    assert first.correct.tolist() == [False, True]  # 1 and 2, of 2
    assert second.correct.tolist() == [False, False]
    assert first.gold_answer == "2"


def test_it_goes_on_after_an_interruption(record: Record, tmp_path: Path) -> None:
    whole = record("--traces", "2", "--at-once", "1")
    assert len(Engine.calls) == 4
    assert "confidence" not in whole[0]
    assert "probe_positions" not in whole[0]
    out = tmp_path / "traces.jsonl"
    lines = out.read_text().splitlines(keepends=True)
    out.write_text(lines[0] + lines[2] + lines[3][:20])
    again = record("--traces", "2")
    assert [len(prompts) for prompts in Engine.calls] == [2]
    assert sorted(again, key=str) == sorted(whole, key=str)
    Engine.calls = []
    assert record("--traces", "2") == again
    assert Engine.calls == []
