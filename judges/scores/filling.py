"""Scoring pools ahead of a replay: problem by problem, in one process or several."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from judges.prefixes import Truncation
from judges.protocol import all_pairs
from judges.scores.cached import CachedScores, open_scores
from simulator.errors import UserError
from simulator.pools.pool import Pool, StoredProblem
from simulator.workers.executor import Shared, WorkerDied, Workers
from simulator.workers.opening import as_workers

CHUNK_PAIRS = 1024
"""Pairs that a judge with a model scores before storing them; a killed process loses these."""

Progress = Callable[[int, int], None]
"""Callback with steps done and the total; with `EveryPair`, a step is a pair."""


class Wanted(Protocol):
    """A choice of the pairs of a problem to score; picklable."""

    def steps(self, problem: StoredProblem) -> int:
        """Return the number of steps that `fill` takes."""

    def fill(self, scores: CachedScores, problem: StoredProblem) -> Generator[tuple[int, int]]:
        """Store missing scores; yield steps done and pairs scored since the last yield."""


class EveryPair:
    """All n (n − 1) / 2 pairs of a problem."""

    def steps(self, problem: StoredProblem) -> int:
        """Return the number of the problem's pairs."""
        return len(problem.lengths) * (len(problem.lengths) - 1) // 2

    def fill(self, scores: CachedScores, problem: StoredProblem) -> Generator[tuple[int, int]]:
        """Store missing scores; see `Wanted.fill`."""
        yield from fill_problem(scores, problem)


def score_pools(
    scores: CachedScores,
    pools: Sequence[Pool],
    jobs: int | Workers = 1,
    progress: Progress = lambda done, total: None,
    wanted: Wanted | None = None,
) -> list[int]:
    """Store missing scores of pairs of some pools; return the number of new scores by pool.

    `wanted` selects the pairs; None for all of them. Scores are stored at once, so that a call
    after an interruption continues there.

    Raises
    ------
    UserError
        A pool lacks the text that the judge reads (before anything is scored), or no judge is
        available.
    """
    if scores.identity.truncation is not None:
        for pool in pools:
            pool.require(frozenset({"text"}), f"judge {scores.identity.name}")
    for pool in pools:
        scores.store.pool_folder(pool)  # refuses scores of another version of the pool
    places = [(at, index) for at, pool in enumerate(pools) for index in range(len(pool.problems))]
    wanted = wanted or EveryPair()
    total = sum(wanted.steps(pools[at].problems[index]) for at, index in places)
    counts = [0] * len(pools)
    done = 0
    for at, steps, filled in _scored(scores, pools, places, jobs, wanted):
        counts[at] += filled
        done += steps
        progress(done, total)
    return counts


def fill_problem(scores: CachedScores, problem: StoredProblem) -> Generator[tuple[int, int]]:
    """Store missing scores of all of a problem's pairs.

    Yields repeatedly the number of pairs done, and the number of them that were newly scored.
    """
    pairs = all_pairs(len(problem.lengths))
    gaps = scores.missing(problem, pairs)
    yield len(pairs) - len(gaps), 0
    step = CHUNK_PAIRS if scores.description.has_model else max(len(gaps), 1)
    for start in range(0, len(gaps), step):
        chunk = gaps[start : start + step]
        yield len(chunk), scores.fill(problem, chunk)
    scores.store.compact(problem)


def _scored(
    scores: CachedScores,
    pools: Sequence[Pool],
    places: Sequence[tuple[int, int]],
    jobs: int | Workers,
    wanted: Wanted,
) -> Iterator[tuple[int, int, int]]:
    """Score all places; yield pool number, steps done and pairs scored after each step."""
    if jobs == 1 or len(places) < 2 or scores.judge is None:
        for at, index in places:
            # With its own cache, which is freed with it.
            problem = replace(pools[at].problems[index], prepared={})
            for done, filled in wanted.fill(scores, problem):
                yield at, done, filled
        return
    specification = scores.description.spec, scores.identity.truncation
    cache, paths = scores.store.path.parent.parent, [pool.path for pool in pools]
    with as_workers(jobs, __name__, joins=False) as workers:
        threads = max(1, (os.cpu_count() or 1) // workers.jobs)
        shared = Shared(
            Filling(scores, pools, wanted), _opened, cache, *specification, paths, wanted, threads
        )
        try:
            yield from workers.map(fill_place, [shared] * len(places), *zip(*places, strict=True))
        except WorkerDied as error:
            raise UserError(
                f"judge {scores.identity.name}: {error}; scores so far are stored, go on with "
                "fewer jobs: -j 1"
            ) from None


@dataclass(frozen=True)
class Filling:
    """Pools and their scores, open in this process, and a choice of pairs."""

    scores: CachedScores
    pools: Sequence[Pool]
    wanted: Wanted


def _opened(
    cache: Path,
    spec: str,
    truncation: Truncation | None,
    pools: Sequence[Path],
    wanted: Wanted,
    threads: int,
) -> Filling:
    """Open scores and pools in a worker."""
    # Set before a model's libraries are loaded. By default, they start one thread per core in each
    # process, and processes that compete for cores are several times as slow.
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    scores = open_scores(cache, spec, truncation)
    return Filling(scores, [Pool(path) for path in pools], wanted)


def fill_place(shared: Shared[Filling], at: int, index: int) -> tuple[int, int, int]:
    """Score a problem of a pool (both by number); return pool, steps done and pairs scored."""
    filling = shared.value
    problem = replace(filling.pools[at].problems[index], prepared={})
    steps = list(filling.wanted.fill(filling.scores, problem))
    return at, sum(done for done, _ in steps), sum(filled for _, filled in steps)
