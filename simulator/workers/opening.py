"""Opening of workers from the options of a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from simulator.workers.executor import Here, Workers


def open_workers(jobs: int, module: str, *, joins: bool = True) -> Workers:
    """Start the workers that `-j` asks for; use them as a context.

    Parameters
    ----------
    jobs
        Number of calls that run at the same time.
    module
        Name of the module whose functions they call, which they import at once.
    joins
        Let this process make calls, too, as one of them.
    """
    if jobs == 1:
        return Here()
    from simulator.workers.processes import Processes  # slow to import

    return Processes(jobs, module, joins=joins)


@contextmanager
def as_workers(jobs: int | Workers, module: str, *, joins: bool = True) -> Iterator[Workers]:
    """Yield workers that are open, or open them for this context from their number."""
    if isinstance(jobs, Workers):
        yield jobs
    else:
        with open_workers(jobs, module, joins=joins) as workers:
            yield workers
