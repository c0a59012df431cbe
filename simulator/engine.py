"""The virtual inference engine: plays stored traces back as if they were being generated now.

It is the one place that holds what a policy must not see yet. `Sampler` and `Traces`
(`simulator.sampler`) are the policy's side; they read only `num_tokens`, `finished`, `answer`,
`clock` and the prefixes that are asked for here. Traces are numbered in this repeat's order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulator.errors import BudgetExceeded, SamplerError
from simulator.pool import NO_ANSWER, StoredProblem
from simulator.rules import StopRule
from simulator.serving import Serving

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Decode:
    """One call of `decode`, as it is logged.

    `index` names the traces and `work` the tokens each decoded, both of shape (n,); `clock` is the
    reading before. `begin` and `end` are readings relative to it where traces queued or were halted
    together; else all began at once and each ended when its work was done.
    """

    index: Ints
    work: Ints
    clock: float
    halted_by: str
    begin: npt.NDArray[np.float64] | None = None
    end: npt.NDArray[np.float64] | None = None

    def begins(self) -> npt.NDArray[np.float64]:
        """Clock reading at each trace's first step, shape (n,)."""
        return (
            np.zeros(len(self.work)) + self.clock if self.begin is None else self.clock + self.begin
        )

    def ends(self) -> npt.NDArray[np.float64]:
        """Clock reading after each trace's last step, shape (n,)."""
        return self.clock + (self.work.astype(np.float64) if self.end is None else self.end)


class Engine:
    """Replays the traces of one problem in one repeat.

    Parameters
    ----------
    problem
        The stored problem.
    order
        Rows of its traces in the order in which they are started, shape (budget,).
    serving
        What the clock is.

    Attributes
    ----------
    num_tokens, finished, stopped, answer
        What is known of each trace by now, shape (budget,); `answer` is −1 until it has finished.
    started
        How many traces have been started.
    clock
        Decode steps, or seconds, so far.
    """

    def __init__(self, problem: StoredProblem, order: Ints, serving: Serving) -> None:
        self.problem = problem
        self.order = order
        self.num_tokens = np.zeros(len(order), dtype=np.int64)
        self.finished = np.zeros(len(order), dtype=np.bool_)
        self.stopped = np.zeros(len(order), dtype=np.bool_)
        self.answer = np.full(len(order), NO_ANSWER, dtype=np.int32)
        self.started = 0
        self.clock: float = 0
        self.probe_calls = 0
        self.log: list[Decode] = []
        self._serving = serving
        self._length = problem.lengths[order]
        self._final_answer = problem.answer_class[order]
        self._any_stopped = False

    def start(self, n: int) -> Ints:
        """Start the next `n` traces and return their numbers."""
        first = self.started
        if n < 0:
            raise SamplerError(f"start({n}): give a number of traces that is not negative")
        if first + n > len(self.order):
            raise BudgetExceeded(
                f"start({n}) after {first} traces exceeds the budget of {len(self.order)}"
            )
        self.started = first + n
        return np.arange(first, first + n)

    def decode(
        self, index: Ints, tokens: int | None, until: StopRule | None, first: int | None
    ) -> Ints:
        """Decode together; return the numbers of the traces that finished in this call."""
        if self._any_stopped and self.stopped[index].any():
            stopped = index[self.stopped[index]].tolist()
            raise SamplerError(f"decode: trace {stopped[0]} was stopped, which is final")
        before = self.num_tokens[index]
        length = self._length[index]
        target = length
        halted_by = ""
        if tokens is not None:
            if tokens < 0:
                raise SamplerError(f"decode(tokens={tokens}): give a number that is not negative")
            target = np.minimum(before + tokens, length)
            halted_by = "tokens"
        if until is not None:
            halts_at = until.halts_at(self.problem, self.order[index], before)
            target = np.minimum(target, halts_at)
            halted_by = str(until)
        work = target - before
        if first is not None or not self._serving.unlimited:
            work = self._queue(index, work, target == length, first, halted_by)
            target = before + work
        elif len(index):
            self.log.append(Decode(index, work, self.clock, halted_by))
            self.clock += int(work.max())
        self.num_tokens[index] = target
        done = target == length
        done &= before != length
        finished: Ints = index[done]
        if len(finished):
            self.finished[finished] = True
            self.answer[finished] = self._final_answer[finished]
        return finished

    def _queue(
        self,
        index: Ints,
        work: Ints,
        finishes: npt.NDArray[np.bool_],
        first: int | None,
        halted_by: str,
    ) -> Ints:
        """Let the traces share the engine's slots, or race for `first`; return tokens decoded."""
        wanted = None
        if first is not None:
            if first < 1:
                raise SamplerError(f"decode(first={first}): wait for at least one trace")
            wanted = first - int(np.count_nonzero(self.finished[index]))
        allowed = work
        work, begin, end, duration = self._serving.schedule(work, finishes, wanted)
        if wanted is not None and (work < allowed).any():
            halted_by = "first"
        self.log.append(Decode(index, work, self.clock, halted_by, begin, end))
        self.clock += duration if self._serving.step_seconds else int(duration)
        return work

    def stop(self, index: Ints) -> None:
        """Prune; a trace that has finished already stays finished."""
        self.stopped[index[~self.finished[index]]] = True
        self._any_stopped = True

    def probe(self, index: Ints) -> npt.NDArray[np.int32]:
        """What each trace would answer if cut where it stands now; its answer if finished."""
        probes = self.problem.probes
        rows = self.order[index]
        answers = probes.table[rows, probes.columns(rows, self.num_tokens[index])]
        finished = self.finished[index]
        self.probe_calls += len(index) - int(np.count_nonzero(finished))
        return np.where(finished, self.answer[index], answers)

    def text(self, number: int) -> str:
        """The text a trace has generated so far."""
        row = int(self.order[number])
        tokens = int(self.num_tokens[number])
        if tokens == 0:
            return ""
        return self.problem.texts[row][: int(self.problem.token_ends[row][tokens - 1])]

    def confidence(self, number: int) -> npt.NDArray[np.float64]:
        """The confidences of the tokens a trace has generated so far."""
        row = int(self.order[number])
        return self.problem.confidence[row][: int(self.num_tokens[number])].copy()

    def hindsight(self) -> Hindsight:
        """What nobody can know beforehand, for the oracle."""
        return Hindsight(self._length.copy(), self.problem.correct[self.order])


@dataclass(frozen=True, slots=True)
class Hindsight:
    """Final length in tokens and correctness of every trace of the budget, shape (budget,)."""

    lengths: Ints
    correct: npt.NDArray[np.bool_]
