"""Chips: the filters that are active on a page, each removed with a click.

A page calls `show` after its filters' widgets, whose values it reads from the session:

    chips.show(chips.of_widget("badge", "badge"), chips.of_widget("since", "since"))

To show chips above the widgets, reserve a place first: `with place: chips.show(…)`, `place` being
an `st.container()`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import streamlit as st

from leaderboard_app.shown import screen
from simulator.report.labels import shortened

LONGEST = 60
"""Maximum number of characters of a chip's text."""


@dataclass(frozen=True, slots=True)
class Chip:
    """An active filter: its name, its value in words, and the function that removes it.

    `remove` runs before the page does, as the callback of a button.
    """

    name: str
    value: str
    remove: Callable[[], None]

    @property
    def text(self) -> str:
        """Text on the chip, such as `badge: local`."""
        return f"{self.name}: {self.value}"


def of_widget(name: str, key: str, labels: Mapping[Any, str] | None = None) -> list[Chip]:
    """Return the chips of a widget of one or several values, none for an empty one.

    Parameters
    ----------
    name
        Name of the filter on the chip, such as `badge`.
    key
        Key of the widget in the session.
    labels
        Texts of values, where they are not the values themselves.
    """
    chosen = st.session_state.get(key)
    if chosen is None or chosen is False or chosen == "":
        return []
    several = isinstance(chosen, list | tuple)
    return [
        Chip(name, _in_words(each, labels), partial(_without, key, each, several))
        for each in (chosen if several else [chosen])
    ]


def of_parameter(name: str, parameter: str, text: str | None = None) -> list[Chip]:
    """Return the chip of a parameter of the page's link, whose text may be given; none if absent.

    For filters without a bound widget, such as `screen.choose_one`.
    """
    value = screen.parameter(parameter)
    if not value:
        return []
    return [Chip(name, text or value, partial(screen.set_parameter, parameter, None))]


def show(*groups: Sequence[Chip], name: str = "chips") -> None:
    """Show the chips on one line, with one that removes all if there are several; else nothing.

    `name` must be unique on the page.
    """
    chips = [chip for group in groups for chip in group]
    if not chips:
        return
    with st.container(horizontal=True, gap="small", key=f"dps-{name}"):
        for number, chip in enumerate(chips):
            st.button(
                screen.plain(shortened(chip.text, LONGEST)),
                key=f"{name}-{number}-{chip.text}",
                icon=":material/close:",
                icon_position="right",
                help=f"Remove the filter {screen.plain(chip.text)}",
                on_click=chip.remove,
            )
        if len(chips) > 1:
            st.button(
                "Remove all filters",
                key=f"{name}-all",
                type="tertiary",
                on_click=_remove_all,
                args=(chips,),
            )


def _remove_all(chips: Sequence[Chip]) -> None:
    for chip in chips:
        chip.remove()


def _without(key: str, value: Any, several: bool) -> None:
    """Remove a value from a widget in the session."""
    if several:
        st.session_state[key] = [each for each in st.session_state[key] if each != value]
    else:
        st.session_state[key] = False if value is True else None


def _in_words(value: Any, labels: Mapping[Any, str] | None) -> str:
    if labels and value in labels:
        return labels[value]
    if isinstance(value, date):
        return value.isoformat()
    return "on" if value is True else str(value)
