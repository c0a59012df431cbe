"""Runs to make: from a policy, a grid of settings and names of pools to specifications."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from simulator.api.judge_tools import RunJudges, load_tools
from simulator.api.progress import note
from simulator.api.serving_options import chosen_serving
from simulator.counting import DRAWN, GENERATED, Charging, Order
from simulator.errors import UserError
from simulator.loading import LoadedPolicy, is_builtin
from simulator.methods import expand_name
from simulator.pools.folders import cache_folder, check_distinct, find_pools, runs_folder
from simulator.pools.pool import Pool
from simulator.pools.probe_cost import ProbeCost, parse_probe_cost
from simulator.pools.shipped import DATASET as SHIPPED
from simulator.pools.shipped import copy_shipped, shipped_pools
from simulator.runs.idle import about_idle
from simulator.runs.making import find_partial, make_run, new_folder, partial_folder
from simulator.runs.problems import choose_problems
from simulator.runs.space import Point, drawn_points
from simulator.runs.spec import RunSpec
from simulator.runs.sweep import (
    Setting,
    Sweep,
    changed_nothing,
    find_partial_sweep,
    load_settings,
    make_sweep,
    shown_parameter,
)
from simulator.signals import PROBE_SIGNALS
from simulator.workers.executor import Workers

DEFAULT_REPEATS = 64

Progress = Callable[[int, int], None]


class Plan(Sweep):
    """A run that can be made, or all runs of a sweep, in grid order."""

    @property
    def sweep(self) -> Sweep | None:
        """The sweep; None for a single run."""
        return self if len(self.settings) > 1 else None

    @property
    def title(self) -> str:
        """Name of the policy, with the number of settings of a sweep."""
        return self.policy if self.sweep is None else f"{self.policy}, {len(self.specs)} settings"

    def folder(self, output: Path | None, resume: bool) -> Path:
        """Choose the folder of the run or sweep; notes an interrupted one that is continued.

        Raises
        ------
        UserError
            The run to resume is already complete.
        """
        folder = output
        if folder is None and resume:
            runs, sweep = runs_folder(), self.sweep
            folder = find_partial_sweep(runs, sweep) if sweep else find_partial(runs, self.specs[0])
            found = f"resuming {folder}"
            note(found if folder else "no interrupted run to resume, starting a new one")
        folder = folder or new_folder(runs_folder(), self.policy)
        if resume and (folder / "summary.json").exists():
            raise UserError(
                f"{folder}: already complete; see it with: deepprune-sim report {folder}"
            )
        return folder

    def make(
        self,
        folder: Path,
        *,
        jobs: int | Workers,
        resume: bool,
        command: Sequence[str],
        bar: AbstractContextManager[Progress],
        about: Mapping[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Make the runs in `folder`, showing progress in `bar`; return their summaries.

        `about` are further fields of the `run.json` of each. Raises the errors of
        `simulator.runs.making.make_run`.
        """
        with bar as progress:
            how: Any = {"jobs": jobs, "resume": resume, "progress": progress, "command": command}
            how["about"] = about or {}
            if self.sweep is None:
                return [make_run(self.specs[0], folder, **how)]
            return make_sweep(self.sweep, folder, **how)


def can_be_resumed(folder: Path) -> bool:
    """Check that an interrupted run or sweep was left for `folder`."""
    return partial_folder(folder).exists()


