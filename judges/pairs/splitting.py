"""Splitting problems and models into a training and a test side: none is on both."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from simulator.errors import UserError
from simulator.pools.pool import Pool


@dataclass(frozen=True)
class Split:
    """A split of problems and models: those to test on; the others are for training."""

    test_problems: frozenset[str]
    test_models: frozenset[str]
    by_model: bool

    def side(self, problem: str, model: str) -> str | None:
        """Return `train`, `test`, or None for neither side.

        If models are split, only test problems of test models are on the test side, and only the
        other problems of the other models are on the training side.
        """
        tested = problem in self.test_problems
        if not self.by_model:
            return "test" if tested else "train"
        if tested != (model in self.test_models):
            return None
        return "test" if tested else "train"


def problem_keys(pools: Sequence[Pool]) -> dict[tuple[str, str], str]:
    """Return a key for each (pool name, problem id), equal for the same problem.

    Problems are the same if they have one id in pools of one benchmark, or if their questions are
    equal except for case and spaces.
    """
    keys: dict[tuple[str, str], str] = {}
    by_question: dict[str, str] = {}
    merged: dict[str, str] = {}

    def find(key: str) -> str:
        while key in merged:
            key = merged[key]
        return key

    for pool in pools:
        for problem in pool.problems:
            key = find(f"{pool.info.benchmark}/{problem.problem_id}")
            question = "".join((problem.question or "").casefold().split())
            if question:
                other = find(by_question.setdefault(question, key))
                if other != key:
                    merged[key] = other
            keys[pool.name, problem.problem_id] = key
    return {where: find(key) for where, key in keys.items()}


def make_split(
    pools: Sequence[Pool],
    keys: dict[tuple[str, str], str],
    share: float,
    patterns: Sequence[str],
    seed: int,
) -> Split:
    """Draw the problems of each benchmark, and the models, to test on.

    Parameters
    ----------
    keys
        From `problem_keys`.
    share, patterns, seed
        `test_share`, `test_models` and `seed` of `judges.pairs.pair_sets.make_pairs`.

    Raises
    ------
    UserError
        A glob matches no model, or the globs match all models.
    """
    benchmarks: dict[str, set[str]] = {}
    for key in keys.values():
        benchmarks.setdefault(key.partition("/")[0], set()).add(key)
    problems = {
        key for each in benchmarks.values() for key in _drawn(each, round(share * len(each)), seed)
    }
    models = {pool.info.model for pool in pools}
    if share in (0.0, 1.0) or (len(models) == 1 and not patterns):
        return Split(frozenset(problems), frozenset(), by_model=False)
    if not patterns:
        number = min(max(round(share * len(models)), 1), len(models) - 1)
        return Split(frozenset(problems), frozenset(_drawn(models, number, seed)), by_model=True)
    tested = set()
    for pattern in patterns:
        matches = {model for model in models if fnmatchcase(model, pattern)}
        if not matches:
            raise UserError(
                f"--test-model {pattern}: no such model (models: {', '.join(sorted(models))})"
            )
        tested |= matches
    if tested == models:
        raise UserError("--test-model: matches every model, so no model is left to train on")
    return Split(frozenset(problems), frozenset(tested), by_model=True)


def _drawn(names: set[str], number: int, seed: int) -> list[str]:
    """Draw names without replacement: those with the smallest hashes with the seed."""
    return sorted(names, key=lambda name: rank(seed, name))[:number]


def rank(seed: int, name: str) -> str:
    """Return a name's sort key in a random order of a seed, independent of other names."""
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()
