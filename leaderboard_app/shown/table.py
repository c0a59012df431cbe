"""Tables: built once, shown as HTML, downloaded as CSV, copied as Markdown or LaTeX.

A cell's text is plain text; each rendering escapes it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from html import escape
from itertools import groupby

from leaderboard_app.formulas.mathml import answer_html
from simulator.report.text import escape_latex
from simulator.statistics import Estimate

NOTHING = "–"
"""Text of a cell without a value; its note is the reason."""

PDFLATEX = {*map(chr, range(0x20, 0x7F)), *map(chr, range(0xA1, 0x180)), *"–—‘’“”„•…‰€™←→↑↓"}
"""Characters that pdfLaTeX sets as they are."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of texts that a spreadsheet would take for formulas."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Parameters
    ----------
    text
        Text shown. Without value and text, the cell shows a dash.
    value
        Unrounded value for sorting and CSV; None if there is none.
    note
        The reason there is no value, or a remark. The text becomes a button that opens it.
    link
        Target of the text: an https:// address, or a page of this app with its parameters
        ("entry?entry=…").
    bold, underlined
        Emphasis, kept in Markdown and LaTeX.
    mark
        Footnote sign after the text.
    low, high
        Ends of the value's 95% interval; in CSV if a column has any.
    below
        Small second line, such as an interval; in Markdown and LaTeX behind the text, in brackets.
    links
        Names and https:// addresses that stand instead of the text.
    answers
        Parts of the text, in its order, that HTML shows as mathematics if they are LaTeX.
    """

    text: str = ""
    value: float | str | None = None
    note: str = ""
    link: str | None = None
    bold: bool = False
    underlined: bool = False
    mark: str = ""
    low: float | None = None
    high: float | None = None
    below: str = ""
    links: tuple[tuple[str, str], ...] = ()
    answers: tuple[str, ...] = ()


def estimate_cell(
    estimate: Estimate | None, missing: str, *, scale: float = 1, digits: int = 3
) -> Cell:
    """Build the cell of an estimate, with its 95% interval in brackets; `missing` is the note."""
    if estimate is None:
        return Cell(note=missing)
    value, low, high = (
        None if each is None else scale * each
        for each in (estimate.value, estimate.low, estimate.high)
    )
    text = f"{value:.{digits}f}"
    if low is None or high is None:
        return Cell(text, value, "One problem: no interval")
    interval = f"[{low:.{digits}f}, {high:.{digits}f}]"
    return Cell(text, value, low=low, high=high, below=interval)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `key` is its name in links and CSV, `help` its explanation.

    Neighbours with the same `group` share a common heading. `descending` is the sort order when the
    column is first chosen. One that is `csv_only` is in the CSV file alone.
    """

    key: str
    heading: str
    group: str = ""
    help: str = ""
    numeric: bool = True
    descending: bool = False
    csv_only: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows of cells.

    `notes` stand below the table; the first `first` columns stay visible when scrolling. With
    `stack`, a window of at most 480 px shows each row as a card: its first cell as a heading, and a
    line `heading: value` for each other cell.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    first: int = 1
    stack: bool = False

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError("a row has more or fewer cells than there are columns")


@dataclass(frozen=True, slots=True)
class Order:
    """Column and direction by which rows are sorted; as text `key`, or `-key` for descending."""

    key: str
    descending: bool = False

    @classmethod
    def parse(cls, text: str) -> Order:
        """Parse the order from a link."""
        return cls(text.removeprefix("-"), text.startswith("-"))

    def __str__(self) -> str:
        return ("-" if self.descending else "") + self.key


def sorted_by(table: Table, order: Order | None) -> Table:
    """Return the table sorted by `order`, stably, with cells without a value last.

    An unknown column leaves the table unchanged.
    """
    keys = [column.key for column in table.columns]
    if order is None or order.key not in keys:
        return table
    place = keys.index(order.key)
    known = [row for row in table.rows if row[place].value is not None]
    missing = [row for row in table.rows if row[place].value is None]

    def rank(row: tuple[Cell, ...]) -> tuple[bool, float, str]:
        value = row[place].value
        return (
            (True, 0.0, value.casefold()) if isinstance(value, str) else (False, value or 0.0, "")
        )

    known.sort(key=rank, reverse=order.descending)
    return replace(table, rows=(*known, *missing))


