"""Replaying a policy over one stored problem, repeat by repeat."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from simulator.errors import PolicyError
from simulator.loading import LoadedPolicy, shown_settings
from simulator.policy.base import Answer, Problem
from simulator.policy.sampler import Sampler
from simulator.policy.solving import solve
from simulator.pools.pool import StoredProblem
from simulator.replay.engine import Engine
from simulator.replay.grading import Grader
from simulator.replay.judging import ReplayJudge
from simulator.replay.orders import orders
from simulator.replay.recording import Recorder, Replayed
from simulator.replay.serving import Serving


def replay(
    loaded: LoadedPolicy,
    problem: StoredProblem,
    *,
    budget: int,
    repeats: Sequence[int],
    seed: int,
    serving: Serving,
    judge: ReplayJudge | None = None,
) -> Replayed:
    """Replay a policy over one problem.

    Parameters
    ----------
    loaded
        The policy.
    problem
        The stored problem, with at least `budget` traces. It keeps what is read and worked out
        about it, for whoever replays it next; `StoredProblem.fresh` gives one that does not.
    budget
        How many traces the policy may start.
    repeats
        Which repeats, in which order; each draws its own order of traces.
    seed
        What order and `sampler.rng` depend on, beside problem and repeat.
    serving
        What the clock is.
    judge
        Who answers `sampler.judge`.

    Raises
    ------
    PolicyError
        The policy raised, or returned no answer or one of a class that it cannot know; names file
        and line, parameters as typed, problem and repeat.
    """
    work = replaying(
        loaded,
        problem,
        budget=budget,
        repeats=repeats,
        seed=seed,
        serving=serving,
        judge=judge,
    )
    return answered(work, loaded)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a policy is to answer: a problem, with the sampler that it drives."""

    problem: Problem
    sampler: Sampler


Replaying = Generator[Asked, Answer, Replayed]
"""A replay that waits for each answer, so that others go on meanwhile.

An answer is sent in, as `solve` returns it; a policy's `PolicyError` is thrown in, and comes out
as `replay` raises it.
"""


def replaying(
    loaded: LoadedPolicy,
    problem: StoredProblem,
    *,
    budget: int,
    repeats: Sequence[int],
    seed: int,
    serving: Serving,
    judge: ReplayJudge | None = None,
    alias: str | None = None,
) -> Replaying:
    """As `replay`, with whoever calls it asking the policy.

    `alias` is of what the id that the policy is shown is made, instead of the problem's own.
    """
    key = int.from_bytes(hashlib.sha256(problem.problem_id.encode()).digest()[:8])
    name = _opaque("problem", seed, alias or problem.problem_id).hex()[:16]
    shown = Problem(name, problem.question, problem.answer_kind)
    recorder = Recorder(problem)
    grader = Grader(problem, loaded.file)
    for repeat, order in zip(repeats, orders(problem, budget, repeats, seed, key), strict=True):
        engine = Engine(problem, order, serving, judge)
        entropy = _opaque("random numbers", seed, problem.problem_id, repeat)
        sampler = Sampler(engine, np.frombuffer(entropy, dtype="<u4").tolist())
        try:
            answer = yield Asked(shown, sampler)
            engine.answered = True
            graded = grader.grade(answer)
            if isinstance(answer, np.int32) and not (answer < 0 or engine.has_shown(int(answer))):
                raise PolicyError(
                    f"{loaded.file}: solve returned class {answer}, which no trace has shown it; "
                    "return a class as votes, probe and traces.answer give it"
                )
        except PolicyError as error:
            where = f"problem {problem.problem_id}, repeat {repeat}"
            if loaded.settings:
                where = f"{shown_settings(loaded.settings)}, {where}"
            raise PolicyError(f"{error} ({where})") from error
        recorder.add(repeat, engine, graded)
    return recorder.tables()


def answered(work: Replaying, loaded: LoadedPolicy) -> Replayed:
    """What comes of a replay when a policy answers all that it asks."""
    try:
        asked = next(work)
        while True:
            try:
                answer = solve(loaded.policy, asked.problem, asked.sampler, loaded.file)
            except PolicyError as error:
                work.throw(error)
            asked = work.send(answer)
    except StopIteration as end:
        replayed: Replayed = end.value
        return replayed


def _opaque(*parts: object) -> bytes:
    """32 bytes that differ where the parts do, and tell nothing of them.

    What a policy is given must not lead back to what the orders are drawn from.
    """
    return hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