def plan_runs(
    policy: str,
    grid: Mapping[str, Sequence[str]],
    patterns: Sequence[str],
    *,
    source: str | None = None,
    draw: tuple[int, int] | None = None,
    budget: int | Sequence[int] | None = None,
    repeats: int = DEFAULT_REPEATS,
    seed: int = 0,
    concurrency: int | None = None,
    step_seconds: str | None = None,
    serving: Sequence[str] = (),
    judge: str | None = None,
    judge_cost: float | None = None,
    model_params: Sequence[str] = (),
    probe_cost: str | None = None,
    charging: Charging = GENERATED,
    order: Order = DRAWN,
    problems: str | None = None,
    in_process: bool = False,
    timeout: float | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> Plan:
    """Load a policy with every setting of `grid`, its judge and its pools.

    Arguments are those of `deepprune-sim run`, as typed there; `source` is the text of the policy
    file, if it has been read already. With `draw`, a number of settings and a seed, these are drawn
    from the grid, in which a value may be a range (`simulator.runs.space`). Prints notes on pools,
    parameters, budgets and the judge.

    Raises
    ------
    UserError
        A value, a name or a file is wrong, or a pool lacks a signal that the policy needs.
    """
    budgets = [] if budget is None else [budget] if isinstance(budget, int) else list(budget)
    grid, points = (grid, None) if draw is None else _drawn(policy, grid, budgets, draw)
    how: Any = {"budgets": budgets, "in_process": in_process, "points": points}
    chosen = load_settings(policy, grid, source, **how)
    folder = cache_folder(cache)
    candidates = candidate_pools(folder, patterns)
    judges = judges_of(chosen[0].loaded, folder, judge, judge_cost, model_params)
    added = added_settings(candidates, chosen[0].loaded.spec, grid, chosen[0].loaded, judges)
    if added:
        chosen = load_settings(policy, {**added, **grid}, source, **how)
    loaded = chosen[0].loaded
    engine = chosen_serving(serving, concurrency, step_seconds)
    needs = frozenset[str]().union(*(each.loaded.policy.requires for each in chosen))
    a_probe = None if probe_cost is None else _probe_cost(probe_cost, loaded)
    options: list[str] = []
    if judges is not None:
        needs = _signals_of(judges, chosen, needs)
        typed, most = as_typed({**added, **grid}), max(budgets, default=None)
        options = load_tools().greedy_options(loaded, typed, most, repeats, seed)
    _check_order(charging, order)
    what = loaded.name
    if charging != GENERATED:
        needs, what = needs | {"probes"}, f"{what} with --charging {charging}"
    pools = usable_pools(candidates, patterns, what, needs)
    several = [f"--charging {charging}"] * (charging != GENERATED) + ["a sweep"] * (len(chosen) > 1)
    _check_unfinished(pools, several)
    part = None if problems is None else choose_problems(problems, pools)
    specs = [
        RunSpec(
            replace(each.loaded, timeout=timeout),
            pools,
            each.budget,
            *(repeats, seed, engine),
            None if judges is None else judges.of(each.loaded, pools, options),
            a_probe,
            charging,
            order,
            part,
        )
        for each in chosen
    ]
    _check_sizes(specs)
    return Plan(chosen, specs)


def _drawn(
    policy: str,
    grid: Mapping[str, Sequence[str]],
    budgets: Sequence[int],
    draw: tuple[int, int],
) -> tuple[dict[str, list[str]], list[Point]]:
    """Draw settings; return the values that each parameter has in them, and the settings."""
    points = drawn_points(expand_name(policy), grid, budgets or [None], *draw)
    values = {name: [*dict.fromkeys(each.typed[name] for each in points)] for name in grid}
    return values, points


def _probe_cost(typed: str, loaded: LoadedPolicy) -> ProbeCost:
    """Read the cost of a probe; refuse it for a policy without probes."""
    cost = parse_probe_cost(typed)
    if "probes" not in loaded.declared:
        raise UserError(f"{loaded.name} does not use probes; remove --probe-cost")
    return cost


def _signals_of(
    judges: RunJudges, settings: Sequence[Setting], needs: frozenset[str]
) -> frozenset[str]:
    """Return the signals that policies and their judge need; prints the judge's note."""
    signals = needs.union(*(judges.signals(each.loaded) for each in settings)) - {"judge"}
    if judges.note is not None:  # known once it is open
        note(judges.note)
    return signals


def _check_order(charging: Charging, order: Order) -> None:
    if order != DRAWN and charging != GENERATED:
        raise UserError(f"--charging {charging} draws orders of its own; remove --order {order}")


def _check_sizes(specs: Sequence[RunSpec]) -> None:
    """Refuse budgets that a pool lacks; note pools with fewer traces than a policy's default.

    Also note sizes of models that are unknown.
    """
    note_unknown_sizes(specs[0])
    for spec in specs:
        spec.budgets  # noqa: B018
    spec = specs[0]
    if spec.budget is not None or spec.loaded.budget is not None:
        return
    default = spec.loaded.policy.budget
    for pool, size in zip(spec.pools, spec.budgets, strict=True):
        if default and size < default:
            note(
                f"{pool.name}: budget {size} instead of {default}, the number of traces in the pool"
            )


def as_typed(grid: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the values of `-p` that give this grid."""
    return [
        f"{name}={','.join(value.replace(',', chr(92) + ',') for value in values)}"
        for name, values in grid.items()
    ]


def candidate_pools(cache: Path, patterns: Sequence[str]) -> list[Pool]:
    """Return the pools to replay, if they have what the policy needs.

    Without names, these are all recorded pools; if there are none, the one that comes with the
    package, which is then copied into the cache.

    Raises
    ------
    UserError
        As from `find_pools`; also if a pool is there twice.
    """
    pools = [Pool(path) for path in find_pools(cache, patterns, remote=True)]
    check_distinct(pools)
    if patterns:
        return pools
    recorded = [pool for pool in pools if not pool.info.synthetic and pool.info.dataset != SHIPPED]
    if recorded:
        return recorded
    for name in shipped_pools():
        if not (cache / name).exists():
            note(f"no recorded pool in {cache}: replaying {name}, which comes with deepprune-sim")
        return [Pool(copy_shipped(cache, name))]
    if not pools:
        raise UserError(f"no pool in {cache}; import or pull one (deepprune-sim data list)")
    return pools


def usable_pools(
    pools: Sequence[Pool], patterns: Sequence[str], what: str, needs: frozenset[str]
) -> list[Pool]:
    """Return the pools that have the signals `needs`, those of the policy or option `what`.

    Raises
    ------
    UserError
        None has them, or a named pool lacks one.
    """
    usable = [pool for pool in pools if needs <= set(pool.info.signals)]
    if not patterns:
        if not usable:
            names = ", ".join(pool.name for pool in pools)
            remedy = f"import a pool that has, or name one with -d, such as -d '{SHIPPED}/*'"
            if not needs.isdisjoint(PROBE_SIGNALS):  # the shipped one has none
                remedy = "import one that has, or record one with live"
            raise UserError(
                f"{what} needs {' and '.join(sorted(needs))}, which no recorded pool here has "
                f"({names}); {remedy}"
            )
        for pool in pools:
            if pool not in usable:
                note(f"{pool.name}: skipped, it lacks {' or '.join(sorted(needs))}")
        whole = [pool for pool in usable if not pool.info.unfinished] or usable
        for pool in usable:
            if pool not in whole:
                note(f"skipped: {pool.info.about_unfinished}; name it with -d")
        pools = whole
    for pool in pools:
        pool.require(needs, what)
    return list(pools)


def named_settings(
    pools: Sequence[Pool], policy: str, grid: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    """Return the parameters of a built-in method that its pools name and `grid` does not give.

    Pools of short traces name them (`PoolInfo.settings`); all pools of a run have to name the same.
    """
    if not pools or not is_builtin(policy):
        return {}
    method = policy.partition("@")[0]
    first, *others = (pool.info.settings.get(method, {}) for pool in pools)
    if any(other != first for other in others):
        return {}
    return {name: [value] for name, value in first.items() if name not in grid}


def _check_unfinished(pools: Sequence[Pool], given: Sequence[str]) -> None:
    """Refuse what needs the ends of all traces on a pool with unfinished ones.

    `given` are words for such options.
    """
    for pool in pools:
        if pool.info.unfinished and len(pools) > 1:
            raise UserError(f"{pool.info.about_unfinished}; replay it by itself (-d {pool.name})")
        if pool.info.unfinished and given:
            raise UserError(
                f"{pool.info.about_unfinished}, and {given[0]} needs their ends; leave it out, or "
                "record them to their ends (live --complete)"
            )


def judges_of(
    loaded: LoadedPolicy,
    cache: Path,
    judge: str | None,
    judge_cost: float | None,
    model_params: Sequence[str],
) -> RunJudges | None:
    """Return the judge of runs of a policy, None if it uses none.

    The arguments are those of `plan_runs`.

    Raises
    ------
    UserError
        An option that the policy or another option excludes.
    """
    if "judge" not in loaded.policy.requires:
        if judge is not None or judge_cost is not None or model_params:
            raise UserError(
                f"{loaded.name} does not use a judge; remove --judge, --judge-cost and "
                "--model-params"
            )
        return None
    if judge_cost is not None and model_params:
        raise UserError("--judge-cost and --model-params exclude each other; give one")
    return load_tools().run_judges(cache, judge or "lexical", judge_cost, model_params)


def added_settings(
    pools: Sequence[Pool],
    policy: str,
    grid: Mapping[str, Sequence[str]],
    loaded: LoadedPolicy,
    judges: RunJudges | None,
) -> dict[str, list[str]]:
    """Return the parameters that `grid` does not give, but pools or the judge; print notes on them.

    A judge with a cut of its own gives the parameter `truncation`, also where pools name another.
    """
    named, cut = named_settings(pools, policy, grid), dict[str, list[str]]()
    default = loaded.parameters.get("truncation")
    own = None if judges is None else judges.cut
    if own is not None and isinstance(default, str) and "truncation" not in grid:
        named.pop("truncation", None)
        cut = {} if own == default else {"truncation": [own]}
    if named:
        note(
            f"{pools[0].name}: {shown_values(named)}, scaled to its traces; give -p for other "
            "values"
        )
    if cut:
        note(f"{shown_values(cut)}, the judge's own cut")
    return {**named, **cut}


def note_unknown_sizes(spec: RunSpec) -> None:
    """Print a note if sizes that the cost of a judge follows from are unknown."""
    if spec.judge is None or None not in spec.judge.ratio:
        return
    unknown = [
        pool.info.model
        for pool, ratio in zip(spec.pools, spec.judge.ratio, strict=True)
        if ratio is None
    ]
    if spec.judge.identity["parameters"] is None:
        what, remedy = f"the size of judge {spec.judge.identity['name']}", "--judge-cost RATIO"
    else:
        what = f"the size of {', '.join(dict.fromkeys(unknown))}"
        remedy = "--model-params MODEL=NUMBER"
    note(f"{what} is not known, so the cost of the judge is not either; give {remedy}")


def shown_values(grid: Mapping[str, Sequence[str]]) -> str:
    """Return parameters as they are typed: `-p window=32 -p warm_up=8`."""
    return " ".join(f"-p {name}={','.join(values)}" for name, values in grid.items())


def stop_rules(run: Path) -> list[dict[str, Any]]:
    """Read from `run.json` how often each kind of stop rule halted a trace of each pool."""
    recorded = json.loads((run / "run.json").read_text(encoding="utf-8"))
    rules: list[dict[str, Any]] = recorded.get("stop_rules", [])  # runs of before have none
    return rules


def unanswered(run: Path) -> dict[str, float]:
    """Read from `run.json` the share of each pool's traces that have no answer."""
    recorded = json.loads((run / "run.json").read_text(encoding="utf-8"))
    shares: dict[str, float] = recorded.get("no_answer", {})  # runs of before have none
    return shares


def note_idle_parameters(folder: Path, sweep: Sweep) -> None:
    """Print a note if parameters of the finished sweep in `folder` changed nothing."""
    names = [shown_parameter(name) for name in sweep.names]
    if said := about_idle(changed_nothing(folder), names):
        note(said)


def note_idle_rules(runs: Sequence[Path], summary: dict[str, Any]) -> None:
    """Print a note for each stop rule that never halted a trace in one of the runs, by pool.

    `summary` is that of any of the runs, which have the same pools.
    """
    idle = Counter(
        (each["pool"], each["rule"])
        for run in runs
        for each in stop_rules(run)
        if not each["halts"]
    )
    lengths = {
        entry["pool"]: f" (mean length {known['value'] / entry['budget']:,.0f} tokens)"
        for entry in summary["pools"]
        if (known := entry["metrics"].get("baseline_tokens_per_problem"))
    }
    for (pool, rule), number in idle.items():
        where = "" if len(runs) == 1 else f" in {number} of {len(runs)} settings"
        note(f"{rule} never halted a trace of {pool}{where}{lengths.get(pool, '')}")
