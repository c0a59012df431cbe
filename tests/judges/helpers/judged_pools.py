"""Small pools to train and evaluate judges on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from simulator.pools.pool import Pool, PoolInfo
from simulator.pools.records import ProblemRecord, TraceRecord
from simulator.pools.writer import PoolWriter

Traces = Sequence[tuple[str | None, str]]
"""Answer and finish reason of each trace."""


def make_pool(
    cache: Path, model: str, problems: Mapping[str, Traces], benchmark: str = "tiny"
) -> Pool:
    """Write a pool whose traces are `<model>.<problem>.<trace>` four times, a token each."""
    info = PoolInfo("test", model, benchmark, "test", "1", "total")
    with PoolWriter(cache, info) as writer:
        for problem_id, traces in sorted(problems.items()):
            records = [
                TraceRecord(
                    trace_id=index,
                    num_tokens=4,
                    answer=answer,
                    finish_reason=reason,
                    text=f"<{model}.{problem_id}.{index}>" * 4,
                )
                for index, (answer, reason) in enumerate(traces)
            ]
            writer.add(ProblemRecord(problem_id, f"Which {problem_id}?", "1", "math", records))
    return Pool(writer.path)


def planted_pool(cache: Path, model: str, problems: int, traces: int) -> Pool:
    """Traces whose first three tokens give their answer away: red, or blue."""
    generator = np.random.default_rng(problems)
    with PoolWriter(cache, PoolInfo("test", model, "planted", "test", "1", "total")) as writer:
        for index in range(problems):
            records = []
            for trace in range(traces):
                colour = ("red", "blue")[(trace + generator.integers(2)) % 2]
                text = f"{colour} {colour} answer {index} and more"
                records.append(
                    TraceRecord(trace_id=trace, num_tokens=len(text), answer=colour, text=text)
                )
            writer.add(ProblemRecord(f"p{index:03}", f"Question {index}?", "red", "text", records))
    return Pool(writer.path)
