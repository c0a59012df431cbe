"""Random programs of a policy's operations, and all that a policy sees of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from simulator.errors import SamplerError
from simulator.policy.sampler import Sampler, Traces
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
"""Traces that a program may start."""

WORDS = ("wait", " so", " x", "y", ", but", "é", "", "so", ".")
"""Tokens of random texts, which the rules look for."""

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
        st.none() | st.integers(0, 20) | st.tuples(*[st.integers(0, 20)] * BUDGET),
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


def certainty(traces: Traces) -> str:
    """Return the numbers of the probes asked last; a pool without them refuses by its name."""
    try:
        return repr([traces.probed(name) for name in ("probe_mean", "probe_entropy")])
    except SamplerError:
        return "refused"


def shown(traces: Traces) -> list[Any]:
    return [
        certainty(traces),
        traces.num_tokens.tolist(),
        traces.finished.tolist(),
        traces.answer.tolist(),
        repr(traces.finished_at),
        list(traces.text),
        [trace.confidence.tolist() for trace in traces],
        repr(traces.mean("confidence", 3)),
        repr(traces.lowest("confidence", 2)),
        repr(traces.bottom("confidence", 0.5, 2)),
    ]


def step(sampler: Sampler, operation: tuple[Any, ...]) -> list[Any]:
    """Carry out one operation; return what it shows."""
    name, *arguments = operation
    try:
        if name == "start":
            sampler.start(*arguments)
            return []
        if name == "clock":
            return [sampler.clock]
        traces = chosen(sampler, arguments[0])
        if name == "decode":
            tokens, *others = arguments[1:]
            if isinstance(tokens, tuple):  # one number a trace
                tokens = np.array(tokens)[traces.ids]
            done = sampler.decode(traces, tokens, *others)
            return [done.ids.tolist(), sampler.tokens, traces.num_tokens.tolist()]
        if name == "stop":
            sampler.stop(traces)
            return []
        if name == "probe":
            return [sampler.probe(traces).tolist(), certainty(traces)]
        return [shown(traces)]
    except SamplerError as error:
        return [str(error)]


def at_the_end(sampler: Sampler) -> list[Any]:
    """Return all that can be seen after a program."""
    return [shown(sampler.traces), sampler.clock, sampler.probe_calls, sampler.probe_tokens]


def transcript(engine: Engine, program: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Run a program of a policy's operations; return all that it sees."""
    sampler = Sampler(engine, [1])
    seen = [each for operation in program for each in step(sampler, operation)]
    return [*seen, *at_the_end(sampler)]


def recorded(engine: Engine) -> tuple[pa.Table, pa.Table]:
    """Return the rows of a run about a problem: decisions with their reasons, and the answer."""
    recorder = Recorder(engine.problem)
    recorder.add(0, engine, GradedAnswer(None, -1, False))
    tables = recorder.tables()
    return tables.decisions, tables.answers
