"""Replaying a policy over one stored problem, repeat by repeat, and recording what it did."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulator.answers import equivalent
from simulator.engine import Engine
from simulator.errors import PolicyError
from simulator.loading import LoadedPolicy, explain
from simulator.policy import Problem
from simulator.pool import NO_ANSWER, StoredProblem
from simulator.sampler import Sampler
from simulator.serving import Serving
from simulator.voting import majority_vote

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

ORDERS_AT_ONCE = 64
"""How many repeats' orders are drawn from one seed; part of what a seed means."""

_LABEL = pa.dictionary(pa.int32(), pa.string())

DECISIONS = pa.schema(
    [
        pa.field("pool", _LABEL, nullable=False),
        pa.field("problem_id", _LABEL, nullable=False),
        pa.field("repeat", pa.int32(), nullable=False),
        pa.field("trace_id", pa.int32(), nullable=False),
        pa.field("order", pa.int32(), nullable=False),
        pa.field("started", pa.float64(), nullable=False),
        pa.field("ended", pa.float64(), nullable=False),
        pa.field("num_tokens", pa.int32(), nullable=False),
        pa.field("finished", pa.bool_(), nullable=False),
        pa.field("stop_reason", _LABEL, nullable=False),
    ]
)
"""A row is a started trace. `started` and `ended` are clock readings: of its first token's step,
and of its last; both the clock at its start for a trace that was never decoded."""

ANSWERS = pa.schema(
    [
        pa.field("pool", _LABEL, nullable=False),
        pa.field("problem_id", _LABEL, nullable=False),
        pa.field("repeat", pa.int32(), nullable=False),
        pa.field("answer", pa.string()),
        pa.field("answer_class", pa.int32(), nullable=False),
        pa.field("correct", pa.bool_(), nullable=False),
        pa.field("tokens", pa.int64(), nullable=False),
        pa.field("probe_calls", pa.int64(), nullable=False),
        pa.field("judge_calls", pa.int64(), nullable=False),
        pa.field("judge_tokens", pa.int64(), nullable=False),
        pa.field("clock", pa.float64(), nullable=False),
        pa.field("traces_started", pa.int32(), nullable=False),
        pa.field("kept_classes", pa.int32(), nullable=False),
        pa.field("kept_correct", pa.bool_(), nullable=False),
        pa.field("baseline_correct", pa.bool_(), nullable=False),
        pa.field("baseline_tokens", pa.int64(), nullable=False),
    ]
)
"""A row is one problem in one repeat. `kept_*` are about the traces that finished: how many answer
classes they gave, and whether one of them is right. `baseline_*` are cons@N, N the budget, on the
same traces in the same order."""


@dataclass(frozen=True)
class Replayed:
    """What a policy did on one problem in a range of repeats: tables of DECISIONS and ANSWERS."""

    decisions: pa.Table
    answers: pa.Table


def replay(
    loaded: LoadedPolicy,
    problem: StoredProblem,
    *,
    budget: int,
    repeats: range,
    seed: int,
    serving: Serving,
) -> Replayed:
    """Replay a policy over one problem.

    Parameters
    ----------
    loaded
        The policy.
    problem
        The stored problem, with at least `budget` traces.
    budget
        How many traces the policy may start.
    repeats
        Which repeats; each draws its own order of traces.
    seed
        What order and `sampler.rng` depend on, beside problem and repeat.
    serving
        What the clock is.

    Raises
    ------
    PolicyError
        The policy raised, or returned no answer; names file and line, problem and repeat.
    """
    problem = replace(problem, prepared={})  # what is worked out and read here is freed after it
    key = int.from_bytes(hashlib.sha256(problem.problem_id.encode()).digest()[:8])
    shown = Problem(f"{key ^ seed:016x}", problem.question, problem.answer_kind)
    recorder = Recorder(problem)
    for repeat, order in zip(repeats, orders(problem, budget, repeats, seed, key), strict=True):
        engine = Engine(problem, order, serving)
        sampler = Sampler(engine, (seed, key, repeat))
        try:
            answer = loaded.policy.solve(shown, sampler)
        except Exception as error:
            raise PolicyError(
                f"{explain(error, loaded.file)} (problem {problem.problem_id}, repeat {repeat})"
            ) from error
        recorder.add(repeat, engine, recorder.answer_class(answer, loaded.file))
    return recorder.tables()


def orders(
    problem: StoredProblem, budget: int, repeats: range, seed: int, key: int
) -> Iterator[Ints]:
    """The first `budget` rows of each repeat's permutation of the problem's traces.

    The same whatever the policy, the budget (a smaller one is a prefix) and the other repeats.
    """
    rows = np.arange(len(problem.lengths))
    block, drawn = -1, np.empty((0, 0), dtype=np.int64)
    for repeat in repeats:
        if repeat // ORDERS_AT_ONCE != block:
            block = repeat // ORDERS_AT_ONCE
            rng = np.random.default_rng((seed, key, block, ORDERS_AT_ONCE))
            drawn = rng.permuted(np.tile(rows, (ORDERS_AT_ONCE, 1)), axis=1)
        yield drawn[repeat % ORDERS_AT_ONCE, :budget]


