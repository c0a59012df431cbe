"""The clock: duration of a decode on a serving engine with a given number of slots.

With unlimited concurrency, every trace advances one token per decode step, so a decode lasts as
long as its longest trace. With `concurrency` slots, traces queue in the given order, and a free
slot is refilled at the next step, as in continuous batching. With a step-time curve, the seconds of
a step depend on the number of traces decoded in it, and the clock counts seconds: with
`kv_seconds` also on the tokens that these hold in the key-value cache, and with `prefill_seconds`
tokens that are read before a trace decodes take time as well.

With `kv_tokens`, the cache holds only so many. As in vLLM (V1, preemption by recomputation), a
waiting trace is admitted when its tokens and the next of every trace fit, in order of arrival.
When the next tokens do not fit, the trace admitted last loses its slot and its part of the cache;
it waits before all others, and its tokens are read again when it is admitted. A trace alone always
goes on.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from simulator.arrays import Bools, Floats, Ints
from simulator.errors import UserError
from simulator.storage import JsonObject

NO_LIMIT = 2**62
"""A number of steps that no decode comes to."""


@dataclass(slots=True)
class Schedule:
    """Schedule of traces in the engine's slots during one decode; arrays have shape (n,).

    `work` is the number of steps each trace took. `begin` and `end` are clock readings before
    its first and after its last step, relative to the start. `duration` is the total time. `work`
    includes the steps in which a trace waits for probes.
    """

    work: Ints
    begin: Floats
    end: Floats | Ints
    duration: float


@dataclass(frozen=True)
class Serving:
    """A serving engine: `concurrency` slots (None: unlimited) and the cost of a decode step.

    `step_seconds` are points (batch size, seconds per step), interpolated linearly, and extended
    with the last segment's slope, or constant if it falls. Without points the clock counts steps.

    Attributes
    ----------
    kv_seconds
        Seconds that a step takes longer for each token held in the key-value cache by the traces
        that it decodes, their prompts included.
    prefill_seconds
        Seconds for each token that is read before its trace decodes: of prompts, of traces that
        were preempted, and of suffixes of probes.
    prompt_tokens
        Tokens of a prompt.
    kv_tokens
        Tokens that the key-value cache holds; None: unlimited.
    prefix_cache
        True if traces of a problem share its prompt in the cache, and what they have decoded is
        kept there between calls of `decode`. Otherwise, each trace reads both anew in every call.
    probe_steps
        Decode steps in which probes that are asked together are answered; None: as many as the
        tokens of an answer.

    Raises
    ------
    ValueError
        An engine without a slot, seconds below 0, or seconds of a part without `step_seconds`.
    """

    concurrency: int | None = None
    step_seconds: tuple[tuple[int, float], ...] = field(default=())
    kv_seconds: float = 0
    prefill_seconds: float = 0
    prompt_tokens: int = 0
    kv_tokens: int | None = None
    prefix_cache: bool = True
    probe_steps: int | None = None

    def __post_init__(self) -> None:
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(f"concurrency {self.concurrency}: an engine has at least one slot")
        if min(self.kv_seconds, self.prefill_seconds) < 0:
            raise ValueError("seconds below 0")
        if (self.kv_seconds or self.prefill_seconds) and not self.step_seconds:
            raise ValueError("kv_seconds and prefill_seconds need step_seconds")

    @property
    def unlimited(self) -> bool:
        """True if a decode lasts as long as its longest trace."""
        return self.concurrency is None and self.kv_tokens is None and not self.step_seconds

    @property
    def clock_unit(self) -> str:
        """Unit of the clock: `steps` or `seconds`."""
        return "seconds" if self.step_seconds else "steps"

    @property
    def parts(self) -> dict[str, Any]:
        """Parts beside slots and step times that are not as usual, by name."""
        return {
            each.name: value
            for each in fields(self)
            if each.name in PARTS and (value := getattr(self, each.name)) != each.default
        }

    def answer_steps(self, answer: int) -> int:
        """Return the steps in which probes are answered that have answers of so many tokens."""
        return answer if self.probe_steps is None or not answer else self.probe_steps

    def step_cost(self, batch: int) -> float:
        """Return the time that one step with `batch` traces adds to the clock."""
        points = self.step_seconds
        if not points:
            return 1
        if len(points) > 1 and batch > points[-1][0]:
            (b0, s0), (b1, s1) = points[-2:]
            return s1 + max(0.0, s1 - s0) * (batch - b1) / (b1 - b0)
        sizes, seconds = zip(*points, strict=True)
        return float(np.interp(batch, sizes, seconds))

    def reading(self, traces: int, tokens: int, steps: int) -> float:
        """Return the seconds that steps take for what `traces` hold, at first `tokens` in all."""
        return self.kv_seconds * (steps * tokens + traces * (steps * (steps - 1) // 2))

    def duration(self, sequences: int, steps: int, *, held: int = 0, read: int = 0) -> float:
        """Return the time that sequences of equal length take; those without a slot wait.

        They hold `held` tokens in all, without their prompts, and each first reads `read` more.
        """
        slots = sequences if self.concurrency is None else self.concurrency
        rounds, rest = divmod(sequences, slots) if sequences else (0, 0)
        spent = rounds * self.step_cost(slots) if rounds else 0
        spent = steps * (spent + (self.step_cost(rest) if rest else 0))
        held += sequences * self.prompt_tokens
        if self.prefill_seconds:
            spent += self.prefill_seconds * (sequences * read + (0 if self.prefix_cache else held))
        if self.kv_seconds:
            spent += self.reading(sequences, held + sequences * read, steps)
        return spent

    def schedule(
        self,
        work: Ints,
        finishes: Bools,
        first: int | None,
        before: Ints | None = None,
        *,
        anew: bool = False,
    ) -> Schedule:
        """Schedule a decode of traces, in the given order.

        Parameters
        ----------
        work
            Tokens that each trace would decode without `first`, shape (n,).
        finishes
            True for traces that finish with these tokens, shape (n,).
        first
            Halt all traces in the step in which this many have finished; None: never.
        before
            Tokens that each trace has decoded before, shape (n,); None: none.
        anew
            True if the problem's prompt has not been read before.
        """
        if self.unlimited:
            work = work if first is None else raced(work, finishes, first)
            return Schedule(work, np.zeros(len(work)), work, int(work.max(initial=0)))
        slots = Slots(self, work, before)
        begin, end = np.zeros(len(work)), np.zeros(len(work))
        ends: list[tuple[int, int]] = []  # (step at which it is done, trace)
        unread = self.prompt_tokens if anew and self.prefix_cache else 0
        clock: float = 0
        remaining = first
        while remaining is None or remaining > 0:
            read = 0
            for trace in slots.admit():
                heapq.heappush(ends, (slots.active[trace] + int(work[trace]), trace))
                if trace not in slots.decoded:
                    begin[trace] = clock
                    unread, read = 0, read + unread
                if trace in slots.decoded or not self.prefix_cache:
                    read += slots.tokens(trace)
            if self.prefill_seconds:
                clock += self.prefill_seconds * read
            if not slots.active:
                break
            while slots.active.get(ends[0][1]) != ends[0][0] - work[ends[0][1]]:
                heapq.heappop(ends)  # was preempted since
            steps = min(ends[0][0] - slots.step, slots.room())
            if not steps:
                end[slots.preempt()] = clock
                continue
            batch = len(slots.active)
            clock += steps * self.step_cost(batch)
            if self.kv_seconds:
                clock += self.reading(batch, slots.held_with_prompts(), steps)
            slots.advance(steps)
            while ends and ends[0][0] == slots.step:
                done_at, trace = heapq.heappop(ends)
                if slots.active.get(trace) != done_at - work[trace]:
                    continue
                slots.leave(trace)
                end[trace] = clock
                if remaining is not None and finishes[trace]:
                    remaining -= 1
        for trace in [*slots.active]:  # halted because enough others have finished
            slots.leave(trace)
            end[trace] = clock
        advance = np.zeros(len(work), dtype=np.int64)
        for trace, decoded in slots.decoded.items():
            advance[trace] = decoded
        return Schedule(advance, begin, end, clock)


class Slots:
    """Slots and key-value cache of an engine during one decode, step by step.

    Attributes
    ----------
    active
        The traces in slots, in the order in which they were admitted, with the step at which each
        would have begun had it never lost its slot.
    waiting
        The traces that have no slot, in order.
    decoded
        Tokens that traces had decoded when they last left a slot.
    step
        Number of steps taken.
    """

    def __init__(self, serving: Serving, work: Ints, before: Ints | None) -> None:
        self._slots = len(work) if serving.concurrency is None else serving.concurrency
        shared = serving.prompt_tokens if serving.prefix_cache else 0
        own = serving.prompt_tokens - shared
        self._shared, self._limit = shared, serving.kv_tokens
        self._own = [own] * len(work) if before is None else (before + own).tolist()
        self._held = 0
        self.active: dict[int, int] = {}
        self.waiting = deque(np.flatnonzero(work).tolist())
        self.decoded: dict[int, int] = {}
        self.step = 0

    def tokens(self, trace: int) -> int:
        """Return the tokens that a trace has, or would have, for itself in the cache."""
        since = self.active.get(trace)
        decoded = self.decoded.get(trace, 0) if since is None else self.step - since
        return self._own[trace] + decoded

    def held_with_prompts(self) -> int:
        """Return the tokens that the traces in slots hold, a shared prompt counted for each."""
        return self._held + self._shared * len(self.active)

    def admit(self) -> Iterator[int]:
        """Give free slots to the traces that wait, as long as their tokens fit; yield them."""
        while self.waiting and len(self.active) < self._slots:
            trace = self.waiting[0]
            tokens = self.tokens(trace)
            if self.active and self._limit is not None:
                after = self._shared + self._held + tokens + len(self.active) + 1
                if after > self._limit:
                    return
            self.waiting.popleft()
            self._held += tokens
            self.active[trace] = self.step - self.decoded.get(trace, 0)
            yield trace

    def room(self) -> int:
        """Return the number of steps for which the cache has room."""
        if self._limit is None or len(self.active) == 1:
            return NO_LIMIT
        return max(0, self._limit - self._shared - self._held) // len(self.active)

    def preempt(self) -> int:
        """Take the slot of the trace that was admitted last; return the trace."""
        trace = next(reversed(self.active))
        self.leave(trace)
        self.waiting.appendleft(trace)
        return trace

    def leave(self, trace: int) -> None:
        """Free the slot of a trace, and its part of the cache."""
        self._held -= self.tokens(trace)
        self.decoded[trace] = self.step - self.active.pop(trace)

    def advance(self, steps: int) -> None:
        """Take steps: each trace in a slot decodes a token a step."""
        self.step += steps
        self._held += steps * len(self.active)


def raced(work: Ints, finishes: Bools, first: int) -> Ints:
    """Return the steps of traces that decode at once until `first` finish; as in `schedule`."""
    if first <= 0:
        return np.zeros_like(work)
    finishing = np.sort(work[finishes & (work > 0)])
    return np.minimum(work, finishing[first - 1]) if len(finishing) >= first else work


PARTS = tuple(each.name for each in fields(Serving)[2:])
"""Names of the parts of a serving model beside slots and step times."""


def read_parts(found: JsonObject) -> dict[str, Any]:
    """Return the parts of a serving model (`Serving.parts`) that are named, checked."""
    kinds: dict[str, tuple[type, float, float]] = {
        "kv_seconds": (float, 0, 1e6),
        "prefill_seconds": (float, 0, 1e6),
        "prompt_tokens": (int, 0, 1e9),
        "kv_tokens": (int, 1, 1e12),
        "prefix_cache": (bool, 0, 1),
        "probe_steps": (int, 0, 1e6),
    }
    return {
        name: found.get(name, *kind)
        for name, kind in kinds.items()
        if found.fields.get(name) is not None
    }


def parse_step_seconds(text: str) -> tuple[tuple[int, float], ...]:
    """Parse `0.02` or `1:0.012,64:0.02,256:0.045` as points (batch size, seconds per step).

    Raises
    ------
    UserError
        Another form, sizes that do not ascend, or seconds that are not positive.
    """
    try:
        if ":" not in text:
            points: Sequence[tuple[int, float]] = [(1, float(text))]
        else:
            pairs = [point.split(":") for point in text.split(",")]
            points = [(int(size), float(seconds)) for size, seconds in pairs]
    except ValueError:
        points = []
    sizes = [size for size, _ in points]
    good = points and all(size >= 1 and 0 < seconds < 1e6 for size, seconds in points)
    if not good or sizes != sorted(set(sizes)):
        raise UserError(
            f"--step-seconds {text}: give seconds per step, or batch:seconds points in ascending "
            "order such as 1:0.012,64:0.02,256:0.045"
        )
    return tuple(points)
