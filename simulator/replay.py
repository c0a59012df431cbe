"""Replaying a policy over one stored problem, repeat by repeat."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulator.answers import equivalent
from simulator.engine import Engine
from simulator.errors import PolicyError
from simulator.judging import ReplayJudge
from simulator.loading import LoadedPolicy, shown_settings
from simulator.policy import Answer, Problem
from simulator.pool import NO_ANSWER, StoredProblem
from simulator.recording import GradedAnswer, Recorder, Replayed
from simulator.sampler import Sampler
from simulator.serving import Serving
from simulator.solving import solve

ORDERS_AT_ONCE = 64
"""How many repeats' orders are drawn from one seed; part of what a seed means."""


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


def orders(
    problem: StoredProblem, budget: int, repeats: Sequence[int], seed: int, key: int
) -> Iterator[npt.NDArray[np.int64]]:
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


class Grader:
    """Grades what `solve` returns on one problem; `file` is named in errors."""

    def __init__(self, problem: StoredProblem, file: str) -> None:
        self._problem = problem
        self._file = file
        self._texts: dict[str, GradedAnswer] = {}

    def grade(self, answer: Answer) -> GradedAnswer:
        """Grade a text, an answer class as votes and traces give it, or None.

        Raises
        ------
        PolicyError
            No trace of the problem gave an answer of that class.
        """
        problem = self._problem
        if answer is None:
            return GradedAnswer(None, NO_ANSWER, False)
        if isinstance(answer, str):
            if answer not in self._texts:
                self._texts[answer] = self._grade_text(answer)
            return self._texts[answer]
        kind = int(answer)
        if kind == NO_ANSWER:
            return GradedAnswer(None, NO_ANSWER, False)
        if not 0 <= kind < len(problem.class_texts):
            raise PolicyError(
                f"{self._file}: solve returned class {kind}, which no answer here has"
            )
        return GradedAnswer(problem.class_texts[kind], kind, bool(problem.class_correct[kind]))

    def _grade_text(self, answer: str) -> GradedAnswer:
        problem = self._problem
        kind = problem.answer_kind
        if answer in problem.class_texts:
            same = problem.class_texts.index(answer)
        else:
            matches = (i for i, t in enumerate(problem.class_texts) if equivalent(kind, t, answer))
            same = next(matches, NO_ANSWER)
        if same == NO_ANSWER:
            return GradedAnswer(answer, same, equivalent(kind, problem.gold_answer, answer))
        return GradedAnswer(answer, same, bool(problem.class_correct[same]))
