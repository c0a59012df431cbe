from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from simulator import completion
from simulator.api.progress import progress_bar
from simulator.commands.options import (
    Budgets,
    FloatRange,
    NewFolder,
    axes_option,
    baseline_option,
    print_json,
    timeout_option,
    workers_options,
)
from simulator.commands.run_output import print_summary
from simulator.counting import CHARGING, DRAWN, GENERATED, ORDERS
from simulator.errors import UserError
from simulator.methods import match_name
from simulator.runs.format import WORK
from simulator.workers.executor import Workers
from simulator.workers.opening import open_workers

BRACES = "cons@{8,16,32}"
"""Example of a built-in name with several numbers."""


@click.command(
    context_settings={"allow_extra_args": True},
    epilog="\b\nExamples:\n  deepprune-sim run cons@64\n"
    "  deepprune-sim run my_policy.py -d '*aime24' -p m=5 -n 64 --repeats 100 -j 4\n"
    "  deepprune-sim run parallel-probe -p patience=3,7,15 -p warm_up=10,15\n"
    "  deepprune-sim run esc -n 8,16,32,64",
)
@click.argument("policy", shell_complete=completion.policies)
@click.option(
    "-d",
    "--data",
    "patterns",
    multiple=True,
    metavar="POOL",
    shell_complete=completion.pools,
    help="Pool to replay, by name, glob, or URL of its folder (s3://…, http://…); repeatable. "
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
    type=Budgets(),
    metavar="N[,N…]",
    help="Traces per problem; several values are an axis of a sweep. [default: the policy's own, "
    "else 512; at most all in the pool]",
)
@click.option(
    "--problems",
    metavar="CHOICE",
    help="Run a part of the problems: ids, with * and commas; range:1-10, by place; hash:0/2, one "
    "of two halves by hash; file:ids.txt. Such a run cannot be submitted. [default: all]",
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
@workers_options("Number of processes.")
@click.option(
    "-o",
    "--output",
    type=NewFolder(),
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
    "--serving",
    multiple=True,
    metavar="FILE|NAME=VALUE,...",
    help="Serving model: a profile that `live --profile` made, or parts of one: kv_seconds, "
    "prefill_seconds, prompt_tokens, kv_tokens, prefix_cache, probe_steps. The last counts; "
    "--concurrency and --step-seconds count more.",
)
@click.option(
    "--judge",
    "judge",
    metavar="JUDGE",
    help="Judge that predicts whether two traces reach the same answer: lexical, embedding, hf, "
    "vllm or oracle, with settings as NAME:SETTING=VALUE,…, or the name of stored scores "
    "(deepprune-sim judge score). It reads prefixes cut at -p truncation=…, else where it was "
    "trained, else where the policy cuts them. [default: lexical, if the policy uses a judge]",
)
@click.option(
    "--judge-cost",
    type=FloatRange(min=0),
    metavar="RATIO",
    help="Cost of one judge token, in reasoning-model tokens. [default: the ratio of their "
    "active parameters; 0 for a judge without a model]",
)
@click.option(
    "--model-params",
    multiple=True,
    metavar="[MODEL=]NUMBER",
    help="Active parameters of the model that wrote the traces (14.7B), to weigh a judge's tokens; "
    "repeatable. [default: those the pool records, a table has, or the name tells (8b, a3b)]",
)
@click.option(
    "--probe-cost",
    metavar="TOKENS",
    help="Tokens of a probe: those of its answer (20), or of its prompt suffix and answer (10+20). "
    "0 makes probes free, as in published tables. [default: those the pool records, else 10+20]",
)
@click.option(
    "--charging",
    type=click.Choice(CHARGING),
    default=GENERATED,
    show_default=True,
    help="Tokens counted for a trace: those generated; or as the programs of SCOUT and AutoTTS "
    "count, whole steps from probe to probe and then the rest, over the orders that they shuffle. "
    "Runs that count differently are not compared.",
)
@click.option(
    "--order",
    type=click.Choice(ORDERS),
    default=DRAWN,
    show_default=True,
    help="Order in which each repeat starts traces: drawn, or that of the pool, which is that of a "
    "live run.",
)
@click.option(
    "--in-process",
    is_flag=True,
    help="Run a policy file in this process, for example to use breakpoint(). By default it runs "
    "in a process without access to the pools.",
)
@timeout_option
@baseline_option(
    "a built-in name or a file, made on the same pools in a run beside this one, unless it is one "
    "of the sweep"
)
@axes_option
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
    jobs: int | None,
    ray: str | None,
    output: Path | None,
    resume: bool,
    as_json: bool,
    baseline: str | None,
    axes: str,
    **options: Any,
) -> None:
    """Replay POLICY on stored traces, and report its accuracy and tokens.

    POLICY is a built-in method (see `deepprune-sim methods`), a file with one policy class, or
    file.py@Class. Several numbers in braces in a name, quoted, make a sweep: 'cons@{8,16,32}'.
    """
    if more := click.get_current_context().args:
        names = (
            f"for several numbers in a name, quote its braces, as in '{BRACES}'"
            if all(map(match_name, (policy, *more)))
            else f"got {len(more) + 1}: {' '.join((policy, *more)):.200}"
        )
        raise UserError(f"give one POLICY; {names}")
    with open_workers(jobs, WORK, ray=ray) as workers:
        shown = {"baseline": baseline, "axes": axes}
        _run(workers, policy, settings, patterns, output, resume, as_json, shown, options)


