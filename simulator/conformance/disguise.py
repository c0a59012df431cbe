"""Problems in disguise: what must not influence a fair policy is changed, all at once.

Verification replays every problem in two disguises, with the run's own budget, in unpredictable
repeats of an unpredictable seed. In one, everything that the replay had not revealed is made up,
answer classes are renumbered, and signals that the policy does not declare are missing. In the
other, the question exists nowhere else, so that a table of answers has no entry for it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence, Set

import numpy as np

from simulator.arrays import Ints32
from simulator.conformance.variants import Revealed, relabelled, scrambled, stripped, with_question
from simulator.pools.pool import StoredProblem

CHANGES = {
    "requires": "on a pool with only the signals that it declares",
    "labels": "with its answer classes renumbered",
    "look-ahead": "with other data after what it had seen",
}
"""Changes of a disguised problem, by the check of `check` that makes the same, and their names."""


def new_numbers(problem: StoredProblem, rng: np.random.Generator) -> Ints32:
    """Draw a new number for each answer class, shape (classes,); all differ from the old ones."""
    count = len(problem.class_texts)
    by = int(rng.integers(1, count)) if count > 1 else 0
    return np.roll(np.arange(count, dtype=np.int32), by)


def disguised(
    problem: StoredProblem,
    revealed: Revealed,
    signals: Set[str],
    names: Ints32,
    seed: int,
    changes: Collection[str] = tuple(CHANGES),
) -> StoredProblem:
    """Change a problem in ways that a fair policy cannot notice.

    Parameters
    ----------
    problem
        The problem.
    revealed
        What the replay to compare with revealed of it.
    signals
        The signals that the policy declares.
    names
        The new number of each answer class.
    seed
        Seed of what is made up.
    changes
        The changes to make, among `CHANGES`.
    """
    if "requires" in changes:
        problem = stripped(problem, signals)
    if "labels" in changes:
        problem = relabelled(problem, names)
    if "look-ahead" in changes:
        problem = scrambled(problem, revealed, np.random.default_rng(seed))
    return problem


def as_new(problem: StoredProblem, rng: np.random.Generator) -> StoredProblem:
    """Return a problem with a question that exists nowhere else.

    It consists of random words of the pool's questions; a pool without questions keeps none.
    """
    return with_question(problem, _other_question(problem, rng))


def _other_question(problem: StoredProblem, rng: np.random.Generator) -> str | None:
    if problem.question is None:
        return None
    words: Sequence[str] = [
        word for each in problem.pool.problems for word in (each.question or "").split() or [""]
    ]
    return " ".join(rng.choice(words, size=len(problem.question.split()) + 1).tolist())
