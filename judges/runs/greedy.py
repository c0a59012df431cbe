"""The pairs that greedy clustering needs, found by replaying it: a fraction of all pairs."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from judges.protocol import Floats, Ints
from judges.scores.cached import CachedScores
from simulator.loading import LoadedPolicy
from simulator.pools.pool import StoredProblem
from simulator.replay.judging import TokensRead
from simulator.replay.replaying import replay
from simulator.replay.serving import Serving
from simulator.runs.spec import RunSpec


@dataclass(frozen=True)
class GreedyPairs:
    """The pairs that runs of `deepprune` with these parameters, budget, repeats and seed need.

    They depend on the scores, so the runs are replayed while the judge scores. Implements
    `judges.scores.filling.Wanted`.
    """

    policies: Sequence[LoadedPolicy]
    budget: int | None
    repeats: int
    seed: int

    def steps(self, problem: StoredProblem) -> int:
        """Return the number of replays of the problem."""
        return len(self.policies) * self.repeats

    def fill(self, scores: CachedScores, problem: StoredProblem) -> Generator[tuple[int, int]]:
        """Store these pairs' scores; yield 1 and the number of pairs scored, for each replay.

        Raises
        ------
        UserError
            The budget is larger than the traces of a problem in the pool.
        """
        asked = _Filling(scores)
        serving = Serving()
        for loaded in self.policies:
            spec = RunSpec(loaded, [problem.pool], self.budget, self.repeats, self.seed, serving)
            (budget,) = spec.budgets
            for repeat in range(self.repeats):
                before = asked.scored
                replay(
                    loaded,
                    problem,
                    budget=budget,
                    repeats=range(repeat, repeat + 1),
                    seed=self.seed,
                    serving=serving,
                    judge=asked,
                )
                yield 1, asked.scored - before
        scores.store.compact(problem)


def greedy_options(
    policy: LoadedPolicy, settings: Sequence[str], budget: int | None, repeats: int, seed: int
) -> list[str]:
    """Return the options of `judge score` for the pairs that a run needs; empty for all pairs.

    Parameters
    ----------
    policy
        The policy of the run, or of any run of a sweep.
    settings, budget, repeats, seed
        The values of `-p` (several per parameter for a sweep), `-n`, `--repeats` and `--seed`.
    """
    if not policy.builtin or policy.name != "deepprune":
        return []
    chosen = [setting for setting in settings if setting.partition("=")[0] != "truncation"]
    return [
        *("--pairs", "greedy"),
        *(part for setting in chosen for part in ("-p", setting)),
        *([] if budget is None else ("-n", str(budget))),
        *("--repeats", str(repeats), "--seed", str(seed)),
    ]


class _Filling:
    """A replay's judge that stores the score of every requested pair, and counts new ones."""

    def __init__(self, scores: CachedScores) -> None:
        self._scores = scores
        self.scored = 0

    def score(self, problem: StoredProblem, pairs: Ints, num_tokens: Ints) -> Floats:
        self.scored += self._scores.fill(problem, np.sort(pairs, axis=1))
        return self._scores.score(problem, pairs, num_tokens)

    def tokens_read(self, problem: StoredProblem, pairs: Ints, call: Ints) -> TokensRead:
        return TokensRead(0, 0, 0)