def _run(
    workers: Workers,
    policy: str,
    settings: Sequence[str],
    patterns: Sequence[str],
    output: Path | None,
    resume: bool,
    as_json: bool,
    shown: Mapping[str, Any],
    options: Mapping[str, Any],
) -> None:
    from simulator.api.baseline import (
        against_baseline,
        beside,
        plan_baseline,
        record_baseline,
    )
    from simulator.api.plan import (
        can_be_resumed,
        note_idle_rules,
        plan_runs,
        stop_rules,
        unanswered,
    )
    from simulator.commands.run_sweep import get_ready, show_sweep
    from simulator.errors import TimedOut, interrupted
    from simulator.report.axes import parse_axes
    from simulator.runs.sweep import parse_grid

    axes, baseline = parse_axes(shown["axes"]), shown["baseline"]
    plan = plan_runs(policy, parse_grid(settings), patterns, **options)
    base = None if baseline is None else plan_baseline(baseline, plan, patterns, options)
    folder = plan.folder(output, resume)
    if plan.sweep is not None:
        workers.meanwhile(get_ready)
    command = ["deepprune-sim", *sys.argv[1:]]
    try:
        with redirect_stdout(sys.stderr):
            how: Any = {"jobs": workers, "command": command}
            if base is not None:
                bar = progress_bar(f"baseline {base.name}")
                base.make(folder, resume=resume, bar=bar, **how)
            summaries = plan.make(folder, resume=resume, bar=progress_bar(plan.title), **how)
    except (KeyboardInterrupt, TimedOut) as error:
        if not can_be_resumed(folder) and (base is None or not can_be_resumed(beside(folder))):
            raise
        hint = f"; to continue, repeat the command with: --resume -o {folder}"
        if isinstance(error, TimedOut):
            raise TimedOut(f"{error}{hint}") from None
        raise interrupted(error, hint) from None
    runs = [folder] if plan.sweep is None else [folder / name for name in plan.folders]
    again = ""
    if base is not None:
        own = base.folder(folder, runs)
        record_baseline(base.name, own, runs)
        summaries = against_baseline(base.name, own, runs, summaries)
        with_own = [folder] if own in runs else [folder, own]
        again = f"deepprune-sim report {' '.join(map(str, with_own))} --baseline '{own.name}'"
    if plan.sweep is not None:
        show_sweep(plan.sweep, folder, summaries, as_json, axes)
        _tell(again, as_json)
        return
    (summary,) = summaries
    if as_json:
        about = {"stop_rules": stop_rules(folder), "no_answer": unanswered(folder)}
        print_json({"run": str(folder)} | about | summary)
        return
    print_summary(summary, unanswered(folder), options["charging"], options["order"])
    note_idle_rules([folder], summary)
    click.echo(f"run: {folder}")
    _tell(again, as_json)


def _tell(again: str, as_json: bool) -> None:
    """Print the command that compares with the same baseline again, if there is one."""
    if again and not as_json:
        click.echo(f"compared again by: {again}")
