"""The page Board."""

from __future__ import annotations

import streamlit as st

from leaderboard_app import screen
from leaderboard_app.glossary import FIGURES
from leaderboard_app.palette import badge_help, badge_text
from leaderboard_app.table import Cell, Column, Table


def page() -> None:
    """Render the page."""
    library = screen.library()
    st.title("Leaderboard")
    columns = [Column("method", "Method", numeric=False), Column("badge", "Badge", numeric=False)]
    pools = sorted({column for entry in library.entries for column in entry.results})[:9]
    for pool in pools:
        for name in ("tokens_1e8", "accuracy"):
            figure = FIGURES[name]
            columns.append(
                Column(f"{pool}:{name}", figure.heading, pool.split("/", 1)[-1], figure.help)
            )
    rows = []
    for entry in library.entries:
        row = [
            Cell(entry.label, entry.label, link=screen.link("entry", entry=entry.id)),
            Cell(badge_text(entry.badge), entry.badge, badge_help(entry.badge)),
        ]
        for pool in pools:
            for name in ("tokens_1e8", "accuracy"):
                result = entry.results.get(pool)
                metric = result.metric(name) if result else None
                figure = FIGURES[name]
                value = metric.value if metric else None
                row.append(Cell(figure.text(value), value, figure.interval(metric), bold=True))
        rows.append(tuple(row))
    screen.show_table(Table("Board", tuple(columns), tuple(rows)), name="sort")
    screen.show_broken(library)


page()
