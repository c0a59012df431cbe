"""Methods on traces in their stored order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pools import T, start_engine, write_problem

from simulator.loading import load_policy
from simulator.policy.base import Problem


@dataclass
class Outcome:
    answer: str | None
    tokens: int
    clock: float
    started: int
    num_tokens: list[int]


def solve(
    tmp_path: Path, spec: str, traces: Sequence[T], budget: int | None = None, **settings: object
) -> Outcome:
    """Run a method on these traces in their stored order."""
    problem = write_problem(tmp_path, traces)
    loaded = load_policy(spec, {name: str(value) for name, value in settings.items()})
    engine, sampler = start_engine(problem, budget=budget or loaded.budget)
    answer = loaded.policy.solve(
        Problem("opaque", None, "math", frozenset(problem.pool.info.signals)), sampler
    )
    assert answer is None or isinstance(answer, np.int32)
    return Outcome(
        None if answer is None or answer < 0 else problem.class_texts[int(answer)],
        sampler.tokens,
        sampler.clock,
        engine.started,
        engine.num_tokens[: engine.started].tolist(),
    )
