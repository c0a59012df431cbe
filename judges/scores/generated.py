"""Judge scores of generated pools, from the oracle at a stated quality instead of a real judge."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from judges.kinds.oracle import PUBLISHED_AUROC
from judges.scores.cached import CachedScores, open_scores
from judges.scores.filling import score_pools
from judges.scores.store import ScoreStore
from simulator.errors import UserError
from simulator.pools.pool import Pool
from simulator.storage import disk_error

SPEC = f"oracle:auroc={PUBLISHED_AUROC}"
"""The judge: true labels with noise, as good as the scores of the best published judge."""


def score_generated(
    cache: Path, path: Path, progress: Callable[[int, int], None] | None = None
) -> CachedScores:
    """Store scores for every pair of a generated pool; replace those of an older version of it.

    Parameters
    ----------
    cache
        The folder of pools.
    path
        The pool's folder.
    progress
        Called with the number of pairs done and the total.

    Returns
    -------
    The scores.
    """
    scores, pool = open_scores(cache, SPEC), Pool(path)
    _drop_those_of_another_version(scores.store, pool)
    score_pools(scores, [pool], progress=progress or (lambda done, total: None))
    return scores


def _drop_those_of_another_version(store: ScoreStore, pool: Pool) -> None:
    """Remove scores of an older version of the pool, which had another seed or size."""
    try:
        store.pool_folder(pool)
    except UserError:
        try:
            shutil.rmtree(store.path / pool.name)
        except OSError as error:
            raise disk_error(error, store.path / pool.name) from None
