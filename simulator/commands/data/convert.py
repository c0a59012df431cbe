from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from simulator import completion
from simulator.api.progress import progress_bar
from simulator.commands.options import cache_option, json_option, print_json

if TYPE_CHECKING:
    from pathlib import Path


@click.command(
    epilog="\b\nExamples:\n  deepprune-sim data convert\n"
    "  deepprune-sim data convert 'deepconf/*' --to 1"
)
@click.argument("patterns", metavar="[POOL]...", nargs=-1, shell_complete=completion.pools)
@click.option(
    "--to",
    type=click.Choice(["1", "2"]),
    default="2",
    show_default=True,
    help="Pool format. Versions of this program before format 2 read 1 only.",
)
@cache_option
@json_option
def convert(patterns: tuple[str, ...], to: str, cache: Path | None, as_json: bool) -> None:
    """Convert pools to another pool format; without POOL, all of them.

    In format 2, token signals take half the time and a fraction of the memory to read. Contents and
    fingerprints stay the same, and so do runs. A pool is replaced when the new one is complete and
    its content was compared; pools that are of the format already are left.
    """
    from simulator.pools.folders import cache_folder, find_pools, pool_name
    from simulator.pools.token_signals.converting import convert as convert_pool

    told: dict[str, dict[str, Any]] = {}
    folder = cache_folder(cache)
    for path in find_pools(folder, patterns):
        name = pool_name(path)
        before = _bytes(path)
        with progress_bar(name) as progress:
            left = convert_pool(path, int(to), progress)
        told[name] = {
            "converted": left is None,
            "left": left,
            "bytes_before": before,
            "bytes": _bytes(path),
        }
        if not as_json:
            sizes = f"{before / 1e6:,.1f} MB before, {_bytes(path) / 1e6:,.1f} MB now"
            click.echo(
                f"{name}: " + (f"converted, {sizes}" if left is None else f"left, as {left}")
            )
    if as_json:
        print_json(told)
    elif not told:
        click.echo(f"No pools in {folder}.")


def _bytes(pool: Path) -> int:
    return sum(file.stat().st_size for file in pool.iterdir())
