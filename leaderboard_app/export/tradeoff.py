"""Pages of accuracy against tokens, one for each group of the board."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from leaderboard_app.export import charts
from leaderboard_app.export.content import Content
from leaderboard_app.export.names import file_names, relative
from leaderboard_app.export.pages import Page, Writer, data_block
from leaderboard_app.library.standings import Group
from leaderboard_app.shown.charts import unchecked
from leaderboard_app.tradeoff import chart, curves, words
from leaderboard_app.tradeoff import view as tradeoff
from leaderboard_app.tradeoff.points import measure
from leaderboard_app.tradeoff.view import View

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
    """Draw the picture of a view; None if there is nothing to draw."""
    if not (view.points or view.measured.published):
        return None
    with unchecked():
        return chart.draw(view, log=True)


def write_tradeoff(content: Content, writer: Writer, group: Group, view: View) -> None:
    """Write the page of a group with its pictures and the tables of its points."""
    pages = pages_of(content.groups)
    page = pages[group]
    stem = page.removesuffix(".html")
    omitted = [tradeoff.omitted_words(each, most=20) for each in view.omitted]
    below = [words.outside(view, log=True), *view.measured.notes, *omitted]
    pictures = [
        _picture(writer, stem, drawn(view), tradeoff.sentence(view), words.key(view, log=True))
    ]
    if curves.curves_over_n(view):
        with unchecked():
            over_n = curves.draw(view)
        name = f"{stem}-over-n"
        pictures.append(_picture(writer, name, over_n, curves.sentence(view), curves.key(view)))
    title = f"{words.title(view.measured)}{' (synthetic)' if group.synthetic else ''}"
    values: dict[str, Any] = {
        "groups": [(pages[each], heading_of(each)) for each in content.groups],
        "here": heading_of(group),
        "synthetic": group.synthetic,
        "counts": words.counts(view),
        "pictures": [each for each in pictures if each],
        "links": _links(content, page, view),
        "notes": [each for each in below if each],
        "tables": [
            (
                name,
                tradeoff.HEADINGS[name],
                writer.table(page, stem if name == "points" else f"{stem}-{name}", table),
            )
            for name, table in tradeoff.tables(view).items()
        ],
    }
    described = tradeoff.sentence(view)
    shown = bool(values["pictures"])
    writer.page(Page(page, title, described, "tradeoff.html", values, charts=shown))


def _picture(
    writer: Writer, stem: str, picture: Any, text: str, explained: str
) -> dict[str, Any] | None:
    """Write a picture, and return what the page shows of it."""
    if picture is None:
        return None
    writer.folder.write(f"{stem}.svg", charts.svg(picture))
    spec = data_block(charts.spec_text(picture))
    return {"file": f"{stem}.svg", "text": text, "key": explained, "spec": spec}


def _links(content: Content, page: str, view: View) -> Markup:
    """Return the pages of the entries shown, by id, for clicks on their points."""
    ids = sorted(point.entry.id for point in view.points)
    links = {each: relative(page, content.names.entries[each]) for each in ids}
    return data_block(json.dumps(links, ensure_ascii=False))


def heading_of(group: Group) -> str:
    """Return a group's heading, marked if its traces are generated."""
    return f"{group.heading} (synthetic)" if group.synthetic else group.heading
