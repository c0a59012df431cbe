"""The page data."""

from __future__ import annotations

import streamlit as st

from leaderboard_app import screen


def page() -> None:
    """Render the page."""
    library = screen.library()
    st.title("data")
    screen.show_broken(library)


page()
