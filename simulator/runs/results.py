"""Readers of finished runs: `run.json`, `summary.json`, and sums over the answers."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from simulator.arrays import Ints
from simulator.counting import COUNTING, GENERATED
from simulator.errors import UserError
from simulator.pools.probe_cost import ProbeCost
from simulator.replay.serving import PARTS
from simulator.runs.format import (
    ANSWERS_FILE,
    FORMAT,
    IDENTITY_FILE,
    RUN_FILE,
    SUMMARY_FILE,
    TUNING,
)
from simulator.statistics import Estimate
from simulator.storage import JsonObject, read_versioned, reading

Metric = Estimate
"""A value and the ends of its 95% interval, which are None if there is no interval."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """Result of one run on one pool.

    `settings` names the parameters that were set for the run. `serving` is its serving model, as
    options of `run`, empty for the default. Accuracies and reductions are fractions. `metrics`
    contains only metrics measured in the run. `sweep_settings` is the number of settings that were
    tried on these problems in the run's sweep; None for a run made alone. `probe_parts` are the
    tokens of a probe's suffix and answer, and `probe_source` their origin, one of
    `simulator.pools.probe_cost.SOURCES`, None in a pool without probes; `judge` is the name of a
    judge with a model, None without one; `judged_by` names any judge, and `judge_scores` the folder
    of its scores, which is of this judge alone. `no_answer` is the share of the pool's traces that
    have no answer, None in a run of an older version. `charging` is one of
    `simulator.counting.CHARGING`;
    `counting` says how the pool counted answers, as far as that differs from
    `simulator.counting.COUNTING`. `unfinished` counts the pool's unfinished traces. `chosen` says
    which problems a run on a part of its pools has, as typed; `problem_ids` are these of this pool,
    and `problems_in_pool` counts all. They are None in a run on whole pools.
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
    sweep_settings: int | None = None
    probe_parts: tuple[int, int] = (0, 0)
    judge: str | None = None
    probe_source: str | None = None
    no_answer: float | None = None
    charging: str = GENERATED
    counting: Mapping[str, str] = field(default_factory=dict)
    unfinished: int = 0
    judged_by: str | None = None
    judge_scores: str | None = None
    chosen: str | None = None
    problem_ids: tuple[str, ...] | None = None
    problems_in_pool: int | None = None

    @property
    def probe_cost(self) -> str | None:
        """Cost of a probe, such as `10+20`; None in a pool without probes."""
        return None if self.probe_source is None else str(ProbeCost(*self.probe_parts))

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
    if not (folder / RUN_FILE).is_file() or not (folder / SUMMARY_FILE).is_file():
        raise _no_run(folder)
    return results_in(folder, _read(folder / RUN_FILE), _read(folder / SUMMARY_FILE))


def results_in(folder: Path, run: JsonObject, summary: JsonObject) -> list[RunResult]:
    """Return the results of the run in `folder` from its record and a summary.

    Raises
    ------
    UserError
        A field is missing or of a wrong type.
    """
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
                sweep_settings=run.object("sweep").get("settings", int, least=1)
                if "sweep" in run.fields
                else None,
                probe_parts=_probe_parts(recorded),
                judge=_judge(run),
                probe_source=_probe_source(recorded),
                no_answer=_no_answer(run, name),
                charging=run.optional("charging", str) or GENERATED,
                counting=_counting(recorded),
                judged_by=_of_judge(run, "name"),
                judge_scores=_of_judge(run, "scores"),
                unfinished=(recorded.optional("unfinished", int, 0) if recorded else None) or 0,
                **_part(run, recorded),
            )
        )
    if not results:
        raise summary.error("pools", list, summary.fields)
    return results


@dataclass(frozen=True, slots=True, eq=False)
class ProblemSums:
    """Sums over the repeats of a run, for each problem of one pool.

    `problem_ids` are sorted. The arrays are whole numbers of shape (problems,) in that order;
    `baseline_*` are those of cons@N on the same traces.
    """

    problem_ids: tuple[str, ...]
    repeats: int
    correct: Ints
    tokens: Ints
    baseline_correct: Ints
    baseline_tokens: Ints


