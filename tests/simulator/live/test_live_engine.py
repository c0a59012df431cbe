"""A live run and the replay of what it recorded agree, whatever the model's engine did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from random_programs import BUDGET, WORDS, programs, recorded, servings, transcript

from simulator.live.growing import GrowingProblem, LivePool
from simulator.live.live_engine import LiveEngine
from simulator.live.source import Piece, ProbeReply
from simulator.pools.pool import PoolInfo
from simulator.replay.engine import Engine
from simulator.replay.serving import Serving

INTERVAL = 4
ANSWERS = ("1", "2", "3", None)


class RandomSource:
    """An engine that goes on unevenly, with traces that nobody knows in advance."""

    def __init__(self, seed: int, longest: int = 40) -> None:
        self.rng = np.random.default_rng(seed)
        self.longest = longest
        self.tokens = [0] * BUDGET
        self.ended = [False] * BUDGET
        self.probed: set[tuple[int, int]] = set()

    def generate(self, wanted: Mapping[int, int]) -> Iterator[list[Piece]]:
        for row, tokens in wanted.items():
            assert self.tokens[row] < tokens  # nothing is asked in vain
            assert not self.ended[row]
        open_rows = dict(wanted)
        while open_rows:
            others = [r for r in range(BUDGET) if not self.ended[r] and self.rng.random() < 0.1]
            for row in self.rng.permutation([*open_rows, *(set(others) - set(open_rows))]).tolist():
                yield [self.piece(row)]
                if row in open_rows and (self.ended[row] or self.tokens[row] >= open_rows[row]):
                    del open_rows[row]

    def piece(self, row: int) -> Piece:
        count = int(self.rng.integers(1, 6))
        words = self.rng.choice(WORDS, count).tolist()
        self.tokens[row] += count
        ended = self.tokens[row] >= self.longest or bool(self.rng.random() < 0.15)
        self.ended[row] = ended
        return Piece(
            row,
            self.rng.integers(0, 100, count).tolist(),
            "".join(words),
            np.cumsum([len(word) for word in words]).tolist(),
            {"confidence": self.rng.integers(0, 4000, count).astype(np.uint16)},
            "stop" if ended else None,
        )

    def probe(self, places: Sequence[tuple[int, int]]) -> list[ProbeReply]:
        for row, tokens in places:
            assert tokens <= self.tokens[row]
            assert (row, tokens) not in self.probed  # nothing is asked twice
            self.probed.add((row, tokens))
        replies = []
        for _ in places:
            text = "x" * int(self.rng.integers(4))
            mean, entropy = self.rng.random(2, dtype=np.float32).tolist()
            signals = {"probe_mean": mean if text else np.nan, "probe_entropy": entropy}
            replies.append(ProbeReply(text, signals))
        return replies

    def answer(self, text: str) -> str | None:
        return ANSWERS[len(text) % len(ANSWERS)]


def new_problem() -> GrowingProblem:
    info = PoolInfo(
        "live",
        "random",
        "test",
        "live",
        "1",
        "exact",
        signals=["text", "confidence", "probes", "probe_mean", "probe_entropy"],
    )
    return GrowingProblem(LivePool(info), "0", "question", "2", "text", BUDGET, INTERVAL)


@settings(max_examples=1000)
@given(programs, servings, st.integers(0, 2**32), st.integers(1, 7))
def test_live_equals_replay(
    program: list[tuple[Any, ...]], serving: Serving, seed: int, chunk: int
) -> None:
    problem, source = new_problem(), RandomSource(seed)
    live = LiveEngine(
        problem,
        source,
        budget=BUDGET,
        serving=serving,
        find_answer=source.answer,
        probe_interval=INTERVAL,
        chunk=chunk,
    )
    seen = transcript(live, program)
    untouched = np.flatnonzero(problem.available == 0).tolist()
    live.generate(dict.fromkeys(untouched, 1))  # a replay knows all lengths
    live.complete()
    replayed = Engine(problem, np.arange(BUDGET), serving)
    assert transcript(replayed, program) == seen
    assert replayed.rule_halts == live.rule_halts
    decisions, answers = recorded(replayed)
    assert decisions.to_pylist() == recorded(live)[0].to_pylist()
    assert answers.to_pylist() == recorded(live)[1].to_pylist()
