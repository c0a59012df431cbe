"""The engine of a live run: a replay of traces that are generated when it needs them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from simulator.arrays import Ints, Ints32
from simulator.live.growing import GrowingProblem
from simulator.live.recording import Journal
from simulator.live.source import Piece, TokenSource
from simulator.pools.probe_cost import ProbeCost
from simulator.replay.engine import Decode, Engine
from simulator.replay.judging import ReplayJudge
from simulator.replay.serving import Serving
from simulator.rules.stop_rules import NEVER, StopRule

CHUNK = 32
"""Tokens that a trace goes on by at once where it is open which of its tokens halts it."""


class LiveEngine(Engine):
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

    problem: GrowingProblem

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
        super().__init__(problem, np.arange(budget), serving, judge, probe_cost)
        self._source = source
        self._find_answer = find_answer
        self._probe_interval = probe_interval
        self._journal = journal
        self._probe_suffix = probe_suffix
        self._chunk = chunk
        self._waiting = False

    @property
    def progress(self) -> int:
        """Tokens generated so far; while the model's engine works, a number that changes."""
        return time.monotonic_ns() if self._waiting else int(self.problem.available.sum())

    @contextmanager
    def _wait(self) -> Iterator[None]:
        """Wait for the model's engine in this context."""
        self._waiting = True
        try:
            yield
        finally:
            self._waiting = False

    def _decided(
        self,
        index: Ints,
        before: Ints,
        tokens: int | Ints | None,
        until: StopRule | None,
        first: int | None,
    ) -> tuple[Decode, Ints, Ints | None]:
        more = NEVER if tokens is None else tokens
        most = before + np.minimum(NEVER - before, more)
        at_once = NEVER if until is None and first is None else self._chunk
        reads_probes = until is not None and "probes" in until.requires
        decided = super()._decided

        def lacking(after: Ints) -> dict[int, int]:
            available = self.problem.available[index]
            more = np.minimum(most, available + min(at_once, NEVER // 2))
            short = after > available
            return dict(zip(index[short].tolist(), more[short].tolist(), strict=True))

        def follow() -> dict[int, int]:
            return lacking(decided(index, before, tokens, until, first)[0].after)

        is_open = at_once == self._chunk and not reads_probes
        while True:
            decode, halts_at, asked = decided(index, before, tokens, until, first)
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
        with self._wait():
            replies = self._source.probe(places)
        answers = [self._find_answer(self._probe_suffix + reply.text) for reply in replies]
        kinds = [self.problem.class_of(answer) for answer in answers]
        self.problem.set_probes(places, kinds, [reply.signals for reply in replies])
        if self._journal is not None:
            self._journal.add_probes(self.problem, places, replies, answers, kinds)
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
        with self._wait():
            for pieces in self._source.generate(wanted):
                self._take(pieces)
                if follow is not None:
                    more = follow()
                    for row in wanted:
                        wanted[row] = more.get(row, 0)

    def _take(self, pieces: Sequence[Piece]) -> None:
        """Add what was generated to the problem and to the journal."""
        problem = self.problem
        problem.extend(pieces)
        for piece in pieces:
            if piece.finish_reason is not None:
                answer = self._find_answer(problem.texts[piece.row])
                problem.set_answer(piece.row, answer, problem.class_of(answer))
        if self._journal is not None:
            self._journal.add_pieces(pieces, problem)
        self._length = problem.lengths[self.order]
        self._final_answer = problem.answer_class[self.order]

    def complete(self) -> None:
        """Generate all traces that have begun to their ends, and ask all their probes."""
        begun = self.problem.available > 0
        self.generate(dict.fromkeys(np.flatnonzero(begun & ~self.problem.ended).tolist(), NEVER))
        rows = np.flatnonzero(begun)
        while self._probe_next(rows, self.problem.lengths[rows]):
            pass
