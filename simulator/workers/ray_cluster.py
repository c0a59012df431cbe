"""Workers of many machines: tasks of a Ray cluster.

A call is a task, which takes a CPU of a node. Ray starts the tasks of a worker or node that is lost
again on others, also those whose results were lost with it, so that a caller never knows. Nodes
have the same releases as this machine, and see the files that work names at the same paths.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from queue import SimpleQueue
from threading import current_thread, main_thread
from types import TracebackType
from typing import Any, TypeVar

from simulator.errors import UserError, install_extra, one_line
from simulator.workers.executor import Shared, WorkerDied, Workers

T = TypeVar("T")

AHEAD = 2
"""Tasks per CPU given to Ray at a time: one that runs, and one for when it has ended."""

MOST_WAITING = 8
"""Results per CPU that wait for an earlier one; bounds this process's memory."""

WAIT = 10.0
"""Seconds within which a cluster answers."""

RETRIES = 3
"""Times that Ray starts a task again whose worker or node was lost."""

COMPARED = ("deepprune-sim", "numpy", "pyarrow", "scipy", "math-verify")
"""Packages of which all machines need the same release: those that figures depend on."""


class RayTasks(Workers):
    """Tasks of a Ray cluster.

    Parameters
    ----------
    address
        Cluster: `auto`, `HOST:PORT` or `ray://HOST:PORT`; `local` starts one on this machine, and
        an empty text does if neither `RAY_ADDRESS` nor Ray itself knows of one. Leaving this
        context ends a cluster that it has started, and leaves another one running.
    jobs
        Number of tasks that run at the same time; None: as many as the cluster has CPUs now.

    Raises
    ------
    UserError
        Ray is not installed, or there is no such cluster, or one of another release.
    """

    grain = 8  # a task costs this process some milliseconds (benchmarks/ray_speed.py)
    local = False

    def __init__(self, address: str = "", jobs: int | None = None) -> None:
        try:
            import ray
        except ImportError:
            raise UserError(f"--ray needs Ray; install it with: {install_extra('ray')}") from None
        self._ray = ray
        self._is_ours = not ray.is_initialized()
        if self._is_ours:
            _connect(ray, address)
        self._unfinished: dict[Future[Any], Any] = {}
        self._shared: dict[int, tuple[Shared[Any], Any]] = {}
        try:
            if jobs is None:
                jobs = int(ray.cluster_resources().get("CPU", 0))
                if not jobs:
                    raise UserError("the Ray cluster has no CPU; add a node to it")
            self.jobs = jobs
            self._task = ray.remote(num_cpus=1, max_retries=RETRIES)(_called)
            self._here = ray.put((releases(), str(Path.cwd())))
        except BaseException:
            self.shutdown()
            raise

    def submit(self, work: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Call `work` in a task.

        The future has the error that `work` raised, or `WorkerDied` after the last retry.
        """
        future: Future[T] = Future()
        reference = self._task.remote(self._here, work, kwargs, *map(self._sent, args))
        self._unfinished[future] = reference

        def settle(done: Future[T]) -> None:
            self._unfinished.pop(future, None)
            error = done.exception()
            if error is None:
                future.set_result(done.result())
            else:
                future.set_exception(self._plain(error))

        reference.future().add_done_callback(settle)
        return future

    def _sent(self, value: object) -> object:
        """Store what many tasks share in the cluster, once; return what is sent in its place."""
        if not isinstance(value, Shared):
            return value
        if id(value) not in self._shared:
            self._shared[id(value)] = value, self._ray.put(value)
        return self._shared[id(value)][1]

    def map(  # type: ignore[override]
        self, work: Callable[..., T], /, *arguments: Iterable[Any]
    ) -> Iterator[T]:
        """Yield results in order; see `Workers.map`. This process makes no calls."""
        calls = deque(zip(*arguments, strict=True))
        given: deque[Future[T]] = deque()
        ended: SimpleQueue[Future[T]] = SimpleQueue()
        running = 0
        most = MOST_WAITING * self.jobs
        while calls or given:
            while calls and running < AHEAD * self.jobs and len(given) < most:
                given.append(self.submit(work, *calls.popleft()))
                given[-1].add_done_callback(ended.put)
                running += 1
            while not ended.empty() or not given[0].done():
                ended.get().result()  # raises its error at once, not when it is its turn
                running -= 1
            yield given.popleft().result()

    def _plain(self, error: BaseException) -> BaseException:
        """Return the error that work raised on a node, or `WorkerDied`, for one of Ray's."""
        if isinstance(error, self._ray.exceptions.RayTaskError):
            missing = re.search("No module named '(simulator|judges)[.'].*", str(error.cause))
            if missing:
                return UserError(
                    f"a node of the Ray cluster has no deepprune-sim ({missing[0]}); install it "
                    "into the environment of Ray on all nodes"
                )
            cause: Exception = error.cause
            if not isinstance(cause, UserError):
                cause.__cause__ = error  # which shows where it was raised
            return cause
        if isinstance(error, self._ray.exceptions.RayError):
            return WorkerDied(
                f"a worker died, or its node, and so did {RETRIES} more that were given its work "
                f"(out of memory? {one_line(error)})"
            )
        return error

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster, or end it if this has started it; running tasks are ended."""
        for reference in list(self._unfinished.values()):
            with suppress(Exception):  # the cluster may be gone
                self._ray.cancel(reference, force=True)
        self._shared.clear()
        if self._is_ours:
            self._ray.shutdown()

    def __exit__(
        self, kind: object, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown(cancel_futures=True)


def _connect(ray: Any, address: str) -> None:
    """Connect to a cluster, or start one; Ray may neither write here nor handle signals."""
    if address in ("", "auto"):
        address = os.environ.get("RAY_ADDRESS", address)
    host, _, port = address.rpartition("/")[2].rpartition(":")
    if port.isdigit():  # Ray itself would try for minutes
        try:
            socket.create_connection((host.strip("[]"), int(port)), WAIT).close()
        except OSError as error:
            raise UserError(
                f"{address}: no Ray cluster answers ({one_line(error)}); see docs/many-machines.md"
            ) from None
    how: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if "://" not in address:
        how["include_dashboard"] = False
    in_main = current_thread() is main_thread()
    before = signal.getsignal(signal.SIGTERM)
    logging.getLogger("ray").setLevel(logging.ERROR)
    with suppress(AttributeError):  # prints pages on standard output about a lost node
        ray._private.worker.print_to_stdstream = lambda *data, **how: None
    try:
        ray.init(address=address or None, **how)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise UserError(
            f"{address or 'Ray'}: no cluster to work with ({one_line(error)}); see "
            "docs/many-machines.md"
        ) from None
    finally:
        if in_main:
            signal.signal(signal.SIGTERM, before)


@cache
def releases() -> dict[str, str]:
    """Return the releases of Python and of the packages that figures depend on."""
    return {"python": sys.version.split()[0]} | {name: version(name) for name in COMPARED}


def _called(
    driver: tuple[dict[str, str], str],
    work: Callable[..., T],
    kwargs: dict[str, Any],
    *args: Any,
) -> T:
    """Call `work` on a node, in the driver's folder, which relative paths start from."""
    expected, folder = driver
    if releases() != expected:
        raise UserError(_differing(expected))
    with suppress(OSError):  # paths may all be absolute
        os.chdir(folder)
    return work(*args, **kwargs)


def _differing(expected: dict[str, str]) -> str:
    import ray

    names = [name for name in expected if releases()[name] != expected[name]]
    there, here = (
        ", ".join(f"{name} {found[name]}" for name in names) for found in (releases(), expected)
    )
    return (
        f"node {ray.util.get_node_ip_address()} of the Ray cluster has {there}, this machine has "
        f"{here}; install the same releases on all"
    )
