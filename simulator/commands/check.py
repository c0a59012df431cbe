from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from simulator import completion
from simulator.api.progress import stages_shown
from simulator.commands.options import cache_option, json_option, print_json, timeout_option
from simulator.errors import UserError

if TYPE_CHECKING:
    from simulator.conformance.checks import Case, Finding
    from simulator.loading import LoadedPolicy
    from simulator.pools.pool import Pool

PROBLEMS, REPEATS = 4, 2
"""Default number of problems to replay, and of repeats of each."""

TRACES = 48
"""Default number of traces of a problem of the generated pool."""


@click.command(
    epilog="\b\nExamples:\n  deepprune-sim check my_policy.py\n"
    "  deepprune-sim check my_policy.py -d 'aime25/*/*' --problems 30 --repeats 16\n"
    "  deepprune-sim check my_policy.py --only look-ahead --problem 003 --repeat 1"
)
@click.argument("policy", shell_complete=completion.policies)
@click.option(
    "-d",
    "--data",
    "pattern",
    metavar="POOL",
    shell_complete=completion.pools,
    help="Pool to replay. [default: a generated one]",
)
@click.option(
    "-p",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    shell_complete=completion.parameters,
    help="Set a parameter.",
)
@click.option(
    "-n",
    "--budget",
    type=click.IntRange(min=1, max=4096),
    help="Traces per problem; a generated pool then has as many. [default: the policy's own, else "
    "512; at most all in the pool, which is 48 for the generated one]",
)
@click.option(
    "--problems",
    type=click.IntRange(min=1),
    default=PROBLEMS,
    show_default=True,
    help="Number of problems to replay.",
)
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    default=REPEATS,
    show_default=True,
    help="Number of repeats of each problem.",
)
@click.option("--only", metavar="CHECK", help="Run only this check.")
@click.option("--problem", metavar="ID", help="Replay only this problem.")
@click.option("--repeat", type=click.IntRange(min=0), help="Replay only this repeat.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed."
)
@click.option("--in-process", is_flag=True, help="Run a policy file in this process.")
@timeout_option
@cache_option
@json_option
@click.pass_context
def check(
    ctx: click.Context,
    policy: str,
    pattern: str | None,
    settings: tuple[str, ...],
    budget: int | None,
    problems: int,
    repeats: int,
    only: str | None,
    problem: str | None,
    repeat: int | None,
    seed: int,
    in_process: bool,
    timeout: float | None,
    cache: Path | None,
    as_json: bool,
) -> None:
    """Check that POLICY follows the rules of a replay.

    Replays it on a few problems. Its decisions must not depend on hidden data.

    \b
      runs         it answers every problem
      requires     it declares the signals it uses
      budget       it stays within any budget
      determinism  it makes the same decisions when replayed with the same seed
      memory       it carries nothing over between problems or repeats
      look-ahead   its decisions do not depend on tokens not yet generated
      labels       it treats answer classes as names, not as numbers

    Passing is no proof: a policy may still break the rules on other replays.
    Check it on the pools it is meant for (-d), with the run's budget (-n), with
    more problems and repeats and another --seed, and read its code.

    The exit code is 1 if a check fails.
    """  # noqa: D301  (\b keeps click from wrapping)
    from simulator.conformance.checks import CHECKS, check_policy, fresh_runners
    from simulator.isolation.host import restriction
    from simulator.report.tables import print_wrapped

    if only is not None and only not in CHECKS:
        raise UserError(f"--only {only}: no such check; use one of {', '.join(CHECKS)}")
    loaded = replace(_loaded(policy, settings, in_process=in_process), timeout=timeout)
    requires = frozenset(loaded.policy.requires)
    findings = []
    with _pool(pattern, cache, budget or TRACES) as pool, stages_shown() as stage:
        pool.require(requires - {"judge"}, loaded.name)
        pool.info.require_whole()
        cost = _cost(pool, loaded.declared)
        chosen = range(repeats) if repeat is None else range(repeat, repeat + 1)
        cases = _cases(pool, loaded, budget, problem, problems, chosen)
        fresh = fresh_runners(loaded, seed=seed)
        kept_by = restriction(loaded)
        for finding in check_policy(fresh, loaded.declared, cases, only):
            findings.append(finding)
            stage(finding.check, len(findings) / len(CHECKS))
    again = _command(policy, pattern, settings, seed, in_process, cache)
    every = ["--problems", str(problems)] if problems != PROBLEMS else []
    every += ["--repeats", str(repeats)] if repeats != REPEATS else []
    failed = [finding for finding in findings if not finding.passed]
    if as_json:
        print_json(
            {
                "policy": policy,
                "pool": pool.name,
                "passed": not failed,
                "in_process": loaded.in_process,
                "restricted_by": kept_by,
                "probe_cost": cost,
                "checks": [_as_dict(finding, again, every) for finding in findings],
            }
        )
    else:
        what = f"{policy} on {len(cases)} replays of {pool.name} with {cases[0].budget} traces"
        print_wrapped(what + _where(loaded, kept_by))
        for finding in findings:
            _show(finding, CHECKS[finding.check], again, every)
        _show_cost(cost)
    ctx.exit(1 if failed else 0)


