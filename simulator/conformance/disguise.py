"""Problems in disguise: properties that must not influence a fair policy are changed.

A policy that has memorized a benchmark has to recognize the problem, or the number of the correct
answer class. Every problem is therefore also replayed with its answer classes renumbered, and with
an id and a question that exist nowhere else. These replays are made among the others, with the
run's own budget, in an unpredictable repeat.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.arrays import Ints32
from simulator.conformance.variants import relabelled, with_question
from simulator.pools.pool import StoredProblem


@dataclass(frozen=True)
class Disguise:
    """A disguised problem, as the policy sees it.

    Attributes
    ----------
    problem
        The problem to replay; the order of its traces is that of the original.
    alias
        The text that the shown id is derived from; None for the problem's own id.
    names
        The new number of each answer class, shape (classes,); None for the original numbers.
    """

    problem: StoredProblem
    alias: str | None = None
    names: Ints32 | None = None


def disguises(problem: StoredProblem, rng: np.random.Generator) -> list[Disguise]:
    """Make a problem's disguises: one with renumbered answer classes, and one as a new problem.

    A problem with a single answer class has only the latter.
    """
    made = []
    if (count := len(problem.class_texts)) > 1:
        names = np.roll(np.arange(count, dtype=np.int32), int(rng.integers(1, count)))
        made.append(Disguise(relabelled(problem, names), names=names))
    shown = with_question(problem, _other_question(problem, rng))
    return [*made, Disguise(shown, alias=rng.bytes(16).hex())]


def _other_question(problem: StoredProblem, rng: np.random.Generator) -> str | None:
    """Make up a question from random words of the pool's questions; None if there is none."""
    if problem.question is None:
        return None
    words = [
        word for each in problem.pool.problems for word in (each.question or "").split() or [""]
    ]
    return " ".join(rng.choice(words, size=len(problem.question.split()) + 1).tolist())
