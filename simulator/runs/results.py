"""Readers of finished runs: `run.json`, `summary.json`, and sums over the answers."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from simulator.errors import UserError
from simulator.storage import reading

T = TypeVar("T", str, int, float, bool)

FORMAT = 1
"""Newest supported version of the run format."""

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
    "judge_calls",
    "judge_tokens",
    "judge_tokens_reused",
    "tokens_with_judge",
    "clusters",
    "purity",
    "tokens_kept",
    "clusters_classes",
    "clusters_correct",
)
"""Metrics of a run on one pool, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A value and the ends of its 95% interval, which are None if there is no interval."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class RunResult:
    """Result of one run on one pool.

    `settings` names the parameters that were set for the run. `serving` is its serving model, as
    options of `run`, empty for the default. Accuracies and reductions are fractions. `metrics`
    contains only metrics measured in the run.
    """

    run: str
    path: Path
    policy: str
    policy_sha256: str | None
    parameters: Mapping[str, Any]
    settings: tuple[str, ...]
    unranked: bool
    seed: int
    repeats: int
    pool: str
    fingerprint: str | None
    budget: int
    synthetic: bool
    token_accuracy: str
    problems: int
    baseline: str
    clock_unit: str
    serving: str
    metrics: Mapping[str, Metric]
    command: str | None
    started_at: str | None
    wall_seconds: float | None

    def value(self, name: str) -> float | None:
        """Return the value of the metric `name`, or None if the run did not measure it."""
        metric = self.metrics.get(name)
        return None if metric is None else metric.value


def read_results(folder: Path) -> list[RunResult]:
    """Read the results of the run in `folder`, one per pool, in the order of its summary.

    Raises
    ------
    UserError
        There is no run, it is unfinished, or its files are damaged or of a newer format.
    """
    if not (folder / "run.json").is_file() or not (folder / "summary.json").is_file():
        raise _no_run(folder)
    run = _read(folder / "run.json")
    summary = _read(folder / "summary.json")
    recorded_pools = {pool.get("name", str): pool for pool in run.objects("pools")}
    policy = run.object("policy")
    results = []
    for entry in summary.objects("pools"):
        name = entry.get("pool", str)
        recorded = recorded_pools.get(name)
        results.append(
            RunResult(
                run=folder.resolve().name,
                path=folder,
                policy=summary.get("policy", str),
                policy_sha256=policy.optional("sha256", str),
                parameters=summary.object("parameters").fields,
                settings=tuple(policy.object("settings").fields)
                if "settings" in policy.fields
                else (),
                unranked=summary.get("unranked", bool),
                seed=summary.get("seed", int),
                repeats=summary.get("repeats", int),
                pool=name,
                fingerprint=recorded.optional("fingerprint", str) if recorded else None,
                budget=entry.get("budget", int),
                synthetic=entry.get("synthetic", bool),
                token_accuracy=entry.get("token_accuracy", str),
                problems=entry.get("problems", int),
                baseline=entry.get("baseline", str),
                clock_unit=entry.get("clock_unit", str),
                serving=" ".join(serving_options(run.fields.get("serving"))),
                metrics=_metrics(entry.object("metrics")),
                command=_command(run.fields.get("command")),
                started_at=run.optional("started_at", str),
                wall_seconds=run.optional("wall_seconds", float),
            )
        )
    if not results:
        raise summary.wrong("pools")
    return results


@dataclass(frozen=True, slots=True, eq=False)
class ProblemSums:
    """Sums over the repeats of a run, for each problem of one pool.

    `problem_ids` are sorted. The arrays are whole numbers of shape (problems,) in that order;
    `baseline_*` are those of cons@N on the same traces.
    """

    problem_ids: tuple[str, ...]
    repeats: int
    correct: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.int64]
    baseline_correct: npt.NDArray[np.int64]
    baseline_tokens: npt.NDArray[np.int64]


