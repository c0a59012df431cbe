"""A client of servers that stream OpenAI's completions, and their errors.

Servers differ in how they name a token. Its id is in `token_ids` (vLLM and SGLang, where it is
asked for), in `tokens` as `token_id:123` (older vLLM), or in `logprobs.content` (llama.cpp).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx2

from simulator.errors import UserError, one_line

ATTEMPTS = 8
"""Failures in a row after which a request is given up."""

BACKOFF = 0.5
"""Seconds before the second attempt; each later wait is twice as long."""

LONGEST_WAIT = 60.0
"""Most seconds that are waited because a server says so."""

TIMEOUT = httpx2.Timeout(10.0, read=600.0)
"""Seconds for a connection, and between two parts of a reply: a busy server lets requests wait."""

VERSIONS = {"/version": "version", "/server_info": "version", "/props": "build_info"}
"""Addresses at which vLLM, SGLang and llama.cpp tell their version, and its name there."""

ID = "token_id:"
"""Beginning of a token that is written as its id."""

UNLIKELY = -9999.0
"""Log-probability that servers write for minus infinity."""


OTHERS = re.compile("[^A-Za-z0-9]+")
"""Characters in which a server's text may differ from the tokenizer's: spaces, incomplete ones."""

T = TypeVar("T")


class Unavailable(Exception):  # noqa: N818  (what it says about a server)
    """A failure that may pass.

    Attributes
    ----------
    seconds
        Time after which the server wants to be asked again; 0 if it did not say.
    """

    def __init__(self, message: str, seconds: float = 0.0) -> None:
        super().__init__(message)
        self.seconds = seconds


class Refused(UserError):  # noqa: N818  (what the server did)
    """A request that the server will not answer, however often it is made."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Part of a completion.

    Attributes
    ----------
    ids
        Tokens.
    alternatives
        Log-probabilities of the most likely tokens at each; None if the server gives none.
    text
        Characters that they add.
    finish_reason
        Reason for the end, with the last tokens or after them.
    cached
        Tokens of the prompt that the server found computed already; None where it does not say.
    num_tokens
        Tokens of the completion in the server's count; None where it does not say.
    """

    ids: list[int]
    alternatives: list[list[float]] | None
    text: str
    finish_reason: str | None
    cached: int | None = None
    num_tokens: int | None = None


@dataclass(slots=True)
class Received:
    """Part of a completion that has come: tokens that make no piece yet, and its end.

    Attributes
    ----------
    ids, alternatives
        The tokens, and the log-probabilities at each; no alternatives without signals.
    finish_reason, ends_alone
        Reason for the end, and true if no token came with it.
    begun, count
        True once anything has come, and the tokens that have come in all.
    counted
        Tokens in the server's count; None where it does not say.
    ours, theirs
        Letters and digits of the text, by the tokenizer and by the server, as far as they have not
        been compared.
    """

    ids: list[int] = field(default_factory=list)
    alternatives: list[list[float]] = field(default_factory=list)
    finish_reason: str | None = None
    ends_alone: bool = False
    begun: bool = False
    count: int = 0
    counted: int | None = None
    ours: str = ""
    theirs: str = ""

    def add(self, chunk: Chunk) -> None:
        """Add a part of the completion."""
        self.begun = True
        self.ids += chunk.ids
        self.alternatives += chunk.alternatives or []
        self.count += len(chunk.ids)
        self.counted = chunk.num_tokens if chunk.num_tokens is not None else self.counted
        self.theirs += OTHERS.sub("", chunk.text)
        if chunk.finish_reason is not None:
            self.finish_reason = chunk.finish_reason
            self.ends_alone = not chunk.ids

    def differs(self, text: str) -> bool:
        """Check whether the text of the tokens differs from the server's as far as both go."""
        self.ours += OTHERS.sub("", text)
        both = min(len(self.ours), len(self.theirs))
        if self.ours[:both] != self.theirs[:both]:
            return True
        self.ours, self.theirs = self.ours[both:], self.theirs[both:]
        return False


