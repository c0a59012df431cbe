"""Printed tables: aligned columns that fit the terminal, or 80 columns in a pipe."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import zip_longest

Row = Sequence[str]

FOLD = "[intervals]"
"""Entry of `give_up` that stands for intervals: each is written below its value."""

GAP, INDENT = "  ", "  "
"""Space between columns, and before the second and later lines of a wrapped text."""

LONGEST_PIECE = 24
"""Characters of a text that a wrapped column keeps on one line, if no space or slash is in them."""

COUNTED_ROWS = 50
"""Rows for which lines are counted when columns of texts are narrowed."""


@dataclass(eq=False)
class Column:
    """A column with the lines of its header and of each cell, as they are laid out."""

    header: str
    right: bool
    head: list[str]
    cells: list[list[str]]
    width: int

    def fold(self) -> None:
        """Put each interval on a line of its own."""
        self.cells = [_folded(cell[0]) for cell in self.cells]
        self.narrow()

    def narrow(self) -> None:
        """Break the header between words, and make the column as wide as its longest line."""
        self.width = max(map(_length, [*self.header.split(), *_lines(self.cells)]))
        self.head = _wrapped(self.header, self.width, "")

    def wrap(self, width: int) -> None:
        """Break the texts to fit `width`."""
        self.width = width
        self.head = _wrapped(self.header, width, "")
        self.cells = [_wrapped(cell[0], width) for cell in self.cells]

    def heights(self, width: int) -> list[int]:
        """Count the lines that each of the first cells takes in a column of `width`."""
        return [len(_wrapped(cell[0], width)) for cell in self.cells[:COUNTED_ROWS]]

    @cached_property
    def least(self) -> int:
        """Width to which the column can be wrapped; numbers are not."""
        if self.right:
            return self.width
        pieces = [
            _length((INDENT if index else "") + piece.rstrip())
            for cell in self.cells
            for index, piece in enumerate(_pieces(cell[0]))
        ]
        words = map(_length, self.header.split())
        return max([min(max(pieces, default=0), LONGEST_PIECE), *words])


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is laid out. `left_out` are the headers of the columns that were dropped.

    `full_width` is the number of characters that all columns need.
    """

    columns: list[Column]
    left_out: list[str]
    full_width: int

    def head(self) -> list[str]:
        """Return the lines of the headers, aligned at their last line."""
        height = max(len(each.head) for each in self.columns)
        heads = [[""] * (height - len(each.head)) + each.head for each in self.columns]
        return [self._joined(parts) for parts in zip(*heads, strict=True)]

    def rule(self, mark: str) -> str:
        """Return the line below the headers, drawn with `mark`."""
        return GAP.join(mark * each.width for each in self.columns)

    def body(self) -> list[str]:
        """Return the lines of the rows."""
        rows = zip(*(each.cells for each in self.columns), strict=True)
        return [self._joined(parts) for row in rows for parts in zip_longest(*row, fillvalue="")]

    def _joined(self, parts: Iterable[str]) -> str:
        padded = []
        for column, text in zip(self.columns, parts, strict=True):
            space = " " * (column.width - _length(text))
            padded.append(space + text if column.right else text + space)
        return GAP.join(padded).rstrip()


def fit(
    headers: Row,
    rows: Sequence[Row],
    right: Sequence[bool] = (),
    width: int | None = None,
    give_up: Sequence[str] = (),
) -> Table:
    """Lay out a table in `width` characters; None stands for as many as it needs.

    If the table is too wide, headers are broken between words. Then the columns whose headers stand
    in `give_up` are dropped in that order, and intervals folded where FOLD stands there, until it
    fits. Last, texts are wrapped. Numbers are never broken: a table that does not fit is wider than
    `width`.

    `right` is True for columns of numbers, which are flush right; columns beyond its length hold
    texts. Line breaks within a cell become spaces.
    """
    flags = [*right, *[False] * (len(headers) - len(right))]
    columns = []
    for index, (header, flush) in enumerate(zip(headers, flags, strict=True)):
        cells = [[" ".join(row[index].splitlines())] for row in rows]
        longest = max(map(_length, [header, *_lines(cells)]))
        columns.append(Column(header, flush, [header], cells, longest))
    if width is None or _total(columns) <= width:
        return Table(columns, [], _total(columns))
    for each in columns:
        each.narrow()
    full_width, left_out = _total(columns), []
    for measure in give_up:
        if _total(columns) <= width:
            break
        if measure == FOLD:
            for each in columns:
                if each.right:
                    each.fold()
        elif any(each.header == measure for each in columns):
            columns = [each for each in columns if each.header != measure]
            left_out.append(measure)
    _wrap_texts(columns, width)
    return Table(columns, left_out, full_width)


def _wrap_texts(columns: Sequence[Column], width: int) -> None:
    """Narrow the columns of texts until the table fits, each time the one that costs least lines.

    Lines are counted in the first rows only.
    """
    texts = [each for each in columns if not each.right]
    numbers = _total(columns) - sum(each.width for each in texts)
    widths = [min(each.width, max(width, each.least)) for each in texts]

    def lines(widths: Sequence[int]) -> int:
        heights = [each.heights(now) for each, now in zip(texts, widths, strict=True)]
        return sum(map(max, zip(*heights, strict=True)))

    while numbers + sum(widths) > width:
        narrower = [
            [*widths[:index], now - 1, *widths[index + 1 :]]
            for index, now in enumerate(widths)
            if now > texts[index].least
        ]
        if not narrower:
            break
        widths = min(narrower, key=lambda each: (lines(each), max(each)))
    for each, now in zip(texts, widths, strict=True):
        if now < each.width:
            each.wrap(now)


@cache
def _wrapped(text: str, width: int, indent: str = INDENT) -> list[str]:
    """Break a text after spaces and slashes; what is longer than `width` alone, anywhere."""
    from rich.cells import chop_cells

    lines, line = [], ""
    for piece in _pieces(text):
        if line.strip() and _length((line + piece).rstrip()) > width:
            lines.append(line.rstrip())
            line = indent
        line += piece
        while _length(line.rstrip()) > width:
            start = chop_cells(line, width)[0]
            lines.append(start)
            line = indent + line[len(start) :]
    return [*lines, line.rstrip()]


def _pieces(text: str) -> list[str]:
    """Split a text after spaces, and words with letters after slashes: not the number 1/2."""
    pieces = []
    for word in re.findall(r"\S+\s*", text):
        pieces += re.findall(r"[^/]+/*|/+", word) if re.search("[^\\W\\d]", word) else [word]
    return pieces


def _folded(cell: str) -> list[str]:
    value, bracket, interval = cell.partition(" [")
    return [value, f"[{interval}"] if bracket else [cell]


def _lines(cells: Iterable[Iterable[str]]) -> list[str]:
    return [line for cell in cells for line in cell]


def _length(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def _total(columns: Sequence[Column]) -> int:
    return sum(each.width for each in columns) + len(GAP) * (len(columns) - 1)


def aligned(headers: Row, rows: Sequence[Row], right: Sequence[bool] = ()) -> str:
    """Format `headers` and `rows` as plain text of any width; it ends with a newline."""
    table = fit(headers, rows, right)
    return "\n".join([*table.head(), table.rule("-"), *table.body()]) + "\n"


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
    import click

    table = fit(headers, rows, right, line_width(), give_up)
    for line in table.head():
        click.secho(line, bold=True)
    click.echo(table.rule("─" if sys.stdout.isatty() else "-"))
    for line in table.body():
        click.echo(line)
    return table


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
    import click

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
