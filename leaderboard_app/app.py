"""The Streamlit app: page settings, styles and navigation.

Started by `deepprune-sim leaderboard`.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit import runtime

from leaderboard_app import warming
from leaderboard_app.address import keep_address
from leaderboard_app.shown import screen
from leaderboard_app.shown.navigation import HOME, PAGES
from simulator.errors import UserError

HERE = Path(__file__).parent


def main() -> None:
    """Run the app."""
    icon = HERE / "icon.svg"  # a named icon would be fetched from the network
    st.set_page_config(page_title="deepprune-sim", page_icon=str(icon), layout="wide")
    if runtime.exists():  # False where a test runs a single page
        screen.on_loaded.add(warming.begin)
    pages = [
        st.Page(
            page.file,
            title=page.title,
            icon=f":material/{page.icon}:",
            url_path=name,
            default=name == HOME,
        )
        for name, page in PAGES.items()
    ]
    page = st.navigation(pages, position="top")
    try:
        page.run()
    except UserError as error:  # one line with the remedy, as on the command line
        st.error(str(error).replace("\n", " "), icon=":material/error:")
    screen.mend_frame()
    keep_address()


if __name__ == "__main__":
    main()
