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
@click.option("--revision", help="Commit, branch or tag. [default: the registry's]")
@click.option("--replace", is_flag=True, help="Overwrite pools of the same names.")
@click.option(
    "--keep-files/--no-keep-files",
    default=True,
    help="Keep or delete the downloaded files (huggingface_hub's cache) after the import.",
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

    `deepprune-sim data list --known` shows the names. Add your own sources to registry.toml in the
    folder of pools, in the same form as the registry that comes with the program.

    Repeat an interrupted command to continue it: complete files and pools are kept. Log in with
    `hf auth login` or HF_TOKEN. With HF_HUB_OFFLINE=1, only files already downloaded are used.
    """
    from simulator.api.progress import stages_shown
    from simulator.commands.import_ import print_report, warn_unanswered
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
        raise interrupted(error, "; repeat the same command to continue") from None
    for made in report.made:
        warn_unanswered(made.name, made.answers)
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
