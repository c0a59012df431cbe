"""Printed tables: drawn on a terminal, plain aligned text elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence

Row = Sequence[str]


def aligned(headers: Row, rows: Sequence[Row], right: Sequence[bool] = ()) -> str:
    """Format `headers` and `rows` as plain text with aligned columns, two spaces apart.

    `right` is True for columns that are flush right; columns beyond its length are flush left. Line
    breaks within a cell become spaces. The result ends with a newline.
    """
    from rich.cells import cell_len

    cells = [[" ".join(cell.splitlines()) for cell in row] for row in [headers, *rows]]
    widths = [max(cell_len(row[index]) for row in cells) for index in range(len(headers))]
    cells.insert(1, ["-" * width for width in widths])
    flags = [*right, *[False] * (len(headers) - len(right))]
    lines = []
    for row in cells:
        padded = [
            " " * (width - cell_len(cell)) + cell
            if flush
            else cell + " " * (width - cell_len(cell))
            for cell, width, flush in zip(row, widths, flags, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines) + "\n"


def print_table(headers: Row, rows: Sequence[Row], right: Sequence[bool] = ()) -> None:
    """Print a table, drawn by rich if standard output is a terminal, else `aligned`."""
    import click

    if not sys.stdout.isatty():
        click.echo(aligned(headers, rows, right), nl=False)
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for index, header in enumerate(headers):
        flush = index < len(right) and right[index]
        table.add_column(Text(header), justify="right" if flush else "left", overflow="fold")
    for row in rows:
        table.add_row(*[Text(cell) for cell in row])
    Console().print(table)
