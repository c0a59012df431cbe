"""A small OpenAI-compatible server around a model in transformers, on loopback."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn


@dataclass
class Asked:
    """A request for a completion, and how far it came.

    `sent` counts tokens; `left` is set once the client has gone before the end.
    """

    body: dict[str, Any]
    key: str
    sent: int = 0
    left: threading.Event = field(default_factory=threading.Event)


@dataclass
class ModelServer:
    """A server's model and its faults.

    Parameters
    ----------
    folder
        Folder of the model.
    form
        Names of tokens: `token_ids` as in vLLM and SGLang, `token_id:` as in older vLLM, `content`
        as in llama.cpp, which sends no end token and the reason for the end alone; `text` for none.
    logprobs
        False to give no log-probabilities; `refused` to refuse requests for them.
    key
        Key that is asked for.
    refusals
        Status, headers and body of the next answers to requests for completions.
    breaks
        Tokens after which the next completions break off.
    then
        Refusals that follow a completion that broke off.
    hold
        Tokens after which a completion waits for the client to leave; 0 for none.
    lose
        Number of a token that is generated and not sent.
    lines
        Lines that are sent instead of a completion.
    context
        Length of context that is told; None for none.
    bias
        Addition to the logit of the end token.
    asked, most
        Requests for completions that were not refused, and the most of them at one time.
    """

    folder: Path
    form: str = "token_ids"
    logprobs: bool | str = True
    key: str = ""
    refusals: list[tuple[int, dict[str, str], str]] = field(default_factory=list)
    breaks: list[int] = field(default_factory=list)
    then: list[tuple[int, dict[str, str], str]] = field(default_factory=list)
    hold: int = 0
    lose: int = -1
    lines: list[str] = field(default_factory=list)
    context: int | None = None
    bias: float = 0.0
    asked: list[Asked] = field(default_factory=list)
    most: int = 0
    running: int = 0
    url: str = ""

    def __post_init__(self) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.torch = torch
        torch.set_num_threads(1)  # steps of a tiny model are shorter than threads need to meet
        self.tokenizer = AutoTokenizer.from_pretrained(self.folder)
        self.model = AutoModelForCausalLM.from_pretrained(self.folder, dtype=torch.float32).eval()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        key = headers.get("authorization", "")
        if self.key and key != f"Bearer {self.key}":
            await answer(send, 401, json.dumps({"error": {"message": "no such key"}}))
        elif scope["path"] == "/version":
            await answer(send, 200, '{"version": "1.2.3"}')
        elif scope["path"] == "/v1/models":
            model = {"id": "tiny", "owned_by": "vllm", "max_model_len": self.context}
            await answer(send, 200, json.dumps({"object": "list", "data": [model]}))
        elif scope["path"] == "/v1/completions":
            await self.complete(Asked(json.loads(await read(receive)), key), receive, send)
        else:
            await answer(send, 404, '{"detail": "Not Found"}')

    async def complete(self, asked: Asked, receive: Any, send: Any) -> None:
        if self.refusals:
            status, headers, said = self.refusals.pop(0)
            await answer(send, status, said, headers)
            return
        if self.logprobs == "refused" and "logprobs" in asked.body:
            await answer(send, 400, '{"error": {"message": "logprobs must be at most 5"}}')
            return
        self.asked.append(asked)
        assert all(isinstance(token, int) for token in asked.body["prompt"])
        await start(send, 200, {"content-type": "text/event-stream"})
        leaving = asyncio.ensure_future(receive())  # returns when the client leaves
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            for line in self.lines or self.events(asked):
                await part(send, f"data: {line}\n\n")
                await asyncio.sleep(0)
                if self.hold and asked.sent >= self.hold:
                    await leaving
                if leaving.done():
                    asked.left.set()
                    return
            await part(send, "data: [DONE]\n\n", more=False)
        finally:
            self.running -= 1
            leaving.cancel()

    def events(self, asked: Asked) -> Iterator[str]:
        """Yield the events of a completion; raise an exception to break off."""
        body = asked.body
        breaks = self.breaks.pop(0) if self.breaks else -1
        if breaks == 0:
            raise ConnectionAbortedError
        made: list[int] = []
        text = ""
        for token, values in self.tokens(body["prompt"], body):
            made.append(token)
            whole = self.tokenizer.decode(made, skip_special_tokens=True)
            new, text = (whole[len(text) :], whole) if whole[-1:] != "\ufffd" else ("", text)
            ends = token == self.tokenizer.eos_token_id
            reason = "stop" if ends else "length" if len(made) == body["max_tokens"] else None
            if self.form == "content":
                choice = {"text": new, "finish_reason": None}
            else:
                choice = {"text": new, "finish_reason": reason}
            if not (self.form == "content" and ends) and len(made) - 1 != self.lose:
                asked.sent += 1
                yield json.dumps({"choices": [choice | self.named(token, values, body)]})
            if asked.sent == breaks:
                self.refusals += self.then
                raise ConnectionAbortedError
            if reason and self.form == "content":
                yield json.dumps({"choices": [{"text": "", "finish_reason": reason}]})
            if reason:
                break
        usage = {"prompt_tokens": len(body["prompt"]), "completion_tokens": len(made)}
        yield json.dumps({"choices": [], "usage": usage})

    def named(self, token: int, values: Any, body: dict[str, Any]) -> dict[str, Any]:
        """Return a token and its log-probabilities in the server's form."""
        named: dict[str, Any] = {}
        if self.form == "token_ids" and body.get("return_token_ids"):
            named["token_ids"] = [token]
        if not self.logprobs or not body.get("logprobs"):
            return named
        top = values.topk(min(body["logprobs"], len(values)))
        pairs = list(zip(top.indices.tolist(), top.values.tolist(), strict=True))
        if token not in top.indices:
            pairs.insert(0, (token, float(values[token])))
        if self.form == "content":
            others = [{"id": other, "logprob": value} for other, value in pairs]
            content = [{"id": token, "logprob": float(values[token]), "top_logprobs": others}]
            return {"logprobs": {"content": content}}
        write: Callable[[int], str] = "token_id:{}".format
        if self.form == "text":
            write = self.tokenizer.decode
        named["logprobs"] = {
            "tokens": [write(token)],
            "token_logprobs": [float(values[token])],
            "top_logprobs": [{write(other): value for other, value in pairs}],
        }
        return named

    def tokens(self, ids: list[int], body: dict[str, Any]) -> Iterator[tuple[int, Any]]:
        """Yield tokens, each with the log-probabilities of the vocabulary."""
        torch = self.torch
        random = torch.Generator().manual_seed(body["seed"])
        new, cache = torch.tensor([ids]), None
        while True:
            with torch.inference_mode():
                output = self.model(new, cache=cache, use_cache=True)
            cache, logits = output.past_key_values, output.logits[0, -1].clone()
            logits[self.tokenizer.eos_token_id] += self.bias
            if body["temperature"]:
                chances = (logits / body["temperature"]).softmax(dim=-1)
                token = int(torch.multinomial(chances, 1, generator=random))
            else:
                token = int(logits.argmax())
            yield token, logits.log_softmax(dim=-1)
            new = torch.tensor([[token]])


async def read(receive: Any) -> bytes:
    """Read the body of a request."""
    body = b""
    more = True
    while more:
        message = await receive()
        body += bytes(message.get("body", b""))
        more = bool(message.get("more_body"))
    return body


async def start(send: Any, status: int, headers: dict[str, str]) -> None:
    lines = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})


async def part(send: Any, text: str, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": more})


async def answer(send: Any, status: int, text: str, headers: dict[str, str] | None = None) -> None:
    await start(send, status, {"content-type": "application/json", **(headers or {})})
    await part(send, text, more=False)


@contextmanager
def serving(model: ModelServer) -> Iterator[ModelServer]:
    """Serve until the block is left."""
    settings = uvicorn.Config(
        model,
        port=0,
        lifespan="off",
        log_config=None,
        log_level="critical",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(settings)
    up = threading.Event()
    began = server.startup

    async def startup(sockets: Any = None) -> None:
        await began(sockets)
        up.set()

    server.startup = startup  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert up.wait(60)
        model.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
        yield model
    finally:
        server.should_exit = True
        thread.join(30)
