from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator.commands.judges import load_tools
from simulator.commands.progress import note, progress_bar
from simulator.commands.run_output import print_summary

if TYPE_CHECKING:
    from simulator.loading import LoadedPolicy
    from simulator.pools.pool import Pool


@click.command(
    epilog="Examples: deepprune-sim run cons@64   "
    "deepprune-sim run my_policy.py -d '*aime24' -p m=5 -n 64 --repeats 100 -j 4   "
    "deepprune-sim run parallel-probe -p patience=3,7,15 -p warm_up=10,15"
)
@click.argument("policy")
@click.option(
    "-d",
    "--data",
    "patterns",
    multiple=True,
    metavar="POOL",
    help="Pools, by name or "
    "glob; repeatable. [default: every real pool with the signals the policy needs]",
)
@click.option(
    "-p",
    "settings",
    multiple=True,
    metavar="NAME=VALUE[,VALUE…]",
    help="Set a parameter. Several values make a sweep: every combination, in one folder. "
    "A comma within a value is written \\,",
)
@click.option(
    "-n",
    "--budget",
    type=click.IntRange(min=1),
    help="Traces a problem. [default: the policy's own, or 512; at most what the pool holds]",
)
@click.option(
    "--repeats",
    type=click.IntRange(min=1, max=1_000_000),
    default=64,
    show_default=True,
    help="Orders of traces to replay and average.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "-j", "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The run's or sweep's folder. [default: runs/<time>-<policy>]",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with an interrupted run or sweep, or add values to a sweep (with -o).",
)
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    metavar="SLOTS",
    help="Traces that decode at the same time; the others queue. [default: all]",
)
@click.option(
    "--step-seconds",
    metavar="CURVE",
    help="Seconds a decode step, as 0.02 or as "
    "batch:seconds points 1:0.012,64:0.02; the clock then counts seconds.",
)
@click.option(
    "--judge",
    "judge",
    metavar="JUDGE",
    help="Who says which traces end in the same answer: lexical, embedding, hf, vllm, oracle, with "
    "settings as NAME:SETTING=VALUE,…, or the name of stored scores (deepprune-sim judge score). "
    "It reads prefixes cut as the policy's parameter `truncation` says. [default: lexical, where "
    "the policy asks one]",
)
@click.option(
    "--judge-cost",
    type=click.FloatRange(min=0),
    metavar="RATIO",
    help="What a token that the judge reads costs, in tokens of the model. [default: the judge's "
    "parameters over the model's, as its name says them (8b), else 1; 0 for one without a model]",
)
@click.option(
    "--in-process",
    is_flag=True,
    help="Run a policy file in this process, as for breakpoint(), and not in one of its own that "
    "is kept from the pools.",
)
@click.option("--cache", type=click.Path(path_type=Path), help="The folder of pools.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def run(
    policy: str,
    patterns: tuple[str, ...],
    settings: tuple[str, ...],
    budget: int | None,
    repeats: int,
    seed: int,
    jobs: int,
    output: Path | None,
    resume: bool,
    concurrency: int | None,
    step_seconds: str | None,
    judge: str | None,
    judge_cost: float | None,
    in_process: bool,
    cache: Path | None,
    as_json: bool,
) -> None:
    """Replay POLICY over stored traces and score it.

    POLICY is a built-in method (see `deepprune-sim methods`), a file with one policy class, or
    file.py@Class.
    """
    import json

    from simulator.errors import UserError, interrupted
    from simulator.pools.folders import cache_folder, runs_folder
    from simulator.replay.serving import Serving, parse_step_seconds
    from simulator.runs.making import find_partial, make_run, new_folder, partial_folder
    from simulator.runs.spec import RunSpec
    from simulator.runs.sweep import (
        Sweep,
        find_partial_sweep,
        load_settings,
        make_sweep,
        parse_grid,
    )

    chosen = load_settings(policy, parse_grid(settings), in_process=in_process)
    loaded = chosen[0].loaded
    serving = Serving(concurrency, () if step_seconds is None else parse_step_seconds(step_seconds))
    needs = frozenset(loaded.policy.requires)
    judges = None
    if "judge" in needs:
        tools = load_tools()
        judges = tools.run_judges(cache_folder(cache), judge or "lexical", judge_cost)
        needs = needs.union(*(judges.signals(each.loaded) for each in chosen)) - {"judge"}
        if judges.note is not None:
            note(judges.note)
    elif judge is not None or judge_cost is not None:
        raise UserError(f"{loaded.name} asks no judge; leave out --judge and --judge-cost")
    pools = choose_pools(cache_folder(cache), patterns, loaded, needs)
    specs = [
        RunSpec(
            each.loaded,
            pools,
            budget,
            repeats,
            seed,
            serving,
            None
            if judges is None
            else judges.of(
                each.loaded, pools, tools.greedy_options(loaded, settings, budget, repeats, seed)
            ),
        )
        for each in chosen
    ]
    spec, sweep = specs[0], Sweep(chosen, specs) if len(chosen) > 1 else None
    for pool, size in zip(pools, spec.budgets, strict=True):
        default = loaded.policy.budget
        if budget is None and loaded.budget is None and default and size < default:
            note(f"{pool.name}: budget {size} instead of {default}, all the traces it holds")
    folder = output
    if folder is None and resume:
        if sweep is None:
            folder = find_partial(runs_folder(), spec)
        else:
            folder = find_partial_sweep(runs_folder(), sweep)
        note(f"resuming {folder}" if folder else "no interrupted run of this kind, starting one")
    if folder is None:
        folder = new_folder(runs_folder(), loaded.name)
    if resume and (folder / "summary.json").exists():
        raise UserError(f"{folder}: complete already; see it with: deepprune-sim report {folder}")
    command = ["deepprune-sim", *sys.argv[1:]]
    title = loaded.name if sweep is None else f"{loaded.name}, {len(specs)} settings"
    try:
        with progress_bar(title) as progress, redirect_stdout(sys.stderr):
            how: Any = {"jobs": jobs, "resume": resume, "progress": progress, "command": command}
            if sweep is None:
                summary = make_run(spec, folder, **how)
            else:
                summaries = make_sweep(sweep, folder, **how)
    except KeyboardInterrupt as error:
        if not partial_folder(folder).exists():
            raise
        hint = f"; go on with the same command and: --resume -o {folder}"
        raise interrupted(error, hint) from None
    if sweep is not None:
        from simulator.commands.run_sweep import show_sweep

        show_sweep(sweep, folder, summaries, as_json)
        return
    if as_json:
        click.echo(json.dumps({"run": str(folder)} | summary, indent=2, ensure_ascii=False))
        return
    print_summary(summary)
    click.echo(f"run: {folder}")


