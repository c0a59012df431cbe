"""Output of `tune`, and of `report` for a tuning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click


def print_tuning(result: Mapping[str, Any]) -> None:
    """Print the tables of a tuning's result, and the notes."""
    from simulator.report.tables import FOLD, draw_table, print_left_out, print_wrapped
    from simulator.studies.tuned import tables

    blocks, notes = tables(result)
    drawn = []
    for block in blocks:
        click.secho(block.heading, bold=True)
        drawn.append(draw_table(block.headers, block.rows, block.right, [FOLD, "saved, %"]))
        click.echo()
    print_left_out(drawn)
    for note in notes:
        print_wrapped(note)
