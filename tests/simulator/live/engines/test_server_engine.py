"""The engine of servers, on a server around a tiny model, against transformers' own generation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from completions_server import ModelServer, serving
from live_policies import POLICIES, recording_in, spec_of, write_policies
from tiny_models import make_causal_model

from simulator.errors import UserError
from simulator.live.engines import completions
from simulator.live.engines.hf_engine import HfEngine
from simulator.live.engines.prompts import is_closed
from simulator.live.engines.server_engine import ServerEngine
from simulator.live.running import run_live
from simulator.live.source import Piece, Sampling

FORMS = ["token_ids", "token_id:", "content"]
GREEDY = Sampling(temperature=0, max_tokens=40, probe_tokens=5)
RANDOM = Sampling(temperature=1.5, top_p=1.0, max_tokens=60, probe_tokens=5)

Connect = Callable[..., ServerEngine]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_causal_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def server(folder: Path) -> Iterator[ModelServer]:
    with serving(ModelServer(folder)) as server:
        yield server


@pytest.fixture
def connect(
    folder: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Connect]:
    monkeypatch.setattr(completions, "BACKOFF", 0.001)
    engines = []

    def connected(sampling: Sampling = GREEDY, **settings: Any) -> ServerEngine:
        settings = {"base_url": server.url, "tokenizer": str(folder), **settings}
        engines.append(ServerEngine("tiny", sampling, **settings))
        server.asked.clear()
        return engines[-1]

    yield connected
    for engine in engines:
        engine.close()


def all_pieces(source: Any, wanted: dict[int, int]) -> list[Piece]:
    return [piece for lot in source.generate(wanted) for piece in lot]


def ids_of(pieces: list[Piece], row: int) -> list[int]:
    return [token for piece in pieces if piece.row == row for token in piece.token_ids]


def by_transformers(server: ModelServer, prompt: list[int], tokens: int = 40) -> list[int]:
    import torch

    made = server.model.generate(
        torch.tensor([prompt]),
        max_new_tokens=tokens,
        do_sample=False,
        eos_token_id=server.tokenizer.eos_token_id,
    )
    whole: list[int] = made[0, len(prompt) :].tolist()
    return whole


@pytest.mark.parametrize(("policy", "settings"), POLICIES, ids=[name for name, _ in POLICIES])
@pytest.mark.parametrize("ahead", [0, 5, 64])
def test_live_equals_replay(
    policy: str,
    settings: dict[str, str],
    ahead: int,
    server: ModelServer,
    connect: Connect,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_policies(tmp_path)
    engine = connect(RANDOM, slots=4, ahead=ahead)
    recording = recording_in(tmp_path / "recording", engine)
    spec = spec_of(policy, settings)
    for number in range(2):
        server.breaks = [3, -1, 0, 1]
        first = run_live(spec, recording, engine, number, check=True)
        assert first.difference is None
        assert first.generated >= first.revealed > 0
        again = run_live(spec, recording, engine, number, check=True)
        assert (again.difference, again.generated) == (None, 0)
        assert again.decisions.equals(first.decisions)
        assert again.answers.equals(first.answers)
    assert server.most <= 4
    assert engine.ledger.prefilled == sum(
        len(asked.body["prompt"])
        for asked in server.asked
        if asked.sent and asked.body["max_tokens"] > 5
    )


@pytest.mark.parametrize("form", FORMS)
def test_greedy_text_is_that_of_transformers(
    form: str, server: ModelServer, connect: Connect
) -> None:
    server.form = form
    engine = connect(ahead=3)
    for name, question in {"a": "Two attempts at the same problem", "b": "Yes"}.items():
        source = engine.open(name, question, [[], []], [False, False])
        pieces = all_pieces(source, {0: 7, 1: 3})
        pieces += all_pieces(source, {1: 100})
        pieces += all_pieces(source, {0: 100})
        expected = by_transformers(server, engine.prompt(question))
        assert ids_of(pieces, 0) == ids_of(pieces, 1) == expected
        text = "".join(piece.text for piece in pieces if piece.row == 0)
        assert text == engine.tokenizer.decode(expected, skip_special_tokens=True).rstrip("\ufffd")
        ends = [piece for piece in pieces if piece.finish_reason is not None]
        assert sorted(piece.row for piece in ends) == [0, 1]


@pytest.mark.parametrize("form", FORMS)
def test_signals_and_probes_are_those_of_the_engine_on_transformers(
    form: str, folder: Path, server: ModelServer, connect: Connect
) -> None:
    server.form = form
    made = []
    for engine in (connect(), HfEngine(str(folder), GREEDY, dtype="float32", device="cpu")):
        source = engine.open("a", "Yes", [[]], [False])
        pieces = all_pieces(source, {0: 100})
        signals = [
            np.concatenate([piece.signals[name] for piece in pieces]).astype(int)
            for name in ("confidence", "entropy")
        ]
        probed = source.probe([(0, 8), (0, 16), (0, 40)])
        numbers = [list(reply.signals.values()) for reply in probed]
        assert {*map(tuple, (reply.signals for reply in probed))} == {engine.probe_signals}
        made.append((ids_of(pieces, 0), [reply.text for reply in probed], signals, numbers))
    ours, theirs = made
    assert ours[:2] == theirs[:2]
    np.testing.assert_allclose(ours[2], theirs[2], atol=1)  # a thousandth: rounded sums differ
    np.testing.assert_allclose(ours[3], theirs[3], atol=1e-5)  # as logits of float32 do


@pytest.mark.parametrize("form", FORMS)
def test_a_trace_that_stops_has_its_end_token_and_its_signals(
    form: str, server: ModelServer, connect: Connect
) -> None:
    server.form, server.bias = form, 4.0
    engine = connect(Sampling(temperature=1.0, top_p=1.0, max_tokens=200), slots=3, ahead=2)
    source = engine.open("a", "Yes", [[]] * 6, [False] * 6)
    pieces = all_pieces(source, dict.fromkeys(range(6), 5))
    pieces += all_pieces(source, dict.fromkeys(range(6), 200))
    stopped = [piece.row for piece in pieces if piece.finish_reason == "stop"]
    assert len(stopped) >= 3
    for row in stopped:
        ids = ids_of(pieces, row)
        assert ids.index(engine.end) == len(ids) - 1
        last = [piece for piece in pieces if piece.row == row][-1]
        assert last.finish_reason == "stop"
        assert len(last.signals["entropy"]) == len(last.ends) == len(last.token_ids)
    assert len({tuple(ids_of(pieces, row)) for row in range(6)}) == 6


def test_a_stream_that_breaks_off_is_gone_on_with(server: ModelServer, connect: Connect) -> None:
    engine = connect()
    server.breaks = [3, 0, 11]
    server.refusals = [(503, {}, "loading")]
    source = engine.open("a", "Yes", [[]], [False])
    pieces = all_pieces(source, {0: 40})
    prompt = engine.prompt("Yes")
    expected = by_transformers(server, prompt)
    assert ids_of(pieces, 0) == expected
    prompts = [asked.body["prompt"] for asked in server.asked]
    assert prompts == [prompt + expected[:done] for done in (0, 3, 3, 14)]
    assert [asked.body["max_tokens"] for asked in server.asked] == [40, 37, 37, 26]
    assert len({asked.body["seed"] for asked in server.asked}) == 3
    assert engine.ledger.aborts == 0


def test_a_trace_that_is_not_wanted_further_is_disconnected(
    server: ModelServer, connect: Connect
) -> None:
    server.hold = 20
    engine = connect(Sampling(temperature=1.0, top_p=1.0, max_tokens=1000), ahead=6)
    source = engine.open("a", "Yes", [[], []], [False, False])
    pieces = all_pieces(source, {0: 10, 1: 3})
    assert [asked.left.wait(30) for asked in server.asked] == [True, True]
    assert all(asked.sent <= 20 for asked in server.asked)  # of the 1,000 that were asked for
    pieces += all_pieces(source, {})
    assert 16 <= len(ids_of(pieces, 0)) <= 20
    assert 9 <= len(ids_of(pieces, 1)) <= 20
    assert engine.ledger.aborts == 2


def test_streams_end_with_the_problem(server: ModelServer, connect: Connect) -> None:
    server.hold = 20
    engine = connect(Sampling(temperature=1.0, top_p=1.0, max_tokens=1000), ahead=500)
    source = engine.open("a", "Yes", [[], []], [False, False])
    pieces = all_pieces(source, {0: 10, 1: 20})
    pieces += all_pieces(source, {})
    assert [asked.left.wait(30) for asked in server.asked] == [True, True]
    assert engine.ledger.aborts == 2
    assert [len(ids_of(pieces, row)) >= wanted for row, wanted in ((0, 10), (1, 20))] == [True] * 2


def test_a_stream_that_fails_ahead_of_what_is_wanted_ends_no_finished_problem(
    server: ModelServer, connect: Connect
) -> None:
    server.logprobs = False
    engine = connect(ahead=100)
    server.lines = [
        '{"choices": [{"text": "", "token_ids": []}]}',
        '{"choices": [{"text": "", "token_ids": [77, 78, 79, 80, 81, 82, 83, 84]}]}',
        '{"error": {"message": "gone", "code": 400}}',
    ]
    source = engine.open("a", "Yes", [[]], [False])
    assert ids_of(all_pieces(source, {0: 5}), 0) == [77, 78, 79, 80, 81, 82, 83, 84]
    assert engine.ledger.prefilled == len(engine.prompt("Yes"))
    assert all_pieces(source, {}) == []
    with pytest.raises(UserError, match="400: gone"):
        all_pieces(source, {0: 20})


def test_a_stream_goes_on_while_more_is_wanted(server: ModelServer, connect: Connect) -> None:
    engine = connect(Sampling(temperature=1.0, top_p=1.0, max_tokens=300), ahead=1000)
    source = engine.open("a", "Yes", [[]], [False])
    pieces = [piece for tokens in range(10, 300, 10) for piece in all_pieces(source, {0: tokens})]
    assert len(server.asked) == 1
    assert len(ids_of(pieces, 0)) >= 290 or pieces[-1].finish_reason == "stop"


def test_settings_are_all_in_the_request(server: ModelServer, connect: Connect) -> None:
    engine = connect(Sampling(temperature=0.7, top_p=0.9, top_k=5, max_tokens=9))
    for question in ("Yes", "No"):
        source = engine.open(question, question, [[], []], [False, False])
        all_pieces(source, {0: 9, 1: 9})
    body = server.asked[0].body
    asked = {name: body[name] for name in ("model", "temperature", "top_p", "top_k", "logprobs")}
    assert asked == {"model": "tiny", "temperature": 0.7, "top_p": 0.9, "top_k": 5, "logprobs": 20}
    assert len({each.body["seed"] for each in server.asked}) == 4
    engine = connect(Sampling(max_tokens=9, seed=1))
    all_pieces(engine.open("Yes", "Yes", [[]], [False]), {0: 9})
    assert server.asked[0].body["top_k"] == -1  # else a server takes its own
    assert server.asked[0].body["seed"] != body["seed"]


def test_probes_end_where_the_answer_does(server: ModelServer, connect: Connect) -> None:
    engine = connect(Sampling(temperature=0, max_tokens=40, probe_suffix="{", probe_tokens=30))
    source = engine.open("a", "Yes", [[]], [False])
    ids = ids_of(all_pieces(source, {0: 40}), 0)
    said = [reply.text for reply in source.probe([(0, 5), (0, 33)])]
    for tokens, text in zip((5, 33), said, strict=True):
        start = [*engine.prompt("Yes"), *ids[:tokens], *engine.suffix]
        made = by_transformers(server, start, 30)
        texts = [engine.tokenizer.decode(made[:n], skip_special_tokens=True) for n in range(1, 31)]
        assert text == next((each for each in texts if is_closed("{" + each)), texts[-1])


@pytest.mark.parametrize("logprobs", [False, "refused"])
def test_a_server_without_log_probabilities_records_no_signals(
    logprobs: bool | str, server: ModelServer, connect: Connect
) -> None:
    server.logprobs = logprobs
    engine = connect()
    assert engine.signals == engine.probe_signals == ()
    source = engine.open("a", "Yes", [[]], [False])
    pieces = all_pieces(source, {0: 40})
    assert ids_of(pieces, 0) == by_transformers(server, engine.prompt("Yes"))
    assert all(piece.signals == {} for piece in pieces)
    assert source.probe([(0, 8)])[0].signals == {}


def test_the_model_is_named_as_the_server_names_it(server: ModelServer, connect: Connect) -> None:
    assert connect(revision="").about == {
        "name": "server",
        "model": "tiny",
        "server": "vllm",
        "version": "1.2.3",
        "tokenizer": "",
    }


def test_the_servers_context_bounds_traces(server: ModelServer, connect: Connect) -> None:
    server.context = 100
    engine = connect(Sampling(temperature=0, max_tokens=90))
    with pytest.raises(UserError, match=r"--max-tokens 90: .* context of 100; use at most"):
        engine.open("a", "Yes", [[]], [False])


def test_a_context_that_is_full_is_an_error(server: ModelServer, connect: Connect) -> None:
    engine = connect()
    server.lines = [
        '{"choices": [{"text": "", "token_ids": [], "finish_reason": "length"}]}',
    ]
    source = engine.open("a", "Yes", [[]], [False])
    with pytest.raises(UserError, match="ended trace 0 of problem a at 0 tokens, before --max-"):
        all_pieces(source, {0: 9})


def test_tokens_that_a_server_leaves_out_are_an_error(
    server: ModelServer, connect: Connect
) -> None:
    engine = connect()
    ids = by_transformers(server, engine.prompt("Yes"))
    silent = [not any(map(str.isalnum, engine.tokenizer.decode([token]))) for token in ids]
    server.lose = silent.index(True)
    with pytest.raises(UserError, match="generated 40 tokens and sent 39"):
        all_pieces(engine.open("a", "Yes", [[]], [False]), {0: 40})


def test_the_tokenizer_of_another_model_is_an_error(
    folder: Path, server: ModelServer, connect: Connect, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    other = AutoTokenizer.from_pretrained(folder)
    text = other.backend_tokenizer.to_str().replace('"a":', '"_":').replace('"b":', '"a":')
    other.save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text(text.replace('"_":', '"b":'), encoding="utf-8")
    engine = connect(Sampling(temperature=1.5, max_tokens=400), tokenizer=str(tmp_path))
    with pytest.raises(UserError, match="--tokenizer: by it the server's tokens are"):
        all_pieces(engine.open("a", "Yes", [[]] * 4, [False] * 4), dict.fromkeys(range(4), 400))
