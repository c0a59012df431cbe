"""Printed tables: aligned columns that fit the terminal, or 80 columns in a pipe."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import click
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

Row = Sequence[str]

FOLD = "[intervals]"
"""Entry of `give_up` that stands for intervals: each is written below its value."""

GAP = "  "
"""Space between columns: one character is the box's, the other is padding."""

LONGEST_WORD = 24
"""Characters of a word in a text that are kept on one line in any width."""

ASCII = box.Box(str(box.SIMPLE_HEAD).replace("─", "-"), ascii=True)
"""Box of a table that is not printed on a terminal."""


@dataclass(frozen=True)
class Column:
    """A column of numbers, flush `right`, or of texts."""

    header: str
    right: bool
    cells: Row

    @cached_property
    def full(self) -> int:
        """Width in which nothing is wrapped."""
        return max(map(cell_len, [" ", self.header, *"\n".join(self.cells).split("\n")]))

    @cached_property
    def least(self) -> int:
        """Width in which no number is broken, and no word of a text or the header."""
        words = "\n".join(self.cells).split("\n" if self.right else None)
        return max(map(cell_len, [" ", *self.header.split(), *words]))

    def folded(self) -> Column:
        """Put each interval on a line of its own, and what follows it on another."""
        folded = [re.sub(r" (\[|=|\((?=[\d.]+\)$))", r"\n\1", each) for each in self.cells]
        folded = [re.sub(r"\n=\n", r"\n= ", each) for each in folded]
        return Column(self.header, self.right, folded)


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is laid out. `left_out` are the headers of the columns that were dropped.

    `full_width` is the number of characters with which none is dropped.
    """

    grid: RichTable
    left_out: Sequence[str]
    full_width: int

    def text(self, terminal: bool = False) -> str:
        """Draw the table, in plain text or for a terminal; it ends with a newline."""
        return _drawn(self.grid, terminal, sys.maxsize)  # columns have their own width


def fit(
    headers: Row,
    rows: Sequence[Row],
    right: Sequence[bool] = (),
    width: int = sys.maxsize,
    give_up: Sequence[str] = (),
) -> Table:
    """Lay out a table in `width` characters.

    If the table is too wide, headers and texts are wrapped at spaces. While that is not enough, the
    columns whose headers stand in `give_up` are dropped in that order, and intervals folded where
    FOLD stands there. Last, long words of texts are broken. Numbers are never broken: a table that
    does not fit is wider than `width`.

    `right` is True for columns of numbers, which are flush right; columns beyond its length hold
    texts. Line breaks within a cell become spaces.
    """
    flags = [*right, *[False] * (len(headers) - len(right))]
    columns = [
        Column(header, flush, [re.sub(r"\s", " ", row[index]) for row in rows])
        for index, (header, flush) in enumerate(zip(headers, flags, strict=True))
    ]
    full_width, left_out = _total(each.least for each in columns), []
    for measure in give_up:
        if _total(each.least for each in columns) <= width:
            break
        if measure == FOLD:
            columns = [each.folded() if each.right else each for each in columns]
        elif any(each.header == measure for each in columns):
            columns = [each for each in columns if each.header != measure]
            left_out.append(measure)
    grid = _grid()
    for each, now in zip(columns, _widths(columns, width), strict=True):
        grid.add_column(
            Text(each.header), justify="right" if each.right else "left", width=now, overflow="fold"
        )
    for row in zip(*(each.cells for each in columns), strict=True):
        grid.add_row(*map(Text, row))
    return Table(grid, left_out, full_width)


def _widths(columns: Sequence[Column], width: int) -> list[int]:
    """Narrow columns until all fit: of numbers first, then of texts, the widest first."""
    least = [each.least if each.right else min(each.least, LONGEST_WORD) for each in columns]
    widths = [min(each.full, max(width, least[i])) for i, each in enumerate(columns)]
    while _total(widths) > width and widths != least:
        _, _, _, widest = max(
            (columns[i].right, now > columns[i].least, now, i)
            for i, now in enumerate(widths)
            if now > least[i]
        )
        widths[widest] -= 1
    return widths


def _total(widths: Iterable[int]) -> int:
    return sum(each + len(GAP) for each in widths) - len(GAP)


def _grid() -> RichTable:
    return RichTable(show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")


def _drawn(grid: RichTable, terminal: bool, width: int) -> str:
    grid.box = box.SIMPLE_HEAD if terminal else ASCII
    console = Console(
        width=width,
        height=1,  # else a dumb terminal's width counts
        force_terminal=terminal,
        color_system="standard" if terminal else None,
    )
    with console.capture() as drawn:
        console.print(grid)
    return re.sub(" +$", "", drawn.get(), flags=re.M)


def aligned(headers: Row, rows: Sequence[Row], right: Sequence[bool] = ()) -> str:
    """Format `headers` and `rows` as plain text of any width; it ends with a newline."""
    return fit(headers, rows, right).text()


def line_width() -> int:
    """Return the characters in a line: $COLUMNS, else the terminal's, else 80."""
    return shutil.get_terminal_size().columns


def print_table(
    headers: Row, rows: Sequence[Row], right: Sequence[bool] = (), give_up: Sequence[str] = ()
) -> None:
    """Print a table that fits the line, as `fit` lays it out, and name the columns left out."""
    print_left_out([draw_table(headers, rows, right, give_up)])


def draw_table(
    headers: Row, rows: Sequence[Row], right: Sequence[bool] = (), give_up: Sequence[str] = ()
) -> Table:
    """Print a table as `print_table` does, without the line about columns left out."""
    table = fit(headers, rows, right, line_width(), give_up)
    click.echo(table.text(terminal=sys.stdout.isatty()), nl=False)
    return table


def print_rich(headers: Row, rows: Sequence[Sequence[Text]], right: Sequence[bool]) -> None:
    """Print a table of styled texts that may have several lines, wrapped to the line's width."""
    grid = _grid()
    for header, flush in zip(headers, right, strict=True):
        grid.add_column(
            Text(header),
            justify="right" if flush else "left",
            no_wrap=header != headers[-1],
            overflow="fold",
        )
    for row in rows:
        grid.add_row(*row)
    click.echo(_drawn(grid, sys.stdout.isatty(), min(120, max(60, line_width()))), nl=False)


def print_left_out(tables: Sequence[Table]) -> None:
    """Print which columns of the tables were left out, and the width that shows them."""
    names = list(dict.fromkeys(name for table in tables for name in table.left_out))
    if names:
        wide = max(table.full_width for table in tables)
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        print_wrapped(f"No room for {', '.join(names[:8])}{more}: COLUMNS={wide} shows all.")


def print_wrapped(text: str, label: str = "") -> None:
    """Print a text in lines that fit, of at most 100 characters, below each other after `label`.

    A no-break space keeps two words on one line.
    """
    lines = textwrap.wrap(
        text,
        max(40, min(100, line_width())),
        initial_indent=label,
        subsequent_indent=" " * len(label),
        break_long_words=False,
        break_on_hyphens=False,
    )
    click.echo("\n".join(lines).replace("\xa0", " ") or label.rstrip())


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Print a line for each label and text, the texts below each other."""
    fields = list(fields)
    width = max(len(label) for label, _ in fields)
    for label, text in fields:
        print_wrapped(text, f"{label:<{width}}{GAP}")
