"""Engines on traces that may not have come to their end: a replay of them, and a live run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from simulator.arrays import Ints, Ints32
from simulator.errors import SamplerError, UserError
from simulator.live.growing import GrowingProblem
from simulator.live.recording import Journal
from simulator.live.source import TokenSource
from simulator.policy.visible import Hindsight
from simulator.pools.probe_cost import ProbeCost
from simulator.replay.engine import Decode, Engine
from simulator.replay.judging import ReplayJudge
from simulator.replay.serving import Serving
from simulator.rules.stop_rules import NEVER, StopRule

CHUNK = 32
"""Tokens that a trace goes on by at once where it is open which of its tokens halts it."""


class RecordedEngine(Engine):
    """Traces of one problem as they have been recorded, in the recorded order.

    Nothing that has not been generated is shown: a decode that needs it raises `UserError`.
    Parameters as for `Engine`; `budget` is the number of traces that may be started.
    """

    problem: GrowingProblem

    def __init__(
        self,
        problem: GrowingProblem,
        *,
        budget: int,
        serving: Serving,
        judge: ReplayJudge | None = None,
        probe_cost: ProbeCost | None = None,
    ) -> None:
        super().__init__(problem, np.arange(budget), serving, judge, probe_cost)
        self._in_lock_step = False

    def _decided(
        self,
        index: Ints,
        before: Ints,
        tokens: int | None,
        until: StopRule | None,
        first: int | None,
    ) -> tuple[Decode, Ints, Ints | None]:
        decided = super()._decided(index, before, tokens, until, first)
        past = index[decided[0].after > self.problem.available[index]]
        if len(past):
            raise UserError(
                f"trace {past[0]} of problem {self.problem.problem_id} has been generated up to "
                f"{self.problem.available[past[0]]:,} tokens, and this replay goes past them; run "
                "it live first"
            )
        return decided

    def _halts_at(self, rule: StopRule, rows: Ints, before: Ints, limits: Ints) -> Ints:
        return super()._halts_at(
            rule, rows, before, np.minimum(limits, self.problem.available[rows])
        )

    def hindsight(self) -> Hindsight:
        raise SamplerError("the ends of live traces are not known yet; the oracle can only replay")


class LiveEngine(RecordedEngine):
    """Traces of one problem that are generated when a policy needs them.

    Every decode is first worked out on what has been generated, by the code that replays it later.
    While the result goes past that, more is generated and it is worked out anew. What a policy sees
    is thus what a replay of the recorded traces in the same order shows, however the model's engine
    schedules, batches or overruns.

    Parameters
    ----------
    problem
        The problem, with what has been generated of its traces before.
    source
        The engine that generates them.
    budget
        Number of traces that may be started.
    serving, judge, probe_cost
        As for `Engine`.
    find_answer
        Function of a whole trace's text: its final answer.
    probe_interval
        Tokens between probes: a probe tells the answer at the last multiple, as in a pool.
    probe_suffix
        Text that comes before what a probe generates.
    journal
        File for all that is generated, which has it before a policy sees any of it.
    chunk
        Tokens that a trace goes on by at once where it is open which of its tokens halts it.
    """

    def __init__(
        self,
        problem: GrowingProblem,
        source: TokenSource,
        *,
        budget: int,
        serving: Serving,
        find_answer: Callable[[str], str | None],
        probe_interval: int = 64,
        probe_suffix: str = "",
        judge: ReplayJudge | None = None,
        probe_cost: ProbeCost | None = None,
        journal: Journal | None = None,
        chunk: int = CHUNK,
    ) -> None:
        super().__init__(
            problem, budget=budget, serving=serving, judge=judge, probe_cost=probe_cost
        )
        self._source = source
        self._find_answer = find_answer
        self._probe_interval = probe_interval
        self._journal = journal
        self._probe_suffix = probe_suffix
        self._chunk = chunk

    @property
    def progress(self) -> int:
        """Tokens generated so far."""
        return int(self.problem.available.sum())

    def _decided(
        self,
        index: Ints,
        before: Ints,
        tokens: int | None,
        until: StopRule | None,
        first: int | None,
    ) -> tuple[Decode, Ints, Ints | None]:
        more = NEVER if tokens is None else tokens
        most = before + np.minimum(NEVER - before, more)
        at_once = NEVER if until is None and first is None else self._chunk
        reads_probes = until is not None and "probes" in until.requires

        def lacking(after: Ints) -> dict[int, int]:
            available = self.problem.available[index]
            more = np.minimum(most, available + min(at_once, NEVER // 2))
            short = after > available
            return dict(zip(index[short].tolist(), more[short].tolist(), strict=True))

        def follow() -> dict[int, int]:
            return lacking(Engine._decided(self, index, before, tokens, until, first)[0].after)

        is_open = at_once == self._chunk and not reads_probes
        while True:
            decode, halts_at, asked = Engine._decided(self, index, before, tokens, until, first)
            if wanted := lacking(decode.after):
                self.generate(wanted, follow if is_open else None)
            elif not reads_probes or not self._probe_next(index, decode.after):
                return decode, halts_at, asked

    def _probe_next(self, index: Ints, after: Ints) -> bool:
        """Ask the next unknown probe of each trace up to `after` tokens; False if all are known."""
        last = np.minimum(after, self.problem.lengths[index] - 1) // self._probe_interval
        places = []
        for row, number in zip(index.tolist(), last.tolist(), strict=True):
            for multiple in range(1, number + 1):
                place = (row, multiple * self._probe_interval)
                if not self.problem.is_probed(*place):
                    places.append(place)
                    break
        return self._ask(places)

    def _ask(self, places: Sequence[tuple[int, int]]) -> bool:
        """Ask probes of traces at numbers of tokens; return False without any."""
        if not places:
            return False
        texts = self._source.probe(places)
        answers = [self._find_answer(self._probe_suffix + text) for text in texts]
        kinds = [self.problem.class_of(answer) for answer in answers]
        self.problem.set_probes(places, kinds)
        if self._journal is not None:
            self._journal.add_probes(places, texts, answers, kinds)
        return True

    def probe(self, index: Ints) -> Ints32:
        going = index[~self.finished[index]]
        last = self.num_tokens[going] // self._probe_interval * self._probe_interval
        self._ask(
            [
                (row, place)
                for row, place in zip(going.tolist(), last.tolist(), strict=True)
                if place and not self.problem.is_probed(row, place)
            ]
        )
        return super().probe(index)

    def generate(
        self, wanted: dict[int, int], follow: Callable[[], dict[int, int]] | None = None
    ) -> None:
        """Generate until these traces have so many tokens or have ended.

        `follow` tells what is still wanted each time that some of it has come, so that an engine
        which looks again does not stop where more is wanted, nor go on where a trace is halted.
        """
        problem = self.problem
        for pieces in self._source.generate(wanted):
            problem.extend(pieces)
            for piece in pieces:
                if piece.finish_reason is not None:
                    answer = self._find_answer(problem.texts[piece.row])
                    problem.set_answer(piece.row, answer, problem.class_of(answer))
            if self._journal is not None:
                self._journal.add_pieces(pieces, problem)
            self._length = problem.lengths[self.order]
            self._final_answer = problem.answer_class[self.order]
            if follow is not None:
                more = follow()
                for row in wanted:
                    wanted[row] = more.get(row, 0)

    def complete(self) -> None:
        """Generate all traces that have begun to their ends, and ask all their probes."""
        begun = self.problem.available > 0
        self.generate(dict.fromkeys(np.flatnonzero(begun & ~self.problem.ended).tolist(), NEVER))
        rows = np.flatnonzero(begun)
        while self._probe_next(rows, self.problem.lengths[rows]):
            pass
