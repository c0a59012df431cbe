"""`run`: replays from Python, with the results of the command line."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.counting import CHARGING, DRAWN, GENERATED, ORDERS, Charging, Order
from simulator.errors import TimedOut, UserError
from simulator.runs.format import WORK
from simulator.workers.executor import Workers
from simulator.workers.opening import open_workers

if TYPE_CHECKING:
    from simulator.api.baseline import Baseline
    from simulator.api.plan import Plan
    from simulator.api.pools import OpenPool
    from simulator.api.results import Run, Runs

USUAL = {"charging": GENERATED, "order": DRAWN}
"""Values of options that a command line need not name."""


def run(
    policy: str | os.PathLike[str] | type,
    pools: str | OpenPool | Sequence[str | OpenPool] | None = None,
    *,
    budget: int | Sequence[int] | None = None,
    repeats: int = 64,
    seed: int = 0,
    jobs: int | None = None,
    ray: str | None = None,
    concurrency: int | None = None,
    step_seconds: float | str | Mapping[int, float] | None = None,
    serving: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    judge: str | None = None,
    judge_cost: float | None = None,
    model_params: float | str | Mapping[str, float | str] | None = None,
    probe_cost: int | str | None = None,
    charging: Charging = GENERATED,
    order: Order = DRAWN,
    problems: str | Sequence[str] | None = None,
    output: str | os.PathLike[str] | None = None,
    resume: bool = False,
    in_process: bool = False,
    timeout: float | None = None,
    baseline: str | os.PathLike[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = True,
    **parameters: Any,
) -> Run | Runs:
    """Replay a policy on stored traces, and write a run as `deepprune-sim run` does.

    The same policy, pools, parameters, budget, repeats and seed give the same decisions, answers
    and summary as on the command line, byte for byte, whatever the number of `jobs`.

    Parameters
    ----------
    policy
        A built-in name (`cons@64`), a file (`my_policy.py`, `my_policy.py@Class`), or a class
        derived from `Policy`: written out as a file with what it uses, recorded in `run.json`, and
        replayed in a process that sees no pool.
    pools
        Names, globs, or opened pools. None: all recorded ones with the signals, or the shipped.
    budget, repeats, seed, jobs, ray, concurrency, step_seconds, serving, judge, judge_cost,
    model_params, probe_cost, charging, order, problems
        As the options of `run`; some also as dictionaries, and `problems` as a list of ids.
    output, resume
        Folder of the run or sweep (None: `runs/<time>-<policy>`); continue an interrupted one.
    in_process, timeout
        Run a policy file or class in this process, for example to use `breakpoint()`. Seconds that
        the replay of one problem in one repeat may take; finished replays are kept.
    baseline
        A built-in name or a file to compare with instead of cons@N, made in a run beside this one.
    cache, progress
        Folder of pools (None: `$DEEPPRUNE_SIM_CACHE`, else `datasets_cache/`); show a progress bar.
    **parameters
        Parameters of the policy. Lists, also of `budget`, make a sweep over all combinations.

    Returns
    -------
    A `Run`; for a sweep `Runs`, a sequence of them.

    Raises
    ------
    UserError
        An argument, a file or the policy is wrong; the message is one line.
    """
    options: dict[str, Any] = {
        **_numbers(repeats=repeats, seed=seed, concurrency=concurrency),
        **{"step_seconds": _step_seconds(step_seconds), "serving": _serving(serving)},
        **{"model_params": _sizes(model_params), "judge": judge, "judge_cost": judge_cost},
        **{"budget": _budgets(budget), "probe_cost": _text(probe_cost), "in_process": in_process},
        **{"charging": _one_of("charging", charging, CHARGING), "problems": terms(problems)},
        **{"order": _one_of("order", order, ORDERS), "timeout": _seconds(timeout)},
    }
    spec, source = policy_of(policy)
    grid = {name: values_of(name, value) for name, value in parameters.items()}
    names, against = pool_names(pools), _baseline(baseline)
    command = _command(spec, grid, names, options | {"baseline": against})
    with open_workers(number("jobs", jobs, 1), WORK, ray=ray) as workers:
        plan, base = _planned(spec, grid, names, source, against, {**options, "cache": cache})
        return _made(plan, base, output, command, workers, resume, progress)


def _planned(
    spec: str,
    grid: Mapping[str, list[str]],
    names: Sequence[str],
    source: str | None,
    against: str | None,
    options: Mapping[str, Any],
) -> tuple[Plan, Baseline | None]:
    """Plan the runs, and the baseline `against`."""
    from simulator.api.baseline import plan_baseline
    from simulator.api.plan import plan_runs

    plan = plan_runs(spec, grid, names, source=source, **options)
    return plan, None if against is None else plan_baseline(against, plan, names, options)


def _baseline(given: object) -> str | None:
    if given is None or isinstance(given, str | os.PathLike):
        return None if given is None else os.fspath(given)
    raise UserError(f"baseline={given!r:.60}: give a built-in name or a file")


def _made(
    plan: Plan,
    base: Baseline | None,
    output: str | os.PathLike[str] | None,
    command: list[str],
    workers: Workers,
    resume: bool,
    progress: bool,
) -> Run | Runs:
    """Make the runs and read them; a run that is interrupted can be resumed."""
    from simulator.api.baseline import beside, record_baseline
    from simulator.api.plan import can_be_resumed, note_idle_parameters, note_idle_rules
    from simulator.api.progress import note, progress_bar
    from simulator.api.results import Run, read_run

    folder = plan.folder(None if output is None else Path(output), resume)

    def bar(title: str) -> Any:
        return progress_bar(title) if progress else nullcontext(lambda done, total: None)

    how: Any = {"jobs": workers, "resume": resume, "command": command}
    try:
        if base is not None:
            base.make(folder, bar=bar(f"baseline {base.name}"), **how)
        summaries = plan.make(folder, bar=bar(plan.title), **how)
    except (KeyboardInterrupt, TimedOut) as error:
        if can_be_resumed(folder) or (base is not None and can_be_resumed(beside(folder))):
            what = "interrupted" if isinstance(error, KeyboardInterrupt) else "took too long"
            note(f"{what}; to continue, repeat with output={str(folder)!r}, resume=True")
        raise
    found = read_run(folder)
    runs = [found.path] if isinstance(found, Run) else [run.path for run in found]
    note_idle_rules(runs, summaries[0])
    if plan.sweep is not None:
        note_idle_parameters(folder, plan.sweep)
    if base is None:
        return found
    own = base.folder(folder, runs)
    record_baseline(base.name, own, runs)
    with_own = read_run(own)
    assert isinstance(with_own, Run)
    return found.against(with_own)


def run_options(given: dict[str, Any]) -> dict[str, Any]:
    """Take arguments of `run` out of those given; return all that are options of a tuning.

    Raises
    ------
    UserError
        A value that is none for its argument.
    """

    def take(name: str, usual: Any = None) -> Any:
        return given.pop(name, usual)

    return {
        **_numbers(repeats=take("repeats", 64), seed=take("seed", 0)),
        **_numbers(concurrency=take("concurrency")),
        "step_seconds": _step_seconds(take("step_seconds")),
        "serving": _serving(take("serving")),
        "model_params": _sizes(take("model_params")),
        "judge": take("judge"),
        "judge_cost": take("judge_cost"),
        "budget": _budgets(take("budget")),
        "probe_cost": _text(take("probe_cost")),
        "in_process": take("in_process", False),
        "timeout": _seconds(take("timeout")),
    }


def policy_of(policy: object) -> tuple[str, str | None]:
    """Return a policy as on the command line, and its source if it is a class."""
    if isinstance(policy, str | os.PathLike):
        return os.fspath(policy), None
    if not isinstance(policy, type):
        raise UserError(
            f"{policy!r:.60} is no policy; give a built-in name, a file or a class, and parameters "
            "as arguments of run"
        )
    from simulator.api.class_source import source_of

    return source_of(policy)


def pool_names(pools: object) -> list[str]:
    """Return names and globs of pools."""
    if pools is None:
        return []
    if isinstance(pools, str) or hasattr(pools, "name"):
        pools = [pools]
    if not isinstance(pools, Sequence) or not pools:
        raise UserError(f"pools={pools!r:.60}: give names of pools, or None for all")
    return [str(getattr(pool, "name", pool)) for pool in pools]


def values_of(name: str, value: object) -> list[str]:
    """Return the values of a parameter as typed on the command line."""
    several = isinstance(value, list | tuple | range)
    if hasattr(value, "tolist"):  # of numpy or pandas
        value = value.tolist()
        several = isinstance(value, list)
    values = list(value) if several else [value]  # type: ignore[call-overload]
    typed = []
    for each in values:
        each = each.item() if hasattr(each, "item") else each
        if not isinstance(each, str | int | float):
            raise UserError(f"{name}={each!r:.60}: give a number, a text, True or False")
        typed.append(str(each).lower() if isinstance(each, bool) else str(each))
    if not typed:
        raise UserError(f"{name}: no values; give at least one")
    if len(set(typed)) < len(typed):
        raise UserError(f"{name}={value!r:.60}: give each value once")
    return typed


def _numbers(**numbers: Any) -> dict[str, int | None]:
    """Check whole numbers by name: a seed of at least 0, others of at least 1."""
    return {name: number(name, value, int(name != "seed")) for name, value in numbers.items()}


def _budgets(budget: Any) -> list[int] | None:
    """Check a budget, or several; None is the policy's own."""
    if budget is None:
        return None
    given = budget.tolist() if hasattr(budget, "tolist") else budget
    several = given if isinstance(given, list | tuple | range) else [budget]
    numbers = [number("budget", each, 1) or 1 for each in several]
    if len(set(numbers)) < len(numbers) or not numbers:
        raise UserError(f"budget={budget!r:.60}: give at least one, and each value once")
    return numbers


