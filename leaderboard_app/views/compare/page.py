"""The page Compare."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from leaderboard_app.library.entry import Entry
from leaderboard_app.library.library import Library
from leaderboard_app.shown import chips, examples, naming, screen
from leaderboard_app.shown import chosen_entries as choosing
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

NAMED = 3
"""Number of entries that a title names besides the first one."""

AXES = {"Tokens": "tokens", "Right answers": "right"}
ALL, CONTESTED = "All", "Where they differ"


def page(library: Library) -> None:
    """Render the page."""
    heading = st.container()
    if not library.entries:
        with heading:
            screen.show_title(library, "Compare")
        screen.empty_of_entries(library)
        return
    named = screen.parameter(choosing.PARAMETER) is not None
    suited = [] if named else examples.compared_entries(library)
    label = "Entries: each is compared with the first one"
    entries = choosing.choose(library, label, default=[entry.id for entry in suited])
    with heading:
        screen.show_title(library, _title(library, entries))
        if suited and entries == suited:
            about = "the best methods of the board against majority voting"
            ids = choosing.as_parameter([entry.id for entry in entries])
            choosing.example("compare", about, {choosing.PARAMETER: ids})
    if missing := choosing.unknown(library):
        st.warning(f"Not found, and left out: {screen.plain(', '.join(missing))}.")
    if len(entries) < 2:
        st.info(
            "Choose two or more entries above, or select points on the page Trade-off.",
            icon=":material/info:",
        )
    else:
        _compare(library, entries)


def _title(library: Library, entries: Sequence[Entry]) -> str:
    """Name the entries that are compared: the others against the first one, and their one pool."""
    if len(entries) < 2:
        return "Compare"
    first, *others = (naming.short_name(library, entry) for entry in entries)
    named = others if len(others) <= NAMED else [*others[:NAMED], f"{len(others) - NAMED} more"]
    pools = set.intersection(*({each.pool for each in e.results.values()} for e in entries))
    on = f" on {naming.pool_name(library, pools.pop())}" if len(pools) == 1 else ""
    listed = ", ".join(named[:-1]) + " and " * (len(named) > 1) + named[-1]
    return f"{listed} against {first}{on}"


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
    files = tuple(naming.short_name(library, entry) for entry in entries[:NAMED])
    with st.container():
        if found:
            screen.show_table(
                compare_tables.difference_table(found),
                name="differences",
                file=naming.file_name(*files, "differences"),
            )
    with st.container():
        if len(entries) > 2:
            _matrices(library, entries, shared, files, synthetic=synthetic)
    with st.container():
        _by_problem(library, entries, shared, files)


def _matrices(
    library: Library,
    entries: Sequence[Entry],
    shared: Sequence[Shared],
    files: tuple[str, ...],
    *,
    synthetic: bool,
) -> None:
    st.header("All pairs")
    common = compare.of_both(shared, *entries)
    if not common:
        st.info("These entries have no pool in common. Choose fewer of them.")
        return
    ids = tuple(entry.id for entry in entries)
    found = library.once(("pairs", ids, synthetic), lambda: compare.together(entries, common))
    for metric in ("accuracy", "tokens"):
        table = compare_tables.matrix(found, entries, metric)
        st.markdown(screen.plain(table.caption))
        screen.show_table(
            table,
            name=f"matrix-{metric}",
            sortable=False,
            file=naming.file_name(*files, "all-pairs", metric),
        )


def _by_problem(
    library: Library,
    entries: Sequence[Entry],
    shared: Sequence[Shared],
    files: tuple[str, ...],
) -> None:
    st.header("Problem by problem")
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
    on = naming.pool_name(library, pool.results[first.id].pool)
    event = screen.show_chart(
        lambda: compare_chart.draw(pool, first, second, axis),
        of=(library.state, tuple(pool.sums), column, first.id, second.id, axis),
        name="problems",
        file=naming.file_name(*files, on, "problems"),
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
    if shown == CONTESTED:
        chips.show([chips.Chip("problems", "where they differ", _all_problems)])
    table = compare_tables.problem_table(pool, there, contested=shown == CONTESTED)
    if table.rows:
        screen.show_table(table, name="by-problem", file=naming.file_name(*files, on, "by-problem"))
    else:
        st.info("Every problem is solved by all entries or by none.")


def _all_problems() -> None:
    st.session_state["which"] = ALL


screen.show_page(None, page)
