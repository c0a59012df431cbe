"""What is got ready in the background once files were read, so that no reader waits for it."""

from __future__ import annotations

import gc
from importlib import import_module
from threading import Lock, Timer

from leaderboard_app.library.library import Library
from leaderboard_app.views.board import combined as standings
from leaderboard_app.views.tradeoff import points as tradeoff_points

AFTER = 1.0
"""Seconds until it begins: the page that had the files read comes first."""

MODULES = (
    "compare.chart",
    "compare.tables",
    "data.charts",
    "judges.charts",
    "problem.picture",
    "problem.votes",
    "entry.savings",
    "problem.signals",
    "tradeoff.chart",
)
"""What pages import when they are first opened, and Altair with it: half a second."""

_ONE = Lock()


def begin(library: Library) -> None:
    """Get ready for readers of this library, in a thread that ends with the process."""
    timer = Timer(AFTER, warm, [library])
    timer.daemon = True
    timer.start()


def warm(library: Library) -> None:
    """Import what pages draw with, and work out ranks and averages that they begin with."""
    with _ONE:
        for name in ("altair", "pandas", *(f"leaderboard_app.views.{each}" for each in MODULES)):
            import_module(name)
        for synthetic in (False, True):
            tradeoff_points.measure_first(library, synthetic=synthetic)
            standings.places(library, synthetic)
        spare_collector()


def spare_collector() -> None:
    """Let Python's collector pass over all that there is now.

    Streamlit runs it at the end of each run of a page. Looking at modules and the library, which
    stay, takes it 0.1 s, in which nothing that the page has shown goes out to the browser.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
