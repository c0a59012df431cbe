"""Small pools for tests, written as their lengths and answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from simulator.policy.sampler import Sampler
from simulator.pools.pool import Pool, PoolInfo, StoredProblem
from simulator.pools.probe_cost import FREE, ProbeCost
from simulator.pools.records import ProblemRecord, TraceRecord
from simulator.pools.writer import PoolWriter
from simulator.replay.engine import Engine
from simulator.replay.serving import Serving


@dataclass(frozen=True)
class T:
    """One trace: its length in tokens, its answer, and its probes as {tokens: answer}.

    `signals` are token signals other than confidence, by name, and `certainty` probe signals: a
    number a probe, None for one that is not known.
    """

    num_tokens: int
    answer: str | None
    probes: Mapping[int, str | None] | None = None
    text: str | None = None
    confidence: Sequence[float] | None = None
    signals: Mapping[str, Sequence[float]] = field(default_factory=dict)
    unfinished: bool = False
    certainty: Mapping[str, Sequence[float | None]] = field(default_factory=dict)

    @property
    def probe_signals(self) -> dict[str, npt.NDArray[np.float64]]:
        return {name: np.array(each, dtype=np.float64) for name, each in self.certainty.items()}

    @property
    def token_signals(self) -> dict[str, npt.NDArray[np.float64]]:
        """All of them by name."""
        confidence = {} if self.confidence is None else {"confidence": self.confidence}
        values = {**confidence, **self.signals}
        return {name: np.array(each, dtype=np.float64) for name, each in values.items()}


def write_pool(
    cache: Path,
    problems: Mapping[str, Sequence[T]],
    *,
    gold: str = "1",
    benchmark: str = "tiny",
    synthetic: bool = False,
) -> Pool:
    """Write a pool `test/model/<benchmark>` of these problems, all with the same gold answer."""
    info = PoolInfo("test", "model", benchmark, "test", "1", "total", synthetic=synthetic)
    with PoolWriter(cache, info) as writer:
        for problem_id, traces in sorted(problems.items()):
            records = [
                TraceRecord(
                    trace_id=index,
                    num_tokens=trace.num_tokens,
                    answer=trace.answer,
                    text=trace.text,
                    token_signals=trace.token_signals,
                    probe_positions=None if trace.probes is None else np.array([*trace.probes]),
                    probe_answers=None if trace.probes is None else [*trace.probes.values()],
                    unfinished=trace.unfinished,
                    probe_signals=trace.probe_signals,
                )
                for index, trace in enumerate(traces)
            ]
            writer.add(ProblemRecord(problem_id, f"What is {problem_id}?", gold, "math", records))
    return Pool(writer.path)


def write_problem(cache: Path, traces: Sequence[T], *, gold: str = "1") -> StoredProblem:
    """Write a pool of one problem with these traces; return the problem."""
    return write_pool(cache, {"p": traces}, gold=gold).problems[0]


def start_engine(
    problem: StoredProblem,
    serving: Serving | None = None,
    budget: int | None = None,
    probe_cost: ProbeCost = FREE,
) -> tuple[Engine, Sampler]:
    """Make an engine over a problem's traces in their stored order, and its sampler."""
    order = np.arange(len(problem.lengths))[:budget]
    engine = Engine(problem, order, serving or Serving(), probe_cost=probe_cost)
    return engine, Sampler(engine, (0, 0, 0))
