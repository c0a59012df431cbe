"""The clock: duration of a decode on a serving engine with a given number of slots.

With unlimited concurrency, every trace advances one token per decode step, so a decode lasts as
long as its longest trace. With `concurrency` slots, traces queue in the given order, and a free
slot is refilled at the next step, as in continuous batching. With a step-time curve, the seconds of
a step depend on the number of traces decoded in it, and the clock counts seconds.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from simulator.arrays import Bools, Floats, Ints
from simulator.errors import UserError


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
    """

    concurrency: int | None = None
    step_seconds: tuple[tuple[int, float], ...] = field(default=())

    def __post_init__(self) -> None:
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(f"concurrency {self.concurrency}: an engine has at least one slot")

    @property
    def unlimited(self) -> bool:
        """True if a decode lasts as long as its longest trace."""
        return self.concurrency is None and not self.step_seconds

    @property
    def clock_unit(self) -> str:
        """Unit of the clock: `steps` or `seconds`."""
        return "seconds" if self.step_seconds else "steps"

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

    def duration(self, sequences: int, steps: int) -> float:
        """Return the time that sequences of equal length take; those without a slot wait."""
        slots = sequences if self.concurrency is None else self.concurrency
        rounds, rest = divmod(sequences, slots) if sequences else (0, 0)
        spent = rounds * self.step_cost(slots) if rounds else 0
        return steps * (spent + (self.step_cost(rest) if rest else 0))

    def schedule(self, work: Ints, finishes: Bools, first: int | None) -> Schedule:
        """Schedule a decode of traces, in the given order.

        Parameters
        ----------
        work
            Tokens that each trace would decode without `first`, shape (n,).
        finishes
            True for traces that finish with these tokens, shape (n,).
        first
            Halt all traces in the step in which this many have finished; None: never.
        """
        if self.unlimited:
            work = work if first is None else raced(work, finishes, first)
            return Schedule(work, np.zeros(len(work)), work, int(work.max(initial=0)))
        slots = len(work) if self.concurrency is None else self.concurrency
        advance = np.zeros(len(work), dtype=np.int64)
        begin = np.zeros(len(work))
        end = np.zeros(len(work))
        queue = iter(np.flatnonzero(work).tolist())
        active: list[tuple[int, int]] = []  # (step at which it is done, trace)
        started_at: dict[int, int] = {}
        step = 0
        clock: float = 0
        remaining = first
        while True:
            while len(active) < slots and (trace := next(queue, None)) is not None:
                heapq.heappush(active, (step + int(work[trace]), trace))
                started_at[trace] = step
                begin[trace] = clock
            if not active or (remaining is not None and remaining <= 0):
                break
            done_at = active[0][0]
            clock += (done_at - step) * self.step_cost(len(active))
            step = done_at
            while active and active[0][0] == step:
                _, trace = heapq.heappop(active)
                advance[trace] = work[trace]
                end[trace] = clock
                if remaining is not None and finishes[trace]:
                    remaining -= 1
            if remaining is not None and remaining <= 0:
                break
        for _, trace in active:  # halted because enough others have finished
            advance[trace] = step - started_at[trace]
            end[trace] = clock
        return Schedule(advance, begin, end, clock)


def raced(work: Ints, finishes: Bools, first: int) -> Ints:
    """Return the steps of traces that decode at once until `first` finish; as in `schedule`."""
    if first <= 0:
        return np.zeros_like(work)
    finishing = np.sort(work[finishes & (work > 0)])
    return np.minimum(work, finishing[first - 1]) if len(finishing) >= first else work


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
