"""Options that several commands about judges share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from simulator import completion
from simulator.errors import UserError

FORMATS = ("table", "markdown", "latex", "csv", "json")

Option = Callable[[Callable[..., Any]], Callable[..., Any]]

pairs_argument = click.argument("pairs", type=click.Path(path_type=Path), metavar="PAIRS")
pools_option = click.option(
    "-d",
    "--pool",
    "patterns",
    multiple=True,
    required=True,
    shell_complete=completion.pools,
    help="Pool name or glob.",
)


def output_option(help: str) -> Option:
    """Make `-o`, a folder to write to."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        required=True,
        metavar="DIR",
        help=help,
    )


def truncation_option(help: str) -> Option:
    """Make `-t`, the truncation, as text; some commands accept several with commas."""
    return click.option("-t", "--truncation", metavar="tokens=N|words=N", help=help)


def number_option(name: str, default: int, help: str, least: int = 1) -> Option:
    """Make an option for a whole number from `least`."""
    return click.option(
        name, type=click.IntRange(min=least), default=default, show_default=True, help=help
    )


def seed_option(help: str) -> Option:
    """Make `--seed`, by default 0."""
    return number_option("--seed", 0, help, least=0)


def format_option(help: str) -> Option:
    """Make `--format` for a comparison of judges."""
    return click.option("--format", "form", type=click.Choice(FORMATS), help=help)


def picture_option(name: str, help: str) -> Option:
    """Make an option for a plot file."""
    return click.option(name, type=click.Path(path_type=Path), metavar="FILE", help=help)


def check_plots(*files: Path | None) -> None:
    """Refuse names of plot files that cannot be written, before any work is done."""
    for file in files:
        if file is not None:
            if not file.parent.is_dir():
                raise UserError(f"{file}: there is no folder {file.parent}; make it first")
            if file.suffix.lower() not in (".svg", ".png"):
                raise UserError(f"{file}: a plot is a .png or an .svg file; change the name")
