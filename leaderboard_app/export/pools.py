"""Pages of the pools: the problems of each, with links to their pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from leaderboard_app.export.content import WITHHELD, Content
from leaderboard_app.export.pages import Page, Writer
from leaderboard_app.export.problem import OnPool
from leaderboard_app.library.pool_answers import read_answers
from leaderboard_app.shown.navigation import link
from leaderboard_app.shown.table import Cell, Column, Table
from leaderboard_app.views.data.tables import description, problems_table
from simulator.errors import UserError

INDEX = "problems.html"


def write_pools(content: Content, writer: Writer, pools: Sequence[OnPool]) -> None:
    """Write the list of pools."""
    columns = (
        Column("pool", "Pool", numeric=False),
        Column("problems", "Problems"),
        Column("entries", "Entries", help="Entries with results on it"),
        Column("origin", "Traces", numeric=False, help="Real: from a model; else synthetic"),
        Column("licence", "Licence", numeric=False),
        Column("fingerprint", "Fingerprint", numeric=False, help="SHA-256 of the pool's files"),
    )
    rows = []
    for on in pools:
        row = content.library.pool_row(on.name) or {}
        licence, fingerprint = row.get("licence"), row.get("fingerprint")
        origin = "synthetic" if on.synthetic else "real"
        rows.append(
            (
                Cell(on.name, on.name, link=link("data", pool=on.name)),
                Cell(f"{len(on.problems):,}", len(on.problems)),
                Cell(f"{len(on.results):,}", len(on.results)),
                Cell(origin, origin),
                Cell(licence or "", licence, "" if licence else "None stated"),
                Cell((fingerprint or "")[:8], fingerprint, fingerprint or "Pool not at hand"),
            )
        )
    table = Table("Pools with results", columns, tuple(rows))
    about = "Stored traces on which the entries were replayed, with their problems."
    values = {"about": about, "table": writer.table(INDEX, "problems", table) if rows else None}
    writer.page(Page(INDEX, "Problems", about, "pools.html", values))


def write_pool(writer: Writer, on: OnPool) -> None:
    """Write the page of a pool."""
    names = on.content.names
    page = names.pools[on.name]
    known = on.content.library.pool(on.name)
    origin = None
    if known is not None:
        columns = (
            Column("what", "Property", numeric=False),
            Column("said", "Value", numeric=False),
        )
        said = tuple((Cell(name), Cell(text)) for name, text in description(known.info))
        origin = writer.shown(page, Table(f"Origin of {on.name}", columns, said))
    values = {
        "synthetic": on.synthetic,
        "withheld": WITHHELD if known is not None and on.pool is None else "",
        "table": writer.table(page, page.removesuffix(".html"), _problems(on)),
        "origin": origin,
    }
    about = (
        f"{len(on.problems)} problems of {on.name} with the results of {len(on.results)} entries."
    )
    writer.page(Page(page, on.name, about, "pool.html", values, ((INDEX, "Problems"),)))


def _problems(on: OnPool) -> Table:
    """Return the table of the pool's problems, linked to their pages."""
    library = on.content.library
    if library.pool_row(on.name) is None:
        return _without_pool(on)
    try:
        table = problems_table(read_answers(library, on.name))
    except UserError:
        return _without_pool(on)
    rows = tuple(
        (replace(first, link=_to(on, first.text)), *others) for first, *others in table.rows
    )
    table = replace(table, rows=rows)
    return on.content.publishable(on.name, table)


def _without_pool(on: OnPool) -> Table:
    columns = (Column("problem", "Problem", numeric=False), Column("entries", "Entries"))
    rows = []
    for problem in on.problems:
        count = len(on.on_problem[problem])
        rows.append((Cell(problem, problem, link=_to(on, problem)), Cell(str(count), count)))
    return Table(f"Problems of {on.name}", columns, tuple(rows))


def _to(on: OnPool, problem: str) -> str:
    return link("problem", pool=on.name, problem=problem)
