"""Inventory and check of the scores that are stored for a pool."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from judges.scores.filling import EveryPair
from judges.scores.store import ScoreStore, iter_parts, iter_stores, open_store
from simulator.errors import UserError
from simulator.pools.pool import Pool
from simulator.storage import reading

Progress = Callable[[int, int], None]
"""Callback with the number of problems checked and the total."""


@dataclass(frozen=True, slots=True)
class StoredScores:
    """The scores of one judge for one pool.

    `judge` is the folder's name, `spec` the judge as a user names it on the command line; `pairs`
    of `all_pairs` have a score.
    """

    judge: str
    spec: str
    unranked: bool
    pairs: int
    all_pairs: int


def stored_scores(cache: Path, pool: Pool) -> list[StoredScores]:
    """List the stored scores of a pool, by judge; leave out those that cannot be used."""
    found = []
    for folder in iter_stores(cache):
        try:
            store = open_store(folder)
            rows = count_rows(store, pool)
        except UserError:
            continue
        if rows:
            total = sum(map(EveryPair().steps, pool.problems))
            described = store.description
            found.append(
                StoredScores(
                    folder.name, described.spec, described.unranked, min(rows, total), total
                )
            )
    return found


def count_rows(store: ScoreStore, pool: Pool) -> int:
    """Count the rows of all parts; a pair counts twice if two processes scored it."""
    rows = 0
    for part in iter_parts(store.pool_folder(pool)):
        with reading(part):
            rows += pq.read_metadata(part).num_rows
    return rows


def check_scores(
    cache: Path, pool: Pool, progress: Progress = lambda done, total: None
) -> list[str]:
    """List the errors in the stored scores of a pool, one line each; empty if there are none."""
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
        progress(done, len(pool.problems))
