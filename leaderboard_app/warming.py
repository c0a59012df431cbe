"""Pre-computes slow views in a background thread after the files were read."""

from __future__ import annotations

import gc
from importlib import import_module
from threading import Lock, Timer

from leaderboard_app.library import standings
from leaderboard_app.library.library import Library
from leaderboard_app.tradeoff import points as tradeoff_points

AFTER = 1.0
"""Seconds until the thread begins, so that the page that loaded the files comes first."""

MODULES = (
    "tradeoff.chart",
    "views.compare.chart",
    "views.compare.tables",
    "views.data.charts",
    "views.judges.charts",
    "views.problem.picture",
    "views.problem.votes",
    "views.entry.savings",
    "views.problem.consensus",
    "views.problem.signals",
)
"""Modules that pages import when first opened; with Altair, importing them takes 0.5 s."""

MANY = standings.MANY
"""Most entries for which ranks and averages are computed ahead: those of more have a thread."""

_ONE = Lock()


def begin(library: Library) -> None:
    """Pre-compute this library's slow views in a thread that ends with the process."""
    timer = Timer(AFTER, warm, [library])
    timer.daemon = True
    timer.start()


def warm(library: Library) -> None:
    """Import the drawing modules, and compute the ranks and averages that pages show first."""
    with _ONE:
        for name in ("altair", "pandas", *(f"leaderboard_app.{each}" for each in MODULES)):
            import_module(name)
        for synthetic in (False, True) if len(library.entries) <= MANY else ():
            for group in standings.groups(library, synthetic):
                standings.standings(library, group)
            tradeoff_points.measure_first(library, synthetic=synthetic)
        spare_collector()


def spare_collector() -> None:
    """Exclude all existing objects from later runs of Python's garbage collector.

    Streamlit runs the collector at the end of each run of a page. Visiting modules and the library,
    which never become garbage, takes 0.1 s and delays the page's output to the browser.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
