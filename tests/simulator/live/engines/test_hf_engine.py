"""The engine on transformers against transformers' own generation and plain forward passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import make_causal_model

from simulator.live.engines.hf_engine import HfEngine
from simulator.live.engines.prompts import is_closed, prompt_ids
from simulator.live.source import Piece, Sampling

QUESTIONS = {"a": "Two attempts at the same problem", "b": "Yes"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_causal_model(tmp_path_factory.mktemp("model"))


def engine_of(model: Path, **settings: Any) -> HfEngine:
    import torch

    torch.set_num_threads(1)  # steps of a tiny model are shorter than threads need to meet
    slots = settings.pop("slots", 96)
    sampling = Sampling(**{"temperature": 0, "max_tokens": 30, **settings})
    return HfEngine(str(model), sampling, dtype="float32", device="cpu", slots=slots)


def whole(pieces: list[Piece], row: int) -> list[int]:
    return [token for piece in pieces if piece.row == row for token in piece.token_ids]


def all_pieces(source: Any, wanted: dict[int, int]) -> list[Piece]:
    return [piece for lot in source.generate(wanted) for piece in lot]


def test_greedy_text_is_that_of_transformers(model: Path) -> None:
    import torch

    engine = engine_of(model)
    for name, question in QUESTIONS.items():
        source = engine.open(name, question, [[], []], [False, False])
        pieces = all_pieces(source, {0: 7, 1: 3})
        pieces += all_pieces(source, {1: 100})
        pieces += all_pieces(source, {0: 100})
        prompt = prompt_ids(engine.tokenizer, engine.sampling.prompt, question)
        expected = engine.model.generate(
            torch.tensor([prompt]), max_new_tokens=30, do_sample=False, eos_token_id=[*engine.ends]
        )[0, len(prompt) :].tolist()
        assert whole(pieces, 0) == whole(pieces, 1) == expected
        assert any(token not in engine.ends for token in expected)
        text = "".join(piece.text for piece in pieces if piece.row == 0)
        assert text == engine.tokenizer.decode(expected, skip_special_tokens=True).rstrip("\ufffd")


def test_sampled_traces_depend_on_seed_name_and_number_alone(model: Path) -> None:
    made = []
    for slots, steps in ((96, [100]), (2, [5, 6, 100]), (1, [100])):
        engine = engine_of(model, temperature=1.0, slots=slots)
        source = engine.open("a", QUESTIONS["a"], [[]] * 5, [False] * 5)
        pieces: list[Piece] = []
        for tokens in steps:
            pieces += all_pieces(source, dict.fromkeys(range(5), tokens))
        made.append([whole(pieces, row) for row in range(5)])
    assert made[0] == made[1] == made[2]
    assert len({tuple(ids) for ids in made[0]}) == 5


def test_a_trace_goes_on_from_its_tokens(model: Path) -> None:
    engine = engine_of(model, temperature=1.0)
    first = all_pieces(engine.open("a", "Yes", [[]], [False]), {0: 30})
    ids = whole(first, 0)
    later = engine.open("a", "Yes", [ids[:11], ids], [False, True])
    assert ids[:11] + whole(all_pieces(later, {0: 30, 1: 30}), 0) == ids


def test_signals_are_those_of_a_plain_forward_pass(model: Path) -> None:
    import torch

    engine = engine_of(model, temperature=1.0)
    pieces = all_pieces(engine.open("a", "Yes", [[]], [False]), {0: 30})
    ids = whole(pieces, 0)
    prompt = prompt_ids(engine.tokenizer, engine.sampling.prompt, "Yes")
    with torch.inference_mode():
        logits = engine.model(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1]
    top = np.sort(logits.double().log_softmax(-1).numpy(), axis=1)[:, -20:]
    chances = np.exp(top) / np.exp(top).sum(axis=1, keepdims=True)
    expected = {
        "confidence": -top.mean(axis=1),
        "entropy": -(chances * np.log(chances)).sum(axis=1),
    }
    for name, values in expected.items():
        stored = np.concatenate([piece.signals[name] for piece in pieces]) / 1000
        np.testing.assert_allclose(stored, values, atol=0.0006)


def test_a_probe_is_a_greedy_continuation_of_the_cut_trace(model: Path) -> None:
    import torch

    engine = engine_of(model, temperature=1.0, probe_suffix=" So \\boxed{", probe_tokens=6)
    source = engine.open("a", "Yes", [[], []], [False, False])
    pieces = all_pieces(source, {0: 20, 1: 30})
    places = [(0, 20), (0, 5), (1, 12)]
    said = [reply.text for reply in source.probe(places)]
    prompt = prompt_ids(engine.tokenizer, engine.sampling.prompt, "Yes")
    suffix = engine.tokenizer.encode(" So \\boxed{", add_special_tokens=False)
    for (row, tokens), text in zip(places, said, strict=True):
        start = prompt + whole(pieces, row)[:tokens] + suffix
        full = engine.model.generate(
            torch.tensor([start]), max_new_tokens=6, do_sample=False, eos_token_id=[*engine.ends]
        )
        expected = engine.tokenizer.decode(full[0, len(start) :], skip_special_tokens=True)
        assert expected.startswith(text)
        assert text == expected or is_closed("{" + text)
    assert engine.ledger.probe_prompts == 3 * (1 + len(suffix))


def test_signals_of_a_probe_are_those_of_the_whole_logits(model: Path) -> None:
    import torch

    engine = engine_of(model, temperature=1.0, top_p=0.5, probe_suffix="{", probe_tokens=6)
    engine.ends = frozenset()
    source = engine.open("a", "Yes", [[]], [False])
    ids = whole(all_pieces(source, {0: 20}), 0)
    (reply,) = source.probe([(0, 20)])
    start = [*prompt_ids(engine.tokenizer, engine.sampling.prompt, "Yes"), *ids, *engine.suffix]
    probabilities, said = [], list[int]()
    while len(said) < 6 and not is_closed("{" + engine.tokenizer.decode(said)):
        with torch.inference_mode():
            logits = engine.model(input_ids=torch.tensor([[*start, *said]])).logits[0, -1]
        chances = logits.double().softmax(dim=-1).numpy()
        said.append(int(chances.argmax()))
        probabilities.append(chances)
    top = np.sort(probabilities[0])[::-1][:20]
    top /= top.sum()
    own = np.array([each.max() for each in probabilities])
    expected = {
        "probe_mean": own.mean(),
        "probe_gmean": own.prod() ** (1 / len(own)),
        "probe_min": own.min(),
        "probe_entropy": -(top * np.log(top)).sum(),
    }
    assert list(reply.signals) == list(expected) == list(engine.probe_signals)
    for name, value in expected.items():
        assert reply.signals[name] == pytest.approx(value, abs=1e-5)  # logits are float32
        assert reply.signals[name] == float(np.float32(reply.signals[name]))


def test_a_probe_that_ends_at_once_has_an_entropy_alone(model: Path) -> None:
    engine = engine_of(model, temperature=1.0, probe_suffix="{", probe_tokens=6)
    source = engine.open("a", "Yes", [[]], [False])
    all_pieces(source, {0: 5})
    engine.ends = frozenset(range(len(engine.tokenizer)))
    (reply,) = source.probe([(0, 5)])
    assert reply.text == ""
    assert [name for name, value in reply.signals.items() if np.isnan(value)] == [
        *("probe_mean", "probe_gmean", "probe_min")
    ]
    assert reply.signals["probe_entropy"] > 0


def test_what_is_wanted_may_change_while_it_comes(model: Path) -> None:
    engine = engine_of(model, temperature=1.0, max_tokens=40)
    engine.ends = frozenset()
    whole_traces = engine.open("a", QUESTIONS["a"], [[]] * 3, [False] * 3)
    pieces = all_pieces(whole_traces, dict.fromkeys(range(3), 40))
    expected = [whole(pieces, row) for row in range(3)]
    assert [len(ids) for ids in expected] == [40, 40, 40]

    source = engine.open("a", QUESTIONS["a"], [[]] * 3, [False] * 3)
    wanted = dict.fromkeys(range(3), 12)
    pieces = []
    for lot, some in enumerate(source.generate(wanted)):
        pieces += some
        if lot == 0:  # eight steps
            wanted[0], wanted[1] = 0, 20
    assert [len(whole(pieces, row)) for row in range(3)] == [8, 20, 12]
    pieces += all_pieces(source, dict.fromkeys(range(3), 40))  # those in the batch, and those not
    assert [whole(pieces, row) for row in range(3)] == expected


def test_a_free_slot_is_taken_at_the_next_step(model: Path) -> None:
    engine = engine_of(model, temperature=1.0, slots=2)
    source = engine.open("a", QUESTIONS["a"], [[]] * 3, [False] * 3)
    begun = [len({piece.row for piece in lot}) for lot in source.generate({0: 3, 1: 20, 2: 9})]
    assert begun[:2] == [2, 2]  # three steps of 0 and 1, then 2 in the place of 0
    assert engine.ledger.prefix_hits == 2 * engine.ledger.prefilled  # the prompt is read once
