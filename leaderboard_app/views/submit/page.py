"""The page Submit."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import streamlit as st

from leaderboard_app.library.library import Library
from leaderboard_app.shown import screen, submitting
from leaderboard_app.shown.palette import BADGES, badge_help, badge_text
from leaderboard_app.shown.submitting import Places
from simulator.errors import UserError


def page(library: Library) -> None:
    """Render the page."""
    places = Places.of(library.folders, Path.cwd())
    pool, budget = submitting.first_pool(), submitting.FIRST_BUDGET
    if library.pools:
        pool, budget = _chosen_pool(library)
    else:
        screen.empty(
            "There are no pools here yet. These commands make a first row on the pool that comes "
            "along:",
            *submitting.first_row(places),
        )
        st.text("After that, the steps below work unchanged.")
    for step in submitting.steps(pool, budget, datetime.now(UTC).date(), places):
        st.header(step.title)
        st.text(step.text)
        if step.file is not None:
            st.caption(step.file)
            st.code(submitting.POLICY, language="python")
        for command in step.commands:
            st.code(command, language="sh", wrap_lines=True)
    st.header("What verification does", anchor="verification")
    for check, proves, gained in submitting.CHECKS:
        st.markdown(f"**{check}**: {screen.plain(proves)} Badge: *{gained}*.")
    st.header("Badges", anchor="badges")
    for badge in BADGES:
        st.markdown(f"**{screen.plain(badge_text(badge))}**: {screen.plain(badge_help(badge))}")
    st.header("Questions", anchor="questions")
    for question, answer in submitting.FAQ:
        with st.expander(question):
            st.text(answer)


def _chosen_pool(library: Library) -> tuple[str, int]:
    """Return the pool that the commands name, and its budget; real pools come first."""
    names = [row["name"] for row in sorted(library.pools, key=submitting.own_first)]
    unknown = "There is no pool {} here."
    pool = screen.choose_one("Pool used in the commands", names, name="pool", unknown=unknown)
    assert pool is not None  # there is one at least
    row = library.pool_row(pool)
    if row is not None and row["synthetic"]:
        st.caption("This pool is generated: the board marks the row synthetic.")
    try:
        return pool, submitting.budget_of(library, pool)
    except UserError as error:
        st.error(screen.plain(str(error)), icon=":material/error:")
        return pool, submitting.FIRST_BUDGET


screen.show_page("Submit", page)
