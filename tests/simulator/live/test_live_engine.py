"""A live run and the replay of what it recorded agree, whatever the model's engine did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import SamplerError
from simulator.live.growing import GrowingProblem, LivePool
from simulator.live.live_engine import LiveEngine
from simulator.live.source import Piece
from simulator.policy.sampler import Sampler, Traces
from simulator.pools.pool import PoolInfo
from simulator.replay.engine import Engine
from simulator.replay.recording import GradedAnswer, Recorder
from simulator.replay.serving import Serving
from simulator.rules.stop_rules import (
    ProbesAgree,
    ReasoningWords,
    SignalAbove,
    SignalBelow,
    TextMatches,
)

BUDGET = 5
INTERVAL = 4
WORDS = ("wait", " so", " x", "y", ", but", "é", "", "so", ".")
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

    def probe(self, places: Sequence[tuple[int, int]]) -> list[str]:
        for row, tokens in places:
            assert tokens <= self.tokens[row]
            assert (row, tokens) not in self.probed  # nothing is asked twice
            self.probed.add((row, tokens))
        return ["x" * int(self.rng.integers(4)) for _ in places]

    def answer(self, text: str) -> str | None:
        return ANSWERS[len(text) % len(ANSWERS)]


def new_problem() -> GrowingProblem:
    info = PoolInfo(
        "live", "random", "test", "live", "1", "exact", signals=["text", "confidence", "probes"]
    )
    return GrowingProblem(LivePool(info), "0", "question", "2", "text", BUDGET, INTERVAL)


simple_rules = st.one_of(
    st.builds(SignalBelow, st.just("confidence"), st.floats(0, 4), st.integers(1, 6)),
    st.builds(SignalAbove, st.just("confidence"), st.floats(0, 4), st.integers(1, 6)),
    st.builds(ReasoningWords, st.integers(1, 3)),
    st.builds(TextMatches, st.sampled_from([r"\bso\b", "x.*y", "é", r"wait(?<=t)"])),
    st.builds(ProbesAgree, st.integers(1, 3)),
)
rules = st.one_of(
    simple_rules, st.tuples(simple_rules, simple_rules).map(lambda two: two[0] | two[1])
)
operations = st.one_of(
    st.tuples(st.just("start"), st.integers(0, 3)),
    st.tuples(
        st.just("decode"),
        st.integers(0, 2**BUDGET - 1),
        st.none() | st.integers(0, 20),
        st.none() | rules,
        st.none() | st.integers(1, 3),
    ),
    st.tuples(st.sampled_from(["stop", "probe", "see"]), st.integers(0, 2**BUDGET - 1)),
    st.tuples(st.just("clock")),
)
programs = st.lists(operations, min_size=1, max_size=12).map(lambda ops: [("start", 3), *ops])
servings = st.sampled_from([Serving(), Serving(2), Serving(1), Serving(3, ((1, 0.5), (3, 0.8)))])


def chosen(sampler: Sampler, mask: int) -> Traces:
    return sampler.traces[[n for n in range(len(sampler.traces)) if mask >> n & 1]]


def shown(traces: Traces) -> list[Any]:
    return [
        traces.num_tokens.tolist(),
        traces.finished.tolist(),
        traces.answer.tolist(),
        list(traces.text),
        [trace.confidence.tolist() for trace in traces],
        repr(traces.mean("confidence", 3)),
        repr(traces.lowest("confidence", 2)),
        repr(traces.bottom("confidence", 0.5, 2)),
    ]


def transcript(engine: Engine, program: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Run a program of a policy's operations; return all that it sees."""
    sampler = Sampler(engine, [1])
    seen: list[Any] = []
    for name, *arguments in program:
        try:
            if name == "start":
                sampler.start(*arguments)
            elif name == "clock":
                seen.append(sampler.clock)
            else:
                traces = chosen(sampler, arguments[0])
                if name == "decode":
                    done = sampler.decode(traces, *arguments[1:])
                    seen += [done.ids.tolist(), sampler.tokens, traces.num_tokens.tolist()]
                elif name == "stop":
                    sampler.stop(traces)
                elif name == "probe":
                    seen.append(sampler.probe(traces).tolist())
                else:
                    seen.append(shown(traces))
        except SamplerError as error:
            seen.append(str(error))
    everything = shown(sampler.traces)
    return [*seen, everything, sampler.clock, sampler.probe_calls, sampler.probe_tokens]


def recorded(engine: Engine) -> tuple[pa.Table, pa.Table]:
    """Return the rows of a run about a problem: decisions with their reasons, and the answer."""
    recorder = Recorder(engine.problem)
    recorder.add(0, engine, GradedAnswer(None, -1, False))
    tables = recorder.tables()
    return tables.decisions, tables.answers


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
