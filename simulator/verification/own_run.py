"""The verifier's own replays: a run with a seed that nobody could know beforehand.

Boards show and rank by its figures. It is kept beside the submission as a run's four files
(`simulator.submissions.verified`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np

from simulator.arrays import Floats
from simulator.pools.pool import Pool
from simulator.replay.recording import Replayed
from simulator.runs.format import ANSWERS_FILE, DECISIONS_FILE, RUN_FILE, SUMMARY_FILE, summary
from simulator.runs.making import installed_versions
from simulator.runs.parts import RunTables
from simulator.runs.summary import Totals, summarise
from simulator.submissions.run_record import RecordedRun


class OwnRun:
    """A run of the submitted policy with the verifier's seed, problem by problem.

    Attributes
    ----------
    seed, repeats
        Its seed, and the number of repeats of each problem.
    correct, tokens
        The values of each problem's replays, by pool.

    Parameters
    ----------
    pools
        Number of pools.
    """

    def __init__(self, seed: int, repeats: int, pools: int) -> None:
        self.seed = seed
        self.repeats = repeats
        self.correct: list[list[Floats]] = [[] for _ in range(pools)]
        self.tokens: list[list[Floats]] = [[] for _ in range(pools)]
        self._totals = [Totals() for _ in range(pools)]
        self._decisions, self._answers = BytesIO(), BytesIO()
        self._tables = RunTables(self._decisions, self._answers)

    def add(self, pool: int, replayed: Replayed) -> None:
        """Add all replays of a problem of a pool, by number; problems come in the run's order."""
        answers = replayed.answers
        self._totals[pool].add(answers)
        self.correct[pool].append(answers["correct"].to_numpy().astype(np.float64))
        self.tokens[pool].append(answers["tokens"].to_numpy().astype(np.float64))
        self._tables.add(replayed.decisions, answers)

    def entries(
        self, pools: Sequence[Pool], submitted: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Return the entries of its summary, given those of the submitted run."""
        return [
            summarise(pool, entry["budget"], totals, entry["clock_unit"], entry["judge_ratio"])
            for pool, totals, entry in zip(pools, self._totals, submitted, strict=True)
        ]

    def files(
        self, record: Mapping[str, Any], run: RecordedRun, entries: Sequence[Mapping[str, Any]]
    ) -> dict[str, bytes]:
        """Return the content of its files; `record` is the submitted `run.json`, read as `run`.

        The same seed gives the same bytes; `verification.json` has the time.
        """
        with self._tables:
            pass
        made = {
            "seed": self.seed,
            "repeats": self.repeats,
            "stop_rules": [],
            "versions": installed_versions(),
            "command": [],
            "started_at": None,
            "wall_seconds": None,
            "jobs": 1,
            "resumed": False,
        }
        told = summary(
            run.policy, run.parameters, run.unranked, self.seed, self.repeats, [*entries]
        )
        return {
            RUN_FILE: _json({**record, **made}),
            DECISIONS_FILE: self._decisions.getvalue(),
            ANSWERS_FILE: self._answers.getvalue(),
            SUMMARY_FILE: _json(told),
        }


def _json(value: Mapping[str, Any]) -> bytes:
    return f"{json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False)}\n".encode()
