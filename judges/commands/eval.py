"""`deepprune-sim judge eval`: compare judges on a set's test pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from judges.commands.options import (
    check_plots,
    format_option,
    pairs_argument,
    picture_option,
    truncation_option,
)
from simulator.api.progress import note, progress_bar
from simulator.commands.options import chosen_format, json_option
from simulator.commands.report import write_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from judges.evaluation.evaluate import Row, Scored


@click.command(
    name="eval",
    epilog="\b\nExamples:\n"
    "  deepprune-sim judge eval otis lexical embedding --roc roc.svg\n"
    "  deepprune-sim judge eval otis embedding:model=minilm --format csv\n"
    "  deepprune-sim judge eval otis hf:model=qwen3-4b --calibration reliable.png",
)
@pairs_argument
@click.argument("judges", nargs=-1, required=True, metavar="JUDGE...")
@truncation_option(help="Truncation of each trace. [default: each judge's own]")
@click.option(
    "--split",
    type=click.Choice(["test", "train"]),
    default="test",
    show_default=True,
    help="Side of PAIRS to evaluate on.",
)
@click.option(
    "--unfinished-only",
    is_flag=True,
    help="Skip pairs in which a prefix is a whole trace, including its answer.",
)
@format_option(help="Output format.  [default: table]")
@json_option
@picture_option("--roc", help="Draw ROC curves, pooled and within problems (.svg, .png).")
@picture_option(
    "--calibration",
    help="Draw the share of same-answer pairs by score, and its error (.svg, .png).",
)
def evaluate(
    pairs: Path,
    judges: tuple[str, ...],
    truncation: str | None,
    split: str,
    unfinished_only: bool,
    form: str | None,
    as_json: bool,
    roc: Path | None,
    calibration: Path | None,
) -> None:
    """Compare judges on the test side of PAIRS, a folder made by `judge pairs`.

    JUDGE is lexical, embedding, hf or vllm, with settings as NAME:SETTING=VALUE,…; a judge made by
    `judge train` is embedding:model=FOLDER or hf:model=FOLDER. Figures are given for all models
    together and for each model; if some traces end before the cut, also without the pairs of these
    traces.
    """
    from judges.evaluation.evaluate import compare, score_pairs
    from judges.loading import commit_note, load_judge, pinned_spec
    from judges.pairs.pair_sets import PairSet
    from judges.prefixes import Truncation

    form = chosen_format(form, as_json) or "table"
    check_plots(roc, calibration)
    pair_set = PairSet(pairs)
    cut = None if truncation is None else Truncation.parse(truncation)
    scored = []
    for spec in dict.fromkeys(judges):
        judge = load_judge(spec, cut)
        if (pinned := pinned_spec(spec, judge)) != spec:
            note(commit_note(spec, pinned))
        with progress_bar(spec) as progress:
            scored.append(
                score_pairs(
                    pair_set,
                    judge,
                    spec,
                    split=split,
                    unfinished_only=unfinished_only,
                    progress=progress,
                )
            )
    rows = compare(scored)
    show(rows, form)
    draw(scored, rows, roc, calibration)


def show(rows: Sequence[Row], form: str) -> None:
    """Print a comparison of judges."""
    from judges.evaluation.evaluate import DISPENSABLE, HEADERS, NOTES, RIGHT, cells
    from judges.evaluation.evaluate import FORMATS as RENDER
    from simulator.report.tables import print_table, print_wrapped

    if form == "table":
        print_table(HEADERS, [cells(row) for row in rows], RIGHT, DISPENSABLE)
        click.echo()
        for line in NOTES:
            print_wrapped(line)
    else:
        click.echo(RENDER[form](rows), nl=False)


def draw(
    scored: Sequence[Scored], rows: Sequence[Row], roc: Path | None, calibration: Path | None
) -> None:
    """Write the requested plots, with the figures of `rows`."""
    from judges.evaluation.plots import calibration_plot, roc_plot

    for file, plot in ((roc, roc_plot), (calibration, calibration_plot)):
        if file is not None:
            write_whole(file, plot(scored, rows, file.suffix.lower()[1:]))
            click.echo(f"wrote {file}", err=True)