def first_rows(table: Table, most: int | None) -> Table:
    """Return the table's first rows, with a note if some are left out; all rows for None."""
    count = len(table.rows)
    if most is None or count <= most:
        return table
    said = f"The first {most} of {count} rows; CSV, Markdown and LaTeX have all of them."
    return replace(table, rows=table.rows[:most], notes=(said, *table.notes))


def without_csv_only(table: Table) -> Table:
    """Return the table without the columns that only its CSV file has."""
    keep = [index for index, column in enumerate(table.columns) if not column.csv_only]
    if len(keep) == len(table.columns):
        return table
    return replace(
        table,
        columns=tuple(table.columns[index] for index in keep),
        rows=tuple(tuple(row[index] for index in keep) for row in table.rows),
    )


def groups(table: Table) -> list[tuple[str, int]]:
    """Return each common heading and the number of columns it spans; empty if there are none."""
    if not any(column.group for column in table.columns):
        return []
    runs = groupby(column.group for column in table.columns)
    return [(group, len(list(columns))) for group, columns in runs]


def as_html(table: Table, order: Order | None = None, *, sortable: bool = True) -> str:
    """Return a `<table>` in which every text is escaped; it needs no script.

    Headings of a sortable table are buttons with `data-sort`; links to pages of this app have
    `data-go`; cells with formulas have their text in `data-source`. Notes of cells and the meanings
    of columns open without a mouse, too.
    """
    table = without_csv_only(table)
    # roles that stay when the style sheet turns rows into cards
    roles = _ROLES if table.stack else dict.fromkeys(_ROLES, "")
    kind = "dps dps-stack" if table.stack else "dps"
    parts = ['<div class="dps-scroll" tabindex="0" role="region" ']
    parts.append(f'aria-label="{escape(table.caption)}"><table class="{kind}"{roles["table"]}>')
    parts.append(f"<caption>{escape(table.caption)}</caption>")
    parts.append(_head(table, order, sortable, roles))
    parts.append(f"<tbody{roles['rowgroup']}>")
    popovers: dict[str, str] = {}
    tags = [_tags(table, index, roles) for index in range(len(table.columns))]
    for row in table.rows:
        cells = [
            f"{start}{_data(table.caption, cell, popovers)}{end}"
            for (start, end), cell in zip(tags, row, strict=True)
        ]
        parts.append(f"<tr{roles['row']}>{''.join(cells)}</tr>")
    parts.append("</tbody></table></div>")
    parts += [f'<p class="dps-note">{_with_links(note)}</p>' for note in table.notes]
    meanings = [
        f"<dt>{escape(_in_full(column))}</dt><dd>{escape(column.help)}</dd>"
        for column in _explained(table)
    ]
    if meanings:
        parts.append('<details class="dps-about"><summary>About the columns</summary>')
        parts.append(f"<dl>{''.join(meanings)}</dl></details>")
    parts += [
        f'<div popover id="{name}" class="dps-popover">{escape(note)}</div>'
        for note, name in popovers.items()
    ]
    return "".join(parts)


_ADDRESS = re.compile(r"https://[^\s<>&\"']*[^\s<>&\"'.,;:)]")
"""Web address in an escaped text, without the punctuation that ends a sentence."""


def _with_links(note: str) -> str:
    """Return a note in which every text is escaped and web addresses are links."""
    return _ADDRESS.sub(lambda found: _link(found[0], found[0], "") or found[0], escape(note))


NAME, LINE = 20, 60
"""Most characters of a name in a first column, and of another cell, that need no second line."""

_ROLES = {
    name: f' role="{name}"'
    for name in ("table", "rowgroup", "row", "columnheader", "rowheader", "cell")
}


def _head(table: Table, order: Order | None, sortable: bool, roles: Mapping[str, str]) -> str:
    """Return the headings; there are none if every heading is empty."""
    if not any(column.heading for column in table.columns):
        return ""
    rows = []
    if spans := groups(table):
        heads = (
            f'<th colspan="{span}" scope="colgroup" class="dps-group"{roles["columnheader"]}>'
            f"{escape(group)}</th>"
            if group
            else f'<td colspan="{span}" class="dps-group"{roles["cell"]}></td>'
            for group, span in spans
        )
        rows.append("".join(heads))
    heads = (_heading(table, index, order, sortable, roles) for index in range(len(table.columns)))
    rows.append("".join(heads))
    head = "".join(f"<tr{roles['row']}>{row}</tr>" for row in rows)
    return f"<thead{roles['rowgroup']}>{head}</thead>"


