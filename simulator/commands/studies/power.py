"""`deepprune-sim power`: the differences that problems can show, and the problems they need."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator import completion
from simulator.commands.options import (
    FloatRange,
    cache_option,
    counted,
    json_option,
    print_json,
    workers_options,
)
from simulator.errors import UserError
from simulator.runs.format import WORK
from simulator.workers.opening import open_workers

if TYPE_CHECKING:
    from simulator.api.power import Candidate
    from simulator.studies.power import Study

MOST_SHOWN = 12
"""Number of further pools that the table shows."""


@click.command(
    epilog="\b\nExamples:\n  deepprune-sim power runs/mine\n"
    "  deepprune-sim power runs/mine runs/theirs --difference 2\n"
    "  deepprune-sim power short-3@64 esc -d 'scout/*' -n 64",
)
@click.argument("first", metavar="METHOD", shell_complete=completion.runs)
@click.argument("second", metavar="[OTHER]", required=False, shell_complete=completion.runs)
@click.option(
    "-d",
    "--data",
    "patterns",
    multiple=True,
    metavar="POOL",
    shell_complete=completion.pools,
    help="Pool to replay a policy on, as for run; repeatable. [default: those of the other run, "
    "else as for run]",
)
@click.option(
    "--difference",
    type=FloatRange(min=0, max=100, min_open=True),
    default=1.0,
    show_default=True,
    metavar="POINTS",
    help="Difference in accuracy to be shown.",
)
@click.option("-n", "--budget", type=click.IntRange(min=1), help="Traces per problem of a policy.")
@click.option(
    "--repeats",
    type=click.IntRange(min=1, max=1_000_000),
    help="Repeats of a policy. [default: those of the other run, else 64]",
)
@click.option("--seed", type=click.IntRange(min=0), help="Seed of a policy. [default: likewise]")
@workers_options("Number of processes.")
@cache_option
@json_option
def power(
    first: str,
    second: str | None,
    patterns: Sequence[str],
    difference: float,
    jobs: int | None,
    ray: str | None,
    cache: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Tell what a comparison of two methods can show, and how many problems it needs.

    METHOD and OTHER are folders of runs or their names in runs/, or policies, which are replayed
    first. Without OTHER, METHOD is compared with cons@N on the same traces.

    It tells the smallest difference in accuracy that the problems at hand show with a chance of
    80% (sign-flip test, 5%, two-sided), the number of problems that a difference needs, how much of
    the variance more --repeats would remove, and the pools that could be added.
    """
    from simulator.api.power import baseline_of, candidates, is_policy, sides_of
    from simulator.pools.folders import cache_folder
    from simulator.studies.sizes import paired, study_of

    how = {**options, "cache": cache}
    if not any(map(is_policy, filter(None, (first, second)))):
        for name in [*["data"] * bool(patterns), *(k for k, v in options.items() if v is not None)]:
            raise UserError(f"--{name} is for policies; the runs given have their own")
    with open_workers(jobs, WORK, ray=ray) as workers:
        one, *others = sides_of(
            [first] if second is None else [first, second], patterns, how, workers
        )
    other = others[0] if others else baseline_of(one)
    pools = paired(one, other)
    studies = {each.result.pool: study_of([each]) for each in pools}
    if len(pools) > 1:
        studies["all pools"] = study_of(pools)
    more = candidates(one, other, cache_folder(cache))
    if as_json:
        print_json(
            {
                "method": one.name,
                "against": other.name,
                "difference_points": difference,
                "pools": {
                    name: _as_json(study, difference / 100) for name, study in studies.items()
                },
                "could_be_added": [_candidate_json(each) for each in more],
            }
        )
        return
    for name, study in studies.items():
        _print(f"{one.name} against {other.name}, {name}", study, difference)
    _print_candidates(more)


