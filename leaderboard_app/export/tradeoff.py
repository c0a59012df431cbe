"""Pages of accuracy against tokens, one for each group of the board."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leaderboard_app.export import charts
from leaderboard_app.export.content import Content
from leaderboard_app.export.names import file_names
from leaderboard_app.export.pages import Page, Writer, data_block
from leaderboard_app.library.standings import Group
from leaderboard_app.shown.charts import unchecked
from leaderboard_app.views.tradeoff import chart, tradeoff
from leaderboard_app.views.tradeoff.points import measure
from leaderboard_app.views.tradeoff.tradeoff import View

COST = "tokens"
"""Cost axis of the pictures."""

FIRST = "tradeoff.html"


def pages_of(groups: Sequence[Group]) -> dict[Group, str]:
    """Return the file of each group's page; the first group has `FIRST`."""
    files = file_names(key(group) for group in groups)
    return {
        group: FIRST if number == 0 else f"tradeoff/{files[key(group)]}.html"
        for number, group in enumerate(groups)
    }


def key(group: Group) -> str:
    """Return a group's name in file names."""
    return f"synthetic-{group.key}" if group.synthetic else group.key


def view_of(content: Content, group: Group) -> View:
    """Return the points of a group's picture."""
    return tradeoff.choose(measure(content.library, [*group.columns], COST))


def drawn(view: View) -> Any:
    """Draw the picture of a view."""
    with unchecked():
        return chart.draw(view, log=True)


def write_tradeoff(content: Content, writer: Writer, group: Group, view: View) -> None:
    """Write the page of a group with its picture and the tables of its points."""
    pages = pages_of(content.groups)
    page = pages[group]
    stem = page.removesuffix(".html")
    values: dict[str, Any] = {
        "groups": [(pages[each], heading_of(each)) for each in content.groups],
        "here": heading_of(group),
        "synthetic": group.synthetic,
        "picture": None,
        "text": tradeoff.sentence(view),
        "key": chart.key(view),
        "tables": [
            (
                name,
                tradeoff.HEADINGS[name],
                writer.table(page, stem if name == "points" else f"{stem}-{name}", table),
            )
            for name, table in tradeoff.tables(view).items()
        ],
    }
    if view.points:
        picture = drawn(view)
        writer.folder.write(f"{stem}.svg", charts.svg(picture))
        values |= {"picture": f"{stem}.svg", "spec": data_block(charts.spec_text(picture))}
    title = f"Accuracy against tokens: {heading_of(group)}"
    described = values["text"]
    writer.page(Page(page, title, described, "tradeoff.html", values, charts=bool(view.points)))


def heading_of(group: Group) -> str:
    """Return a group's heading, marked if its traces are generated."""
    return f"{group.heading} (synthetic)" if group.synthetic else group.heading
