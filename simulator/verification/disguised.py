"""The checks of `check` in the rerun: every problem is replayed again in disguise.

The budget is the run's own, so that a policy that behaves with few traces only is found. The
repeats are drawn during verification, from the verifier's own run.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from functools import partial

import numpy as np

from simulator.arrays import Floats, Ints, Ints32
from simulator.conformance.checks import CHECKS, MadeUpJudge, difference, revealed_by
from simulator.conformance.disguise import CHANGES, as_new, disguised, new_numbers
from simulator.conformance.variants import relabelled
from simulator.errors import PolicyError
from simulator.pools.pool import StoredProblem
from simulator.replay.judging import ReplayJudge, TokensRead
from simulator.replay.recording import Replayed
from simulator.replay.replaying import Replaying
from simulator.submissions.strict_json import Refused
from simulator.verification.assigning import Assigner, Gathered, Wanted

SMALL = (1, 2, 3)
"""Budgets, beside half of the run's, that a policy has to work with."""

Replay = Callable[..., Replaying]
"""`replaying` with the run's clock, and the problem, budget, seed and judge as keywords."""


@dataclass(frozen=True)
class _JudgeOf:
    """A judge that scores the pairs of a disguised problem as those of the original."""

    judge: ReplayJudge
    problem: StoredProblem

    def score(self, problem: StoredProblem, pairs: Ints, num_tokens: Ints) -> Floats:
        return self.judge.score(self.problem, pairs, num_tokens)

    def tokens_read(self, problem: StoredProblem, pairs: Ints, call: Ints) -> TokensRead:
        return self.judge.tokens_read(self.problem, pairs, call)


@dataclass(frozen=True)
class Disguises:
    """The disguises in which a policy's problems are replayed.

    Attributes
    ----------
    assigner
        Processes of the policy.
    signals
        The signals that it declares.
    rng
        Random numbers that its author cannot have known.
    """

    assigner: Assigner
    signals: Set[str]
    rng: np.random.Generator

    def check(
        self,
        problem: StoredProblem,
        own: Gathered,
        replay: Replay,
        *,
        budget: int,
        judge: ReplayJudge | None,
    ) -> str:
        """Replay a problem in disguise, and compare with the verifier's `own` replays of it.

        Returns
        -------
        A description of how decisions change if the question does; empty if they do not.

        Raises
        ------
        Refused
            Decisions depend on data not revealed yet, on numbers of answer classes or on signals
            that are not declared; or the policy fails with a smaller budget.
        """
        drawn = self.rng.permutation(own.replayed.answers["repeat"].to_numpy()).tolist()
        one, other = drawn[0], drawn[-1]
        here = f"pool {problem.pool.name}, problem {problem.problem_id}"
        replay = partial(replay, budget=budget, judge=judge and _JudgeOf(judge, problem))
        self._refuse_changes(problem, own.of(one), one, replay, here)
        new = partial(replay, problem=as_new(problem, self.rng))
        found = self._difference(own.of(other), other, new)
        made_up = judge and MadeUpJudge()  # scores of the judge's may be stored for some pairs only
        self._refuse_small(problem, partial(replay, judge=made_up), budget, here)
        return found and f"{here}, repeat {other}, as a new problem: {found}"

    def _refuse_changes(
        self, problem: StoredProblem, plain: Replayed, repeat: int, replay: Replay, here: str
    ) -> None:
        """Refuse a policy that decides otherwise on the disguised problem, and name the reason."""
        names = new_numbers(problem, self.rng)
        seed = int(self.rng.integers(2**63))
        revealed = revealed_by(plain, problem)

        def tried(*changes: str) -> str:
            other = disguised(problem, revealed, self.signals, names, seed, changes)
            numbers = names if "labels" in changes else None
            return self._difference(plain, repeat, partial(replay, problem=other), numbers)

        together = tried(*CHANGES)
        if not together:
            return
        where = f"{here}, repeat {repeat}"
        for check, change in CHANGES.items():
            if found := tried(check):
                raise Refused(f"check {check}: {where}: {change}, {found}")
        raise Refused(f"check: {where}: {', '.join(CHANGES.values())}, {together}")

    def _difference(
        self, plain: Replayed, repeat: int, replay: Replay, names: Ints32 | None = None
    ) -> str:
        try:
            made = self.assigner.replay_apart(Wanted([repeat], _asked(replay)))
        except PolicyError as error:
            return str(error)
        return difference(plain, made, names)

    def _refuse_small(self, problem: StoredProblem, replay: Replay, budget: int, here: str) -> None:
        """Refuse a policy that fails with a smaller budget, drawn at random.

        With few traces, answers often tie: how it breaks ties must not depend on class numbers.
        """
        smaller = [each for each in {*SMALL, budget // 2} if 0 < each < budget]
        if not smaller:
            return
        size = int(self.rng.choice(sorted(smaller)))
        smaller_replay = partial(replay, problem=problem, budget=size)
        try:
            plain = self.assigner.replay_apart(Wanted([0], _asked(smaller_replay)))
        except PolicyError as error:
            raise Refused(
                f"check budget: {here}: a policy {CHECKS['budget']}; with a budget of {size}, "
                f"this one does not: {error}"
            ) from error
        names = new_numbers(problem, self.rng)
        renumbered = partial(smaller_replay, problem=relabelled(problem, names))
        if found := self._difference(plain, 0, renumbered, names):
            raise Refused(f"check labels: {here}, budget {size}: {CHANGES['labels']}, {found}")


def _asked(replay: Replay) -> Callable[..., Replaying]:
    """Return the replay as a function of policy and repeats."""
    return lambda loaded, repeats: replay(loaded, repeats=repeats)