def _as_json(study: Study, difference: float) -> dict[str, Any]:
    found = study.contrast
    return {
        "problems": study.number,
        "repeats": study.repeats,
        "accuracy_difference": found.difference.as_dict(),
        "p": study.p,
        "differing_problems": found.differing,
        "detectable": found.detectable,
        "needed_problems": study.needed(difference),
        "needed_problems_without_chance": None
        if study.chance_share is None
        else study.needed(difference, math.inf),
        "chance_share_of_variance": study.chance_share,
    }


def _print(heading: str, study: Study, difference: float) -> None:
    """Print what the problems show, and a table of what differences need by number of repeats."""
    from simulator.report.tables import print_fields, print_table, print_wrapped
    from simulator.report.text import interval

    found = study.contrast
    click.secho(heading, bold=True)
    apart = f"{counted(study.number, 'problem')}, {found.differing} of which differ"
    shows = (
        "nothing: too few problems"
        if found.detectable is None
        else (f"{100 * found.detectable:.1f} points, with a chance of 80%")
    )
    share = study.chance_share
    print_fields(
        [
            ("difference, points", f"{interval(found.difference, 100, '+', 1)}, p = {study.p:.2g}"),
            ("problems", f"{apart}; {counted(study.repeats, 'repeat')}"),
            ("smallest difference shown", shows),
            (
                "variance",
                "between repeats unknown, as there is one"
                if share is None
                else f"{100 * (1 - share):.0f}% between problems, {100 * share:.0f}% between "
                "repeats, which falls with --repeats",
            ),
        ]
    )
    if not found.differing:
        print_wrapped(
            "No problem differs: the numbers below are for differences as small as so many repeats "
            "can hide."
        )
    points = sorted({difference, 2 * difference, 5 * difference})
    columns: list[tuple[str, float | None]] = [(counted(study.repeats, "repeat"), None)]
    if share is not None:
        columns = [
            *((counted(each, "repeat"), float(each)) for each in (1, 16) if each < study.repeats),
            *columns,
            ("unlimited", math.inf),
        ]
    rows = [
        [f"{each:g}", *(_number(study.needed(each / 100, repeats)) for _, repeats in columns)]
        for each in points
    ]
    click.echo()
    headers = ["points", *(f"problems, {label}" for label, _ in columns)]
    print_table(headers, rows, [True] * len(headers))
    click.echo()


def _number(found: int | None) -> str:
    return "–" if found is None else f"{found:,}"


def _candidate_json(each: Candidate) -> dict[str, Any]:
    return {
        "pool": each.pool,
        "at_hand": not each.known,
        "problems": each.problems,
        "new_problems": each.new,
        "accuracy_difference": each.difference.as_dict() if each.difference else None,
        "detectable_with_it": each.detectable,
        "assumed": each.assumed,
    }


def _print_candidates(more: Sequence[Candidate]) -> None:
    """Print the pools that could be added, and the difference shown with each."""
    from simulator.report.tables import print_table, print_wrapped
    from simulator.report.text import interval

    if not more:
        click.echo("No other recorded pool here or in the registry could be added.")
        return
    rows = [
        [
            each.pool,
            "" if each.problems is None else f"{each.problems:,}",
            "" if each.new is None else f"{each.new:,}",
            interval(each.difference, 100, "+", 1) if each.difference else "",
            ""
            if each.detectable is None
            else f"{'~' if each.assumed else ''}{100 * each.detectable:.1f}",
            "pull" if each.known else "" if each.difference else "run",
        ]
        for each in more[:MOST_SHOWN]
    ]
    headers = ["could be added", "problems", "new", "difference there", "shows then", "to do"]
    print_table(headers, rows, [False, True, True, True, True, False])
    notes = (
        "Shows then: the smallest difference shown by all pools with this one; ~ takes new "
        "problems to vary as those at hand. Another model's traces of the same problems add no "
        "problem, but average out what is the model's. To do: run both methods there, or pull the "
        "pool first."
    )
    if len(more) > MOST_SHOWN:
        notes += f" {len(more) - MOST_SHOWN} more are in --json."
    print_wrapped(notes)