class Recorder:
    """Collects what happened on one problem, and makes tables of it."""

    def __init__(self, problem: StoredProblem) -> None:
        self._problem = problem
        self._by_text: dict[str, int] = {}
        self._answers: list[tuple[Any, ...]] = []
        self._decisions: list[tuple[npt.NDArray[Any], ...]] = []
        self._labels = {"unused": 0, "stopped": 1, "finished": 2}

    def answer_class(self, answer: object, file: str) -> tuple[str | None, int, bool]:
        """An answer as `solve` returned it: its text, its class, and whether it is right.

        Raises
        ------
        PolicyError
            Neither a text nor one of the problem's classes nor None.
        """
        problem = self._problem
        if answer is None:
            return None, NO_ANSWER, False
        if isinstance(answer, str):
            if answer not in self._by_text:
                self._by_text[answer] = self._class_of_text(answer)
            kind = self._by_text[answer]
            if kind == NO_ANSWER:
                right = equivalent(problem.answer_kind, problem.gold_answer, answer)
                return answer, NO_ANSWER, right
            return answer, kind, bool(problem.class_correct[kind])
        if not isinstance(answer, np.int32):
            shown = f"{type(answer).__name__} {answer!r:.40}"
            raise PolicyError(
                f"{file}: solve returned {shown}; return an answer's text, or a class as "
                f"majority_vote and traces.answer give it, or None (problem {problem.problem_id})"
            )
        kind = int(answer)
        if kind == NO_ANSWER:
            return None, NO_ANSWER, False
        if not 0 <= kind < len(problem.class_texts):
            raise PolicyError(
                f"{file}: solve returned class {kind}, but problem {problem.problem_id} has "
                f"classes 0 to {len(problem.class_texts) - 1}"
            )
        return problem.class_texts[kind], kind, bool(problem.class_correct[kind])

    def _class_of_text(self, text: str) -> int:
        texts = self._problem.class_texts
        if text in texts:
            return texts.index(text)
        kind = self._problem.answer_kind
        same = (i for i, other in enumerate(texts) if equivalent(kind, other, text))
        return next(same, NO_ANSWER)

    def add(self, repeat: int, engine: Engine, answer: tuple[str | None, int, bool]) -> None:
        """Record one repeat, when the policy has answered."""
        problem = self._problem
        n = engine.started
        num_tokens = engine.num_tokens[:n]
        finished = engine.finished[:n]
        started, ended, reasons = timeline(engine, self._labels)
        self._decisions.append(
            (
                np.full(n, repeat),
                problem.trace_ids[engine.order[:n]],
                np.arange(n),
                started,
                ended,
                num_tokens,
                finished,
                reasons,
            )
        )
        kept = set(engine.answer[:n][finished].tolist()) - {NO_ANSWER}
        vote = majority_vote(problem.answer_class[engine.order])
        self._answers.append(
            (
                repeat,
                *answer,
                int(num_tokens.sum()),
                engine.probe_calls,
                0,
                0,
                float(engine.clock),
                n,
                len(kept),
                any(problem.class_correct[kind] for kind in kept),
                vote is not None and bool(problem.class_correct[vote]),
                int(problem.lengths[engine.order].sum()),
            )
        )

    def tables(self) -> Replayed:
        """Everything recorded so far."""
        pool, problem_id = self._problem.pool.name, self._problem.problem_id
        columns = [np.concatenate(parts) for parts in zip(*self._decisions, strict=True)]
        reasons = pa.array(columns.pop(), type=pa.int32())
        decisions = [
            _constant(pool, len(reasons)),
            _constant(problem_id, len(reasons)),
            *(
                pa.array(column, type=field.type)
                for column, field in zip(columns, list(DECISIONS)[2:-1], strict=True)
            ),
            pa.DictionaryArray.from_arrays(reasons, pa.array(list(self._labels))),
        ]
        answers = [
            _constant(pool, len(self._answers)),
            _constant(problem_id, len(self._answers)),
            *(
                pa.array(column, type=field.type)
                for column, field in zip(
                    zip(*self._answers, strict=True), list(ANSWERS)[2:], strict=True
                )
            ),
        ]
        return Replayed(
            pa.Table.from_arrays(decisions, schema=DECISIONS),
            pa.Table.from_arrays(answers, schema=ANSWERS),
        )


def timeline(engine: Engine, labels: dict[str, int]) -> tuple[Floats, Floats, Ints]:
    """When each started trace began and ended, and why it ended.

    Returns
    -------
    Clock readings of shape (started,), twice, and a reason each, as its number in `labels`, which
    grows: `finished`; `stopped` by the policy; else what halted its last decode (`tokens`, `first`,
    or a stop rule); `unused` if it was never decoded.
    """
    n = engine.started
    started, ended = np.zeros(n), np.zeros(n)
    reasons = np.full(n, labels["unused"])
    if engine.log:
        sizes = [len(decode.index) for decode in engine.log]
        codes = [labels.setdefault(decode.halted_by, len(labels)) for decode in engine.log]
        index = np.concatenate([decode.index for decode in engine.log])
        work = np.concatenate([decode.work for decode in engine.log])
        reasons[index] = np.repeat(codes, sizes)  # of a trace's decodes the last one stays
        if any(decode.begin is not None for decode in engine.log):
            begin = np.concatenate([decode.begins() for decode in engine.log])
            end = np.concatenate([decode.ends() for decode in engine.log])
        else:
            begin = np.repeat([float(decode.clock) for decode in engine.log], sizes)
            end = begin + work
        moved = work > 0
        index = index[moved]
        ended[index] = end[moved]
        started[index[::-1]] = begin[moved][::-1]  # and here the first
    reasons[engine.stopped[:n]] = labels["stopped"]
    reasons[engine.finished[:n]] = labels["finished"]
    return started, ended, reasons


def _constant(value: str, length: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(length, dtype=np.int32)), pa.array([value])
    )
