from __future__ import annotations

import click

from simulator.commands.options import json_option, print_json


@click.command(epilog="\b\nExample:\n  deepprune-sim methods --json")
@json_option
def methods(as_json: bool) -> None:
    """List the built-in policies with their parameters and sources."""
    from simulator.loading import describe_methods
    from simulator.report.tables import print_wrapped

    rows = describe_methods()
    if as_json:
        print_json(rows)
        return
    for row in rows:
        marks = [f"needs {' and '.join(row['requires'])}"] if row["requires"] else []
        marks += ["unranked"] if row["unranked"] else []
        click.echo(click.style(row["name"], bold=True) + "".join(f"  ({mark})" for mark in marks))
        print_wrapped(row["summary"], "    ")
        if not row["budget_in_name"]:
            click.echo(f"    -n {row['budget'] or 512} by default")
        if row["parameters"]:
            options = [f"-p\xa0{k}={v}" for k, v in row["parameters"].items()]
            print_wrapped(" ".join(options), "    ")
        if row["source"]:
            print_wrapped(row["source"], "    ")
