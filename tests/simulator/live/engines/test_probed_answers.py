"""Answers to probes, token by token: their ends and their certainty, also as vLLM steps them."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from simulator.live.engines import vllm_engine
from simulator.live.engines.base import ProbedAnswer
from simulator.live.engines.token_signals import of_probe
from simulator.live.source import Ledger, Sampling
from simulator.signals import PROBE_SIGNALS

HALF, QUARTER = math.log(0.5), math.log(0.25)


class Tokenizer:
    """A token a character."""

    def decode(self, ids: list[int], *, skip_special_tokens: bool = False) -> str:
        return "".join(map(chr, ids))


def engine(**given: Any) -> Any:
    sampling = Sampling(probe_suffix="{", probe_tokens=9)
    probe_signals = tuple(PROBE_SIGNALS)
    about = {"tokenizer": Tokenizer(), "sampling": sampling, "probe_signals": probe_signals}
    return SimpleNamespace(**about | given)


def test_signals_by_hand() -> None:
    found = of_probe([HALF, QUARTER, 0.0], [QUARTER, HALF])
    assert found == {
        "probe_mean": pytest.approx(1.75 / 3, abs=1e-7),  # the float32 nearest to it
        "probe_gmean": 0.5,
        "probe_min": 0.25,
        # Of 2/3 and 1/3: ln 3 - 2/3 ln 2.
        "probe_entropy": pytest.approx(math.log(3) - 2 / 3 * math.log(2), abs=1e-7),
    }
    assert of_probe([1e-7], [1e-7])["probe_mean"] == 1.0  # rounded above it
    assert of_probe([1e-7], [1e-7])["probe_entropy"] == 0.0
    # Only the 20 greatest count for the entropy, in any order.
    many = [math.log(0.01)] * 30 + [math.log(0.04)] * 20
    assert of_probe([], many)["probe_entropy"] == pytest.approx(math.log(20), abs=1e-6)
    assert all(map(math.isnan, of_probe([], []).values()))


def test_an_answer_ends_with_the_brace_that_closes_it() -> None:
    answer = ProbedAnswer(engine())
    assert [answer.add(ord(c), [HALF], is_end=False) for c in "{4}}"] == [False] * 3 + [True]
    assert answer.reply().text == "{4}}"
    assert answer.reply().signals["probe_mean"] == 0.5


def test_a_token_for_the_end_is_none_of_the_answers() -> None:
    answer = ProbedAnswer(engine())
    assert not answer.add(ord("4"), [QUARTER, HALF], is_end=False)
    assert answer.add(0, [QUARTER], is_end=True)
    reply = answer.reply()
    assert (reply.text, reply.signals["probe_min"]) == ("4", 0.5)


def test_without_the_log_probabilities_of_each_token_there_are_no_means() -> None:
    answer = ProbedAnswer(engine())
    answer.add(ord("4"), [HALF, QUARTER], is_end=False)
    answer.add(ord("2"), [], is_end=False)
    known = {name for name, value in answer.reply().signals.items() if not math.isnan(value)}
    assert known == {"probe_entropy"}
    silent = ProbedAnswer(engine(probe_signals=()))
    silent.add(ord("4"), [], is_end=False)
    assert silent.reply().signals == {}


def output(name: str, said: str, logs: list[float], reason: str | None = None) -> Any:
    """Make an output of vLLM's engine: tokens, each with its log-probability and that of a rival.

    The rival is more likely than the 20 that count say, and does not count.
    """
    logprobs = [
        {
            ord(token): SimpleNamespace(logprob=log, rank=1),
            1: SimpleNamespace(logprob=0.0, rank=21),
        }
        for token, log in zip(said, logs, strict=True)
    ]
    made = SimpleNamespace(token_ids=[*map(ord, said)], logprobs=logprobs, finish_reason=reason)
    return SimpleNamespace(request_id=name, outputs=[made], finished=reason is not None)


def test_vllm_may_give_several_tokens_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_engine, "TextStream", lambda tokenizer, ids: None)
    steps = [
        [output("1", "4", [HALF]), output("2", "7", [QUARTER]), output("other", "x", [HALF])],
        [output("1", "}xy", [QUARTER, HALF, HALF]), output("2", "\0", [HALF], "stop")],
        [output("3", "12", [HALF, QUARTER], "length"), output("1", "z", [HALF])],
    ]
    aborted: list[str] = []
    running = SimpleNamespace(step=lambda: steps.pop(0), abort_request=aborted.extend)
    asked: list[tuple[list[int], dict[str, Any]]] = []

    def submit(ids: list[int], settings: dict[str, Any]) -> str:
        asked.append((ids, settings))
        return str(len(asked))

    ledger = Ledger()
    model = engine(
        engine=running, submit=submit, suffix=[7], suffix_tokens=1, ledger=ledger, signals=("x",)
    )
    source = vllm_engine.VllmSource(model, "a", [1], [[5, 6], [8]], [False, False])
    replies = source.probe([(0, 2), (0, 1), (1, 1)])
    assert [ids for ids, _ in asked] == [[1, 5, 6, 7], [1, 5, 7], [1, 8, 7]]
    assert {settings["logprobs"] for _, settings in asked} == {20}
    assert [reply.text for reply in replies] == ["4}", "7", "12"]
    assert [reply.signals["probe_mean"] for reply in replies] == [0.375, 0.25, 0.375]
    assert [reply.signals["probe_min"] for reply in replies] == [0.25, 0.25, 0.25]
    assert aborted == ["1"]
    assert (ledger.probe_prompts, ledger.probe_outputs) == (3, 1 + 1 + 3 + 1 + 2)
