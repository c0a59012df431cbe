from __future__ import annotations

from pathlib import Path

import click

from simulator import completion
from simulator.api.judge_tools import load_tools
from simulator.api.progress import progress_bar
from simulator.commands.options import cache_option, json_option, print_json


@click.command(
    epilog="\b\nExamples:\n  deepprune-sim data verify\n"
    "  deepprune-sim data verify 'scout/*' --json"
)
@click.argument("patterns", metavar="[POOL]...", nargs=-1, shell_complete=completion.pools)
@cache_option
@json_option
@click.pass_context
def verify(
    ctx: click.Context, patterns: tuple[str, ...], cache: Path | None, as_json: bool
) -> None:
    """Check that pools follow the pool format; without POOL, all of them.

    Recomputes the hashes and checks order, uniqueness, lengths, answer classes, grades, signals
    and stored judge scores. The exit code is 1 if anything is wrong.
    """
    from simulator.pools.check import check_pool
    from simulator.pools.folders import cache_folder, find_pools, pool_name
    from simulator.pools.pool import Pool

    findings: dict[str, list[str]] = {}
    folder = cache_folder(cache)
    for path in find_pools(folder, patterns):
        name = pool_name(path)
        with progress_bar(name) as progress:
            findings[name] = check_pool(path, progress)
            if not findings[name]:
                findings[name] = load_tools().check_scores(folder, Pool(path), progress)
        if not as_json:
            click.echo(f"{name}: {'wrong' if findings[name] else 'sound'}")
            for finding in findings[name]:
                click.echo(f"  {finding}")
    if as_json:
        print_json(findings)
    elif not findings:
        click.echo(f"No pools in {folder}.")
    ctx.exit(1 if any(findings.values()) else 0)
