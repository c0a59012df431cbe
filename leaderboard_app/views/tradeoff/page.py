"""The page Trade-off."""

from __future__ import annotations

from typing import Any

import streamlit as st

from leaderboard_app.library.library import Entry, Library
from leaderboard_app.shown import chosen_entries as choosing
from leaderboard_app.shown import screen
from leaderboard_app.shown.navigation import PAGES
from leaderboard_app.shown.palette import badge_text
from leaderboard_app.views.tradeoff import (
    chart as tradeoff_chart,
)
from leaderboard_app.views.tradeoff import (
    points as tradeoff_points,
)
from leaderboard_app.views.tradeoff import (
    tradeoff,
)
from leaderboard_app.views.tradeoff.points import COSTS, NAMES, Measured


def page(library: Library) -> None:
    """Render the page."""
    real, made = (tradeoff_points.columns_of(library, synthetic=kind) for kind in (False, True))
    if not real and not made:
        screen.empty_of_entries(library)
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        synthetic = screen.choose_kind([kind for kind, on in ((False, real), (True, made)) if on])
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
    columns = made if synthetic else real
    chosen = st.multiselect(
        "Pools (several are averaged with equal weights)",
        columns,
        key="pools",
        bind="query-params",
        placeholder="The pools that most entries ran on",
    )
    pools = sorted(chosen) or tradeoff_points.shared_most(library, columns)
    with st.spinner("Averaging …"):
        measured = tradeoff_points.measure(library, pools, cost or "tokens")
    badges = _badges(measured)
    view = tradeoff.choose(measured, badges)
    if synthetic:
        screen.synthetic_notice()
    said = tradeoff.sentence(view)
    st.markdown(f"**{screen.plain(measured.place)}**: {tradeoff.count(view)}.")
    if view.points:
        event = screen.show_chart(
            lambda: tradeoff_chart.draw(view, log=log),
            of=(library.state, tuple(pools), measured.cost, tuple(badges), log),
            name="tradeoff",
            alt=said,
            selection=tradeoff_chart.PICKED,
        )
        st.caption(screen.plain(tradeoff_chart.key(view)))
        _picked(library, event)
        for name, table in tradeoff.tables(view).items():
            st.header(tradeoff.HEADINGS[name], anchor=False)
            screen.show_table(table, name=name)
    else:
        st.info("No entry has figures for these pools, this cost and these badges.")
        for note in measured.notes:
            st.caption(screen.plain(note))


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


screen.show_page("Trade-off", page)
