"""Both ends of an engine that runs in another process.

`RemoteEngine` is the policy's end: it holds the visible state of each trace and requests the rest.
`EngineHost` is the other end: it checks requests, passes them to the engine, and replies.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.arrays import Ints, Ints32
from simulator.errors import ANSWERED, BudgetExceeded, SamplerError
from simulator.isolation.wire import (
    DECODED,
    INDEX,
    OPERATIONS,
    PLAIN,
    BrokenFrame,
    Channel,
    pack_plain,
    unpack_plain,
)
from simulator.policy.visible import VisibleEngine
from simulator.rules.stop_rules import NEVER, StopRule
from simulator.signals import NO_ANSWER

if TYPE_CHECKING:  # slow to import
    from simulator.policy.random_numbers import State

_HERE = ("decode", "greedy_clusters")
"""Operations that `EngineHost` translates for the engine."""

REFUSALS: dict[str, type[SamplerError]] = {
    "SamplerError": SamplerError,
    "BudgetExceeded": BudgetExceeded,
}
"""Errors of the engine that a policy may catch, by the name sent over the connection."""


def _request(name: str) -> Callable[..., Any]:
    """Make a method that requests an operation without an effect on the visible state."""

    def ask(self: RemoteEngine, *arguments: Any) -> Any:
        return self._ask(name, *arguments)

    return ask


class RemoteEngine:
    """An engine in another process; this one holds only what a policy may see (`VisibleEngine`).

    Every message of it tells how many traces have been started, so a start is no message of its
    own.
    """

    def __init__(self, channel: Channel, budget: int) -> None:
        self._channel = channel
        self._one_at_a_time = threading.Lock()  # a policy may have threads
        self._numbers = np.arange(budget)
        self.started = 0
        self.budget = budget
        self.answered = False
        self.num_tokens = np.zeros(budget, dtype=np.int64)
        self.finished = np.zeros(budget, dtype=np.bool_)
        self.stopped = np.zeros(budget, dtype=np.bool_)
        self.answer = np.empty(budget, dtype=np.int32)
        self.answer.fill(NO_ANSWER)  # np.full takes three times as long

    def _ask(self, name: str, *arguments: Any) -> Any:
        operation = OPERATIONS[name]
        packed = [pack(each) for pack, each in zip(operation.packs, arguments, strict=True)]
        with self._one_at_a_time:
            if self.answered:
                raise SamplerError(ANSWERED)
            if operation.gives is None:
                self._channel.put(name, self.started, *packed)
                return None
            self._channel.send(name, self.started, *packed)
            value = self._told(self._channel.receive())
        return operation.gives.unpack(value, self.budget)

    def _decode_plainly(self, index: Ints, tokens: int | None, first: int | None) -> Any:
        """Request a decode without a stop rule; as `_ask`."""
        with self._one_at_a_time:
            if self.answered:
                raise SamplerError(ANSWERED)
            self._channel.send_bytes(pack_plain(self.started, index, tokens, first))
            decoded = self._channel.receive_bytes()
            if decoded[:1] != PLAIN:
                decoded = self._told(self._channel.message(decoded))
        return DECODED.unpack(decoded, self.budget)

    def _told(self, reply: list[Any]) -> Any:
        """Return what a reply tells, or raise its error."""
        kind, value, *ahead = reply
        if ahead:
            self._channel.ahead = ahead[0]
        if kind in REFUSALS:
            raise REFUSALS[kind](value)
        return value

    def close(self) -> None:
        """Refuse further requests, after those of other threads have ended."""
        with self._one_at_a_time:
            self.answered = True

    @property
    def all_started(self) -> Ints:
        return self._numbers[: self.started]

    clock = property(_request("clock"))
    probe_calls = property(_request("probe_calls"))
    probe_tokens = property(_request("probe_tokens"))
    judge_calls = property(_request("judge_calls"))
    judge_tokens = property(_request("judge_tokens"))

    def start(self, n: int) -> Ints:
        """Start traces here; the host learns of it with the next message."""
        with self._one_at_a_time:
            if self.answered:
                raise SamplerError(ANSWERED)
            first, self.started = self.started, self.started + n
        return self._numbers[first : first + n]

    def decode(
        self, index: Ints, tokens: int | Ints | None, until: StopRule | None, first: int | None
    ) -> Ints:
        finished: Ints
        if until is None and not isinstance(tokens, np.ndarray):
            num_tokens, finished, answers = self._decode_plainly(index, tokens, first)
        else:
            num_tokens, finished, answers = self._ask("decode", index, tokens, until, first)
        self.num_tokens[index] = num_tokens
        if len(finished):
            self.finished[finished] = True
            self.answer[finished] = answers
        return finished

    def stop(self, index: Ints) -> None:
        self._ask("stop", index)
        self.stopped[index[~self.finished[index]]] = True

    finished_at = _request("finished_at")
    probe = _request("probe")
    probed = _request("probed")
    texts = _request("texts")
    token_signal = _request("token_signal")
    mean_signal = _request("mean_signal")
    lowest_signal = _request("lowest_signal")
    bottom_signal = _request("bottom_signal")
    judge = _request("judge")

    def greedy_clusters(
        self,
        traces: int,
        rng: np.random.Generator,
        threshold: float,
        max_clusters: int,
        max_members: int,
        hard: bool,
    ) -> Ints | None:
        """Request the clusters as the engine finds them; None for what cannot be sent."""
        from simulator.policy.random_numbers import has_state, set_state, state_of

        numbers = [traces, max_clusters, max_members]
        sendable = (
            all(type(each) is int and each >= 1 for each in numbers)
            and isinstance(threshold, float | int)
            and 0 <= threshold <= 1
            and type(hard) is bool
            and has_state(rng)
        )
        if self.answered or not sendable or not state_of(rng)[1] % 2:
            return None
        traces, clusters, members = (min(each, NEVER) for each in numbers)
        rule = (float(threshold), clusters, members, hard)
        found = self._ask("greedy_clusters", traces, state_of(rng), *rule)
        if found is None:
            return None
        of_trace: Ints
        of_trace, state = found
        set_state(rng, state)
        return of_trace

    declare_clusters = _request("declare_clusters")


class EngineHost:
    """A host that checks the requests of a policy's process and passes them to an engine."""

    def __init__(self, engine: VisibleEngine) -> None:
        self._engine = engine
        self._started = len(engine.all_started)
        self._numbers = _numbers(engine.budget)
        self._last_raw: object = None
        self._last_index = np.empty(0, dtype=np.int64)

    def reply(self, name: str, fields: list[Any]) -> tuple[str, Any] | None:
        """Return the reply to a request, or None if the policy does not wait for one.

        Raises
        ------
        BrokenFrame
            The request cannot come from a policy's sampler.
        """
        operation = OPERATIONS.get(name)
        if operation is None or len(fields) != 1 + len(operation.takes):
            raise BrokenFrame(f"no such operation: {name:.40}")
        self.start(fields[0])
        started = self._started
        given = [
            self._index(raw, started) if kind is INDEX else kind.unpack(raw, started)
            for kind, raw in zip(operation.takes, fields[1:])  # noqa: B905  (compared above)
        ]
        try:
            target = self if name in _HERE else self._engine
            result = getattr(target, name)
            if callable(result):
                result = result(*given)
        except SamplerError as error:
            if operation.gives is None:  # `Sampler` refuses it before it is sent
                raise BrokenFrame(str(error)) from error
            return _refusal(error)
        return None if operation.gives is None else ("done", operation.gives.pack(result))

    def decode_plainly(self, frame: bytes | bytearray) -> tuple[str, Any]:
        """Return the reply to a plain decode; as `reply`."""
        started, raw, tokens, first = unpack_plain(frame)
        self.start(started)
        try:
            decoded = self.decode(self._index(raw, started), tokens, None, first)
        except SamplerError as error:
            return _refusal(error)
        return "done", DECODED.pack(decoded)

    def start(self, started: Any) -> None:
        """Start traces until so many are started, which every message of a policy tells."""
        if started != self._started:
            if type(started) is not int or not self._started < started <= self._engine.budget:
                raise BrokenFrame("no number of started traces")
            self._engine.start(started - self._started)
            self._started = started

    def decode(
        self, index: Ints, tokens: int | Ints | None, until: StopRule | None, first: int | None
    ) -> tuple[Ints, Ints, Ints32]:
        """Decode traces in the engine; return what a policy then sees of them."""
        if isinstance(tokens, np.ndarray) and len(tokens) != len(index):
            raise BrokenFrame("not one number of tokens for each trace")
        finished = self._engine.decode(index, tokens, until, first)
        return self._engine.num_tokens[index], finished, self._engine.answer[finished]

    def greedy_clusters(self, traces: int, state: State, *rule: Any) -> tuple[Ints, State] | None:
        """Cluster traces in the engine; return also the state of the random generator then."""
        from simulator.policy.random_numbers import generator_at, state_of

        rng = generator_at(state)
        clusters = self._engine.greedy_clusters(traces, rng, *rule)
        return None if clusters is None else (clusters, state_of(rng))

    def _index(self, raw: object, started: int) -> Ints:
        """Return the same array for the same numbers, so the engine recognises lock step."""
        if raw != self._last_raw:
            index = self._in_a_row(raw, started)
            self._last_index = INDEX.unpack(raw, started) if index is None else index
            self._last_raw = raw
        return self._last_index

    def _in_a_row(self, raw: object, started: int) -> Ints | None:
        """Return traces that were started one after the other, which needs no further checks."""
        if type(raw) is not bytes or not raw:
            return None
        first = int.from_bytes(raw[:8], sys.byteorder)
        end = first + len(raw) // 8
        if end > started or raw != self._numbers[8 * first : 8 * end]:
            return None
        return self._engine.all_started[first:end]


def _refusal(error: SamplerError) -> tuple[str, str]:
    kind = type(error).__name__
    return (kind if kind in REFUSALS else SamplerError.__name__), str(error)


@cache
def _numbers(budget: int) -> bytes:
    return np.arange(budget).tobytes()