async def patiently(request: Callable[[], Awaitable[T]], slots: asyncio.Semaphore) -> T:
    """Make a request in one of the slots, and again while the server cannot answer.

    Raises `UserError` after ATTEMPTS failures.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async with slots:
                return await request()
        except Unavailable as error:
            failure = error
        if attempt < ATTEMPTS:
            wait = min(failure.seconds, LONGEST_WAIT)
            await asyncio.sleep(max(BACKOFF * 2 ** (attempt - 1), wait))
    raise UserError(
        f"{failure}, {ATTEMPTS} times in a row; what was generated is kept: run again when the "
        "server answers"
    )


class CompletionsClient:
    """Requests to one server.

    Parameters
    ----------
    url
        Base of its addresses, which usually ends in /v1.
    key
        Key that it asks for, if any.

    Raises
    ------
    UserError
        The URL cannot be used, or contains a user, a password or a query.
    """

    def __init__(self, url: str, key: str | None) -> None:
        self.url = url.rstrip("/")
        try:
            parsed = httpx2.URL(self.url)
        except httpx2.InvalidURL as error:
            raise UserError(f"--base-url: {one_line(error)}; give http://HOST:PORT/v1") from None
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise UserError("--base-url: give it as http://HOST:PORT/v1")
        if parsed.userinfo or parsed.query:
            raise UserError(
                "--base-url: leave out user, password and query; keys are taken from OPENAI_API_KEY"
            )
        self._http = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=TIMEOUT,
            limits=httpx2.Limits(max_connections=None),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def models(self) -> list[dict[str, Any]]:
        """Return what the server says about its models, each with an `id`.

        Raises `Unavailable`, or `UserError` if it does not answer, or not with a list of models.
        """
        address = f"{self.url}/models"
        try:
            response = await self._http.get(address)
        except httpx2.TransportError as error:
            raise Refused(
                f"--base-url {self.url}: no answer ({one_line(error)}); start a server there, for "
                "example vllm serve MODEL"
            ) from None
        if response.status_code != 200:
            raise self._failure(response, address)
        try:
            return [{**model, "id": str(model["id"])} for model in response.json()["data"]]
        except (ValueError, KeyError, TypeError):
            raise Refused(
                f"{address}: no list of models; the base URL of an OpenAI-compatible server "
                "usually ends in /v1"
            ) from None

    async def version(self) -> str:
        """Return the server's version; "" if it tells none."""
        for address, name in VERSIONS.items():
            try:
                response = await self._http.get(self.url.removesuffix("/v1") + address)
                if response.status_code == 200:
                    return str(response.json()[name])
            except (httpx2.TransportError, ValueError, KeyError, TypeError):
                continue
        return ""

    async def stream(self, body: Mapping[str, Any]) -> AsyncGenerator[Chunk]:
        """Yield a completion as it comes. To close this generator disconnects from the server.

        Raises
        ------
        Unavailable
            The server cannot answer yet, or the stream ended before the completion did.
        UserError
            It refuses the request, or its reply cannot be used.
        """
        address = f"{self.url}/completions"
        finished = False
        try:
            async with self._http.sse(
                address, method="POST", json={**body, "stream": True}
            ) as events:
                if events.response.status_code != 200:
                    await events.response.aread()
                    raise self._failure(events.response, address)
                async for event in events:
                    if event.data == "[DONE]":
                        break
                    chunk = self._chunk(event.data, address)
                    finished = finished or chunk.finish_reason is not None
                    yield chunk
        except httpx2.SSEError:
            raise Refused(f"{address}: the server does not stream its completions") from None
        except httpx2.TransportError as error:
            reason = one_line(error)
            if not finished:
                raise Unavailable(f"{address}: the connection broke ({reason})") from None
        if not finished:
            raise Unavailable(f"{address}: the stream ended before the completion")

    def _failure(self, response: httpx2.Response, address: str) -> Exception:
        """Return the error for a reply that is not one."""
        try:
            said = _message(response.json())
        except ValueError:
            said = response.text
        try:
            seconds = float(response.headers.get("retry-after", 0))
        except ValueError:  # a date
            seconds = 0.0
        return _refusal(response.status_code, said, address, seconds)

    def _chunk(self, data: str, address: str) -> Chunk:
        try:
            fields = json.loads(data)
        except ValueError:
            raise Refused(f"{address}: a line of the stream is not JSON: {data[:60]!r}") from None
        try:
            if fields.get("error"):
                error = fields["error"]
                code = error.get("code") if isinstance(error, dict) else None
                status = code if isinstance(code, int) else 500
                raise _refusal(status, _message(fields), address)
            return _read(fields)
        except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
            raise Refused(
                f"{address}: the stream is not as OpenAI's completions are ({one_line(error)}): "
                f"{data[:60]!r}"
            ) from None


def _refusal(status: int, said: str, address: str, seconds: float = 0.0) -> Exception:
    """Return the error for a status of HTTP and what the server said."""
    said = one_line(Exception(said))
    if status in (408, 409, 425, 429) or status >= 500:
        return Unavailable(f"{address}: the server cannot answer ({status}: {said})", seconds)
    if status in (401, 403):
        return Refused(
            f"{address}: the server wants another key ({status}: {said}); set OPENAI_API_KEY"
        )
    if status == 404:
        return Refused(f"{address}: not found ({said}); the base URL usually ends in /v1")
    return Refused(f"{address}: the server refuses the request ({status}: {said})")


def _message(fields: Any) -> str:
    """Return what a reply says about an error, whatever its form."""
    for name in ("error", "message", "detail"):
        if isinstance(fields, dict) and fields.get(name):
            return _message(fields[name])
    return str(fields)


def _read(fields: Mapping[str, Any]) -> Chunk:
    """Read an event of a stream, whose names for tokens may be any of those above."""
    usage = fields.get("usage") or {}
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
    choice = (fields.get("choices") or [{}])[0]
    logprobs = choice.get("logprobs") or {}
    text = choice.get("text") or ""
    ids = choice.get("token_ids")
    alternatives: list[list[float]] | None = None
    if "content" in logprobs:
        content = logprobs["content"] or []
        ids = [int(each["id"]) for each in content] if ids is None else ids
        alternatives = [
            [float(other["logprob"]) for other in each.get("top_logprobs") or [each]]
            for each in content
        ]
    elif logprobs.get("tokens"):
        tokens = logprobs["tokens"]
        if ids is None and all(token.startswith(ID) for token in tokens):
            ids = [int(token.removeprefix(ID)) for token in tokens]
        if logprobs.get("top_logprobs"):
            own = logprobs.get("token_logprobs") or [None] * len(tokens)
            alternatives = [
                [float(value) for value in (top or {"": mine}).values()]
                for top, mine in zip(logprobs["top_logprobs"], own, strict=True)
            ]
    if ids is None:
        if text:
            raise ValueError("no token_ids, which vLLM, SGLang and llama.cpp give")
        ids = []
    ids = [int(token) for token in ids]
    if alternatives is not None:
        if len(alternatives) != len(ids):
            raise ValueError(f"{len(ids)} tokens and the log-probabilities of {len(alternatives)}")
        alternatives = [[v for v in values if v > UNLIKELY] for values in alternatives]
    reason, num_tokens = choice.get("finish_reason"), usage.get("completion_tokens")
    return Chunk(ids, alternatives, text, reason, cached, num_tokens)
