"""`data list`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from simulator.commands.options import (
    cache_option,
    file_size,
    json_option,
    percent,
    print_json,
)
from simulator.pools.folders import cache_folder, unfinished_pools


@click.command("list", epilog="\b\nExample:\n  deepprune-sim data list --cache /data/pools")
@cache_option
@json_option
@click.option("--known", is_flag=True, help="List public pools for `data pull` too.")
def list_pools(cache: Path | None, as_json: bool, known: bool) -> None:
    """List the pools on this machine.

    Lengths are in tokens. Token accuracy is exact (the position of every token is known), total
    (only lengths are known) or estimated. The share of traces without an answer is shown where it
    is above 10%, and the number of unfinished traces where there are any: mean lengths and answers
    are then not known. Pools that cannot be read are listed below.
    """
    from simulator.catalogue.pool_rows import POOLS, Broken, pools_rows, share_without_answer

    folder = cache_folder(cache)
    broken: list[Broken] = []
    rows, paths = pools_rows(folder.resolve(), broken)
    pools = [
        {name: row.get(name) for name in POOLS.names}
        | {"no_answer": None if row["unfinished"] else share_without_answer(path)}
        for row, path in zip(rows, paths, strict=True)
    ]
    pools.sort(key=lambda pool: str(pool["name"]))
    unfinished = unfinished_pools(folder)
    if as_json:
        listed = [{"path": str(each.path), "reason": each.reason} for each in broken]
        public = {"known": _known_pools(folder)} if known else {}
        print_json(
            {
                "cache": str(folder),
                "pools": pools,
                "broken": listed,
                "unfinished": unfinished,
                **public,
            }
        )
        return
    if pools:
        _print_pools(pools)
    else:
        click.echo(f"No pools in {folder}. To get some:")
        click.echo("  deepprune-sim run cons@64                replays the pool that comes along")
        click.echo("  deepprune-sim import FORMAT PATH …       imports stored traces (import -h)")
        click.echo(
            "  deepprune-sim data pull NAME             downloads public ones (data pull -h)"
        )
    if broken:
        click.echo("\nSkipped, because they cannot be read:")
    for each in broken:
        click.echo(f"  {each.path}: {each.reason}")
    if unfinished:
        click.echo("\nUnfinished; the next import of a pool clears what a killed one has left:")
    for name, words in unfinished.items():
        click.echo(f"  {name}: {words}")
    if known:
        _print_known(_known_pools(folder), folder)


def _print_pools(pools: list[dict[str, Any]]) -> None:
    from simulator.pools.summary import MANY
    from simulator.report.tables import print_table

    unfinished = any(pool["unfinished"] for pool in pools)
    silent = any((pool["no_answer"] or 0) > MANY for pool in pools)
    headers = [
        "pool",
        "problems",
        "traces",
        *["unfinished"] * unfinished,
        "tokens, 10^6",
        "mean length",
        "token accuracy",
        *["no answer"] * silent,
        "signals",
        "size",
    ]
    rows = [
        [
            pool["name"] + (" (synthetic)" if pool["synthetic"] else ""),
            f"{pool['problems']:,}",
            f"{pool['traces']:,}",
            *[f"{pool['unfinished']:,}"] * unfinished,
            f"{pool['tokens'] / 1e6:,.3f}",
            "-" if pool["unfinished"] else f"{pool['tokens'] / max(1, pool['traces']):,.0f}",
            pool["token_accuracy"],
            *["-" if pool["unfinished"] else percent(pool["no_answer"] or 0.0)] * silent,
            ", ".join(pool["signals"]) or "-",
            file_size(pool["bytes"]),
        ]
        for pool in pools
    ]
    right = [False, *[True] * (4 + unfinished), False, *[True] * silent, False, True]
    print_table(headers, rows, right, give_up=["size", "mean length", "token accuracy"])


def _known_pools(folder: Path) -> list[dict[str, Any]]:
    """List the known public sources, their pools, and those already in `folder`."""
    from simulator.hub.registry import GITHUB, read_registry

    return [
        {
            "name": entry.name,
            "repository": f"{GITHUB}{entry.repository}" if entry.github else entry.repository,
            "revision": entry.revision,
            "pinned": entry.pinned,
            "pools": names,
            "here": [name for name in names if (folder / name / "pool.json").exists()],
            "importer": entry.importer,
            "licence": entry.licence,
            "citation": entry.citation,
        }
        for entry in read_registry(folder).values()
        for names in [[entry.pool_name(rule) for rule in entry.pools]]
    ]


def _print_known(known: list[dict[str, Any]], folder: Path) -> None:
    from simulator.hub.registry import FILE_NAME, SHIPPED
    from simulator.report.tables import print_fields

    click.echo("\nKnown public pools, for deepprune-sim data pull NAME:")
    for entry in known:
        pinned = entry["revision"][:12] if entry["pinned"] else f"{entry['revision']} (not pinned)"
        click.echo(f"\n{entry['name']}")
        print_fields(
            [
                ("  pools here", f"{len(entry['here'])} of {len(entry['pools'])}"),
                ("  repository", entry["repository"]),
                ("  revision", pinned),
                ("  licence", entry["licence"]),
                ("  cite", entry["citation"]),
            ]
        )
    click.echo(f"\nAdd your own to {folder / FILE_NAME}, in the same form as {SHIPPED}")
