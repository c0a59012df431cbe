from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from simulator.api.progress import progress_bar
from simulator.commands.lazy import SETTINGS
from simulator.commands.options import cache_option, json_option, print_json

folder_argument = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))


@click.group(
    context_settings=SETTINGS,
    epilog="\b\nExample:\n  deepprune-sim recording finish recordings/Qwen3-0.6B-problems",
)
def recording() -> None:
    """Show what was recorded live, and make a pool of it."""


@recording.command(epilog="\b\nExample:\n  deepprune-sim recording show recordings/mine")
@folder_argument
@json_option
def show(folder: Path, as_json: bool) -> None:
    """Show the problems of a recording: traces, tokens, and how many have ended."""
    from simulator.live.recording import open_recording
    from simulator.report.tables import print_table

    opened = open_recording(folder)
    rows = []
    for number, about in enumerate(opened.problems):
        problem = opened.read(number)
        traces, ended = len(problem.lengths), int(problem.ended.sum())
        right = f"{problem.correct.sum() / ended:.1%}" if ended and about.answer else "-"
        tokens = int(problem.available.sum())
        rows.append((about.problem_id, traces, ended, tokens, right))
    columns = ["problem", "traces", "ended", "tokens", "right, of those ended"]
    if as_json:
        listed = [
            dict(zip(("problem_id", "traces", "ended", "tokens"), row[:4], strict=True))
            for row in rows
        ]
        print_json({"recording": dict(opened.about), "problems": listed})
        return
    print_table(columns, [tuple(map(str, row)) for row in rows], [False, True, True, True, True])


@recording.command(epilog="\b\nExample:\n  deepprune-sim recording finish recordings/mine")
@folder_argument
@click.option("--dataset", help="First part of the pool's name.  [default: live]")
@click.option("--model", help="Second part.  [default: the model's name]")
@click.option("--benchmark", help="Third part.  [default: the name of the file of problems]")
@click.option("--source", help="Origin of the model, stored in the pool.")
@click.option("--licence", help="Licence of the traces, stored in the pool.")
@click.option("--citation", help="Citation of the source, stored in the pool.")
@click.option(
    "--probe-cost",
    metavar="TOKENS",
    help="Tokens charged for a probe: of its answer (4), or of suffix and answer (8+4).  "
    "[default: the suffix and the longest answer]",
)
@click.option("--note", "notes", multiple=True, help="Note to be stored in the pool; repeatable.")
@click.option(
    "--settings",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML file with parameters of built-in methods, a table each, that `run` uses on the "
    "pool where -p gives no others: for traces much shorter than a method was made for.",
)
@click.option("--replace", is_flag=True, help="Overwrite a pool of the same name.")
@cache_option
@json_option
def finish(folder: Path, replace: bool, cache: Path | None, as_json: bool, **about: Any) -> None:
    """Write a recording as a pool.

    A replay that needs tokens or probes that were not generated is then refused. `live --complete`
    generates all.
    """
    from simulator.live.finishing import finish as write
    from simulator.live.recording import open_recording
    from simulator.pools.folders import cache_folder

    with progress_bar(f"{folder.name}: writing") as progress:
        info = write(
            open_recording(folder),
            cache_folder(cache),
            about=about,
            replace=replace,
            progress=progress,
        )
    if as_json:
        counts = ("problems", "traces", "unfinished", "unasked")
        print_json({"pool": info.name, **{name: getattr(info, name) for name in counts}})
        return
    click.echo(
        f"{info.name}: {info.problems} problems, {info.traces:,} traces, {info.tokens:,} tokens"
    )
    order = ""
    if info.unfinished or info.unasked:
        click.echo(f"{info.unfinished:,} traces are unfinished, {info.unasked:,} probes not asked")
        order = " --order stored --repeats 1"
    click.echo(f"replay it: deepprune-sim run POLICY -d {info.name}{order}")
