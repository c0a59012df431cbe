from __future__ import annotations

import sys
from pathlib import Path

import click

from simulator.commands.options import cache_option, json_option, print_json
from simulator.pools.folders import cache_folder


@click.command(
    epilog="\b\nExample:\n  deepprune-sim data list --known\n  deepprune-sim data pull scout"
)
@click.argument("name")
@click.option("--revision", help="Commit, branch or tag, instead of the registry's.")
@click.option("--replace", is_flag=True, help="Overwrite pools of the same names.")
@click.option(
    "--keep-files/--no-keep-files",
    default=True,
    help="Keep the downloaded files in huggingface_hub's folder, or remove them after the import.",
)
@cache_option
@json_option
def pull(
    name: str,
    revision: str | None,
    replace: bool,
    keep_files: bool,
    cache: Path | None,
    as_json: bool,
) -> None:
    """Download a known public source from the Hugging Face Hub and import its pools.

    `data list --known` shows the names. Your own sources go into registry.toml in the folder of
    pools; the registry that comes with the program describes the form.

    Run again, it goes on where it stopped: complete files and pools stay. The token is that of
    `hf auth login` or HF_TOKEN. With HF_HUB_OFFLINE=1, only files that are here are used.
    """
    from simulator.commands.import_ import print_report
    from simulator.commands.progress import stages_shown
    from simulator.errors import interrupted
    from simulator.hub.pull import pull as pull_entry
    from simulator.hub.registry import find_entry

    folder = cache_folder(cache)
    entry = find_entry(folder, name)
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
        raise interrupted(error, "; the same command goes on where this stopped") from None
    if as_json:
        print_json(report.as_dict())
        return
    for made in report.made:
        print_report(made)
        click.echo()
    for here in report.here:
        click.echo(f"{here}: here already, from the same commit")
    click.echo(f"source: {entry.source} at {report.commit}")
    click.echo(f"licence: {entry.licence}; cite: {entry.citation}")
