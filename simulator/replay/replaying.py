"""Replay of a policy on one stored problem, repeat by repeat."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

from simulator.counting import DRAWN, GENERATED, Charging, Order
from simulator.errors import PolicyError
from simulator.loading import LoadedPolicy, shown_settings
from simulator.policy.base import Answer, Problem
from simulator.policy.sampler import Sampler
from simulator.policy.solving import solve
from simulator.pools.pool import StoredProblem
from simulator.pools.probe_cost import ProbeCost, cost_in
from simulator.replay.batch import covers, find_form
from simulator.replay.batch.played import Repeats
from simulator.replay.engine import Engine
from simulator.replay.grading import Grader
from simulator.replay.judging import ReplayJudge
from simulator.replay.orders import orders, orders_together
from simulator.replay.recording import GradedAnswer, Recorder, Replayed
from simulator.replay.serving import Serving
from simulator.replay.watching import Watch

T = TypeVar("T")

Words = tuple[int, ...]
"""Numbers that the random numbers of a policy follow from."""


def replay(
    loaded: LoadedPolicy,
    problem: StoredProblem,
    *,
    budget: int,
    repeats: Sequence[int],
    seed: int,
    serving: Serving,
    judge: ReplayJudge | None = None,
    probe_cost: ProbeCost | None = None,
    charging: Charging = GENERATED,
    order: Order = DRAWN,
) -> Replayed:
    """Replay a policy on one problem.

    Several repeats of a built-in method are played at once where there is a form of it that does so
    (`simulator.replay.batch`); what is recorded is the same.

    Parameters
    ----------
    loaded
        The policy.
    problem
        The stored problem, with at least `budget` traces. It caches derived data for later replays;
        `StoredProblem.fresh` returns a copy without them.
    budget
        Number of traces the policy may start.
    repeats
        Numbers of the repeats to replay, in order; each draws its own order of traces.
    seed
        Seed of trace orders, together with problem and repeat, and of `sampler.rng`, together with
        the repeat alone.
    serving
        Model of the clock.
    judge
        Judge behind `sampler.judge`.
    probe_cost
        Tokens of a probe; None: those that the pool records, else the default.
    charging
        Tokens that are counted for a trace.
    order
        Order in which traces are started.

    Raises
    ------
    PolicyError
        The policy raised an error, or returned an invalid answer or a class it has not seen. The
        message names file and line, parameters as typed, problem and repeat.
    UserError
        The policy asked for what was not generated of an unfinished trace.
    TimedOut
        A repeat took longer than `loaded.timeout`.
    """
    if judge is None and loaded.timeout is None:
        played = replay_together(
            loaded,
            problem,
            budget=budget,
            repeats=repeats,
            seed=seed,
            serving=serving,
            probe_cost=probe_cost,
            charging=charging,
            order=order,
        )
        if played is not None:
            return played
    work = replaying(
        loaded,
        problem,
        budget=budget,
        repeats=repeats,
        seed=seed,
        serving=serving,
        judge=judge,
        probe_cost=probe_cost,
        charging=charging,
        order=order,
    )
    return answered(work, loaded)


def replay_together(
    loaded: LoadedPolicy,
    problem: StoredProblem,
    *,
    budget: int,
    repeats: Sequence[int],
    seed: int,
    serving: Serving,
    probe_cost: ProbeCost | None = None,
    charging: Charging = GENERATED,
    order: Order = DRAWN,
) -> Replayed | None:
    """Replay a built-in method by its form that plays all repeats at once; None without one."""
    play = find_form(loaded) if len(repeats) > 1 else None
    if play is None or not covers(problem, serving, loaded.policy.requires):
        return None
    cost = probe_cost or cost_in(problem.pool.info)
    answer_steps = serving.answer_steps(cost.answer)
    recorder = Recorder(problem, charging)
    size = max(1, CELLS_AT_ONCE // max(budget, len(problem.class_texts)))
    for start in range(0, len(repeats), size):
        numbers = repeats[start : start + size]
        rows = orders_together(problem, budget, numbers, seed, _key(problem), charging, order)
        together = Repeats(problem, numbers, rows, cost)
        played = play(loaded.policy, together, answer_steps)
        if played is None:
            return None
        recorder.add_played(together, played)
    return recorder.tables()


CELLS_AT_ONCE = 1 << 17
"""Size of the arrays in which repeats are played at once, in numbers; bounds memory."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A problem that a policy is to answer in a repeat, with its sampler and engine.

    `following` is the id of the same problem in the repeat after it, and the words of its random
    numbers; None if that is not known.
    """

    problem: Problem
    sampler: Sampler
    engine: Engine
    repeat: int
    following: tuple[str, Words] | None = None


@runtime_checkable
class Foreseeing(Protocol):
    """A policy in another process, which may be told of a problem before it is its turn."""

    def foresee(self, problem: Problem, words: Words, budget: int) -> None: ...


def asking(
    loaded: LoadedPolicy,
    problem: StoredProblem,
    engine: Engine,
    grader: Grader,
    seed: int,
    repeat: int,
    following: int | None = None,
) -> Generator[Asked, Answer, GradedAnswer]:
    """Ask for the answer to a problem on an engine; return it graded.

    `following` is the repeat in which the same problem is asked next, with the same budget; None if
    it is not.

    Of seed and problem's id, the policy is told neither. Its random numbers and the id that it is
    shown follow from seed and repeat alone, or they would be a name of the problem that stays the
    same however the problem is disguised.

    Raises
    ------
    PolicyError
        The policy's own, or it returned a class it has not seen; with problem and repeat.
    UserError
        It asked for what was not generated.
    """
    name, words = _told(seed, repeat)
    signals = loaded.declared.intersection(problem.pool.info.signals)
    shown = Problem(name, problem.question, problem.answer_kind, signals)
    then = None if following is None else _told(seed, following)
    try:
        answer = yield Asked(shown, Sampler(engine, words), engine, repeat, then)
        if engine.refused is not None:  # the policy went on as if nothing had happened
            raise engine.refused
        engine.answered = True
        graded = grader.grade(answer)
        if isinstance(answer, np.int32) and not (answer < 0 or engine.has_shown(int(answer))):
            raise PolicyError(
                f"{loaded.file}: solve returned class {answer}, which it has not seen; "
                "return a class from votes, probe or traces.answer"
            )
    except PolicyError as error:
        where = f"problem {problem.problem_id}, repeat {repeat}"
        if loaded.settings:
            where = f"{shown_settings(loaded.settings)}, {where}"
        raise PolicyError(f"{error} ({where})") from error
    return graded


Replaying = Generator[Asked, Answer, Replayed]
"""A replay as a generator that waits for each answer, so that others can run meanwhile.

