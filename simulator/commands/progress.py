"""What long work says while it goes on: on standard error, so that results stay clean."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

SECONDS_BETWEEN_LINES = 10
"""How often progress is told where standard error is no terminal."""


@contextmanager
def stages_shown() -> Iterator[Callable[[str, float], None]]:
    """A bar on a terminal; elsewhere a plain line now and then.

    Call it with what is being done and the fraction of it that is done.
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
    """The same for work of one kind: call it with how much is done and how much there is."""
    with stages_shown() as stage:
        yield lambda done, total: stage(title, done / max(total, 1))


def note(text: str) -> None:
    """A line beside the results."""
    click.echo(text, err=True)
