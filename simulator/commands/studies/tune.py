"""`deepprune-sim tune`: choose settings on some problems, and test the choice on others."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from simulator import completion
from simulator.commands.options import FloatRange, NewFolder, print_json
from simulator.commands.run import run
from simulator.commands.studies.tuned import print_tuning
from simulator.errors import TimedOut, interrupted
from simulator.runs.format import WORK
from simulator.workers.opening import open_workers

SHARED = (
    *("budget", "repeats", "seed", "jobs", "ray", "concurrency", "step_seconds", "serving"),
    *("judge", "judge_cost", "model_params", "probe_cost", "in_process", "timeout", "cache"),
)
"""Options that are those of `run`."""

TARGETS = ("cheapest-tied", "cheapest-not-worse", "accuracy")


@click.command(
    epilog="\b\nExamples:\n"
    "  deepprune-sim tune esc -p window=3,5,8 -n 64 \\\n"
    "      --tune-on 'scout/*aime24' --test-on 'scout/*aime25'\n"
    "  deepprune-sim tune beta-sc -p threshold=0.7:0.99 --random 20 \\\n"
    "      --tune-on 'scout/*aime24' --tune-problems hash:0/2",
)
@click.argument("policy", shell_complete=completion.policies)
@click.option(
    "-p",
    "settings",
    multiple=True,
    metavar="NAME=VALUES",
    shell_complete=completion.parameters,
    help="Values of a parameter (0.5,0.9), or with --random a range (0.5:0.9, whole numbers 4:64, "
    "1e-4:1:log). A single value is fixed.",
)
@click.option(
    "--random",
    type=click.IntRange(min=2, max=1_000),
    metavar="NUMBER",
    help="Try so many settings, drawn with --seed. [default: all combinations]",
)
@click.option(
    "--tune-on",
    multiple=True,
    required=True,
    metavar="POOL",
    shell_complete=completion.pools,
    help="Pool to tune on, by name or glob; repeatable.",
)
@click.option(
    "--test-on",
    multiple=True,
    metavar="POOL",
    shell_complete=completion.pools,
    help="Pool to test on; repeatable. [default: the other problems of the pools to tune on]",
)
@click.option(
    "--tune-problems",
    metavar="CHOICE",
    help="Part of the problems to tune on, as run --problems: hash:0/2, range:1-10, ids. "
    "[default: all]",
)
@click.option(
    "--test-problems",
    metavar="CHOICE",
    help="Part of those to test on. [default: all, or all others of the same pools]",
)
@click.option(
    "--target",
    type=click.Choice(TARGETS),
    default="cheapest-tied",
    show_default=True,
    help="Rule of the choice: least cost among settings not significantly less accurate than "
    "cons@N, or not worse than it by --margin; or highest accuracy within a budget.",
)
@click.option(
    "--margin",
    type=FloatRange(0, 100),
    metavar="POINTS",
    help="How much less accurate than cons@N is not worse: the interval lies above. [default: 1]",
)
@click.option(
    "--budget-tokens",
    type=FloatRange(min=0, min_open=True),
    metavar="TOKENS",
    help="Most tokens a problem, those of probes and judge included, for --target accuracy.",
)
@click.option(
    "--budget-steps",
    type=FloatRange(min=0, min_open=True),
    metavar="STEPS",
    help="Most of the clock a problem, likewise.",
)
@click.option(
    "-o",
    "--output",
    type=NewFolder(),
    metavar="DIR",
    help="Folder of the tuning. [default: runs/<time>-<policy>-tuning]",
)
@click.option("--resume", is_flag=True, help="Continue an interrupted tuning; never chooses anew.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def tune(
    policy: str,
    settings: Sequence[str],
    output: Path | None,
    resume: bool,
    as_json: bool,
    jobs: int | None,
    ray: str | None,
    **options: Any,
) -> None:
    """Choose settings of POLICY on some problems, and test the choice once on others.

    All settings are replayed on the problems to tune on, one is chosen by the target and written
    down, and only then replayed on the problems to test on, beside the default settings. The
    report shows the figures of both sides and the gap between them. No problem may be on both.
    """
    with open_workers(jobs, WORK, ray=ray) as workers:
        from simulator.api.tuning import Side, make_tuning, plan_tuning, tuning_folder
        from simulator.runs.sweep import parse_grid
        from simulator.studies.choosing import target_of

        names = ("target", "margin", "budget_tokens", "budget_steps")
        target = target_of(*(options.pop(name) for name in names))
        on, test = (
            Side([*options.pop(f"{name}_on")], options.pop(f"{name}_problems"))
            for name in ("tune", "test")
        )
        planned = plan_tuning(policy, parse_grid(settings), on, test, target, **options)
        folder = tuning_folder(planned, output, resume)
        command = ["deepprune-sim", *sys.argv[1:]]
        try:
            with redirect_stdout(sys.stderr):
                result = make_tuning(
                    planned, folder, workers=workers, resume=resume, command=command
                )
        except (KeyboardInterrupt, TimedOut) as error:
            hint = f"; to continue, repeat the command with: --resume -o {folder}"
            if isinstance(error, TimedOut):
                raise TimedOut(f"{error}{hint}") from None
            raise interrupted(error, hint) from None
    if as_json:
        print_json({"folder": str(folder)} | result)
        return
    print_tuning(result)
    click.echo(f"tuning: {folder}")


tune.params += [each for each in run.params if each.name in SHARED]
