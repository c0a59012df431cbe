"""Opening of workers from the options of a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from simulator.workers.executor import Here, Workers


def open_workers(
    jobs: int | None, module: str, *, joins: bool = True, ray: str | None = None
) -> Workers:
    """Start the workers that `-j` and `--ray` ask for; use them as a context.

    Parameters
    ----------
    jobs
        Number of calls that run at the same time; None: 1, or the CPUs of the Ray cluster.
    module
        Name of the module whose functions they call, which processes import at once.
    joins
        Let this process make calls, too, as one of them.
    ray
        Address of a Ray cluster (`simulator.workers.ray_cluster.RayTasks`); None: this machine.

    Raises
    ------
    UserError
        There is no such cluster, or no process can be started.
    """
    if ray is not None:
        from simulator.workers.ray_cluster import RayTasks

        return RayTasks(ray, jobs)
    if jobs is None or jobs == 1:
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


@contextmanager
def cluster_or_number(jobs: int | None, module: str, ray: str | None) -> Iterator[int | Workers]:
    """Yield the workers of the cluster that `--ray` names; without it, the number of `-j`."""
    if ray is None:
        yield jobs or 1
    else:
        with open_workers(jobs, module, ray=ray) as workers:
            yield workers
