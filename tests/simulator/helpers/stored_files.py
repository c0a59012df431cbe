"""Small pools and runs on disk whose figures are worked out by hand, for tests of what reads them.

They are written column by column from the formats in DESIGN.md, not by the program's own writers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from simulator.methods import family_name

NAME = "scout/qwen3-8b/aime24"

Metrics = Mapping[str, tuple[float, float | None, float | None]]

PROBLEMS = {
    "problem_id": ["p1", "p2"],
    "question": ["1 + 6?", None],
    "gold_answer": ["7", "B"],
    "answer_kind": ["math", "choice"],
}

TRACES = {
    "problem_id": ["p1"] * 4 + ["p2"] * 4,
    "trace_id": [0, 1, 2, 3, 0, 1, 2, 3],
    "num_tokens": [100, 200, 300, 400, 10, 20, 30, 40],
    "prompt_tokens": [None] * 8,
    "finish_reason": ["stop", "stop", "stop", "length", *["stop"] * 4],
    "answer": ["7", "7", "7.0", None, "A", "B", "B", "A"],
    "answer_class": [0, 0, 0, -1, 1, 0, 0, 1],
    "correct": [True, True, True, False, False, True, True, False],
}
"""p1: three answers, all 7 and right, one trace cut off. p2: a tie between A, seen first, and B.

So pass@1 is (3/4 + 2/4) / 2 = 0.625; voting over all traces is right on p1 and wrong on p2; of
3 + 6 pairs with answers, 3 + 2 agree.
"""


def write_pool(cache: Path, name: str = NAME, **changes: object) -> Path:
    """Write the pool above under `name`; `changes` replace fields of its pool.json."""
    from simulator.pools.pool import SCHEMAS

    folder = cache / name
    folder.mkdir(parents=True)
    for file, columns in (("problems", PROBLEMS), ("traces", TRACES)):
        pq.write_table(pa.table(columns, schema=SCHEMAS[file]), folder / f"{file}.parquet")
    dataset, model, benchmark = name.split("/")
    info: dict[str, object] = {
        "dataset": dataset,
        "model": model,
        "benchmark": benchmark,
        "importer": "test",
        "importer_version": "1",
        "token_accuracy": "exact",
        "source": "https://example.org/traces",
        "licence": "MIT",
        "synthetic": False,
        "signals": [],
        "problems": 2,
        "traces": 8,
        "tokens": 1100,
        "notes": ["made by hand"],
        "sha256": {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(folder.glob("*.parquet"))
        },
        "format": 1,
    }
    (folder / "pool.json").write_text(json.dumps(info | changes), encoding="utf-8")
    return folder


def summary_pool(pool: str = NAME, **changes: Any) -> dict[str, Any]:
    """One entry of a summary's `pools`; `metrics` may be given as {name: (value, low, high)}."""
    metrics: Metrics = changes.pop("metrics", {"accuracy": (0.5, 0.25, 0.75)})
    values = {
        name: dict(zip(("value", "low", "high"), ends, strict=True))
        for name, ends in ({"tokens_per_problem": (1000.0, 900.0, 1100.0)} | dict(metrics)).items()
    }
    entry = {
        "pool": pool,
        "synthetic": False,
        "token_accuracy": "exact",
        "problems": 2,
        "budget": 4,
        "baseline": "cons@4",
        "clock_unit": "steps",
        "metrics": values,
    }
    return entry | changes


def write_run(
    folder: Path, policy: str, *pools: dict[str, Any], fingerprint: str = "f0", **changes: Any
) -> Path:
    """Write a finished run of `policy`; `changes` replace seed, repeats, parameters, unranked.

    Its answers agree with its summary: the first problems are right in every repeat, and each takes
    the mean number of tokens; cons@N is right on the first half and takes 1000 tokens.
    """
    folder.mkdir(parents=True)
    entries = list(pools) or [summary_pool()]
    fields: dict[str, Any] = {
        "parameters": {},
        "unranked": False,
        "seed": 0,
        "repeats": 10,
    } | changes
    run = {
        "format": 1,
        "policy": {
            "name": policy,
            "class": "Policy",
            "source": "",
            # cons@8 and cons@16 have the same source
            "sha256": hashlib.sha256(family_name(policy, {"m", "budget"}).encode()).hexdigest(),
            "parameters": fields["parameters"],
            "unranked": fields["unranked"],
        },
        "seed": fields["seed"],
        "repeats": fields["repeats"],
        "budget": 4,
        "serving": {"concurrency": None, "step_seconds": None},
        "pools": [
            {
                "name": entry["pool"],
                "fingerprint": fingerprint,
                "synthetic": entry["synthetic"],
                "token_accuracy": entry["token_accuracy"],
                "budget": entry["budget"],
            }
            for entry in entries
        ],
        "versions": {},
        "command": ["deepprune-sim", "run", policy],
        "wall_seconds": 1.5,
        "started_at": "2026-01-01T00:00:00Z",
    }
    summary = {"format": 1, "policy": policy, **fields, "pools": entries}
    (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    where = {"pool": [NAME], "problem_id": ["p1"], "repeat": [0]}
    decisions = where | {
        "trace_id": [3],
        "order": [0],
        "started": [0.0],
        "ended": [50.0],
        "num_tokens": [50],
        "finished": [False],
        "stop_reason": ["stopped"],
    }
    pq.write_table(pa.table(decisions), folder / "decisions.parquet")
    answers = [row for entry in entries for row in answers_of(entry, fields["repeats"])]
    pq.write_table(pa.Table.from_pylist(answers), folder / "answers.parquet")
    return folder


def answers_of(entry: dict[str, Any], repeats: int) -> list[dict[str, Any]]:
    """Rows of answers.parquet that come to a summary's entry."""
    problems, metrics = entry["problems"], entry["metrics"]
    right = round(metrics["accuracy"]["value"] * problems) if "accuracy" in metrics else 0
    return [
        {
            "pool": entry["pool"],
            "problem_id": f"p{problem + 1}",
            "repeat": repeat,
            "answer": "7",
            "answer_class": 0,
            "correct": problem < right,
            "tokens": round(metrics["tokens_per_problem"]["value"]),
            "probe_calls": 0,
            "judge_calls": 0,
            "judge_tokens": 0,
            "clock": 50.0,
            "traces_started": 1,
            "kept_classes": 0,
            "kept_correct": False,
            "baseline_correct": problem < problems / 2,
            "baseline_tokens": 1000,
        }
        for problem in range(problems)
        for repeat in range(repeats)
    ]
