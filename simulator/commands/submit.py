from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click

from simulator import completion
from simulator.api.progress import note
from simulator.commands.options import json_option, print_json

ASKED = {
    "method": "Method, as shown on the leaderboard",
    "authors": "Authors, separated by semicolons",
    "organisation": "Organisation (may be empty)",
    "paper": "Paper, an https:// link (may be empty)",
    "code": "Code, an https:// link (may be empty)",
    "description": "Description, a sentence or two",
}
"""Questions asked on a terminal, in this order."""


@click.command(
    epilog="\b\nExamples:\n"
    "  deepprune-sim submit runs/20261122-101500-short_m\n"
    '  deepprune-sim submit RUN --method "My method" \\\n'
    '      --authors "A. Author; B. Author" --description "Stops early."'
)
@click.argument(
    "run", type=click.Path(path_type=Path, file_okay=False), shell_complete=completion.runs
)
@click.option("--method", help="Name of the method on the leaderboard.")
@click.option("--authors", help="Author names, separated by semicolons.")
@click.option("--organisation", help="The authors' organisation; optional.")
@click.option("--date", "when", metavar="DAY", help="Date, as 2026-01-31. [default: today]")
@click.option("--paper", metavar="LINK", help="https:// link to the paper; optional.")
@click.option("--code", metavar="LINK", help="https:// link to the code; optional.")
@click.option("--description", help="One or two sentences, plain text.")
@click.option("--version", help="Version of the method, such as 2.1; optional.")
@click.option("--supersedes", metavar="NAME", help="Your submission that this one replaces.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("submissions"),
    show_default=True,
    metavar="DIR",
    help="Folder in which to make the submission's folder.",
)
@click.option(
    "--hub", metavar="OWNER/NAME", help="Open a pull request on this Hub dataset repository."
)
@click.option("--bundle", is_flag=True, help="Write one file to send, instead of a folder.")
@json_option
def submit(
    run: Path,
    when: str | None,
    output: Path,
    hub: str | None,
    bundle: bool,
    as_json: bool,
    **given: str | None,
) -> None:
    """Pack RUN, a folder in runs/, for the leaderboard.

    Makes submissions/<date>-<method>/ with the run, its policy and its description. Everything is
    checked first, and all problems are listed at once. On a terminal, you are asked for the
    options you leave out.
    """
    from simulator.errors import UserError
    from simulator.submissions.badges import LEAST_REPEATS, too_few
    from simulator.submissions.hub_upload import check_repository, open_pull_request
    from simulator.submissions.packing import internal_imports, pack, write_bundle, write_folder

    if hub is not None and bundle:
        raise UserError("--hub and --bundle exclude each other; give one")
    if hub is not None:
        check_repository(hub)
    if sys.stdin is not None and sys.stdin.isatty() and not as_json:
        for name, question in ASKED.items():
            if given[name] is None:
                given[name] = click.prompt(question, default="", show_default=False, err=True)
    packed = pack(run, _fields(given, when))
    for module in internal_imports(packed.content["policy.py"].decode()):
        note(f"policy.py imports {module}, which may change; import from deepprune_sim")
    if hub is not None:
        place = open_pull_request(packed, hub)
        then = f"pull request: {place}\nThe repository's checks verify it and report there."
    elif bundle:
        place = str(write_bundle(packed, Path()))
        then = (
            f"bundle: {place}\nCheck it with: deepprune-sim verify {place}\n"
            "then send it to the leaderboard's maintainers."
        )
    else:
        place = str(write_folder(packed, output))
        then = (
            f"submission: {place}\nCheck it with: deepprune-sim verify {place}\n"
            "then add the folder to a fork of the leaderboard's repository and open a pull request."
        )
    recorded = packed.submission.run
    if as_json:
        print_json(
            {
                "submission": packed.name,
                "place": place,
                "synthetic": recorded.synthetic,
                "unranked": recorded.unranked,
                "repeats": recorded.repeats,
                "bytes": sum(map(len, packed.content.values())),
            }
        )
        return
    click.echo(then)
    if recorded.repeats < LEAST_REPEATS:
        click.echo(f"It has {too_few(recorded.repeats)}.")
    if recorded.synthetic:
        click.echo("Its traces are generated, so the leaderboard marks it as synthetic.")
    if recorded.unranked:
        click.echo("It will not be ranked: the policy or its judge uses ground truth.")


def _fields(given: dict[str, str | None], when: str | None) -> dict[str, Any]:
    """Convert the given options to the fields of `submission.toml`."""
    fields: dict[str, Any] = {name: value for name, value in given.items() if value}
    if "authors" in fields:
        fields["authors"] = [each.strip() for each in fields["authors"].split(";") if each.strip()]
    try:
        fields["date"] = date.fromisoformat(when) if when else datetime.now(UTC).date()
    except ValueError:
        fields["date"] = when
    return fields
