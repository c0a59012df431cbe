"""Failures of servers: one line that says what to do, after as many attempts as help."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from completions_server import ModelServer, serving
from tiny_models import make_causal_model

from simulator.errors import UserError
from simulator.live.engines import completions
from simulator.live.engines.server_engine import ServerEngine
from simulator.live.source import Sampling

TOKEN = '{"choices": [{"text": "", "token_ids": [77], "finish_reason": null}]}'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_causal_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def server(folder: Path) -> Iterator[ModelServer]:
    with serving(ModelServer(folder)) as server:
        yield server


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the waits, which take no time."""
    waited: list[float] = []

    async def noted(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(completions, "asyncio", SimpleNamespace(sleep=noted))
    return waited


@pytest.fixture
def connect(folder: Path, server: ModelServer, waits: list[float]) -> Iterator[Callable[..., Any]]:
    engines: list[ServerEngine] = []

    def connected(**settings: Any) -> ServerEngine:
        settings = {"base_url": server.url, "tokenizer": str(folder), **settings}
        name = settings.pop("model", "tiny")
        engines.append(ServerEngine(name, Sampling(temperature=0, max_tokens=20), **settings))
        return engines[-1]

    yield connected
    for engine in engines:
        engine.close()


def generated(engine: ServerEngine) -> list[int]:
    source = engine.open("a", "Yes", [[]], [False])
    return [token for lot in source.generate({0: 20}) for piece in lot for token in piece.token_ids]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"base_url": "127.0.0.1:8000/v1"}, "give it as http://HOST:PORT/v1"),
        ({"base_url": "http://[::1/v1"}, "--base-url: .*; give http://HOST:PORT/v1"),
        ({"base_url": "http://me:secret@127.0.0.1/v1"}, "leave out user, password and query"),
        ({"base_url": "http://127.0.0.1/v1?key=secret"}, "keys are taken from OPENAI_API_KEY"),
        ({"model": "tinny"}, "--model tinny: not at http://.*; did you mean tiny?"),
        ({"model": "Qwen/Qwen3-8B"}, "--model Qwen/Qwen3-8B: not at http://.*; it has tiny"),
        ({"tokenizer": "/no/such"}, "--tokenizer /no/such: "),
    ],
)
def test_settings_that_cannot_be_used(
    settings: dict[str, str], said: str, connect: Callable[..., Any]
) -> None:
    with pytest.raises(UserError, match=said) as error:
        connect(**settings)
    assert "secret" not in str(error.value)


def test_no_server(connect: Callable[..., Any], waits: list[float]) -> None:
    with pytest.raises(UserError, match=r"no answer \(.*\); start a server there"):
        connect(base_url=f"http://127.0.0.1:{free_port()}/v1")
    assert waits == []


def test_another_address_of_the_server(server: ModelServer, connect: Callable[..., Any]) -> None:
    with pytest.raises(UserError, match=r"models: not found \(Not Found\); .* ends in /v1"):
        connect(base_url=server.url.removesuffix("/v1"))


def test_the_key_is_that_of_the_environment(
    server: ModelServer, connect: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.key = "abc"
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UserError, match=r"another key \(401: no such key\); set OPENAI_API_KEY"):
        connect()
    monkeypatch.setenv("OPENAI_API_KEY", "abc")
    engine = connect()
    assert len(generated(engine)) == 20
    assert "abc" not in str(engine.about)


def test_a_server_without_token_ids(server: ModelServer, connect: Callable[..., Any]) -> None:
    server.form = "text"
    with pytest.raises(UserError, match="no token_ids, which vLLM"):
        connect()


