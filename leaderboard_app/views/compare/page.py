"""The page Compare."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from leaderboard_app.library.library import Entry, Library
from leaderboard_app.shown import chosen_entries as choosing
from leaderboard_app.shown import screen
from leaderboard_app.views.compare import (
    chart as compare_chart,
)
from leaderboard_app.views.compare import (
    comparison as compare,
)
from leaderboard_app.views.compare import (
    tables as compare_tables,
)
from leaderboard_app.views.compare.comparison import Shared

AXES = {"Tokens": "tokens", "Right answers": "right"}
ALL, CONTESTED = "All", "Where they differ"


def page(library: Library) -> None:
    """Render the page."""
    if not library.entries:
        screen.empty_of_entries(library)
        return
    entries = choosing.choose(library, "Entries: each is compared with the first one")
    if missing := choosing.unknown(library):
        st.warning(f"Not found, and left out: {screen.plain(', '.join(missing))}.")
    if len(entries) < 2:
        st.info(
            "Choose two or more entries above, or select points on the page Trade-off.",
            icon=":material/info:",
        )
    else:
        _compare(library, entries)


def _compare(library: Library, entries: Sequence[Entry]) -> None:
    ran_on = {result.synthetic for entry in entries for result in entry.results.values()}
    synthetic = screen.choose_kind(ran_on)
    shared = compare.shared_pools(library, entries, synthetic=synthetic)
    with st.container():  # fixed containers: parts further down are not redrawn
        if synthetic and shared:
            screen.synthetic_notice()
        for caveat in compare.caveats(entries, shared, synthetic=synthetic):
            st.markdown(f":material/warning: {screen.plain(caveat)}")
    if not shared:
        screen.empty(
            "Nothing to compare: these entries share no pool with the same traces. "
            "Run them on the same pool:",
            "deepprune-sim run METHOD -d POOL",
        )
        return
    ids = tuple(entry.id for entry in entries)
    found = library.once(
        ("differences", ids, synthetic), lambda: compare.differences(entries, shared)
    )
    last = {each.first.id: each for each in found}  # the last of each entry is over the most pools
    with st.container():
        for each in last.values():
            st.markdown(screen.plain(compare.verdict(each)))
    with st.container():
        if found:
            screen.show_table(compare_tables.difference_table(found), name="differences")
    with st.container():
        if len(entries) > 2:
            _matrices(library, entries, shared, synthetic=synthetic)
    with st.container():
        _by_problem(library.state, entries, shared)


def _matrices(
    library: Library, entries: Sequence[Entry], shared: Sequence[Shared], *, synthetic: bool
) -> None:
    st.subheader("All pairs")
    common = compare.of_both(shared, *entries)
    if not common:
        st.info("These entries have no pool in common. Choose fewer of them.")
        return
    ids = tuple(entry.id for entry in entries)
    found = library.once(("pairs", ids, synthetic), lambda: compare.together(entries, common))
    for metric in ("accuracy", "tokens"):
        table = compare_tables.matrix(found, entries, metric)
        st.markdown(screen.plain(table.caption))
        screen.show_table(table, name=f"matrix-{metric}", sortable=False)


def _by_problem(state: int, entries: Sequence[Entry], shared: Sequence[Shared]) -> None:
    st.subheader("Problem by problem")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        column = st.selectbox(
            "Pool",
            [pool.column for pool in shared],
            index=compare.first_of_most(shared),
            key="on",
            bind="query-params",
        )
        pool = next(each for each in shared if each.column == column)
        there = [entry for entry in entries if entry.id in pool.sums]
        first, second = there[1], there[0]
        if len(there) > 2:
            labels = {entry.id: entry.label for entry in there}
            others = [entry.id for entry in there[1:]]
            chosen = screen.choose_one(
                "Compare with the first entry", others, name="with", labels=labels
            )
            first = next(entry for entry in there if entry.id == chosen)
        axis = st.segmented_control(
            "Points by", [*AXES], default="Tokens", required=True, key="axis", bind="query-params"
        )
    axis = AXES[axis or "Tokens"]
    event = screen.show_chart(
        lambda: compare_chart.draw(pool, first, second, axis),
        of=(state, tuple(pool.sums), column, first.id, second.id, axis),
        name="problems",
        alt=compare_chart.sentence(pool, first, second, axis),
        selection=compare_chart.PICKED,
    )
    st.caption(
        "On the dashed line both are equal. Click a point to open the replay of that problem. "
        "Ctrl and the mouse wheel zoom, dragging moves, a double click resets the view."
        + (" Problems with the same shares are drawn side by side." if axis == "right" else "")
    )
    points = event.selection.get(compare_chart.PICKED) or []
    picked = points[0].get("id") if points else None
    if picked != st.session_state.get("last-problem"):  # no second jump after coming back
        st.session_state["last-problem"] = picked
        if picked in pool.problem_ids:
            screen.go(compare_tables.problem_link(first, pool, picked))
    shown = st.segmented_control(
        "Problems",
        [ALL, CONTESTED],
        default=ALL,
        required=True,
        key="which",
        bind="query-params",
        help="An entry solves a problem if it is right in more than half of its repeats.",
    )
    table = compare_tables.problem_table(pool, there, contested=shown == CONTESTED)
    if table.rows:
        screen.show_table(table, name="by-problem")
    else:
        st.info("Every problem is solved by all entries or by none.")


screen.show_page("Compare", page)
