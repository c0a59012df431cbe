"""The run format: its version, the names of its files and metrics, the fields of its summary.

The columns of its Parquet files are in `simulator.replay.recording`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

FORMAT = 1
"""Version of the run format; a reader refuses a newer one."""

RUN_FILE = "run.json"
SUMMARY_FILE = "summary.json"
DECISIONS_FILE = "decisions.parquet"
ANSWERS_FILE = "answers.parquet"
FILES = (RUN_FILE, DECISIONS_FILE, ANSWERS_FILE, SUMMARY_FILE)
"""Files of a finished run."""

TUNING = "tuning.json"
"""File that the folder of a tuning has."""

IDENTITY_FILE = "identity.json"
"""File with the identity of an unfinished run."""

WORK = "simulator.runs.units"
"""Module of the work of runs, which their workers import."""

METRICS = (
    "accuracy",
    "accuracy_difference",
    "reduction",
    "tokens_total",
    "tokens_1e8",
    "tokens_per_problem",
    "baseline_accuracy",
    "baseline_tokens_per_problem",
    "pass_at_k",
    "distinct_answers",
    "distinct_answers_share",
    "gold_survived",
    "traces_started",
    "clock",
    "probe_calls",
    "probe_tokens",
    "judge_calls",
    "judge_tokens",
    "judge_tokens_reused",
    "judge_tokens_charged",
    "cost",
    "cost_reduction",
    "clusters",
    "purity",
    "tokens_kept",
    "clusters_classes",
    "clusters_correct",
    "completeness",
    "adjusted_rand",
    "savable",
)
"""Metrics of a run on one pool, in the order in which they are shown."""


def summary(
    policy: str,
    parameters: Mapping[str, Any],
    unranked: bool,
    seed: int,
    repeats: int,
    pools: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the content of `summary.json`; `pools` are from `simulator.runs.summary.summarise`."""
    return {
        "format": FORMAT,
        "policy": policy,
        "parameters": dict(parameters),
        "unranked": unranked,
        "seed": seed,
        "repeats": repeats,
        "pools": [*pools],
    }
