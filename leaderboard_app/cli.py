"""The command `deepprune-sim leaderboard`, which starts the app or exports the board."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from leaderboard_app.library.folders import Folders
from simulator.api.progress import note, stages_shown
from simulator.commands.options import FolderOrBoard
from simulator.errors import UserError
from simulator.pools.folders import cache_folder, runs_folder
from simulator.pools.shipped import copy_shipped, shipped_pools

if TYPE_CHECKING:
    from simulator.boards.fetching import Board

APP = Path(__file__).with_name("server.py")

SETTINGS = {
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "viewer",
    "server.fileWatcherType": "none",
    "runner.magicEnabled": "false",
    "theme.light.primaryColor": "#0072B2",
    "theme.dark.primaryColor": "#56B4E9",
    "theme.baseRadius": "0.4rem",
    "theme.paddingTop": "0.5rem",
    "theme.paddingBottom": "3rem",
}
"""Streamlit settings: no usage statistics, no developer menu, no reload when source files change,
and no automatic display of bare expressions; colours and room around the page."""

FORMATS = {
    "html": "leaderboard_app.export.site:export_site",
    "hub": "leaderboard_app.interchange.hub_dataset:export_hub",
    "every-eval-ever": "leaderboard_app.interchange.every_eval_ever:export_records",
    "eval-results": "leaderboard_app.interchange.eval_results:export_eval_results",
}
"""Formats of `--export`: the function that writes a board's folders to a target, as a string, so
that only the one in use is imported."""


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n"
    "  deepprune-sim leaderboard\n"
    "  deepprune-sim leaderboard --export site\n"
    "  deepprune-sim leaderboard --submissions board/submissions --port 8600",
)
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True)
@click.option("--address", default="localhost", show_default=True, help="Address to listen on.")
@click.option("--headless", is_flag=True, help="Do not open a browser.")
@click.option(
    "--submissions",
    type=FolderOrBoard(path_type=Path, file_okay=False),
    default=Path("submissions"),
    show_default=True,
    metavar="DIR",
    help="Folder of submissions and published figures, or a board on the Hugging Face Hub: "
    "hf://datasets/OWNER/NAME[@REVISION].",
)
@click.option(
    "--runs",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of runs. [default: runs]",
)
@click.option(
    "--derive",
    "patterns",
    multiple=True,
    metavar="PATTERN",
    help="First replay the built-in methods on these pools, such as '*/aime24', to rank them: rows "
    "of pools that may not be passed on are derived where the pool is. Once for each pool.",
)
@click.option("--cache", type=click.Path(path_type=Path, file_okay=False), help="Folder of pools.")
@click.option(
    "--export",
    "target",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the board to a folder, and open nothing.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice([*FORMATS]),
    help="Format of --export: plain pages, a dataset for the Hugging Face Hub, Every Eval Ever "
    "records, or .eval_results for model repositories. [default: html]",
)
@click.option(
    "--push",
    metavar="OWNER/NAME",
    help="Also upload --format hub to this dataset repository on the Hub, which has to exist.",
)
def leaderboard(
    port: int,
    address: str,
    headless: bool,
    submissions: Path | str,
    runs: Path | None,
    patterns: tuple[str, ...],
    cache: Path | None,
    target: Path | None,
    form: str | None,
    push: str | None,
) -> None:
    """Open the leaderboard in a browser: submissions, runs and pools, down to single traces.

    It changes no run, submission or pool, but copies the pool that comes with the package into the
    folder of pools if a submission is on it and it is missing there. It shows files that are added
    while it runs, and needs no network, but to fetch a board from the Hub, at the commit that it
    has at this moment. Stop it with Ctrl-C.
    """
    pools = cache_folder(cache)
    board = _fetched(submissions, pools) if isinstance(submissions, str) else None
    folders = Folders(
        pools,
        runs or runs_folder(),
        board.submissions if board else Path(submissions),
        board.source if board else "",
    )
    _derive(pools, patterns)
    if target is not None:
        _look_for(folders.submissions, exporting=True)
        _copy_shipped(folders)
        _export(folders, target, form or "html", push)
        return
    if form is not None or push is not None:
        option = "--push" if form is None else "--format"
        raise UserError(f"{option} needs --export DIR, the folder to write")
    _check_free(address, port)
    _look_for(folders.submissions, exporting=False)
    _copy_shipped(folders)
    settings = SETTINGS | {
        "server.port": str(port),
        "server.address": address,
        "server.headless": str(headless or not sys.stdout.isatty()).lower(),
    }
    # -P: modules in the working directory must not shadow Streamlit's imports
    command = [sys.executable, "-P", "-m", "streamlit", "run", str(APP)]
    command += [f"--{name}={value}" for name, value in settings.items()]
    environment = {**os.environ, **folders.as_environment()}
    sys.stdout.flush()
    if sys.platform == "win32":  # which would not wait for the new program
        sys.exit(subprocess.call(command, env=environment))
    os.execve(command[0], command, environment)


def _look_for(submissions: Path, *, exporting: bool) -> None:
    """Say that there is no folder of submissions; raise `UserError` if one to export was named."""
    named = click.get_current_context().get_parameter_source("submissions")
    is_default = named is ParameterSource.DEFAULT
    if submissions.is_dir() or (is_default and not exporting):
        return
    if exporting and not is_default:
        raise UserError(f"{submissions}: no such folder; name one with --submissions")
    note(f"{submissions}: no such folder, so the board has no submissions")


def _fetched(address: str, cache: Path) -> Board:
    """Return a board on the Hub, downloaded where it is not here, and say which commit it is.

    Not of a pull request: whoever opens one could bring verifications of their own.
    """
    from simulator.boards.address import parse_address
    from simulator.boards.fetching import fetch_board

    parsed = parse_address(address)
    if parsed.pull_request is not None:
        raise UserError(f"{address}: a pull request; verify it: deepprune-sim verify {address}")
    with stages_shown() as stage:
        board = fetch_board(parsed, cache, notice=note, progress=stage)
    note(f"board: {board.source}")
    return board


def _derive(cache: Path, patterns: tuple[str, ...]) -> None:
    """Replay the built-in methods on pools, and say how many and which were left out."""
    if not patterns:
        return
    from simulator.boards.derived import derive_rows
    from simulator.pools.folders import find_pools
    from simulator.pools.pool import Pool

    with stages_shown() as stage:
        pools = [Pool(folder) for folder in find_pools(cache, patterns)]
        found = [(pool, derive_rows(cache, pool, stage)) for pool in pools]
    for pool, rows in found:
        note(f"derived: {len(rows.made)} rows on {pool.name}")
        for reason in rows.left_out:
            note(f"  left out: {reason}")


def _export(folders: Folders, target: Path, form: str, push: str | None) -> None:
    """Write the board in one of `FORMATS`, and say where; upload it to `push`."""
    if push is not None:
        if form != "hub":
            raise UserError("--push uploads a dataset; add --format hub")
        from leaderboard_app.interchange import pushing

        pushing.check_push(push)
    module, _, name = FORMATS[form].partition(":")
    files = getattr(import_module(module), name)(folders, target)
    click.echo(f"{form}: {target}")
    if push is not None:
        click.echo(f"pushed: {pushing.push(files, push)}")


def _check_free(address: str, port: int) -> None:
    """Check that the server can listen on this address and port; raise `UserError` if it cannot."""
    try:
        (family, _, _, _, where), *_ = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(where)
    except socket.gaierror as error:
        raise UserError(
            f"{address}: cannot be resolved to an address of this machine ({error.strerror}); "
            "choose another --address, such as localhost or 0.0.0.0"
        ) from None
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise UserError(
                f"{address}: not an address of this machine; choose another --address, such as "
                "localhost or 0.0.0.0"
            ) from None
        raise UserError(
            f"{address}:{port}: cannot listen there ({error.strerror}); choose another --port"
        ) from None


def _copy_shipped(folders: Folders) -> None:
    """Copy the pools that come with the package and that a submission is on.

    A folder that cannot be read or written is shown as it is.
    """
    for name in shipped_pools():
        with suppress(UserError, OSError, UnicodeDecodeError):
            runs = folders.submissions.glob("*/run.json")
            if any(name in run.read_text(encoding="utf-8") for run in runs):
                copy_shipped(folders.cache, name)
