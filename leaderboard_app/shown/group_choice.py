"""Choice of the group of pools that a page compares, by the link's `group`."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from leaderboard_app.library.standings import Group
from leaderboard_app.shown import screen

PARAMETER = "group"

TABS = 6
"""Maximum number of groups that are shown as tabs; more are in a box."""

LABEL = "Model and benchmark"


def choose_group(found: Sequence[Group]) -> Group:
    """Show the groups as tabs, or in a box if there are many, and return the chosen one.

    The first group is chosen if the link names none that is there.
    """
    names = {each.key: each.heading for each in found}
    if len(found) == 1:
        return found[0]
    if len(found) > TABS:
        key = screen.choose_one(LABEL, [*names], name=PARAMETER, labels=names)
    else:
        wanted = screen.parameter(PARAMETER)
        key = wanted if wanted in names else found[0].key
        box = f"chosen-group-{key}"  # a new key makes the tabs follow the link
        st.segmented_control(
            LABEL,
            [*names],
            default=key,
            required=True,
            format_func=names.__getitem__,
            key=box,
            label_visibility="collapsed",
            on_change=lambda: screen.set_parameter(PARAMETER, st.session_state[box]),
        )
    return next(each for each in found if each.key == key)
