from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator.api.judge_tools import load_tools
from simulator.api.progress import note, progress_bar
from simulator.commands.options import cache_option, file_size, json_option, print_json

if TYPE_CHECKING:
    from simulator.pools.pool import PoolInfo


@click.command(
    epilog="\b\nExamples:\n  deepprune-sim data sample\n"
    "  deepprune-sim data sample --size paper --cell 'qwen3-32b/aime*'"
)
@click.option(
    "--size",
    "size_name",
    type=click.Choice(["small", "paper"]),
    default="small",
    show_default=True,
    help="Number of problems and traces, and their length (see above).",
)
@click.option(
    "--cell",
    "patterns",
    metavar="MODEL/BENCHMARK",
    multiple=True,
    help="Pool to make, by name or glob; repeatable. [default: all nine]",
)
@click.option("--text", is_flag=True, help="Add text at paper size; small pools always have it.")
@click.option(
    "--probe-signals",
    is_flag=True,
    help="Add the certainty of probes, which deer and soft-sc read, made up like all else.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Random seed. [default: a fixed one]")
@click.option("--replace", is_flag=True, help="Overwrite pools that exist already.")
@cache_option
@json_option
def sample(
    size_name: str,
    patterns: tuple[str, ...],
    text: bool,
    probe_signals: bool,
    seed: int | None,
    replace: bool,
    cache: Path | None,
    as_json: bool,
) -> None:
    """Generate synthetic pools, to try things out and to measure speed.

    There are nine, modelled on three models and AIME24, AIME25 and GPQA-Diamond. They are named
    generated/MODEL/BENCHMARK and marked synthetic: no model wrote these traces. A result on
    them says nothing about a method.

    \b
      small  6 or 12 problems x 32 traces of 200 to 1,400 tokens on average,
             with text, token signals and probes: all nine in seconds, 8 MB
      paper  30 or 198 problems x 512 traces, with pass@1, cons@512 and mean
             length as published, with token signals and probes: 3.9 x 10^9
             tokens, 12 GB; text adds 4 GB

    Each pool comes with generated judge scores of all its pairs: the true labels with noise, at an
    AUROC of 0.8701, calibrated for a data set in which 80% of pairs have the same answer.
    """  # noqa: D301  (\b keeps click from wrapping)
    from simulator.generated.cells import SIZES, select_cells
    from simulator.generated.pools import SEED, made_as, make_pool, pool_folder
    from simulator.pools.folders import cache_folder
    from simulator.pools.pool import read_info

    folder, size = cache_folder(cache), SIZES[size_name]
    rows: list[dict[str, Any]] = []
    for cell in select_cells(patterns):
        path = pool_folder(folder, cell)
        name = f"generated/{cell.name}"
        there = made_as(folder, cell)
        if there is not None and not replace:
            note(f"{name} exists ({there}) and is kept; --replace makes it again")
            info = read_info(path)
        else:
            with progress_bar(name) as progress:
                info = make_pool(
                    folder,
                    cell,
                    size,
                    seed=SEED if seed is None else seed,
                    text=text or size.name == "small",
                    probe_signals=probe_signals,
                    replace=replace,
                    progress=progress,
                )
        with progress_bar(f"{name}: judge scores") as progress:
            scores = load_tools().score_generated(folder, path, progress)
        rows.append(_described(info, path, scores, made=there is None or replace))
    if as_json:
        print_json(rows)
        return
    _print_made([row for row in rows if row["made"]])
    click.echo(f"judge scores: {scores['path']}")


def _described(
    info: PoolInfo, path: Path, scores: Mapping[str, Any], *, made: bool
) -> dict[str, Any]:
    """Describe a pool and its judge scores, for `--json`."""
    return {
        "name": info.name,
        "path": str(path),
        "made": made,
        "revision": info.revision,
        "problems": info.problems,
        "traces": info.traces,
        "tokens": info.tokens,
        "bytes": sum(file.stat().st_size for file in path.iterdir()),
        "signals": info.signals,
        "judge": scores["judge"],
        "judge_bytes": scores["bytes"],
        "fingerprint": info.fingerprint,
    }


def _print_made(rows: Sequence[Mapping[str, Any]]) -> None:
    from simulator.report.tables import print_table

    if rows:
        print_table(
            ["generated (SYNTHETIC)", "problems", "traces", "tokens", "size", "signals"],
            [
                [
                    row["name"],
                    f"{row['problems']:,}",
                    f"{row['traces']:,}",
                    f"{row['tokens']:,}",
                    file_size(row["bytes"]),
                    ", ".join(row["signals"]),
                ]
                for row in rows
            ],
            [False, True, True, True, True],
            give_up=["size"],
        )