def read_problem_sums(folder: Path) -> dict[str, ProblemSums]:
    """Sum `answers.parquet` of the run in `folder`, by pool; empty if there is no such file.

    Raises
    ------
    UserError
        The file is damaged, or the problems of a pool differ in their number of repeats.
    """
    import pyarrow.parquet as pq

    file = folder / "answers.parquet"
    if not file.is_file():
        return {}
    keys = ["pool", "problem_id"]
    summed = ["correct", "tokens", "baseline_correct", "baseline_tokens"]
    with reading(file), pq.ParquetFile(file) as stored:
        # One thread, as row groups are too small for several.
        rows = stored.read([*keys, *summed], use_threads=False).unify_dictionaries()
    if set(rows.column_names) != {*keys, *summed}:
        raise UserError(f"{file}: columns are missing; repeat the run")
    grouped = rows.group_by(keys, use_threads=False).aggregate(
        [*[(name, "sum") for name in summed], ([], "count_all")]
    )
    pools = np.array(grouped["pool"].to_pylist(), dtype=object)
    problems = np.array(grouped["problem_id"].to_pylist(), dtype=object)
    repeats = grouped["count_all"].to_numpy()
    sums = [grouped[f"{name}_sum"].to_numpy().astype(np.int64) for name in summed]
    found = {}
    for pool in dict.fromkeys(pools.tolist()):
        rows_of = np.flatnonzero(pools == pool)
        order = rows_of[np.argsort(problems[rows_of])]
        if (repeats[order] != repeats[order[0]]).any():
            raise UserError(f"{file}: problems of {pool} differ in repeats; repeat the run")
        found[pool] = ProblemSums(
            tuple(problems[order].tolist()), int(repeats[order[0]]), *(each[order] for each in sums)
        )
    return found


def _no_run(folder: Path) -> UserError:
    """Explain why `folder` is not a finished run: unfinished ones are in `<name>.partial`."""
    for partial in (folder, folder.parent / f"{folder.name}.partial"):
        if (partial / "identity.json").is_file() or (partial / "run.json").is_file():
            return UserError(
                f"{partial}: unfinished run (summary.json is missing); "
                "repeat its command with --resume to complete it"
            )
    return UserError(f"{folder}: no run here (run.json is missing); give a folder in runs/")


def _command(recorded: Any) -> str | None:
    """Join a recorded list of arguments to a command line."""
    if isinstance(recorded, list):
        return shlex.join(map(str, recorded)) or None
    return recorded if isinstance(recorded, str) else None


def serving_options(recorded: object) -> list[str]:
    """Convert the serving model in `run.json` to options of `run`; none for the default."""
    if not isinstance(recorded, dict):
        return []
    options = []
    if isinstance(slots := recorded.get("concurrency"), int):
        options += ["--concurrency", str(slots)]
    points = recorded.get("step_seconds")
    if isinstance(points, list) and points and all(map(_is_point, points)):
        options += ["--step-seconds", ",".join(f"{size}:{seconds}" for size, seconds in points)]
    return options


def _is_point(found: object) -> bool:
    return (
        isinstance(found, list)
        and len(found) == 2
        and all(isinstance(each, int | float) for each in found)
    )


@dataclass(frozen=True, slots=True)
class _Object:
    """A JSON object from `file`, whose fields are checked when read."""

    file: Path
    fields: dict[str, Any]

    def get(self, key: str, kind: type[T]) -> T:
        value = self.optional(key, kind)
        if value is None:
            raise self.wrong(key)
        return value

    def optional(self, key: str, kind: type[T]) -> T | None:
        value = self.fields.get(key)
        if value is None:
            return None
        if kind is float and type(value) is int:
            return kind(value)
        if type(value) is not kind:
            raise self.wrong(key)
        return value

    def object(self, key: str) -> _Object:
        value = self.fields.get(key)
        if not isinstance(value, dict):
            raise self.wrong(key)
        return _Object(self.file, value)

    def objects(self, key: str) -> list[_Object]:
        values = self.fields.get(key)
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            raise self.wrong(key)
        return [_Object(self.file, value) for value in values]

    def wrong(self, key: str) -> UserError:
        return UserError(f"{self.file}: {key!r} is missing or has the wrong type; repeat the run")


def _metrics(entry: _Object) -> dict[str, Metric]:
    metrics = {}
    for name in entry.fields:
        parts = entry.object(name)
        value, low, high = (_finite(parts.optional(end, float)) for end in ("value", "low", "high"))
        if value is not None:
            metrics[name] = Metric(value, low, high)
    return metrics


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _read(file: Path) -> _Object:
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read ({error}); repeat the run") from None
    if not isinstance(fields, dict) or type(fields.get("format")) is not int:
        raise UserError(f"{file}: not the description of a run; repeat the run")
    if fields["format"] > FORMAT:
        raise UserError(
            f"{file}: run format {fields['format']} is newer than this program's {FORMAT}; "
            "upgrade deepprune-sim"
        )
    return _Object(file, fields)
