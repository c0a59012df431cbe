"""`deepprune-sim report`: compare runs as a table, for a paper, or as a plot."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simulator import completion
from simulator.commands.options import (
    FloatRange,
    axes_option,
    baseline_option,
    chosen_format,
    json_option,
    json_text,
)
from simulator.errors import UserError
from simulator.storage import replace_file

if TYPE_CHECKING:
    from simulator.report.rows import Comparison

FORMATS = ("table", "markdown", "latex", "csv", "json")

SUFFIXES = {
    ".txt": "table",
    ".md": "markdown",
    ".tex": "latex",
    ".csv": "csv",
    ".json": "json",
}
"""Default format of an output file, by its suffix."""

PICTURES = (".png", ".svg")


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n"
    "  deepprune-sim report runs/* --plot front.png\n"
    "  deepprune-sim report runs/* -o comparison.tex",
)
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, shell_complete=completion.runs)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="Output format. [default: by the suffix of -o (.md, .tex, …), else table]",
)
@json_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write to a file, overwriting it.",
)
@click.option(
    "--plot",
    "plots",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Plot accuracy against tokens, and against N where a method has three or more, as .png or "
    ".svg, overwriting it; repeatable.",
)
@click.option(
    "--pairs",
    "every_pair",
    is_flag=True,
    help="Compare all pairs of methods, not only each with the best; CSV then holds only pairs.",
)
@click.option(
    "--margin",
    type=FloatRange(0, 100),
    default=1.0,
    show_default=True,
    metavar="POINTS",
    help="Most that a method may be less accurate than cons@N to count as not worse.",
)
@baseline_option("the method, policy or run of a row")
@axes_option
@click.option(
    "--diversity",
    is_flag=True,
    help="Add the share of distinct answers kept; CSV and JSON always have it.",
)
@click.option(
    "--prices",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="TOML file with prices and sizes of models (docs/examples/prices.toml); adds dollars and "
    "FLOPs per problem.",
)
def report(
    runs: Sequence[str],
    form: str | None,
    as_json: bool,
    output: Path | None,
    plots: Sequence[Path],
    every_pair: bool,
    margin: float,
    baseline: str | None,
    axes: str,
    diversity: bool,
    prices: Path | None,
) -> None:
    """Compare runs: accuracy, tokens, and both against cons@N, with 95% intervals.

    Where runs have probes or a judge, their cost is added, and the total in tokens of the reasoning
    model. The Pareto front is by accuracy and total cost, or by other --axes.

    RUN is the folder of a run or a sweep, or its name in runs/; or, by itself, that of a tuning.

    Each method is compared with the most accurate one on the same pool, paired by problem. A tie
    (=) means that the difference is not significant: by a sign-flip test over problems, corrected
    for the number of pairs. Methods that several recorded pools have in common are also averaged,
    with equal weight for each pool.

    Rows are sorted by pool and tokens. Synthetic pools are shown separately. CSV and JSON hold
    unrounded values.
    """
    form = _format_of(output, chosen_format(form, as_json))
    for file in [*plots, *([output] if output else [])]:
        if file.is_dir():
            raise UserError(f"{file}: a folder; give a file name")
        if not file.parent.is_dir():
            raise UserError(f"{file}: no folder {file.parent}; make it first")
    for file in plots:
        if file.suffix.lower() not in PICTURES:
            raise UserError(f"{file}: a plot must be a .png or .svg file; change the name")

    from simulator.api.results import find_run
    from simulator.catalogue.figures import checked_results
    from simulator.report.axes import DEFAULT, parse_axes
    from simulator.report.comparison import compare
    from simulator.report.prices import read_prices
    from simulator.report.text import FORMATS as RENDER
    from simulator.runs.sweep import runs_of
    from simulator.studies.record import is_tuning

    found = [find_run(name) for name in runs]
    if any(map(is_tuning, found)):
        of_runs = plots or every_pair or diversity or prices or baseline
        if len(found) > 1 or of_runs or parse_axes(axes) != DEFAULT:
            raise UserError("a tuning is reported by itself; its tests are runs: NAME/test")
        _report_tuning(found[0], form, output)
        return
    folders = list(dict.fromkeys(run for one in found for run in runs_of(one) or [one]))
    comparison = compare(
        [result for folder in folders for result in checked_results(folder)],
        every_pair=every_pair,
        diversity=diversity,
        margin=margin / 100,
        axes=parse_axes(axes),
        baseline=baseline,
        prices=None if prices is None else read_prices(prices),
    )
    if every_pair and form == "csv" and not comparison.pairs:
        raise UserError("--pairs: no pool here has two ranked methods to pair; give more runs")
    if output is not None:
        write_whole(output, RENDER[form](comparison).encode())
    elif form == "table":
        _print(comparison)
    else:
        click.echo(RENDER[form](comparison), nl=False)
    if plots:
        from simulator.report.plotting.plot import plot

        for file in plots:
            write_whole(file, plot(comparison, file.suffix.lower()[1:]))
    for file in [*([output] if output else []), *plots]:
        click.echo(f"wrote {file}", err=True)


def _report_tuning(folder: Path, form: str, output: Path | None) -> None:
    """Print or write the result of a tuning."""
    from simulator.commands.studies.tuned import print_tuning
    from simulator.report.text import latex_of, markdown_of, table_of
    from simulator.studies.record import read_result
    from simulator.studies.tuned import tables

    result = read_result(folder)
    renders = {"table": table_of, "markdown": markdown_of, "latex": latex_of}
    if form == "json":
        text = json_text({"folder": str(folder)} | result)
    elif form in renders:
        text = renders[form](*tables(result))
    else:
        raise UserError("a tuning has no CSV; give --json, or the runs in its folders")
    if output is not None:
        write_whole(output, text.encode())
        click.echo(f"wrote {output}", err=True)
    elif form == "table":
        print_tuning(result)
    else:
        click.echo(text, nl=False)


def write_whole(file: Path, content: bytes) -> None:
    """Write a file atomically, overwriting one that exists.

    A link is followed. A device or a pipe, such as /dev/stdout, is written to directly; a pipe
    that nothing reads is refused.
    """
    shown = file
    try:
        file = Path(os.path.realpath(file))
        if file.exists() and not file.is_file():
            opened = os.open(file, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
            with open(opened, "wb") as device:  # noqa: PTH123  (a descriptor)
                os.set_blocking(opened, True)
                device.write(content)
            return
    except OSError as error:
        raise UserError(f"{shown}: cannot be written ({error.strerror})") from None
    replace_file(file, content, shown)


def _format_of(output: Path | None, form: str | None) -> str:
    """Return the format of the output: `form`, else that of the file's name.

    Raises
    ------
    UserError
        The name has no known format, or another one than `form`.
    """
    if output is None:
        return form or "table"
    named = SUFFIXES.get(output.suffix.lower())
    if form is None and named is None:
        raise UserError(
            f"{output}: no format for {output.suffix or 'this name'}; give --format "
            f"({', '.join(FORMATS)}) or a name ending in {', '.join(SUFFIXES)}"
        )
    if form and named and form != named:
        raise UserError(
            f"{output}: a file of this name holds {named}, not {form}; change the name or the "
            "format"
        )
    return form or named or "table"


def _print(comparison: Comparison) -> None:
    """Print the tables, one for each pool, without columns that do not fit."""
    from simulator.report.tables import draw_table, print_left_out, print_wrapped
    from simulator.report.text import dispensable, panels

    tables, order = [], dispensable(comparison)
    for block in panels(comparison):
        click.secho(block.heading, bold=True)
        tables.append(draw_table(block.headers, block.rows, block.right, order))
        click.echo()
    print_left_out(tables)
    for note in comparison.notes:
        print_wrapped(note)
