"""`deepprune-sim data`: list, show and query pools on this machine."""

from __future__ import annotations

import click

from simulator.commands.lazy import SETTINGS, LazyGroup

COMMANDS = {
    "list": ("simulator.commands.data.listing:list_pools", "List the pools on this machine."),
    "show": ("simulator.commands.data.show:show", "Describe one pool."),
    "answers": ("simulator.commands.data.answers:answers", "Show how answers are grouped."),
    "regrade": ("simulator.commands.data.regrade:regrade", "Find and grade answers anew."),
    "pull": ("simulator.commands.data.pull:pull", "Download and import a known public source."),
    "sample": ("simulator.commands.data.sample:sample", "Generate pools to try things out with."),
    "sql": ("simulator.commands.data.sql:sql", "Query pools, runs and submissions."),
    "convert": (
        "simulator.commands.data.convert:convert",
        "Convert pools to the newest pool format.",
    ),
    "verify": ("simulator.commands.data.verify:verify", "Check pools against their format."),
}
"""`module:function` and help line of each command, so that `--help` imports none of them."""


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    context_settings=SETTINGS,
    epilog="\b\nExample:\n  deepprune-sim data list",
)
def data() -> None:
    """Manage the pools on this machine, and query pools, runs and submissions."""