def number(name: str, value: Any, least: int) -> int | None:
    """Check a whole number; None stays None where a number is not needed."""
    if value is None and name in ("concurrency", "jobs"):
        return None
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < least:
        raise UserError(f"{name}={value!r:.60}: give a whole number of at least {least}")
    return int(value)


def _one_of(name: str, value: Any, values: Sequence[str]) -> str:
    """Check a value that is one of several."""
    if value not in values:
        raise UserError(f"{name}={value!r:.60}: give one of {', '.join(values)}")
    return str(value)


def _seconds(timeout: Any) -> float | None:
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        raise UserError(f"timeout={timeout!r:.60}: give a number of seconds above 0")
    return float(timeout)


def terms(problems: object) -> str | None:
    """Return a choice of problems as typed on the command line."""
    if problems is None or isinstance(problems, str):
        return problems
    if not isinstance(problems, Sequence) or not problems:
        raise UserError(f"problems={problems!r:.60}: give ids of problems, or None for all")
    return ",".join(str(each).replace(",", "\\,") for each in problems)


def _text(value: int | str | None) -> str | None:
    return None if value is None else str(value)


def _sizes(model_params: float | str | Mapping[str, float | str] | None) -> list[str]:
    if isinstance(model_params, Mapping):
        return [f"{model}={number}" for model, number in model_params.items()]
    return [] if model_params is None else [str(model_params)]


