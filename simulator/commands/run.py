from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator import completion
from simulator.commands.judges import load_tools
from simulator.commands.progress import note, progress_bar
from simulator.commands.run_output import note_idle_rules, print_summary, stop_rules

if TYPE_CHECKING:
    from simulator.loading import LoadedPolicy
    from simulator.pools.pool import Pool


@click.command(
    epilog="\b\nExamples:\n  deepprune-sim run cons@64\n"
    "  deepprune-sim run my_policy.py -d '*aime24' -p m=5 -n 64 --repeats 100 -j 4\n"
    "  deepprune-sim run parallel-probe -p patience=3,7,15 -p warm_up=10,15"
)
@click.argument("policy", shell_complete=completion.policies)
@click.option(
    "-d",
    "--data",
    "patterns",
    multiple=True,
    metavar="POOL",
    shell_complete=completion.pools,
    help="Pool to replay, by name or glob; repeatable. "
    "[default: every real pool with the signals the policy needs]",
)
@click.option(
    "-p",
    "settings",
    multiple=True,
    metavar="NAME=VALUE[,VALUE…]",
    shell_complete=completion.parameters,
    help="Set a parameter. Several values make a sweep over all combinations, in one folder. "
    "Write \\, for a comma in a value.",
)
@click.option(
    "-n",
    "--budget",
    type=click.IntRange(min=1),
    help="Traces per problem. [default: the policy's own, else 512; at most all in the pool]",
)
@click.option(
    "--repeats",
    type=click.IntRange(min=1, max=1_000_000),
    default=64,
    show_default=True,
    help="Number of random trace orders to replay and average.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed."
)
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of processes.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the run or sweep. [default: runs/<time>-<policy>]",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Continue an interrupted run or sweep, or add values to a sweep (with -o).",
)
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    metavar="SLOTS",
    help="Number of traces that decode at the same time; the others queue. [default: all]",
)
@click.option(
    "--step-seconds",
    metavar="CURVE",
    help="Seconds per decode step: a number (0.02) or batch:seconds points "
    "(1:0.012,64:0.02). The clock then counts seconds.",
)
@click.option(
    "--judge",
    "judge",
    metavar="JUDGE",
    help="Judge that predicts whether two traces reach the same answer: lexical, embedding, hf, "
    "vllm or oracle, with settings as NAME:SETTING=VALUE,…, or the name of stored scores "
    "(deepprune-sim judge score). The policy's parameter `truncation` sets the prefixes it reads. "
    "[default: lexical, if the policy uses a judge]",
)
@click.option(
    "--judge-cost",
    type=click.FloatRange(min=0),
    metavar="RATIO",
    help="Cost of one judge token, in reasoning-model tokens. [default: the ratio of their "
    "parameter counts, read from the names (8b), else 1; 0 for a judge without a model]",
)
@click.option(
    "--in-process",
    is_flag=True,
    help="Run a policy file in this process, for example to use breakpoint(). By default it runs "
    "in a process without access to the pools.",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path),
    help="Folder of pools. [default: $DEEPPRUNE_SIM_CACHE, else datasets_cache/]",
)
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
    """Replay POLICY on stored traces, and report its accuracy and tokens.

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
        raise UserError(f"{loaded.name} does not use a judge; remove --judge and --judge-cost")
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
            note(
                f"{pool.name}: budget {size} instead of {default}, the number of traces in the pool"
            )
    folder = output
    if folder is None and resume:
        if sweep is None:
            folder = find_partial(runs_folder(), spec)
        else:
            folder = find_partial_sweep(runs_folder(), sweep)
        note(f"resuming {folder}" if folder else "no interrupted run to resume, starting a new one")
    if folder is None:
        folder = new_folder(runs_folder(), loaded.name)
    if resume and (folder / "summary.json").exists():
        raise UserError(f"{folder}: already complete; see it with: deepprune-sim report {folder}")
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
        hint = f"; to continue, repeat the command with: --resume -o {folder}"
        raise interrupted(error, hint) from None
    if sweep is not None:
        from simulator.commands.run_sweep import show_sweep

        show_sweep(sweep, folder, summaries, as_json)
        return
    if as_json:
        document = {"run": str(folder), "stop_rules": stop_rules(folder)} | summary
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    print_summary(summary)
    note_idle_rules([folder], summary)
    click.echo(f"run: {folder}")


def choose_pools(
    cache: Path, patterns: tuple[str, ...], loaded: LoadedPolicy, needs: frozenset[str]
) -> list[Pool]:
    """Choose the pools to replay.

    Named pools must have the signals that the policy `needs`. Without names, these are all real
    pools that have them, or the generated ones if there is no real pool. If there is no pool at
    all, a generated sample is made.
    """
    from simulator.errors import UserError
    from simulator.pools.folders import find_pools
    from simulator.pools.pool import Pool

    pools = [Pool(path) for path in find_pools(cache, patterns)]
    if not pools:
        from simulator.generated.pools import make_sample

        note(f"no pool in {cache}: making a small generated sample (synthetic)")
        path = make_sample(cache)
        load_tools().score_generated(cache, path)
        pools = [Pool(path)]
    if not patterns:
        pools = [pool for pool in pools if not pool.info.synthetic] or pools
        usable = [pool for pool in pools if needs <= set(pool.info.signals)]
        if not usable:
            names = ", ".join(pool.name for pool in pools)
            raise UserError(
                f"{loaded.name} needs {' and '.join(sorted(needs))}, which no pool in {cache} has "
                f"({names}); import a pool that has, or name one with -d"
            )
        for pool in pools:
            if pool not in usable:
                note(f"{pool.name}: skipped, it lacks {' or '.join(sorted(needs))}")
        pools = usable
    for pool in pools:
        pool.require(needs, loaded.name)
    return pools
