"""Problems in disguise: what a fair policy takes no notice of is exchanged.

A policy that knows a benchmark by heart has to know which problem it is asked, and which answer is
the one that it knows. Every problem is therefore also replayed with other numbers for its answers,
and under a name and with a question that are nowhere else: dealt among the other replays, with the
run's own budget, in a repeat that nobody can know beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulator.conformance.variants import relabelled, with_question
from simulator.pools.pool import StoredProblem


@dataclass(frozen=True)
class Disguise:
    """A problem as the policy is shown it.

    Attributes
    ----------
    problem
        To be replayed as the one that it was made of.
    alias
        Of what the id that is shown is made; None for its own.
    names
        What number each answer class has, shape (classes,); None for its own.
    """

    problem: StoredProblem
    alias: str | None = None
    names: npt.NDArray[np.int32] | None = None


def disguises(problem: StoredProblem, rng: np.random.Generator) -> list[Disguise]:
    """With its answers numbered otherwise, where there are several; and as a new problem."""
    made = []
    if (count := len(problem.class_texts)) > 1:
        names = np.roll(np.arange(count, dtype=np.int32), int(rng.integers(1, count)))
        made.append(Disguise(relabelled(problem, names), names=names))
    shown = with_question(problem, _other_question(problem, rng))
    return [*made, Disguise(shown, alias=rng.bytes(16).hex())]


def _other_question(problem: StoredProblem, rng: np.random.Generator) -> str | None:
    """A question that no table has, of words that the pool's questions have; None for none."""
    if problem.question is None:
        return None
    words = [
        word for each in problem.pool.problems for word in (each.question or "").split() or [""]
    ]
    return " ".join(rng.choice(words, size=len(problem.question.split()) + 1).tolist())
