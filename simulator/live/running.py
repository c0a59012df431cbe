"""Live runs: a policy on the problems of a recording, each on an engine that generates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import pyarrow as pa

from simulator.live.growing import GrowingProblem
from simulator.live.live_engine import LiveEngine, RecordedEngine
from simulator.live.recording import Recording
from simulator.live.source import Ledger, ModelEngine
from simulator.loading import LoadedPolicy
from simulator.pools.probe_cost import cost_in
from simulator.replay.engine import Engine
from simulator.replay.grading import Grader
from simulator.replay.judging import ReplayJudge
from simulator.replay.recording import CLUSTERED, Recorder, Replayed
from simulator.replay.replaying import answered, asking
from simulator.replay.serving import Serving

REPEAT = 0
"""Number of the repeat that a live run counts as: traces are started in the recorded order."""

UNKNOWN_LIVE = (
    *("baseline_correct", "baseline_tokens", "budget_classes", "budget_correct"),
    *CLUSTERED,
)
"""Columns of `answers.parquet` that depend on how unfinished traces end."""

Finder = Callable[[str, str], str | None]
"""Function of a text and a kind of answer: the final answer in it, None without one."""


@dataclass(frozen=True)
class LiveSpec:
    """A live run.

    Attributes
    ----------
    loaded
        The policy.
    budget
        Number of traces a problem that it may start.
    seed
        Seed of its random numbers.
    serving
        Model of the clock in steps.
    probe_interval
        Tokens between probes.
    find_answer
        Function that finds answers in texts.
    judge
        Judge behind `sampler.judge`.
    """

    loaded: LoadedPolicy
    budget: int
    seed: int
    serving: Serving
    probe_interval: int
    find_answer: Finder
    judge: ReplayJudge | None = None


@dataclass(frozen=True)
class LiveResult:
    """A policy's run on one problem.

    Attributes
    ----------
    decisions, answers
        Rows of the run's tables; what depends on the ends of unfinished traces is left out.
    generated, revealed
        Tokens generated in this run, and tokens that the policy was shown, and is charged for.
    ledger
        Work of the engine in this run.
    difference
        The first difference between the run and its replay, None if it was replayed without one,
        and "" if it was not replayed.
    """

    decisions: pa.Table
    answers: pa.Table
    generated: int
    revealed: int
    ledger: Ledger
    difference: str | None = ""


def run_live(
    spec: LiveSpec,
    recording: Recording,
    engine: ModelEngine,
    number: int,
    *,
    complete: bool = False,
    check: bool = False,
) -> LiveResult:
    """Run a policy live on one problem of a recording.

    Parameters
    ----------
    spec, recording, engine, number
        The run, the recording to use and to add to, the model, and the problem's number.
    complete
        Finish all traces of the budget afterwards, with all their probes.
    check
        Replay the policy on what was recorded, and compare.

    Raises
    ------
    PolicyError, UserError
        The policy's error; a recording that cannot be read; a judge that cannot score.
    """
    before = replace(engine.ledger)
    with recording.opened(number, spec.budget) as (problem, journal):
        known = int(problem.available.sum())
        source = engine.open(
            problem.problem_id,
            problem.question or "",
            [problem.token_ids(row).tolist() for row in range(len(problem.lengths))],
            problem.ended.tolist(),
        )
        live = LiveEngine(
            problem,
            source,
            budget=spec.budget,
            serving=spec.serving,
            find_answer=lambda text: spec.find_answer(text, problem.answer_kind),
            probe_interval=spec.probe_interval,
            probe_suffix=recording.sampling.probe_suffix,
            judge=spec.judge,
            probe_cost=cost_in(problem.pool.info),
            journal=journal,
        )
        done = _solved(spec, problem, live)
        revealed = int(live.num_tokens.sum())
        if complete:
            live.complete()
        generated = int(problem.available.sum()) - known
    spent = Ledger(
        **{
            each.name: getattr(engine.ledger, each.name) - getattr(before, each.name)
            for each in fields(Ledger)
        }
    )
    difference = first_difference(done, replayed(spec, recording, number)) if check else ""
    return LiveResult(
        done.decisions,
        done.answers.drop_columns(list(UNKNOWN_LIVE)),
        generated,
        revealed,
        spent,
        difference,
    )


def replayed(spec: LiveSpec, recording: Recording, number: int) -> Replayed:
    """Replay a policy on what a recording has of one problem.

    Raises
    ------
    UserError
        It goes past what was generated.
    """
    with recording.opened(number, spec.budget) as (problem, _):
        engine = RecordedEngine(
            problem,
            budget=spec.budget,
            serving=spec.serving,
            judge=spec.judge,
            probe_cost=cost_in(problem.pool.info),
        )
        return _solved(spec, problem, engine)


def _solved(spec: LiveSpec, problem: GrowingProblem, engine: Engine) -> Replayed:
    """Let the policy solve a problem on an engine; return its rows."""
    grader = Grader(problem, spec.loaded.file)
    graded = answered(asking(spec.loaded, problem, engine, grader, spec.seed, REPEAT), spec.loaded)
    recorder = Recorder(problem)
    recorder.add(REPEAT, engine, graded)
    return recorder.tables()


def first_difference(live: Replayed, again: Replayed) -> str | None:
    """Return the first difference between a live run and its replay; None without any."""
    ours, theirs = live.decisions.to_pylist(), again.decisions.to_pylist()
    for mine, other in zip(ours, theirs, strict=False):
        for name, value in mine.items():
            if other[name] != value:
                return f"trace {mine['trace_id']}: {name} {value} live, {other[name]} replayed"
    if len(ours) != len(theirs):
        return f"{len(ours)} traces started live, {len(theirs)} replayed"
    (mine,), (other,) = live.answers.to_pylist(), again.answers.to_pylist()
    for name, value in mine.items():
        if name not in UNKNOWN_LIVE and other[name] != value:
            return f"{name} {value} live, {other[name]} replayed"
    return None
