"""Options that several commands about judges share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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

# Options that differ only in `help`; those for plot files also in their names.
output_option = partial(
    click.option,
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
)
truncation_option = partial(click.option, "-t", "--truncation", metavar="tokens=N|words=N")
format_option = partial(click.option, "--format", "form", type=click.Choice(FORMATS))
picture_option = partial(click.option, type=click.Path(path_type=Path), metavar="FILE")


def number_option(name: str, default: int, help: str, least: int = 1) -> Option:
    """Make an option for a whole number from `least`."""
    return click.option(
        name, type=click.IntRange(min=least), default=default, show_default=True, help=help
    )


def check_plots(*files: Path | None) -> None:
    """Refuse names of plot files that cannot be written, before any work is done."""
    for file in files:
        if file is not None:
            if not file.parent.is_dir():
                raise UserError(f"{file}: there is no folder {file.parent}; make it first")
            if file.suffix.lower() not in (".svg", ".png"):
                raise UserError(f"{file}: a plot is a .png or an .svg file; change the name")