def _step_seconds(curve: float | str | Mapping[int, float] | None) -> str | None:
    if isinstance(curve, Mapping):
        return ",".join(f"{batch}:{seconds}" for batch, seconds in curve.items())
    return None if curve is None else str(curve)


def _serving(given: str | os.PathLike[str] | Mapping[str, Any] | None) -> tuple[str, ...]:
    if isinstance(given, Mapping):
        return (",".join(f"{name}={json.dumps(value)}" for name, value in given.items()),)
    return () if given is None else (os.fspath(given),)


def _command(
    spec: str, grid: Mapping[str, list[str]], patterns: Sequence[str], options: Mapping[str, Any]
) -> list[str]:
    """Return the command line that makes the same run."""
    from simulator.api.plan import as_typed

    command = ["deepprune-sim", "run", spec]
    command += [part for pattern in patterns for part in ("-d", pattern)]
    command += [part for setting in as_typed(grid) for part in ("-p", setting)]
    for name, value in options.items():
        if name == "in_process":
            command += ["--in-process"] if value else []
        elif name == "budget" and value:
            command += ["--budget", ",".join(map(str, value))]
        elif name in ("serving", "model_params"):
            option = f"--{name.replace('_', '-')}"
            command += [part for each in value for part in (option, each)]
        elif value is not None and USUAL.get(name) != value:
            command += [f"--{name.replace('_', '-')}", str(value)]
    return command
