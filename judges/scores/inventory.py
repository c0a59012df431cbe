"""Which scores are stored of a pool, and whether they are sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from judges.scores.store import ScoreStore, iter_parts, iter_stores, open_store
from simulator.errors import UserError
from simulator.pools.pool import Pool
from simulator.storage import reading

Progress = Callable[[int, int], None]
"""Progress callback, called with the number of problems checked and their total."""


@dataclass(frozen=True, slots=True)
class StoredScores:
    """The scores of one judge for one pool.

    `judge` names the folder, `spec` is what a user types to get the judge itself; `pairs` of
    `all_pairs` have a score.
    """

    judge: str
    spec: str
    unranked: bool
    pairs: int
    all_pairs: int


def stored_scores(cache: Path, pool: Pool) -> list[StoredScores]:
    """What is stored of a pool, by judge; what cannot be used is left out."""
    found = []
    for folder in iter_stores(cache):
        try:
            store = open_store(folder)
            rows = _count_rows(store, pool)
        except UserError:
            continue
        if rows:
            traces = [len(problem.lengths) for problem in pool.problems]
            total = sum(n * (n - 1) // 2 for n in traces)
            described = store.description
            found.append(
                StoredScores(
                    folder.name, described.spec, described.unranked, min(rows, total), total
                )
            )
    return found


def _count_rows(store: ScoreStore, pool: Pool) -> int:
    """Rows of all parts: pairs, as far as no two processes scored the same one."""
    rows = 0
    for part in iter_parts(store.pool_folder(pool)):
        with reading(part):
            rows += pq.read_metadata(part).num_rows
    return rows


def check_scores(
    cache: Path, pool: Pool, progress: Progress = lambda done, total: None
) -> list[str]:
    """What is wrong with the stored scores of a pool, a line each; empty if nothing is."""
    findings = []
    for folder in iter_stores(cache):
        try:
            store = open_store(folder)
            findings += [
                f"scores of {folder.name}: {line}" for line in _wrong(store, pool, progress)
            ]
        except UserError as error:
            findings.append(str(error))
    return findings


def _wrong(store: ScoreStore, pool: Pool, progress: Progress) -> Iterator[str]:
    store.pool_folder(pool)  # refuses scores of another version of the pool
    for done, problem in enumerate(pool.problems, 1):
        where = f"problem {problem.problem_id!r}"
        matrix = store.read(problem)
        store.prefix_tokens(problem)
        there = ~np.isnan(matrix)
        if np.tril(there).any():
            yield f"{where}: a pair whose first trace is not the lower one"
        if not ((matrix[there] >= 0) & (matrix[there] <= 1)).all():
            yield f"{where}: a score that is not between 0 and 1"
        progress(done, len(pool.problems))