def test_a_server_that_is_busy_is_asked_again(
    server: ModelServer, connect: Callable[..., Any], waits: list[float]
) -> None:
    engine = connect()
    expected = generated(engine)
    server.refusals = [
        (429, {"retry-after": "7"}, '{"error": {"message": "slow down"}}'),
        (429, {"retry-after": "3600"}, ""),
        (503, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, "loading"),
        (500, {}, "[1, 2"),
    ]
    assert generated(engine) == expected
    assert waits == [7.0, 60.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (500, '{"error": {"message": "out of memory"}}', "500: out of memory"),
        (502, "<html>\nBad gateway", "502: <html> Bad gateway"),
        (429, '{"message": "slow down"}', "429: slow down"),
    ],
)
def test_a_server_that_stays_busy_is_given_up(
    status: int,
    body: str,
    said: str,
    server: ModelServer,
    connect: Callable[..., Any],
    waits: list[float],
) -> None:
    engine = connect()
    server.refusals = [(status, {}, body)] * 100
    with pytest.raises(UserError, match="8 times in a row; what was generated is kept") as error:
        generated(engine)
    assert said in str(error.value)
    assert waits == [0.5, 1, 2, 4, 8, 16, 32]
    assert len(server.refusals) == 92


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_request_that_is_refused_is_not_repeated(
    status: int, server: ModelServer, connect: Callable[..., Any], waits: list[float]
) -> None:
    engine = connect()
    server.refusals = [(status, {}, '{"detail": "not like this"}')]
    with pytest.raises(UserError, match="not like this"):
        generated(engine)
    assert waits == []


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["{", TOKEN], "a line of the stream is not JSON: '{'"),
        (["[1]"], "not as OpenAI's completions are"),
        (['{"choices": [{"text": "a", "token_ids": ["x"]}]}'], "not as OpenAI's completions are"),
        (['{"choices": 3}'], "not as OpenAI's completions are"),
        (
            [
                '{"choices": [{"token_ids": [1, 2], "logprobs": '
                '{"tokens": ["a"], "top_logprobs": [{"a": -1}]}}]}'
            ],
            "2 tokens and the log-probabilities of 1",
        ),
        ([TOKEN], "the server left out log-probabilities"),
        (['{"error": {"message": "too long", "code": 400}}'], "400: too long"),
        ([TOKEN.replace("[77]", "[]")], "the stream ended before the completion, 8 times in a row"),
        (
            [TOKEN.replace("[77]", "[]").replace("null", '"abort"')],
            r"ends the completion \(abort\), 8 times in a row",
        ),
        (['{"error": "engine died"}'], "500: engine died.*, 8 times in a row"),
    ],
)
def test_streams_that_cannot_be_used(
    lines: list[str], said: str, server: ModelServer, connect: Callable[..., Any]
) -> None:
    engine = connect()
    server.lines = lines
    with pytest.raises(UserError, match=said) as error:
        generated(engine)
    assert "\n" not in str(error.value)


def test_a_server_that_does_not_stream(server: ModelServer, connect: Callable[..., Any]) -> None:
    engine = connect()
    server.refusals = [(200, {}, '{"choices": [{"text": "whole"}]}')]
    with pytest.raises(UserError, match="does not stream its completions"):
        generated(engine)


def test_tokens_before_a_failure_are_kept(server: ModelServer, connect: Callable[..., Any]) -> None:
    engine = connect()
    expected = generated(engine)
    server.breaks, server.then = [5], [(400, {}, "gone")]
    source = engine.open("a", "Yes", [[]], [False])
    pieces = []

    def failing_later() -> None:
        for lot in source.generate({0: 20}):
            pieces.extend(lot)

    with pytest.raises(UserError, match="gone"):
        failing_later()
    assert [token for piece in pieces for token in piece.token_ids] == expected[:5]


def test_forms_of_tokens_are_read() -> None:
    """Events as vLLM, an older vLLM and llama.cpp document them."""
    read = completions._read
    vllm = read(
        {
            "choices": [
                {
                    "text": "ab",
                    "token_ids": [5, 6],
                    "logprobs": {
                        "tokens": ["a", "b"],
                        "token_logprobs": [-0.5, -1.0],
                        "top_logprobs": [{"a": -0.5, "c": -9999.0}, None],
                    },
                }
            ]
        }
    )
    assert (vllm.ids, vllm.alternatives) == ([5, 6], [[-0.5], [-1.0]])
    older = read(
        {
            "choices": [
                {
                    "text": "a",
                    "logprobs": {
                        "tokens": ["token_id:5"],
                        "top_logprobs": [{"token_id:5": -0.5, "token_id:7": -2.5}],
                    },
                }
            ]
        }
    )
    assert (older.ids, older.alternatives) == ([5], [[-0.5, -2.5]])
    content = [
        {
            "id": 5,
            "token": "a",
            "logprob": -0.5,
            "top_logprobs": [{"id": 5, "token": "a", "logprob": -0.5}],
        }
    ]
    llama = read({"choices": [{"text": "a", "logprobs": {"content": content}}]})
    assert (llama.ids, llama.alternatives) == ([5], [[-0.5]])
    usage = {"completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 16}}
    last = read({"choices": [], "usage": usage})
    assert (last.ids, last.finish_reason, last.cached, last.num_tokens) == ([], None, 16, 3)
