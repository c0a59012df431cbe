"""Entries listed in a link as `entries=a,b`, the widget that changes them, and examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import unquote

import streamlit as st

from leaderboard_app.library.entry import Entry
from leaderboard_app.library.library import Library
from leaderboard_app.shown import screen
from leaderboard_app.shown.navigation import PAGES

PARAMETER = "entries"

MOST = 12
"""Maximum number of entries compared at once; more would be unreadable."""


def as_parameter(ids: Sequence[str]) -> str:
    """Join ids with commas; commas inside an id are quoted."""
    return ",".join(each.replace("%", "%25").replace(",", "%2C") for each in ids)


def ids_in(text: str | None) -> list[str]:
    """Return the ids in a link's parameter, without duplicates."""
    return list(dict.fromkeys(unquote(each) for each in (text or "").split(",") if each))


def chosen(library: Library, default: Sequence[str] = ()) -> list[Entry]:
    """Return the existing entries that the link names, in its order, at most `MOST`.

    Those with the ids `default` if the link has no such parameter.
    """
    link = screen.parameter(PARAMETER)
    named = [*default] if link is None else ids_in(link)
    return [library.by_id[each] for each in named if each in library.by_id][:MOST]


def unknown(library: Library) -> list[str]:
    """Return the ids in the link that do not exist here."""
    return [each for each in ids_in(screen.parameter(PARAMETER)) if each not in library.by_id]


def add(entry: str) -> None:
    """Add an entry to the link."""
    ids = ids_in(screen.parameter(PARAMETER))
    screen.set_parameter(PARAMETER, as_parameter([*ids, *([] if entry in ids else [entry])]))


def choose(library: Library, label: str, default: Sequence[str] = ()) -> list[Entry]:
    """Show a box with the entries of the link, kept in sync with it, and return them.

    If the link has none, it shows those with the ids `default`.
    """
    key = "chosen-entries"
    ids = [entry.id for entry in chosen(library, default)]
    if st.session_state.get(key) != ids:
        st.session_state[key] = ids
    st.multiselect(
        label,
        [entry.id for entry in library.entries],
        format_func=lambda each: library.by_id[each].label,
        key=key,
        max_selections=MOST,
        placeholder="Choose two or more entries",
        on_change=lambda: screen.set_parameter(PARAMETER, as_parameter(st.session_state[key])),
    )
    return chosen(library, default)


def example(page: str, about: str, parameters: Mapping[str, str]) -> None:
    """Say that a page shows an example as its link names nothing, with the link that names it.

    The page's own link stays as it is: the example may be another one when entries are added.
    """
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption(f"An example: {about}. Choose another below.", width="content")
        st.page_link(
            PAGES[page].file,
            label="Link to this view",
            icon=":material/link:",
            query_params=dict(parameters),
        )
