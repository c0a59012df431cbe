"""Progress and notes of long commands, on standard error so that results stay clean."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

SECONDS_BETWEEN_LINES = 10
"""Interval between progress lines where standard error is no terminal."""


@contextmanager
def stages_shown() -> Iterator[Callable[[str, float], None]]:
    """Show progress: a bar on a terminal, elsewhere a plain line from time to time.

    Yields a function to call with the name of the current stage and the fraction of it done.
    """
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
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show the progress of a single stage; yields a function of the done and the total amount."""
    with stages_shown() as stage:
        yield lambda done, total: stage(title, done / max(total, 1))


def note(text: str) -> None:
    """Print a line on standard error."""
    click.echo(text, err=True)
