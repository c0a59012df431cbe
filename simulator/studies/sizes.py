"""Two methods on the pools that both ran on, as studies of `simulator.studies.power`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simulator.arrays import Ints
from simulator.errors import UserError
from simulator.runs.results import RunResult, read_repeats
from simulator.significance import Problems
from simulator.studies.power import Study, chance_of

Key = tuple[str, str | None, tuple[str, ...] | None]
"""A pool's name and fingerprint, and the ids of the problems of a run on a part of it."""


@dataclass(frozen=True, eq=False)
class Side:
    """One method of a comparison: a run, or the cons@N on its traces if `is_baseline`."""

    name: str
    results: Sequence[RunResult]
    is_baseline: bool = False

    def of(self, key: Key) -> RunResult | None:
        """Return its result on a pool."""
        return next((each for each in self.results if key_of(each) == key), None)


@dataclass(frozen=True, eq=False)
class Paired:
    """Two methods on one pool: 1 where a method is right in a repeat, shape (problems, repeats).

    `together` is True if both started traces in the same order in each repeat.
    """

    result: RunResult
    problem_ids: tuple[str, ...]
    first: Ints
    second: Ints
    together: bool

    @property
    def benchmark(self) -> str:
        """Benchmark of the pool, in lower case."""
        return self.result.pool.rpartition("/")[2].casefold()

    @property
    def names(self) -> list[tuple[str, str]]:
        """Benchmark and id of each problem: the same problem in pools of several models."""
        return [(self.benchmark, each) for each in self.problem_ids]


def key_of(result: RunResult) -> Key:
    """Return the key of a result's pool."""
    return result.pool, result.fingerprint, result.problem_ids


def paired(first: Side, second: Side) -> list[Paired]:
    """Read both methods' repeats on the pools that both ran on, in the order of the first's.

    Raises
    ------
    UserError
        They share no pool, or count tokens differently; answers are missing or damaged.
    """
    read: dict[Path, dict[str, tuple[tuple[str, ...], Ints, Ints]]] = {}
    found = []
    for one in first.results:
        other = second.of(key_of(one))
        if other is None:
            continue
        if one.unfinished:
            raise UserError(f"{one.path}: {one.pool} has unfinished traces; replay whole ones")
        if one.charging != other.charging:
            raise UserError(
                f"{one.path} and {other.path} count by different --charging; compare runs that "
                "count alike"
            )
        for each in (one, other):
            if each.path not in read:
                read[each.path] = read_repeats(each.path)
        (ids, *of_one), (others, *of_other) = (read[each.path][each.pool] for each in (one, other))
        if ids != others:
            raise UserError(f"{one.path} and {other.path}: not the same problems of {one.pool}")
        numbers = of_one[first.is_baseline], of_other[second.is_baseline]
        found.append(Paired(one, ids, *numbers, one.seed == other.seed))
    if not found:
        pools = [", ".join(each.pool for each in side.results) for side in (first, second)]
        raise UserError(f"no pool, or part of one, in common: {pools[0]}; {pools[1]}")
    return found


def study_of(pools: Sequence[Paired]) -> Study:
    """Return the comparison over pools, each weighted equally; a problem of several counts once.

    Raises
    ------
    UserError
        A benchmark has a single problem, which has no variance.
    """
    places: dict[tuple[str, str], int] = {}
    for pool in pools:
        for name in pool.names:
            places.setdefault(name, len(places))
    differences, weights, chance = np.zeros((3, len(places)))
    unknown = False
    for pool in pools:
        columns = [places[name] for name in pool.names]
        share = 1.0 / (len(columns) * len(pools))
        differences[columns] += share * (pool.first.mean(axis=1) - pool.second.mean(axis=1))
        weights[columns] += share
        by_chance = chance_of(pool.first, pool.second, paired=pool.together)
        unknown |= by_chance is None
        chance[columns] += share**2 * (0.0 if by_chance is None else by_chance)
    _, groups = np.unique([benchmark for benchmark, _ in places], return_inverse=True)
    if np.bincount(groups).min() < 2:
        raise UserError("a benchmark with a single problem tells nothing of others; give more")
    repeats = min(each.shape[1] for pool in pools for each in (pool.first, pool.second))
    return Study(differences, Problems(weights, groups), repeats, None if unknown else chance)
