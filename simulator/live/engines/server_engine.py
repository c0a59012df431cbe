"""A model behind a server that speaks OpenAI's completions, such as `vllm serve`, as an engine.

Requests stream, and run ahead of what is wanted: a policy asks for the next tokens soon, and a new
request for each of its decodes would read the whole trace again. A trace that is not wanted further
is disconnected, which ends its request at the server, once it is `AHEAD` tokens ahead.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from threading import Thread
from typing import Any, TypeVar

from simulator.errors import UserError, nearest
from simulator.live.engines.base import (
    ProbedAnswer,
    TokenizingEngine,
    Trace,
    load_tokenizer,
    seed_of,
)
from simulator.live.engines.completions import (
    Chunk,
    CompletionsClient,
    Received,
    Refused,
    Unavailable,
    patiently,
)
from simulator.live.engines.detokenizing import TextStream
from simulator.live.engines.token_signals import ALTERNATIVES, SIGNALS, of_alternatives
from simulator.live.source import Piece, ProbeReply, Sampling, Thousandths

AHEAD = 64
"""Tokens by which a trace may run ahead of what is wanted."""

TOKENS_AT_ONCE = 8
"""Tokens of a trace that make a piece."""

KEY = "OPENAI_API_KEY"
"""Environment variable with the server's key."""

T = TypeVar("T")


