"""The entries that a link holds as `entries=a,b`, and the widget that changes them."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote

import streamlit as st

from leaderboard_app.library.library import Entry, Library
from leaderboard_app.shown import screen

PARAMETER = "entries"

MOST = 12
"""Entries that are compared at a time: more would be unreadable."""


def as_parameter(ids: Sequence[str]) -> str:
    """Ids with commas between them; commas inside of one are quoted."""
    return ",".join(each.replace("%", "%25").replace(",", "%2C") for each in ids)


def ids_in(text: str | None) -> list[str]:
    """The ids that a link's parameter holds, each once."""
    return list(dict.fromkeys(unquote(each) for each in (text or "").split(",") if each))


def chosen(library: Library) -> list[Entry]:
    """The entries that the link names and that are there, in its order, at most `MOST`."""
    named = ids_in(screen.parameter(PARAMETER))
    return [library.by_id[each] for each in named if each in library.by_id][:MOST]


def unknown(library: Library) -> list[str]:
    """Ids in the link that nothing here has."""
    return [each for each in ids_in(screen.parameter(PARAMETER)) if each not in library.by_id]


def add(entry: str) -> None:
    """Put an entry into the link."""
    ids = ids_in(screen.parameter(PARAMETER))
    screen.set_parameter(PARAMETER, as_parameter([*ids, *([] if entry in ids else [entry])]))


def choose(library: Library, label: str) -> list[Entry]:
    """A widget with the entries of the link, which follows the link and is followed by it."""
    key = "chosen-entries"
    ids = [entry.id for entry in chosen(library)]
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
    return chosen(library)
