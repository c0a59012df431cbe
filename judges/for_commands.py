"""Functions that the commands of `simulator` ask of judges (`simulator.api.judge_tools`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from judges.runs.greedy import greedy_options
from judges.runs.run_judge import RunJudges
from judges.scores import generated, inventory
from judges.scores.cached import CachedScores
from judges.scores.inventory import check_scores
from judges.scores.store import scores_folder
from simulator.errors import UserError
from simulator.loading import LoadedPolicy
from simulator.pools.pool import Pool
from simulator.runs.spec import RunJudge

COSTS = ("ratio", "model_parameters")
"""Fields of a run's judge about its cost, which a user may have set."""

__all__ = [
    "check_scores",
    "greedy_options",
    "recorded_judge",
    "run_judges",
    "score_generated",
    "stored_scores",
]

run_judges = RunJudges


def score_generated(
    cache: Path, path: Path, progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Store scores for every pair of a generated pool; return judge, path and bytes of them."""
    scores = generated.score_generated(cache, path, progress)
    return {
        "judge": scores.identity.folder,
        "path": scores.store.path,
        "bytes": scores.store.size_of(Pool(path).info.name),
    }


def stored_scores(cache: Path, pool: Pool) -> list[dict[str, Any]]:
    """List the scores that are stored of a pool: judge, spec, pairs, all_pairs of each."""
    return [asdict(each) for each in inventory.stored_scores(cache, pool)]


def recorded_judge(
    cache: Path, recorded: Mapping[str, Any], loaded: LoadedPolicy, pools: Sequence[Pool]
) -> RunJudge:
    """Return the judge that a stranger's run names: scores stored here, or the lexical judge.

    No other judge is loaded: its name could have a model downloaded.

    Raises
    ------
    UserError
        `run.json` names no scores, scores that are not stored here, or no costs.
    """
    scores = recorded.get("scores")
    if type(scores) is not str or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,127}", scores):
        raise UserError("run.json does not name the judge scores that the run used")
    if not (scores_folder(cache) / scores / "judge.json").is_file():
        if recorded.get("name") != "lexical":
            raise UserError(
                f"scores {scores} are not in {scores_folder(cache)}; compute them with "
                "deepprune-sim judge score, and verify again"
            )
        scores = "lexical"
    judge = RunJudges(cache, scores).of(loaded, pools)
    usual, ratios = judge.identity["ratio"], recorded.get("ratio")
    if not isinstance(ratios, dict) or ratios.keys() != usual.keys():
        raise UserError("run.json does not tell what a token of the judge costs on each pool")
    identity = {key: value for key, value in judge.identity.items() if key not in COSTS}
    if "reads" not in recorded:  # a run of before, which charged each pair in full
        del identity["reads"]
        asked = judge.asked
        assert isinstance(asked, CachedScores)
        asked.as_before = True
    return replace(
        judge,
        identity={**identity, **{key: recorded[key] for key in COSTS if key in recorded}},
        ratio=[ratios[pool.name] for pool in pools],
        usual=judge.ratio if ratios != usual else None,
    )