class ServerEngine(TokenizingEngine):
    """A model behind an OpenAI-compatible server.

    The key is taken from the environment variable OPENAI_API_KEY. All requests are made by one
    thread, in which each trace's stream is a task.

    Parameters
    ----------
    model
        The server's name of the model.
    sampling
        Settings of sampling and prompts.
    base_url
        Base of the server's addresses, which usually ends in /v1.
    tokenizer
        Folder or name on the Hub of the model's tokenizer; None for the model's name.
    revision
        Commit of the tokenizer on the Hub.
    slots
        Most requests at a time.
    ahead
        Tokens by which a trace may run ahead of what is wanted.

    Attributes
    ----------
    signals
        Empty if the server gives no log-probabilities.

    Raises
    ------
    UserError
        There is no such server, model or tokenizer, or the server lacks what is needed.
    """

    def __init__(
        self,
        model: str,
        sampling: Sampling,
        *,
        base_url: str,
        tokenizer: str | None = None,
        revision: str | None = None,
        slots: int = 96,
        ahead: int = AHEAD,
    ) -> None:
        self.client = CompletionsClient(base_url, os.environ.get(KEY))
        self.model, self.ahead = model, ahead
        self.slots = asyncio.Semaphore(slots)
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        try:
            found = self.run(patiently(self.client.models, self.slots))
            names = [each["id"] for each in found]
            if model not in names:
                hint = nearest(model, names, "it has")
                raise UserError(f"--model {model}: not at {self.client.url}; {hint}")
            served = found[names.index(model)]
            self.context = served.get("max_model_len")
            about = {
                "model": model,
                "server": str(served.get("owned_by") or ""),
                "version": self.run(self.client.version()),
                "tokenizer": revision or "",
            }
            option = "--tokenizer" if tokenizer else "--model"
            loaded = load_tokenizer(tokenizer or model, revision, option)
            super().__init__("server", about, (), loaded, sampling)
            if loaded.eos_token_id is None:
                raise UserError(
                    f"{option} {tokenizer or model}: has no token for the end of a text"
                )
            self.end: int = loaded.eos_token_id
            self.run(self._try())
        except BaseException:
            self.close()
            raise

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the thread of requests; return its result."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Disconnect from the server, and end the thread of requests."""
        self.run(self._closed())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _closed(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self.client.close()

    async def _try(self) -> None:
        """Ask for a few tokens; note whether the server gives log-probabilities.

        Raises `UserError` if it lacks anything else.
        """
        for signals in (SIGNALS, ()):
            self.signals = signals
            try:
                chunks = await patiently(self._tried, self.slots)
                break
            except Refused:
                if not signals:
                    raise
        if not any(chunk.alternatives for chunk in chunks):
            self.signals = ()

    async def _tried(self) -> list[Chunk]:
        body = self.body(self.prompt("1 + 1 = ?"), 2, 0, Sampling(temperature=0))
        async with aclosing(self.client.stream(body)) as chunks:
            return [chunk async for chunk in chunks]

    def body(
        self, ids: Sequence[int], max_tokens: int, seed: int, sampling: Sampling
    ) -> dict[str, Any]:
        """Return a request that goes on from these tokens.

        Settings that servers take from the model's folder where they are not given are given.
        """
        asked: dict[str, Any] = {
            "model": self.model,
            "prompt": list(ids),
            "max_tokens": max_tokens,
            "seed": seed,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k or -1,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "stream_options": {"include_usage": True},
            "return_token_ids": True,
            "return_tokens_as_token_ids": True,
        }
        if self.signals:
            asked["logprobs"] = ALTERNATIVES
        return asked

    def open(
        self, name: str, question: str, traces: Sequence[Sequence[int]], ended: Sequence[bool]
    ) -> ServerSource:
        """Return the traces of a problem, those begun earlier with their tokens so far.

        Raises `UserError` if its traces and their probes are longer than the server's context.
        """
        prompt = self.prompt(question)
        others = len(prompt) + self.suffix_tokens + self.sampling.probe_tokens
        if self.context and others + self.sampling.max_tokens > self.context:
            raise UserError(
                f"--max-tokens {self.sampling.max_tokens}: with its prompt and a probe, a trace of "
                f"problem {name} is longer than the server's context of {self.context:,}; use at "
                f"most {self.context - others:,}, or start the server with a longer context"
            )
        return ServerSource(self, name, prompt, traces, ended)


@dataclass(slots=True)
class _Trace(Trace):
    """One trace, the tokens wanted of it, the task of its stream, and its last alternatives."""

    wanted: int = 0
    task: asyncio.Task[None] | None = None
    last: list[float] = field(default_factory=lambda: [0.0])


class ServerSource:
    """Traces of one problem; see `TokenSource`.

    Tasks and what they share belong to the engine's thread.
    """

    def __init__(
        self,
        engine: ServerEngine,
        name: str,
        prompt: list[int],
        traces: Sequence[Sequence[int]],
        ended: Sequence[bool],
    ) -> None:
        self._engine = engine
        self._name = name
        self._prompt = prompt
        self._traces = [
            _Trace(TextStream(engine.tokenizer, ids), list(ids), is_ended)
            for ids, is_ended in zip(traces, ended, strict=True)
        ]
        self._came: list[Piece] = []
        self._failure: Exception | None = None
        self._news = asyncio.Event()

    def generate(self, wanted: Mapping[int, int]) -> Iterator[Sequence[Piece]]:
        """Generate until each of these traces has at least so many tokens, or has ended."""
        self._timed(self._begin(wanted))
        reached = False
        while not reached:
            pieces, reached = self._timed(self._next(wanted))
            if pieces:
                yield pieces

    def probe(self, places: Sequence[tuple[int, int]]) -> Sequence[ProbeReply]:
        """Return what each trace says if it is cut there and made to answer, greedily."""
        return self._timed(self._asked(places))

    def _timed(self, coroutine: Coroutine[Any, Any, T]) -> T:
        began = time.perf_counter()
        try:
            return self._engine.run(coroutine)
        finally:
            self._engine.ledger.seconds += time.perf_counter() - began

    async def _begin(self, wanted: Mapping[int, int]) -> None:
        """Have a stream for each of these traces; without any, end all streams."""
        for row, tokens in wanted.items():
            trace = self._traces[row]
            trace.wanted = min(tokens, self._engine.sampling.max_tokens)
            if not trace.ended and (trace.task is None or trace.task.done()):
                trace.task = asyncio.create_task(self._follow(row))
        if not wanted:
            tasks = [trace.task for trace in self._traces if trace.task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _next(self, wanted: Mapping[int, int]) -> tuple[list[Piece], bool]:
        """Wait for pieces; return them, and true if nothing more is to be waited for."""
        traces = [self._traces[row] for row in wanted]
        while True:
            reached = all(each.ended or len(each.ids) >= each.wanted for each in traces)
            if self._came or self._failure or reached:
                break
            self._news.clear()
            await self._news.wait()
        if self._failure and not self._came and wanted:
            raise self._failure
        pieces, self._came = self._came, []
        return pieces, reached

    async def _follow(self, row: int) -> None:
        """Generate a trace until it has run ahead far enough, or has ended."""
        trace = self._traces[row]
        try:
            while not trace.ended and len(trace.ids) < trace.wanted + self._engine.ahead:
                await patiently(lambda: self._stream(row), self._engine.slots)
        except Exception as error:  # raised again where pieces are waited for
            self._failure = error
        finally:
            self._news.set()

    async def _stream(self, row: int) -> None:
        """Go on with a trace by one request, which may break off after some tokens."""
        engine, trace = self._engine, self._traces[row]
        sampling, place = engine.sampling, len(trace.ids)
        seed = seed_of(31, sampling.seed, self._name, row, place)
        prompt = [*self._prompt, *trace.ids]
        body = engine.body(prompt, sampling.max_tokens - place, seed, sampling)
        body["stream_interval"] = TOKENS_AT_ONCE
        came = Received()
        try:
            async with aclosing(engine.client.stream(body)) as chunks:
                async for chunk in chunks:
                    self._count_prompt(chunk, 0 if came.begun else len(prompt))
                    came.add(chunk)
                    new = len(trace.ids) + len(came.ids)
                    if came.finish_reason is None and (
                        len(came.ids) >= TOKENS_AT_ONCE or len(trace.ids) < trace.wanted <= new
                    ):
                        self._add(row, came)
                        if not trace.ended and new >= trace.wanted + engine.ahead:
                            engine.ledger.aborts += 1
                            return
            self._check_count(came)
        except Unavailable:
            if not came.count:
                raise
        except asyncio.CancelledError:
            engine.ledger.aborts += 1
            raise
        finally:
            self._add(row, came)
        if trace.ended:
            return
        if came.finish_reason == "length":
            raise UserError(
                f"{engine.client.url}: the server ended trace {row} of problem {self._name} at "
                f"{len(trace.ids):,} tokens, before --max-tokens; start it with a longer context"
            )
        if not came.count:
            raise Unavailable(
                f"{engine.client.url}: the server ends the completion ({came.finish_reason})"
            )

    def _count_prompt(self, chunk: Chunk, tokens: int) -> None:
        """Count tokens of a prompt with the first chunk, and those found computed when told."""
        ledger, hits = self._engine.ledger, chunk.cached or 0
        ledger.prefilled += tokens - hits
        ledger.prefix_hits += hits

    def _check_count(self, came: Received) -> None:
        """Raise `UserError` unless all tokens that the server counts have come.

        It may count an end token that it does not send.
        """
        unsent = (came.counted or came.count) - came.count
        if unsent not in (0, came.finish_reason == "stop" and came.ends_alone):
            raise UserError(
                f"{self._engine.client.url}: the server generated {came.counted} tokens and sent "
                f"{came.count}; use one that sends all, such as vLLM"
            )

    def _add(self, row: int, came: Received) -> None:
        """Make a piece of the tokens that have come."""
        engine, trace = self._engine, self._traces[row]
        ids, alternatives = came.ids, came.alternatives
        if came.finish_reason == "stop" and came.ends_alone:
            ids.append(engine.end)
            alternatives.append(alternatives[-1] if alternatives else trace.last)
        came.ids, came.alternatives = [], []
        room = engine.sampling.max_tokens - len(trace.ids)
        count = min(room, ids.index(engine.end) + 1 if engine.end in ids else len(ids))
        if trace.ended or not count:
            return
        reason = None
        if ids[count - 1] == engine.end or came.finish_reason == "stop":
            reason = "stop"
        elif count == room:
            reason = "length"
        signals: Mapping[str, Thousandths] = {}
        if engine.signals:
            if len(alternatives) != len(ids):
                raise UserError(f"{engine.client.url}: the server left out log-probabilities")
            signals = of_alternatives(alternatives[:count])
            trace.last = alternatives[count - 1]
        piece = trace.grow(row, ids[:count], signals, reason)
        self._came.append(piece)
        self._news.set()
        if came.differs(piece.text):
            raise UserError(
                f"--tokenizer: by it the server's tokens are {piece.text!r}, and the server says "
                f"{came.theirs[-40:]!r}; give the tokenizer of its model"
            )

    async def _asked(self, places: Sequence[tuple[int, int]]) -> list[ProbeReply]:
        slots = self._engine.slots
        probes = [patiently(partial(self._said, row, tokens), slots) for row, tokens in places]
        return await asyncio.gather(*probes)

    async def _said(self, row: int, tokens: int) -> ProbeReply:
        """Return what a trace says after so many tokens and the suffix."""
        engine, sampling = self._engine, self._engine.sampling
        prompt = [*self._prompt, *self._traces[row].ids[:tokens], *engine.suffix]
        engine.ledger.probe_prompts += engine.suffix_tokens
        body = engine.body(prompt, sampling.probe_tokens, 0, Sampling(temperature=0))
        answer = ProbedAnswer(engine)
        async with aclosing(engine.client.stream(body)) as chunks:
            async for chunk in chunks:
                engine.ledger.probe_outputs += len(chunk.ids)
                alternatives = chunk.alternatives or [[] for _ in chunk.ids]
                for token, top in zip(chunk.ids, alternatives, strict=True):
                    if answer.add(token, top, is_end=token == engine.end):
                        return answer.reply()
        return answer.reply()
