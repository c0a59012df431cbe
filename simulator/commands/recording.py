from __future__ import annotations

from pathlib import Path

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
@click.option("--replace", is_flag=True, help="Overwrite a pool of the same name.")
@cache_option
@json_option
def finish(folder: Path, replace: bool, cache: Path | None, as_json: bool) -> None:
    """Write a recording as a pool.

    A replay that needs tokens or probes that were not generated is then refused. `live --complete`
    generates all.
    """
    from simulator.live.finishing import finish as write
    from simulator.live.recording import open_recording
    from simulator.pools.folders import cache_folder

    with progress_bar(f"{folder.name}: writing") as progress:
        info = write(
            open_recording(folder), cache_folder(cache), replace=replace, progress=progress
        )
    if as_json:
        about = ("problems", "traces", "unfinished", "unasked")
        print_json({"pool": info.name, **{name: getattr(info, name) for name in about}})
        return
    click.echo(
        f"{info.name}: {info.problems} problems, {info.traces:,} traces, {info.tokens:,} tokens"
    )
    order = ""
    if info.unfinished or info.unasked:
        click.echo(f"{info.unfinished:,} traces are unfinished, {info.unasked:,} probes not asked")
        order = " --order stored --repeats 1"
    click.echo(f"replay it: deepprune-sim run POLICY -d {info.name}{order}")