def _loaded(policy: str, settings: tuple[str, ...], *, in_process: bool) -> LoadedPolicy:
    """Load the policy with its settings, of which each has one value."""
    from simulator.runs.sweep import load_settings, parse_grid

    points = load_settings(policy, parse_grid(settings), in_process=in_process)
    if len(points) > 1:
        raise UserError("-p takes one value here; check one setting at a time")
    return points[0].loaded


def _cost(pool: Pool, requires: frozenset[str]) -> dict[str, int] | None:
    """Return the tokens of a probe's suffix and answer, for a policy that uses probes."""
    from dataclasses import asdict

    from simulator.pools.probe_cost import cost_in

    return asdict(cost_in(pool.info)) if "probes" in requires else None


def _show_cost(cost: Mapping[str, int] | None) -> None:
    from simulator.report.tables import print_wrapped

    if cost is not None:
        print_wrapped(
            f"Each probe of an unfinished trace costs {cost['suffix']} tokens read and "
            f"{cost['answer']} generated; a call adds {cost['answer']} decode steps to the clock."
        )


def _where(loaded: LoadedPolicy, kept_by: str | None) -> str:
    """Describe the process the policy ran in, and how its access was restricted."""
    if loaded.in_process:
        return ", in this process" if not loaded.builtin else ""
    return ", in a process of its own" + (
        f" without access to files ({kept_by})" if kept_by else "; it can read files on this system"
    )


@contextmanager
def _pool(pattern: str | None, cache: Path | None, traces: int) -> Iterator[Pool]:
    """Open the pool given by `pattern`, or a temporary generated one with every signal.

    `traces` is the number of traces of its problems.
    """
    from simulator.generated.cells import Size, select_cells
    from simulator.generated.pools import make_pool, pool_folder
    from simulator.pools.folders import cache_folder, find_pools
    from simulator.pools.pool import Pool

    if pattern is not None:
        paths = find_pools(cache_folder(cache), (pattern,))
        if len(paths) != 1:
            raise UserError(f"-d {pattern}: matches {len(paths)} pools; name one")
        yield Pool(paths[0])
        return
    with TemporaryDirectory() as folder:
        cell = select_cells(["deepseek*/aime25"])[0]
        size = Size("check", aime_problems=6, gpqa_problems=6, traces=traces, shrink=10)
        make_pool(Path(folder), cell, size, text=True, probe_signals=True)
        yield Pool(pool_folder(Path(folder), cell))


def _cases(
    pool: Pool,
    loaded: LoadedPolicy,
    budget: int | None,
    problem: str | None,
    count: int,
    repeats: range,
) -> list[Case]:
    from simulator.conformance.checks import choose_cases
    from simulator.runs.spec import DEFAULT_BUDGET

    asked = budget or loaded.budget or loaded.policy.budget or DEFAULT_BUDGET
    problems = [each for each in pool.problems if problem in (None, each.problem_id)]
    if not problems:
        known = ", ".join(each.problem_id for each in pool.problems)
        raise UserError(f"--problem {problem}: {pool.name} has no such problem; it has {known}")
    return choose_cases(problems, asked, problem_count=count, repeats=repeats)


def _command(
    policy: str,
    pattern: str | None,
    settings: tuple[str, ...],
    seed: int,
    in_process: bool,
    cache: Path | None,
) -> list[str]:
    """Rebuild the command line, without the options that select checks and replays."""
    words = ["deepprune-sim", "check", policy]
    words += ["-d", pattern] if pattern else []
    words += [word for setting in settings for word in ("-p", setting)]
    words += ["--seed", str(seed)] if seed else []
    words += ["--in-process"] if in_process else []
    return [*words, "--cache", str(cache)] if cache and pattern else words


def _again(finding: Finding, command: list[str], every: list[str]) -> str | None:
    """Return the shortest command that reproduces a failure.

    `every` holds the options that replay all problems and repeats.
    """
    case = finding.case
    if case is None:
        return None
    words = [*command, "--only", finding.check, "-n", str(case.budget)]
    if finding.check == "memory":  # depends on the other replays
        words += every
    else:
        words += ["--problem", case.problem.problem_id, "--repeat", str(case.repeat)]
    return shlex.join(words)


def _as_dict(finding: Finding, command: list[str], every: list[str]) -> dict[str, Any]:
    case = finding.case
    return {
        "check": finding.check,
        "passed": finding.passed,
        "skipped": finding.skipped or None,
        "detail": finding.detail or None,
        "problem": case and case.problem.problem_id,
        "repeat": case and case.repeat,
        "budget": case and case.budget,
        "again": _again(finding, command, every),
    }


def _show(finding: Finding, does: str, command: list[str], every: list[str]) -> None:

    from simulator.report.tables import print_wrapped

    mark, colour = ("ok", "green") if finding.passed else ("FAILED", "red")
    if finding.skipped:
        mark, colour = "skipped", "yellow"
    click.echo(f"  {click.style(f'{mark:<8}', fg=colour)}{finding.check:<13}{does}")
    if finding.skipped:
        print_wrapped(finding.skipped, " " * 10)
    if finding.case is not None:
        case = finding.case
        where = f"problem {case.problem.problem_id}, repeat {case.repeat}, budget {case.budget}"
        click.echo(f"{'':10}{where}:")
        print_wrapped(finding.detail, " " * 10)
        click.echo(f"{'':10}to reproduce: {_again(finding, command, every)}")