The return value of `solve` is sent in. A `PolicyError` of the policy is thrown in, and raised again
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
    probe_cost: ProbeCost | None = None,
    charging: Charging = GENERATED,
    order: Order = DRAWN,
) -> Replaying:
    """Replay like `replay`, but as a generator whose caller runs the policy."""
    recorder = Recorder(problem, charging)
    grader = Grader(problem, loaded.file)
    probe_cost = probe_cost or cost_in(problem.pool.info)
    drawn = orders(problem, budget, repeats, seed, _key(problem), charging, order)
    following = [*repeats[1:], None]
    for repeat, then, rows in zip(repeats, following, drawn, strict=True):
        engine = Engine(problem, rows, serving, judge, probe_cost)
        graded = yield from asking(loaded, problem, engine, grader, seed, repeat, then)
        recorder.add(repeat, engine, graded)
    return recorder.tables()


def answered(work: Generator[Asked, Answer, T], loaded: LoadedPolicy) -> T:
    """Run a replay, or a live run, to the end with this policy; return its result."""
    watch = Watch(loaded)
    policy = loaded.policy
    foreseeing = policy if isinstance(policy, Foreseeing) and not loaded.in_process else None
    with watch.looking():
        try:
            asked = next(work)
            while True:
                if foreseeing is not None and asked.following is not None:
                    name, words = asked.following
                    then = replace(asked.problem, id=name)
                    foreseeing.foresee(then, words, asked.engine.budget)
                try:
                    with watch.over(asked.engine, asked.repeat):
                        answer = solve(policy, asked.problem, asked.sampler, loaded.file)
                except PolicyError as error:
                    work.throw(error)
                asked = work.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result


@lru_cache(maxsize=4096)  # of one repeat after another, for each problem again
def _told(seed: int, repeat: int) -> tuple[str, Words]:
    """Return the id and the words of random numbers that a policy is told in a repeat.

    A policy must not be able to derive the seed of the trace orders from what it receives.
    """
    words = struct.unpack("<8I", _hash("random numbers", seed, repeat))
    return _hash("problem", seed, repeat).hex()[:16], words


def _key(problem: StoredProblem) -> int:
    return int.from_bytes(hashlib.sha256(problem.problem_id.encode()).digest()[:8])


def _hash(*parts: object) -> bytes:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
