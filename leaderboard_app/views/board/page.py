"""The page Board."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from leaderboard_app.library.library import Library
from leaderboard_app.library.selection import KEY_NEEDS, Selection, kinds, pool_columns
from leaderboard_app.library.standings import places
from leaderboard_app.shown import screen
from leaderboard_app.shown.palette import BADGES
from leaderboard_app.views.board.combined import combined_sections
from leaderboard_app.views.board.table import SECTIONS, Section, board_sections, hideable

TABLE, COMBINED = "table", "combined"

ROWS = 50  # shown at first: 200 rows of nine pools take a browser half a second


@st.cache_resource(max_entries=16, show_spinner=False)
def _sections(
    state: int, synthetic: bool, selection: Selection, _library: Library
) -> tuple[Section, ...]:
    return board_sections(_library, synthetic, selection)


def page(library: Library) -> None:
    """Render the page."""
    there = kinds(library)
    if not there:
        screen.empty_of_entries(
            library, "Nothing here yet: no submissions, runs or published figures. Make two runs:"
        )
    else:
        with st.container(horizontal=True):
            synthetic = screen.choose_kind(there)
            view = st.segmented_control(
                "View",
                (TABLE, COMBINED),
                default=TABLE,
                key="view",
                bind="query-params",
                required=True,
                label_visibility="collapsed",
            )
        if synthetic:
            screen.synthetic_notice()
        _board(library, synthetic, view)
        screen.show_notes(library)
        if not library.entries and view != COMBINED:
            screen.empty_of_entries(
                library,
                "Only published figures so far. Make two runs; runs on generated traces are shown "
                "under synthetic:",
            )


def _board(library: Library, synthetic: bool, view: str | None) -> None:
    selection = _selection(library, synthetic)
    if view == COMBINED:
        with st.spinner("Comparing every two methods …"):
            standing = places(library, synthetic)
        if not standing:
            screen.empty_of_entries(
                library,
                "No replay to rank yet: published figures cannot be paired. Make two runs:",
            )
            return
        sections = combined_sections(library, standing, synthetic, selection)
    else:
        sections = _sections(library.state, synthetic, selection, library)
    if not sections:
        screen.empty("No rows are left. Remove a filter.")
        return
    if selection.filters:
        left = sum(len(each.table.rows) for each in sections)
        st.caption(f"Filtered: {left} rows are left.")
    for section in sections:
        _section(section, "order" if view == COMBINED else "sort")


def _section(section: Section, sort: str) -> None:
    """Show a section; the first one has the short names of parameters in the link."""
    end = "" if section.name == SECTIONS[0] else f"-{section.name}"
    st.subheader(section.heading, anchor=section.name)
    st.caption(section.about)
    count = len(section.table.rows)
    label = f"Show all {count} rows"
    whole = count <= ROWS or st.toggle(label, key=f"all{end}", bind="query-params")
    screen.show_table(section.table, name=f"{sort}{end}", most=None if whole else ROWS)


def _selection(library: Library, synthetic: bool) -> Selection:
    """Show the filters and return what is selected; every part of it is in the page's link."""
    columns = pool_columns(library, synthetic)
    badges = {entry.badge or "broken" for entry in library.entries} | {"reported"}
    with st.expander("Filter rows, hide columns", icon=":material/filter_list:") as below:
        left, middle, right = st.columns(3)
        models = _several(left, "Models", "model", dict.fromkeys(each.model for each in columns))
        benchmarks = _several(
            middle, "Benchmarks", "benchmark", dict.fromkeys(each.benchmark for each in columns)
        )
        chosen = _several(right, "Badges", "badge", [each for each in BADGES if each in badges])
        needs = _several(
            left,
            "Needs any of",
            "needs",
            KEY_NEEDS,
            "Signals a method reads besides lengths and answers. Published rows have them "
            "only if the method is built in.",
        )
        since = middle.date_input("Since", None, key="since", bind="query-params")
        until = right.date_input("Until", None, key="until", bind="query-params")
        hidden = _several(
            below, "Hide columns of the table", "hide", hideable(columns), none="None"
        )
    return Selection(models, benchmarks, chosen, needs, _iso(since), _iso(until), hidden)


def _several(
    place: DeltaGenerator,
    label: str,
    key: str,
    options: Iterable[str],
    help: str | None = None,
    none: str = "All",
) -> tuple[str, ...]:
    return tuple(
        place.multiselect(
            label, [*options], key=key, bind="query-params", help=help, placeholder=none
        )
    )


def _iso(day: object) -> str | None:
    return day.isoformat() if isinstance(day, date) else None


screen.show_page("Leaderboard", page)
screen.charts_ahead()
