"""The baseline of a run by choice: made beside the run, unless it is one of its settings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.api.plan import Plan, Progress, plan_runs
from simulator.api.progress import note
from simulator.errors import UserError
from simulator.isolation import host
from simulator.remote import is_url
from simulator.runs.format import RUN_FILE, SUMMARY_FILE
from simulator.runs.making import differences, partial_folder, write_json
from simulator.runs.results import Metric, RunResult, read_results
from simulator.runs.spec import RunSpec, asked_budget
from simulator.workers.executor import Workers

if TYPE_CHECKING:
    from simulator.report.against import Against

OF_JUDGES = ("judge", "judge_cost", "model_params")

REPLACED = ("accuracy_difference", "reduction", "cost_reduction")
"""Metrics of a summary that compare with cons@N."""


@dataclass(frozen=True)
class Baseline:
    """The method that a run or sweep is compared with.

    `plan` is its own run; None if it is the setting of the run's plan at `place`.
    """

    name: str
    plan: Plan | None
    place: int = 0

    def folder(self, folder: Path, runs: Sequence[Path]) -> Path:
        """Return the folder of its run beside a run or sweep in `folder`, made of `runs`."""
        return runs[self.place] if self.plan is None else beside(folder)

    def make(
        self,
        folder: Path,
        *,
        jobs: int | Workers,
        resume: bool,
        command: Sequence[str],
        bar: AbstractContextManager[Progress],
    ) -> None:
        """Make its run beside `folder`, unless it is there already; parameters as `Plan.make`.

        Raises
        ------
        UserError
            As from `Plan.make`; also if another run is there.
        """
        if self.plan is None:
            return
        own, (spec,) = beside(folder), self.plan.specs
        if resume and (own / SUMMARY_FILE).is_file():
            if found := differences(own / RUN_FILE, spec.identity):
                another = f"{own}: a run with another {' and '.join(found)}"
                raise UserError(f"{another}; remove it, or give another -o")
            return
        resume = resume and partial_folder(own).exists()
        self.plan.make(own, jobs=jobs, resume=resume, command=command, bar=bar)


def beside(folder: Path) -> Path:
    """Return the folder of the baseline's run of a run or sweep in `folder`."""
    return folder.with_name(f"{folder.name}-baseline")


def plan_baseline(
    name: str, plan: Plan, patterns: Sequence[str], options: Mapping[str, Any]
) -> Baseline:
    """Plan the baseline of a run or sweep: on its pools, with its repeats, seed and engine.

    `patterns` and `options` are those of `plan_runs`. A name without N gets the budget of the run,
    or the largest of a sweep over budgets.

    Raises
    ------
    UserError
        As from `plan_runs`; also for a sweep, or traces that are unfinished.
    """
    try:
        loaded = host.load(name, in_process=options["in_process"])
    except UserError as error:
        raise UserError(f"--baseline: {error}") from None
    given = {**options, "budget": None if loaded.budget else _largest(plan.specs)}
    if "judge" not in loaded.policy.requires:
        given |= dict.fromkeys(OF_JUDGES[:2]) | {"model_params": ()}
    if "probes" not in loaded.declared:
        given["probe_cost"] = None
    pools = plan.specs[0].pools
    if unfinished := [pool for pool in pools if pool.info.unfinished]:
        raise UserError(f"{unfinished[0].info.about_unfinished}; remove --baseline")
    own = patterns if any(map(is_url, patterns)) else [pool.name for pool in pools]
    try:
        made = plan_runs(name, {}, own, **given)
    except UserError as error:
        raise UserError(f"--baseline: {error}") from None
    for place, spec in enumerate(plan.specs):
        if _same(spec, made.specs[0]):
            return Baseline(name, None, place)
    note(f"baseline: {name}, made as a run beside this one")
    return Baseline(name, made)


def _largest(specs: Sequence[RunSpec]) -> int | None:
    """Return the largest budget that was asked for; None if none was."""
    asked = [asked_budget(spec.budget, spec.loaded) for spec in specs]
    return max((budget for budget in asked if budget is not None), default=None)


def _same(one: RunSpec, other: RunSpec) -> bool:
    """Check whether two runs on the same pools have the same results."""

    def decides(spec: RunSpec) -> tuple[Any, ...]:
        loaded = spec.loaded
        judge = None if spec.judge is None else spec.judge.identity
        return loaded.name, loaded.sha256, loaded.parameters, spec.budgets, judge

    return decides(one) == decides(other)


def record_baseline(name: str, own: Path, folders: Sequence[Path]) -> None:
    """Record the baseline and the name of its run's folder in the `run.json` of runs."""
    for folder in folders:
        file = folder / RUN_FILE
        record = json.loads(file.read_text(encoding="utf-8"))
        write_json(file, record | {"baseline": {"policy": name, "run": own.name}})


def metrics_against(
    metrics: Mapping[str, Metric], compared: Against | None, base: RunResult
) -> dict[str, Metric]:
    """Return the metrics of a result with differences and reductions to the result `base`."""
    assert compared is not None
    kept = {name: each for name, each in metrics.items() if name not in REPLACED}
    return kept | {
        "accuracy_difference": compared.contrast.difference,
        "reduction": compared.reduction,
        "baseline_accuracy": base.metrics["accuracy"],
        "baseline_tokens_per_problem": base.metrics["tokens_per_problem"],
    }


def against_baseline(
    name: str, own: Path, runs: Sequence[Path], summaries: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return summaries whose differences and reductions are to the baseline's run in `own`.

    Each pool's entry also has `baseline_tied`: True if the two are not told apart, by a sign-flip
    test over problems, with the false discovery rate held among all pairs of the runs.
    """
    from simulator.report.comparison import compare

    folders = dict.fromkeys([*runs, own])
    results = [result for folder in folders for result in read_results(folder)]
    bases = {result.pool: result for result in results if result.path == own}
    rows = compare(results, baseline=own.resolve().name).rows
    found = {(row.result.path, row.result.pool): row.against for row in rows}

    def entry_of(run: Path, entry: dict[str, Any]) -> dict[str, Any]:
        compared = found[run, entry["pool"]]
        assert compared is not None
        metrics = {key: Metric(**each) for key, each in entry["metrics"].items()}
        told = metrics_against(metrics, compared, bases[entry["pool"]])
        kept = {key: each.as_dict() for key, each in told.items()}
        return entry | {"baseline": name, "baseline_tied": compared.tied, "metrics": kept}

    return [
        summary | {"pools": [entry_of(run, entry) for entry in summary["pools"]]}
        for run, summary in zip(runs, summaries, strict=True)
    ]