def _heading(
    table: Table, index: int, order: Order | None, sortable: bool, roles: Mapping[str, str]
) -> str:
    column = table.columns[index]
    kind, text = _kind(table, index), escape(column.heading)
    if not text:
        return f'<td class="{kind}"{roles["cell"]}></td>'
    sort = ""
    if sortable:
        here = order is not None and order.key == column.key
        descending = not order.descending if here and order else column.descending
        sign = ("▼" if order.descending else "▲") if here and order else ""
        wanted = Order(column.key, descending)
        text = (
            f'<button type="button" data-sort="{escape(str(wanted))}">{text}'
            f'<span aria-hidden="true">{sign}</span></button>'
        )
        if here and order:
            sort = f' aria-sort="{"descending" if order.descending else "ascending"}"'
    group = f' data-group="{escape(column.group)}"' if table.stack and column.group else ""
    hint = f' title="{escape(column.help)}"' if column.help else ""
    role = roles["columnheader"]
    return f'<th scope="col" class="{kind}"{role}{group}{hint}{sort}>{text}</th>'


def _tags(table: Table, index: int, roles: Mapping[str, str]) -> tuple[str, str]:
    """Return the start of the first tag and the end tag of a column's cells."""
    kind = _kind(table, index)
    if index == 0:
        return f'<th scope="row" class="{kind}"{roles["rowheader"]}', "</th>"
    heading = escape(_in_full(table.columns[index]))
    label = f' data-label="{heading}"' if table.stack and heading else ""
    return f'<td class="{kind}"{roles["cell"]}{label}', "</td>"


def _data(caption: str, cell: Cell, popovers: dict[str, str]) -> str:
    """Return the rest of a cell's tag and what it holds.

    A note that is opened from it is added to `popovers`, with its id.
    """
    text = plain = escape(cell.text or NOTHING)
    if cell.answers:
        text = _with_answers(cell)
    source = f' data-source="{plain}"' if text != plain else ""
    if cell.bold:
        text = f"<b>{text}</b>"
    if cell.underlined:
        text = f"<u>{text}</u>"
    hint = f' title="{escape(cell.note)}"' if cell.note else ""
    linked = _links(cell, text, hint)
    if linked is not None:
        text = linked
    elif cell.note:
        name = popovers.setdefault(cell.note, _name_of(caption, cell.note))
        kind = "dps-why" if cell.text else "dps-why dps-empty"
        text = f'<button type="button" class="{kind}" popovertarget="{name}"{hint}>{text}</button>'
    if cell.mark:
        text += f"<sup>{escape(cell.mark)}</sup>"
    if cell.below:
        text += f' <span class="dps-below">{escape(cell.below)}</span>'
    return f"{source}>{text}"


def _with_answers(cell: Cell) -> str:
    """Return a cell's text with its answers as mathematics, the rest escaped."""
    shown, rest = [], cell.text
    for answer in filter(None, cell.answers):
        before, found, after = rest.partition(answer)
        if found:
            shown += [escape(before), str(answer_html(answer))]
            rest = after
    return "".join([*shown, escape(rest)])


def _name_of(caption: str, note: str) -> str:
    """Return an id for a note, the same whenever the page is made."""
    return f"dps-{hashlib.sha256(f'{caption}: {note}'.encode()).hexdigest()[:12]}"


def _in_full(column: Column) -> str:
    """Return a column's heading, after that of its group."""
    return f"{column.group}: {column.heading}" if column.group else column.heading


def _explained(table: Table) -> list[Column]:
    """Return the columns that have a meaning to look up; those of all groups once."""
    found: dict[tuple[str, str], Column] = {}
    for column in table.columns:
        if column.help and column.heading:
            same = (column.heading, column.help)
            found[same] = replace(found[same], group="") if same in found else column
    return [*found.values()]


def _links(cell: Cell, text: str, hint: str) -> str | None:
    """Return a cell's links; None if there are none."""
    if cell.links:
        each = (_link(to, escape(name), hint) or escape(name) for name, to in cell.links)
        return " · ".join(each)
    return None if cell.link is None else _link(cell.link, text, hint)


def _link(link: str, text: str, hint: str) -> str | None:
    """Return a link; None if it leads neither to a page of this app nor to a web page."""
    target = escape(link)
    if link.startswith("https://"):
        return f'<a href="{target}" target="_blank" rel="noopener noreferrer"{hint}>{text}</a>'
    if ":" in link.partition("?")[0] or link.startswith("/"):
        return None
    return f'<a href="{target}" data-go="{target}" target="_self"{hint}>{text}</a>'


