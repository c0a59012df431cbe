"""The page Trade-off."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from leaderboard_app.library.entry import Entry
from leaderboard_app.library.library import Library
from leaderboard_app.library.standings import Group
from leaderboard_app.shown import chips, screen
from leaderboard_app.shown import chosen_entries as choosing
from leaderboard_app.shown.group_choice import choose_group
from leaderboard_app.shown.navigation import PAGES, link
from leaderboard_app.shown.palette import badge_text
from leaderboard_app.shown.table import Cell, Column, Table
from leaderboard_app.tradeoff import chart as tradeoff_chart
from leaderboard_app.tradeoff import curves, words
from leaderboard_app.tradeoff import points as tradeoff_points
from leaderboard_app.tradeoff import view as tradeoff
from leaderboard_app.tradeoff.points import COSTS, NAMES, Measured
from leaderboard_app.tradeoff.view import View


def page() -> None:
    """Render the page."""
    library = screen.library()
    heading = st.container()
    there = [kind for kind in (False, True) if tradeoff_points.columns_of(library, synthetic=kind)]
    if there:
        _page(library, there, heading)
    else:
        with heading:
            screen.show_title(library, PAGES["tradeoff"].title)
        screen.empty_of_entries(library)
    screen.show_broken(library)


def _page(library: Library, there: Sequence[bool], heading: DeltaGenerator) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        synthetic = screen.choose_kind(there)
        tabs = st.container()
    groups = tradeoff_points.choices(library, synthetic=synthetic)
    with tabs:
        group = choose_group(groups)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        cost = st.segmented_control(
            "Cost",
            [*COSTS],
            default="tokens",
            required=True,
            format_func=lambda name: NAMES[name],
            key="cost",
            bind="query-params",
            help="Cost axis: tokens generated, tokens including those a judge reads, or time.",
        )
        log = st.toggle("Logarithmic", value=True, key="log", bind="query-params")
    place = st.container()
    view = _choose(library, group, synthetic, cost or "tokens")
    with heading:
        screen.show_title(library, words.title(view.measured))
    with place:
        chips.show(
            chips.of_widget("pool", "pools"),
            chips.of_widget("badge", "badges", {"": "broken"}),
            chips.of_widget("method", "methods"),
        )
    if synthetic:
        screen.synthetic_notice()
    st.markdown(screen.plain(words.counts(view)))
    _show_chart(library, view, log=log)
    _omitted(view)
    _over_n(library, view)
    for name, table in tradeoff.tables(view).items():
        st.header(tradeoff.HEADINGS[name], anchor=False)
        screen.show_table(table, name=name)


def _choose(library: Library, group: Group, synthetic: bool, cost: str) -> View:
    """Show the further choices, and return what is to be drawn."""
    with st.expander("Average other pools, filter entries", icon=":material/tune:"):
        chosen = st.multiselect(
            "Pools averaged with equal weights, instead of the choice above",
            tradeoff_points.columns_of(library, synthetic=synthetic),
            key="pools",
            bind="query-params",
            placeholder=group.heading,
        )
        with st.spinner("Averaging …"):
            measured = tradeoff_points.measure(library, sorted(chosen or group.columns), cost)
        badges = _badges(measured)
        methods = st.multiselect(
            "Methods",
            sorted({point.entry.method for point in measured.points}),
            key="methods",
            bind="query-params",
            placeholder="All",
        )
    return tradeoff.choose(measured, badges, methods)


def _show_chart(library: Library, view: View, *, log: bool) -> None:
    if not (view.points or view.measured.published):
        st.info("No entry has figures for these pools, this cost and these filters.")
        return
    event = screen.show_chart(
        lambda: tradeoff_chart.draw(view, log=log),
        of=_of(library, view, log),
        name="tradeoff",
        alt=tradeoff.sentence(view),
        selection=tradeoff_chart.PICKED,
    )
    if said := words.outside(view, log=log):
        st.caption(screen.plain(said))
    st.caption(screen.plain(f"{words.key(view, log=log)} {words.CONTROLS}"))
    for note in view.measured.notes:
        st.caption(screen.plain(note))
    _picked(library, event)


def _of(library: Library, view: View, *more: Hashable) -> tuple[Hashable, ...]:
    """Return all that a picture of a view depends on."""
    shown = tuple(point.entry.id for point in view.points)
    return (library.state, view.measured.columns, view.measured.cost, shown, *more)


def _omitted(view: View) -> None:
    """Show which entries are not drawn, with the reasons."""
    said = words.reasons(view)
    if not said:
        return
    with screen.folded(screen.plain(said), name="omitted") as is_open:
        if is_open:
            columns = (
                Column("entry", "Entry", numeric=False),
                Column("badge", "Badge", numeric=False),
                Column("reason", "Not drawn, because", numeric=False),
            )
            rows = tuple(
                (
                    Cell(entry.label, entry.label, link=link("entry", entry=entry.id)),
                    Cell(badge_text(entry.badge), entry.badge or "broken"),
                    Cell(each.reason, each.reason),
                )
                for each in view.omitted
                for entry in each.entries
            )
            screen.show_table(Table("Entries not drawn", columns, rows), name="omitted")


def _over_n(library: Library, view: View) -> None:
    """Show accuracy over N, or how to get it."""
    st.header("Accuracy over N", anchor="over-n")
    if not curves.curves_over_n(view):
        st.caption(curves.HOW_TO)
        return
    screen.show_chart(
        lambda: curves.draw(view),
        of=_of(library, view),
        name="over-n",
        alt=curves.sentence(view),
    )
    st.caption(screen.plain(curves.key(view)))


def _badges(measured: Measured) -> list[str]:
    """Return the badges that are chosen; an empty list means all."""
    there = {point.entry.badge or "" for point in measured.points}
    if len(there) < 2:
        return []
    wanted: list[str] = st.pills(
        "Badges",
        sorted(there),
        selection_mode="multi",
        format_func=lambda badge: badge_text(badge or None),
        key="badges",
        bind="query-params",
    )
    return wanted


def _picked(library: Library, event: Any) -> None:
    """Show the entry of the clicked point, with links from there."""
    points = event.selection.get(tradeoff_chart.PICKED) or [] if event else []
    picked = points[0].get("id") if points else None
    if picked != st.session_state.get("last-picked"):  # stays closed until the next click
        st.session_state["last-picked"] = picked
        screen.set_parameter("entry", picked or screen.parameter("entry"))
    named = screen.parameter("entry")
    entry = library.by_id.get(named) if named else None
    if entry is None:
        if named:
            st.info("The link names an entry that is not here.")
    else:
        _show(entry)
    if choosing.chosen(library):
        together = choosing.choose(library, "Comparison")
        if together:
            st.page_link(
                PAGES["compare"].file,
                label="Compare them" if len(together) > 1 else "Compare it with others",
                icon=":material/compare_arrows:",
                query_params={choosing.PARAMETER: choosing.as_parameter([e.id for e in together])},
            )


def _show(entry: Entry) -> None:
    with st.container(border=True):
        st.markdown(f"**{screen.plain(entry.label)}** · {screen.plain(badge_text(entry.badge))}")
        if entry.description:
            st.text(entry.description)
        with st.container(horizontal=True):
            st.page_link(
                PAGES["entry"].file,
                label="Open its page",
                icon=":material/article:",
                query_params={"entry": entry.id},
            )
            st.button(
                "Add to comparison",
                icon=":material/add:",
                type="tertiary",
                on_click=choosing.add,
                args=(entry.id,),
            )
            st.button(
                "Close",
                icon=":material/close:",
                type="tertiary",
                on_click=screen.set_parameter,
                args=("entry", None),
            )


page()
