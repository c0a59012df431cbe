"""Progress and notes of long work, apart from its results: on standard error, or in a notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

SECONDS_BETWEEN_LINES = 10
"""Interval between progress lines where standard error is no terminal."""

SECONDS_BETWEEN_UPDATES = 0.5
"""Interval between updates of a notebook's bar, which is not shown for shorter work."""


@contextmanager
def stages_shown() -> Iterator[Callable[[str, float], None]]:
    """Show progress: a bar on a terminal or in a notebook, elsewhere a line from time to time.

    Yields a function to call with the name of the current stage and the fraction of it done.
    """
    ipython = sys.modules.get("IPython")
    if ipython is not None and hasattr(ipython.get_ipython(), "kernel"):
        with _notebook_bar() as show:
            yield show
        return
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=1.0)
            yield lambda what, done: bar.update(task, description=what, completed=done)
        return
    last = time.monotonic()

    def line(what: str, done: float) -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            note(f"{what}: {done:.0%}")

    yield line


@contextmanager
def _notebook_bar() -> Iterator[Callable[[str, float], None]]:
    """Show a bar below the cell of a notebook, without a widget library; removed at the end."""
    from html import escape

    from IPython.display import display

    handle: Any = None
    last = time.monotonic()

    def show(what: str, done: float) -> None:
        nonlocal handle, last
        if time.monotonic() - last < SECONDS_BETWEEN_UPDATES:
            return
        last = time.monotonic()
        text = f"{what}: {done:.0%}"
        bar = f"<progress max='1' value='{done:.3f}'></progress> {escape(text)}"
        bundle = {"text/plain": text, "text/html": bar}
        if handle is None:
            handle = display(bundle, raw=True, display_id=True)
        else:
            handle.update(bundle, raw=True)

    try:
        yield show
    finally:
        if handle is not None:
            handle.update({"text/plain": ""}, raw=True)


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show the progress of a single stage; yields a function of the done and the total amount."""
    with stages_shown() as stage:
        yield lambda done, total: stage(title, done / max(total, 1))


def note(text: str) -> None:
    """Print a line on standard error."""
    click.echo(text, err=True)
