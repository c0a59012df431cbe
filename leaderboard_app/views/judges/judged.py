"""Evaluation of judges' stored scores against the pools' answers.

Scores are read through DuckDB. Of very many pairs, a fixed random subset is read.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from judges.evaluation.metrics import (
    auroc,
    calibration,
    calibration_error,
    true_negative_rate,
    within_auroc,
)
from judges.pairs.pair_sets import LENGTH_REASONS
from judges.prefixes import Truncation
from judges.scores.inventory import count_rows
from judges.scores.store import ScoreStore, iter_parts, iter_stores, open_store, scores_folder
from leaderboard_app.library.library import Library
from leaderboard_app.library.pool_answers import count_traces, readable_pool
from simulator.arrays import Bools, Floats
from simulator.catalogue.pool_rows import Broken
from simulator.errors import UserError
from simulator.pools.pool import Pool
from simulator.statistics import Bootstrap, Estimate

PAIRS = 20_000
"""Approximate number of pairs evaluated if a pool has more: all pairs of some traces."""

RESAMPLES = 2_000
"""Bootstrap resamples of the problems for intervals.

Fewer than elsewhere, as each counts thousands of pairs. The standard error of an interval's ends is
then about 1.5% of its width.
"""

POINTS = 200
"""Maximum number of points drawn of a ROC curve."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Scores that one judge gave to pairs of one pool.

    Parameters
    ----------
    judge
        Name of the folder of its scores, which is its identity.
    label
        Displayed name: as on the command line if known.
    truncation
        Part of each trace that it reads; None for a judge that reads no text.
    oracle
        True if it uses ground truth.
    pairs, all_pairs
        Number of pairs with a score, and number of all pairs.
    """

    judge: str
    label: str
    truncation: str | None
    oracle: bool
    pool: str
    synthetic: bool
    pairs: int
    all_pairs: int


@dataclass(frozen=True)
class Worth:
    """Quality of one judge's scores on one pool; a positive is a same-answer pair.

    Parameters
    ----------
    pairs, problems
        Numbers evaluated: pairs of traces that both finished with an answer, and their problems.
    drawn
        True if only a subset of the stored pairs was evaluated.
    same
        Share of same-answer pairs.
    unfinished
        Share of pairs of which the judge saw neither trace in full; None if unknown.
    auroc, tnr, within
        AUROC, TNR@0.2 and AUROC within problems; None if all pairs have the same label.
    calibration
        Mean score, share of same-answer pairs and number of pairs by tenths of the score.
    curve
        Points (false-positive rate, true-positive rate) of the ROC curve; none with one label.
    """

    pairs: int
    problems: int
    drawn: bool
    same: float
    unfinished: float | None
    auroc: Estimate | None
    tnr: Estimate | None
    within: Estimate | None
    calibration: tuple[tuple[float, float, int], ...]
    calibration_error: Estimate
    curve: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Inventory:
    """All stored scores, by pool and judge, and the unusable ones."""

    stored: tuple[Stored, ...]
    broken: tuple[Broken, ...]


def scores_state(cache: Path, judge: str = "*", pool: str = "*/*/*") -> str:
    """Return a text that changes when scores are added to or removed from a folder of pools.

    It covers all judges and pools, or one judge's folder and one pool.
    """
    digest = hashlib.sha256()
    below = scores_folder(cache)
    folders = sorted(below.glob(f"{judge}/{pool}"))
    inside = (each for folder in folders for each in [folder, *sorted(folder.glob("*"))])
    for each in [*sorted(below.glob(f"{judge}/judge.json")), *inside]:
        try:
            digest.update(f"{each} {each.stat().st_mtime_ns}\n".encode())
        except OSError:  # removed meanwhile
            continue
    return digest.hexdigest()


def inventory(library: Library) -> Inventory:
    """List the scores stored for the library's pools; reads footers, no scores."""
    stored: list[Stored] = []
    broken: list[Broken] = []
    for folder in iter_stores(library.folders.cache):
        try:
            store = open_store(folder)
        except UserError as error:
            broken.append(Broken(folder, str(error)))
            continue
        for row in library.pools:
            try:
                pool = library.pool(row["name"])
                pairs = count_rows(store, pool) if pool else 0
                if not pool or not pairs:
                    continue
                all_pairs = sum(n * (n - 1) // 2 for n in count_traces(library, pool.name))
                if all_pairs:
                    stored.append(_stored(store, pool, pairs, all_pairs))
            except UserError as error:
                broken.append(Broken(folder, str(error)))
    stored.sort(key=lambda each: (each.synthetic, each.pool, each.oracle, each.judge))
    return Inventory(tuple(stored), tuple(broken))


def _stored(store: ScoreStore, pool: Pool, pairs: int, all_pairs: int) -> Stored:
    description = store.description
    identity = description.identity
    return Stored(
        judge=identity.folder,
        label=str(description.spec or identity.name),
        truncation=None if identity.truncation is None else str(identity.truncation),
        oracle=bool(description.unranked),
        pool=pool.name,
        synthetic=pool.info.synthetic,
        pairs=min(pairs, all_pairs),
        all_pairs=all_pairs,
    )


def evaluate(library: Library, stored: Stored) -> Worth:
    """Evaluate a judge's scores of a pool against the pool's answers.

    As in `judge pairs`, pairs with a trace that has no answer or was cut by the length limit are
    left out.

    Raises
    ------
    UserError
        Scores cannot be read, or there is no pair to evaluate.
    """
    pool = library.pool(stored.pool)
    if pool is None:
        raise UserError(f"no pool {stored.pool} here; see deepprune-sim data list")
    store = open_store(scores_folder(library.folders.cache) / stored.judge)
    files = [part.resolve().as_posix() for part in iter_parts(store.pool_folder(pool))]
    drawn = _drawn_traces(library, stored)
    query = _QUERY.replace("{drawn}", drawn)
    with readable_pool(store.path / pool.name):
        rows = library.rows(query, [pool.name, files, [*LENGTH_REASONS]])
    if not rows:
        raise UserError(
            f"{stored.label} on {stored.pool}: no pair of traces with answers has a score; "
            "score more with deepprune-sim judge score"
        )
    place, first, second, same, scores = (
        np.array([row[name] for row in rows]) for name in ("n", "first", "second", "same", "score")
    )
    cut = None if stored.truncation is None else Truncation.parse(stored.truncation)
    unfinished = None
    if cut is not None and cut.unit == "tokens":
        unfinished = float(((first > cut.count) & (second > cut.count)).mean())
    problem = np.unique(place, return_inverse=True)[1].astype(np.int64)
    sampler = Bootstrap(int(problem.max()) + 1, resamples=RESAMPLES)
    return Worth(
        pairs=len(same),
        problems=sampler.num_problems,
        drawn=drawn != "true",
        same=float(same.mean()),
        unfinished=unfinished,
        auroc=auroc(same, scores, problem, sampler),
        tnr=true_negative_rate(same, scores, problem, sampler),
        within=within_auroc(same, scores, problem, problem, sampler),
        calibration=tuple(calibration(same, scores)),
        calibration_error=calibration_error(same, scores, problem, sampler),
        curve=tuple(roc_curve(same, scores)),
    )


_QUERY = """
    WITH numbered AS (
        SELECT problem_id, row_number() OVER (ORDER BY problem_id) - 1 AS n
        FROM problems WHERE pool = $1
    ),
    mine AS (
        SELECT n * 4294967296 + trace_id AS key, num_tokens, answer_class
        FROM (SELECT * FROM traces WHERE pool = $1) JOIN numbered USING (problem_id)
        WHERE answer_class >= 0 AND NOT list_contains($3, coalesce(finish_reason, ''))
    ),
    scored AS (
        SELECT string_split(filename, '/')[-2]::BIGINT AS n, trace_a, trace_b, min(score) AS score
        FROM read_parquet($2, filename = true, hive_partitioning = false)
        WHERE {drawn} AND score BETWEEN 0 AND 1 GROUP BY ALL
    )
    SELECT n, a.num_tokens AS first, b.num_tokens AS second,
        a.answer_class = b.answer_class AS same, score
    FROM scored
    JOIN mine AS a ON a.key = n * 4294967296 + trace_a
    JOIN mine AS b ON b.key = n * 4294967296 + trace_b
    ORDER BY n, trace_a, trace_b
"""
"""Pairs with their scores.

A pair scored twice has the lower score, as in `judges.scores.store`. Scores are stored by the index
of a problem among the sorted ids. The drawn traces are written into the query itself: compared with
constants, 26 million rows are filtered while they are read. A trace has one key, as joins over two
columns would first join all pairs of traces of a problem.
"""


def _drawn_traces(library: Library, stored: Stored) -> str:
    """Return the SQL condition that both traces of a pair are drawn; true if pairs are few.

    Traces are ranked by a hash of their number, so that the draw never changes.
    """
    if stored.pairs <= PAIRS:
        return "true"
    rows = library.rows("SELECT DISTINCT trace_id AS id FROM traces WHERE pool = ?", [stored.pool])
    ids = sorted(
        (int(row["id"]) for row in rows),
        key=lambda each: hashlib.sha256(str(each).encode()).digest(),
    )
    number = max(2, round(len(ids) * math.sqrt(PAIRS / stored.pairs)))
    listed = ", ".join(map(str, ids[:number]))
    return f"trace_a IN ({listed}) AND trace_b IN ({listed})"


def roc_curve(same: Bools, scores: Floats, points: int = POINTS) -> Iterator[tuple[float, float]]:
    """Yield false- and true-positive rates from (0, 0) to (1, 1), at most `points` thresholds.

    Nothing if all pairs have the same label.
    """
    positives = int(same.sum())
    negatives = len(same) - positives
    if not positives or not negatives:
        return
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # pairs with equal scores stay together
    true = np.append(0, np.cumsum(same[order])[last]) / positives
    false = np.append(0, np.cumsum(~same[order])[last]) / negatives
    chosen = np.unique(np.linspace(0, len(true) - 1, points).round().astype(int))
    yield from zip(false[chosen].tolist(), true[chosen].tolist(), strict=True)