def choose_pools(
    cache: Path, patterns: tuple[str, ...], loaded: LoadedPolicy, needs: frozenset[str]
) -> list[Pool]:
    """The pools to replay over.

    Named pools must have the signals that the policy `needs`. Without names: every real pool that
    has them; generated ones only where there is no real pool at all; and where there is no pool,
    the generated sample, which is made now.
    """
    from simulator.errors import UserError
    from simulator.pools.folders import find_pools
    from simulator.pools.pool import Pool

    pools = [Pool(path) for path in find_pools(cache, patterns)]
    if not pools:
        from simulator.generated.sample import make_sample

        note(f"no pool in {cache}: making a small generated sample (synthetic)")
        pools = [Pool(make_sample(cache))]
    if not patterns:
        pools = [pool for pool in pools if not pool.info.synthetic] or pools
        usable = [pool for pool in pools if needs <= set(pool.info.signals)]
        if not usable:
            names = ", ".join(pool.name for pool in pools)
            raise UserError(
                f"{loaded.name} needs {' and '.join(sorted(needs))}, which no pool in {cache} has "
                f"({names}); import one that has, or name one with -d"
            )
        for pool in pools:
            if pool not in usable:
                note(f"{pool.name}: left out, it has no {' or '.join(sorted(needs))}")
        pools = usable
    for pool in pools:
        pool.require(needs, loaded.name)
    return pools
