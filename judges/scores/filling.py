"""Scoring pools ahead of a replay: problem by problem, in one process or several."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Protocol

from judges.prefixes import Truncation
from judges.protocol import all_pairs
from judges.scores.cached import CachedScores, open_scores
from simulator.errors import UserError
from simulator.isolation.children import die_with
from simulator.pools.pool import Pool, StoredProblem

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
    jobs: int = 1,
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
    jobs: int,
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
    others = set(active_children())
    executor = ProcessPoolExecutor(
        min(jobs, len(places)),
        mp_context=get_context("spawn"),
        initializer=_start_worker,
        initargs=(
            scores.store.path.parent.parent,
            scores.description.spec,
            scores.identity.truncation,
            [pool.path for pool in pools],
            wanted,
            max(1, (os.cpu_count() or 1) // jobs),
        ),
    )
    try:
        futures = [executor.submit(_work, at, index) for at, index in places]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool:
        raise UserError(
            f"judge {scores.identity.name}: a worker process died (out of memory?); scores so far "
            "are stored, go on with fewer jobs: -j 1"
        ) from None
    except BaseException:
        for worker in set(active_children()) - others:
            worker.kill()
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


_in_worker: tuple[CachedScores, list[Pool], Wanted]


def _start_worker(
    cache: Path,
    spec: str,
    truncation: Truncation | None,
    pools: Sequence[Path],
    wanted: Wanted,
    threads: int,
) -> None:
    global _in_worker
    # Set before a model's libraries are loaded. By default, they start one thread per core in each
    # process, and processes that compete for cores are several times as slow.
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this
    die_with()  # otherwise the worker would wait for work forever
    _in_worker = open_scores(cache, spec, truncation), [Pool(path) for path in pools], wanted


def _work(at: int, index: int) -> tuple[int, int, int]:
    scores, pools, wanted = _in_worker
    steps = list(wanted.fill(scores, replace(pools[at].problems[index], prepared={})))
    return at, sum(done for done, _ in steps), sum(filled for _, filled in steps)
