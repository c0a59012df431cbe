from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click

from simulator.commands.options import json_option, print_json

ASKED = {
    "method": "Method, as the board shows it",
    "authors": "Authors, separated by semicolons",
    "organisation": "Organisation (may be empty)",
    "paper": "Paper, an https:// link (may be empty)",
    "code": "Code, an https:// link (may be empty)",
    "description": "Description, a sentence or two",
}
"""What is asked for on a terminal, in this order."""


@click.command(
    epilog="\b\nExamples:\n"
    "  deepprune-sim submit runs/20261122-101500-short_m\n"
    '  deepprune-sim submit RUN --method "My method" --authors "A. Author; B. Author" \\\n'
    '      --description "Stops early." --hub owner/board'
)
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.option("--method", help="What the board calls it.")
@click.option("--authors", help="Names, separated by semicolons.")
@click.option("--organisation", help="Where they work; may be left out.")
@click.option("--date", "when", metavar="DAY", help="As 2026-01-31. [default: today]")
@click.option("--paper", metavar="LINK", help="https:// link to the paper; may be left out.")
@click.option("--code", metavar="LINK", help="https:// link to the code; may be left out.")
@click.option("--description", help="A sentence or two, plain text.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("submissions"),
    show_default=True,
    metavar="DIR",
    help="The folder of submissions, in which one is made.",
)
@click.option(
    "--hub", metavar="OWNER/NAME", help="Open a pull request on this dataset's repository."
)
@click.option("--bundle", is_flag=True, help="Write one file, to send by hand, and no folder.")
@json_option
def submit(
    run: Path,
    method: str | None,
    authors: str | None,
    organisation: str | None,
    when: str | None,
    paper: str | None,
    code: str | None,
    description: str | None,
    output: Path,
    hub: str | None,
    bundle: bool,
    as_json: bool,
) -> None:
    """Pack RUN, a folder below runs/, for the leaderboard.

    Makes submissions/<date>-<method>/ of the run, its policy and what you say about it. Everything
    is checked first, and all that is missing is said at once. On a terminal, what no option gives
    is asked for.
    """
    from simulator.errors import UserError
    from simulator.submissions.hub_upload import check_repository, open_pull_request
    from simulator.submissions.packing import pack, write_bundle, write_folder

    if hub is not None and bundle:
        raise UserError("--hub sends the submission, --bundle writes it to be sent; give one")
    if hub is not None:
        check_repository(hub)
    given = {
        "method": method,
        "authors": authors,
        "organisation": organisation,
        "paper": paper,
        "code": code,
        "description": description,
    }
    if sys.stdin is not None and sys.stdin.isatty() and not as_json:
        for name, question in ASKED.items():
            if given[name] is None:
                given[name] = click.prompt(question, default="", show_default=False, err=True)
    packed = pack(run, _fields(given, when))
    place: str
    if hub is not None:
        place = open_pull_request(packed, hub)
        then = f"pull request: {place}\nIts checks verify it; what they find is said there."
    elif bundle:
        file = write_bundle(packed, Path())
        place = str(file)
        then = (
            f"bundle: {file}\nCheck it with: deepprune-sim verify {file}\n"
            "then send it to those who keep the board."
        )
    else:
        folder = write_folder(packed, output)
        place = str(folder)
        then = (
            f"submission: {folder}\nCheck it with: deepprune-sim verify {folder}\n"
            "then add the folder to a fork of the board's repository and open a pull request."
        )
    recorded = packed.submission.run
    if as_json:
        print_json(
            {
                "submission": packed.name,
                "place": place,
                "synthetic": recorded.synthetic,
                "unranked": recorded.unranked,
                "bytes": sum(map(len, packed.content.values())),
            }
        )
        return
    click.echo(then)
    if recorded.synthetic:
        click.echo("Its traces are generated: the board marks it synthetic.")
    if recorded.unranked:
        click.echo("It is a study that no board ranks: policy or judge knows what none can.")


def _fields(given: dict[str, str | None], when: str | None) -> dict[str, Any]:
    """What was typed, as `submission.toml` has it."""
    fields: dict[str, Any] = {name: value for name, value in given.items() if value}
    if "authors" in fields:
        fields["authors"] = [each.strip() for each in fields["authors"].split(";") if each.strip()]
    try:
        fields["date"] = date.fromisoformat(when) if when else datetime.now(UTC).date()
    except ValueError:
        fields["date"] = when
    return fields