def read_problem_sums(folder: Path, content: bytes | None = None) -> dict[str, ProblemSums]:
    """Sum `answers.parquet` of the run in `folder`, by pool; empty if there is no such file.

    `content` is that of the file, if it was read already.

    Raises
    ------
    UserError
        The file is damaged, or the problems of a pool differ in their number of repeats.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = folder / ANSWERS_FILE
    if content is None and not file.is_file():
        return {}
    keys = ["pool", "problem_id"]
    summed = ["correct", "tokens", "baseline_correct", "baseline_tokens"]
    source = file if content is None else pa.BufferReader(content)
    with reading(file), pq.ParquetFile(source) as stored:
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


def read_repeats(folder: Path) -> dict[str, tuple[tuple[str, ...], Ints, Ints]]:
    """Read in which repeats the run in `folder` is right, by pool.

    Returns
    -------
    Of each pool the sorted ids of its problems, and 1 where the run and cons@N on the same traces
    are right, else 0, each of shape (problems, repeats).

    Raises
    ------
    UserError
        `answers.parquet` is missing or damaged, or problems differ in their number of repeats.
    """
    import pyarrow.parquet as pq

    file = folder / ANSWERS_FILE
    columns = ["pool", "problem_id", "repeat", "correct", "baseline_correct"]
    if not file.is_file():
        raise UserError(f"{file}: missing; make the run again")
    with reading(file), pq.ParquetFile(file) as stored:
        rows = stored.read(columns, use_threads=False).unify_dictionaries()
    if rows.column_names != columns:
        raise UserError(f"{file}: columns are missing; repeat the run")
    pools, problems = (np.array(rows[name].to_pylist(), dtype=object) for name in columns[:2])
    repeat, *right = (np.asarray(rows[name].to_numpy(), dtype=np.int64) for name in columns[2:])
    found = {}
    for pool in dict.fromkeys(pools.tolist()):
        here = np.flatnonzero(pools == pool)
        ids, places = np.unique(problems[here], return_inverse=True)
        order = here[np.lexsort([repeat[here], places])]
        if len(here) % len(ids) or (np.bincount(places) != len(here) // len(ids)).any():
            raise UserError(f"{file}: problems of {pool} differ in repeats; repeat the run")
        own, baseline = (each[order].reshape(len(ids), -1) for each in right)
        found[pool] = tuple(ids.tolist()), own, baseline
    return found


def _probe_parts(pool: JsonObject | None) -> tuple[int, int]:
    """Return the tokens of a probe's suffix and answer in a run's pool; 0 if it has no probes."""
    if pool is None or pool.fields.get("probe_cost") is None:
        return 0, 0
    cost = pool.object("probe_cost")
    return cost.get("suffix", int, 0), cost.get("answer", int, 0)


def _probe_source(pool: JsonObject | None) -> str | None:
    """Return the origin of the cost of a probe in a run's pool; None if it has no probes."""
    if pool is None or pool.fields.get("probe_cost") is None:
        return None
    return pool.object("probe_cost").get("source", str)


def _no_answer(run: JsonObject, pool: str) -> float | None:
    """Return the share of a pool's traces that have no answer, if the run tells it."""
    if run.fields.get("no_answer") is None:
        return None
    return run.object("no_answer").optional(pool, float, 0, 1)


def _counting(pool: JsonObject | None) -> dict[str, str]:
    """Return the ways in which a run's pool counted answers, as far as they are not the usual."""
    if pool is None:
        return {}
    found = {name: pool.optional(name, str) or usual for name, usual in COUNTING.items()}
    return {name: value for name, value in found.items() if value != COUNTING[name]}


def _part(run: JsonObject, pool: JsonObject | None) -> dict[str, Any]:
    """Return what a run on a part of a pool tells of its problems; empty for a whole pool."""
    if pool is None or pool.fields.get("problems") is None:
        return {}
    return {
        "chosen": run.get("problems", str),
        "problem_ids": tuple(pool.get("problems", list[str])),
        "problems_in_pool": pool.get("problems_in_pool", int, 1),
    }


def _judge(run: JsonObject) -> str | None:
    """Return the name of a run's judge if it has a model."""
    if run.fields.get("judge") is None:
        return None
    judge = run.object("judge")
    known = {judge.fields.get("weights"), judge.fields.get("parameters")}
    return None if known == {None} else judge.optional("name", str)


def _of_judge(run: JsonObject, name: str) -> str | None:
    """Return a field of a run's judge, None without a judge."""
    return None if run.fields.get("judge") is None else run.object("judge").optional(name, str)


def _no_run(folder: Path) -> UserError:
    """Explain why `folder` is not a finished run: unfinished ones are in `<name>.partial`."""
    for partial in (folder, folder.parent / f"{folder.name}.partial"):
        if (partial / IDENTITY_FILE).is_file() or (partial / RUN_FILE).is_file():
            return UserError(
                f"{partial}: unfinished run (summary.json is missing); "
                "repeat its command with --resume to complete it"
            )
    if (folder / TUNING).is_file():
        return UserError(f"{folder}: a tuning; give one of its runs, such as {folder / 'test'}")
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
    parts = {name: recorded[name] for name in PARTS if recorded.get(name) is not None}
    if parts:
        typed = (f"{name}={json.dumps(value)}" for name, value in parts.items())
        options += ["--serving", ",".join(typed)]
    return options


def _is_point(found: object) -> bool:
    return (
        isinstance(found, list)
        and len(found) == 2
        and all(isinstance(each, int | float) for each in found)
    )


def _metrics(entry: JsonObject) -> dict[str, Metric]:
    metrics = {}
    for name, parts in entry.fields.items():
        ends = [parts.get(end) for end in _ENDS] if type(parts) is dict else []
        if not ends or not _NUMBERS.issuperset(map(type, ends)):  # raises the error of the field
            checked = entry.object(name)
            ends = [checked.optional(end, float) for end in _ENDS]
        value, low, high = (_finite(None if each is None else float(each)) for each in ends)
        if value is not None:
            metrics[name] = Metric(value, low, high)
    return metrics


_ENDS = ("value", "low", "high")

_NUMBERS = frozenset({float, int, type(None)})


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _read(file: Path) -> JsonObject:
    what, remedy = "the description of a run", "repeat the run"
    return read_versioned(file, what, FORMAT, remedy, kind="run format")