def _kind(table: Table, index: int) -> str:
    longest = max((len(row[index].text) for row in table.rows), default=0)
    if index < table.first:
        kinds = ["dps-first", *(["dps-long"] if longest > NAME else [])]
    else:
        kinds = ["dps-prose"] if longest > LINE else []
    return " ".join(["dps-number" if table.columns[index].numeric else "dps-text", *kinds])


def as_csv(table: Table) -> str:
    """Return CSV with keys as headings and unrounded values; no text is read as a formula."""
    columns: list[list[float | str | None]] = []
    for index, column in enumerate(table.columns):
        cells = [row[index] for row in table.rows]
        columns.append([column.key, *map(_plain, cells)])
        if any(cell.low is not None or cell.high is not None for cell in cells):
            columns.append([f"{column.key}_low", *(cell.low for cell in cells)])
            columns.append([f"{column.key}_high", *(cell.high for cell in cells)])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(zip(*columns, strict=True))
    return text.getvalue()


def _plain(cell: Cell) -> float | str | None:
    value = cell.value if cell.value is not None else cell.text or None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if not isinstance(value, str):
        return value
    if value.startswith(FORMULA):
        value = "'" + value
    return value.replace("\r", "\n")  # csv writes a lone \r unquoted, which readers reject


def as_markdown(table: Table) -> str:
    """Return a GitHub table; headings begin with the names of their groups."""
    table = without_csv_only(table)
    heads = [_escape_markdown(_in_full(column)) for column in table.columns]
    rule = ["--:" if column.numeric else "---" for column in table.columns]
    rows = [[_markdown(cell) for cell in row] for row in table.rows]
    lines = [f"| {' | '.join(row)} |\n" for row in (heads, rule, *rows)]
    return "".join([*lines, *(f"\n{_escape_markdown(note)}\n" for note in table.notes)])


def _markdown(cell: Cell) -> str:
    text = _escape_markdown(cell.text or NOTHING)
    if cell.underlined:
        text = f"<u>{text}</u>"
    if cell.bold:
        text = f"**{text}**"
    if cell.link is not None and cell.link.startswith("https://"):
        text = f"[{text}]({cell.link})"
    if cell.links:
        named = ((_escape_markdown(name), address) for name, address in cell.links)
        text = " · ".join(
            f"[{name}]({address})" if address.startswith("https://") else name
            for name, address in named
        )
    return text + _escape_markdown(f"{cell.mark}{_in_brackets(cell.below)}")


def _in_brackets(below: str) -> str:
    """Return a cell's second line as it stands behind the text."""
    if not below:
        return ""
    return f" {below}" if below.startswith("[") else f" ({below})"


def _escape_markdown(text: str) -> str:
    """Escape every character that could begin markup or HTML."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{each}" if each in "\\`*_{}[]|#~$!" else each for each in text).replace(
        "\n", " "
    )


def as_latex(table: Table) -> str:
    """Return a `tabular` for booktabs, with what it needs as comments."""
    table = without_csv_only(table)
    shape = "".join("r" if column.numeric else "l" for column in table.columns)
    lines = [f"\\begin{{tabular}}{{{shape}}}", "\\toprule"]
    if spans := groups(table):
        heads = [f"\\multicolumn{{{span}}}{{c}}{{{escape_latex(group)}}}" for group, span in spans]
        lines.append(" & ".join(heads) + " \\\\")
    heads = [escape_latex(column.heading) for column in table.columns]
    lines += [" & ".join(heads) + " \\\\", "\\midrule"]
    lines += [" & ".join(_latex(cell) for cell in row) + " \\\\" for row in table.rows]
    lines += ["\\bottomrule", "\\end{tabular}"]
    lines += [f"% {' '.join(note.split())}" for note in table.notes]
    needs = [r"% needs \usepackage{booktabs}"]
    if lacking := sorted({each for line in lines if line[0] != "%" for each in line} - PDFLATEX):
        needs.append(f"% and LuaLaTeX or XeLaTeX, with a font that has {' '.join(lacking)}")
    return "\n".join([*needs, *lines]) + "\n"


def _latex(cell: Cell) -> str:
    text = escape_latex(cell.text) if cell.text else "--"
    if cell.underlined:
        text = f"\\underline{{{text}}}"
    if cell.bold:
        text = f"\\textbf{{{text}}}"
    return text + escape_latex(f"{cell.mark}{_in_brackets(cell.below)}")
