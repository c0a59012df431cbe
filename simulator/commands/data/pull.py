from __future__ import annotations

import sys
from pathlib import Path

import click

from simulator.commands.options import cache_option, json_option, print_json
from simulator.counting import EQUALITY, UNPARSED, Equality, Unparsed
from simulator.pools.folders import cache_folder


@click.command(
    epilog="\b\nExample:\n  deepprune-sim data list --known\n  deepprune-sim data pull scout"
)
@click.argument("name")
@click.option("--revision", help="Commit, branch or tag. [default: the registry's]")
@click.option(
    "--only",
    metavar="MODEL/BENCHMARK",
    multiple=True,
    help="Pools to make, by name or glob; repeatable. [default: all of the source]",
)
@click.option("--dataset", help="First part of the pools' names. [default: the registry's]")
@click.option(
    "--equality",
    type=click.Choice(EQUALITY),
    help="Compare answers by meaning, or as strings as they stand. [default: the registry's]",
)
@click.option(
    "--unparsed",
    type=click.Choice(UNPARSED),
    help="Whether traces without a readable answer vote. [default: the registry's]",
)
@click.option("--replace", is_flag=True, help="Overwrite pools of the same names.")
@click.option(
    "--keep-files/--no-keep-files",
    default=True,
    help="Keep or delete the downloaded files (in huggingface_hub's folders) after the import.",
)
@cache_option
@json_option
def pull(
    name: str,
    revision: str | None,
    only: tuple[str, ...],
    dataset: str | None,
    equality: Equality | None,
    unparsed: Unparsed | None,
    replace: bool,
    keep_files: bool,
    cache: Path | None,
    as_json: bool,
) -> None:
    """Download a known public source from the Hugging Face Hub or GitHub and import its pools.

    `deepprune-sim data list --known` shows the names. Add your own sources to registry.toml in the
    folder of pools, in the same form as the registry that comes with the program.

    Repeat an interrupted command to continue it: complete files and pools are kept. Log in with
    `hf auth login` or HF_TOKEN. With HF_HUB_OFFLINE=1, only files already downloaded are used.
    """
    from simulator.api.progress import stages_shown
    from simulator.commands.import_ import print_report
    from simulator.errors import interrupted
    from simulator.hub.pull import pull as pull_entry
    from simulator.hub.registry import find_entry
    from simulator.importers.import_pool import check_name

    folder = cache_folder(cache)
    if dataset is not None:
        check_name("dataset", dataset)
    entry = find_entry(folder, name).counted(dataset, equality, unparsed)
    if only:
        entry = entry.only(only)
    try:
        with stages_shown() as progress:
            report = pull_entry(
                entry,
                cache=folder,
                revision=revision,
                replace=replace,
                keep_files=keep_files,
                progress=progress,
                notice=lambda text: print(f"note: {text}", file=sys.stderr),  # above the bar
            )
    except KeyboardInterrupt as error:
        raise interrupted(error, "; repeat the same command to continue") from None
    if as_json:
        print_json(report.as_dict())
        return
    for made in report.made:
        print_report(made)
        click.echo()
    for here in report.here:
        click.echo(f"{here}: already here, from the same commit")
    click.echo(f"source: {entry.source} at {report.commit}")
    click.echo(f"licence: {entry.licence}; cite: {entry.citation}")
