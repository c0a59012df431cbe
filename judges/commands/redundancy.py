from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from judges.commands.options import check_plots
from simulator import completion
from simulator.commands.options import cache_option, json_option, print_json
from simulator.commands.report import write_whole
from simulator.errors import UserError


@click.command(
    epilog="\b\nExamples:\n  deepprune-sim judge redundancy\n"
    "  deepprune-sim judge redundancy 'epoch/*' --plot redundancy.svg"
)
@click.argument("patterns", metavar="[POOL]...", nargs=-1, shell_complete=completion.pools)
@cache_option
@json_option
@click.option(
    "--plot",
    "pictures",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    metavar="FILE",
    help="Draw the shares as .png or .svg, replacing the file; repeatable.",
)
def redundancy(
    patterns: tuple[str, ...], cache: Path | None, as_json: bool, pictures: tuple[Path, ...]
) -> None:
    """Show how many pairs of traces of one problem end in the same answer.

    POOL is a name or a glob; without any, all real pools are shown. Traces without an
    answer, or cut by the length limit, are left out. Intervals are 95%, from a bootstrap over
    problems.
    """
    from judges.evaluation.redundancy import PUBLISHED, plot, redundancies
    from simulator.pools.folders import cache_folder, find_pools
    from simulator.pools.pool import Pool
    from simulator.report.tables import FOLD, print_table, print_wrapped
    from simulator.report.text import interval

    check_plots(*pictures)
    folder = cache_folder(cache)
    pools = [Pool(path) for path in find_pools(folder, patterns)]
    if not patterns:
        pools = [pool for pool in pools if not pool.info.synthetic] or pools
    if not pools:
        raise UserError(
            f"no pool in {folder}; import one, or pull one with deepprune-sim data pull"
        )
    rows = redundancies(pools)

    if as_json:
        print_json([asdict(row) for row in rows])
    else:
        headers = ["pool", "problems", "pairs", "same answer, % [95%]", "mean of problems, % [95%]"]
        cells = [
            [
                row.pool + (" (synthetic)" if row.synthetic else ""),
                f"{row.problems:,}",
                f"{row.pairs:,}",
                interval(row.share, 100, "", 1) or "-",
                interval(row.mean, 100, "", 1) or "-",
            ]
            for row in rows
        ]
        print_table(headers, cells, [False, True, True, True, True], give_up=[FOLD])
        print_wrapped(PUBLISHED)
    for file in pictures:
        write_whole(file, plot(rows, file.suffix.lower()[1:]))
        click.echo(f"wrote {file}", err=True)
