"""Workers of this machine: processes, or threads that wait for processes."""

from __future__ import annotations

import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import active_children, get_context
from threading import Lock, current_thread, main_thread
from types import FrameType, ModuleType, TracebackType
from typing import Any, TypeVar

from simulator.errors import UserError
from simulator.isolation.children import die_with, sigint_blocked
from simulator.workers.executor import WorkerDied, Workers, called

T = TypeVar("T")

AHEAD = 2
"""Calls that a process has at a time: one that it makes, and one that it goes on with."""

MOST_WAITING = 8
"""Results per process that wait for an earlier one; bounds memory."""


class Processes(Workers):
    """Processes of this machine, which start when this is made, and once.

    Parameters
    ----------
    jobs
        Number of calls that run at the same time, at least 2.
    module
        Name of the module whose functions are called; the processes import it at once.
    joins
        Let this process be one of them and make calls, too. It has imported everything, so it
        begins at once, while the others start: short work waits for none of them.

    Raises
    ------
    UserError
        No process can be started.
    """

    def __init__(self, jobs: int, module: str, *, joins: bool = True) -> None:
        self.jobs = jobs
        self._joins = joins
        others = jobs - 1 if joins else jobs
        before = set(active_children())
        try:
            self._pool = ProcessPoolExecutor(
                others, mp_context=get_context("spawn"), initializer=_begin
            )
        except OSError as error:  # no room for its semaphores, or not allowed
            raise UserError(
                f"no other process can be started ({error.strerror}); do without: -j 1"
            ) from None
        with sigint_blocked(), _no_main_program():
            # As many calls as processes, which starts all of them.
            self._starting = [self._pool.submit(_prepare, module) for _ in range(others)]
        self._children = set(active_children()) - before

    def submit(self, work: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Call `work` in another process."""
        return self._pool.submit(work, *args, **kwargs)

    def map(  # type: ignore[override]
        self, work: Callable[..., T], /, *arguments: Iterable[Any]
    ) -> Iterator[T]:
        """Yield results in order; see `Workers.map`.

        An error in another process interrupts the call that this one is making, which may never
        return, if it is made in the main thread of a POSIX system.
        """
        calls = deque(zip(*arguments, strict=True))
        given: deque[Future[T]] = deque()
        here = _Interruptible()
        try:
            with here.listening():
                while calls or given:
                    for future in self._give(work, calls, given):
                        future.add_done_callback(here.told)
                    for future in given:
                        if future.done():
                            future.result()  # raises its error at once, not when it is its turn
                    if given and given[0].done():
                        yield given.popleft().result()
                    elif calls and self._joins and len(given) < MOST_WAITING * self.jobs:
                        given.extend(here.call(work, *calls.popleft()))
                    else:
                        running = [future for future in given if not future.done()]
                        wait(running, return_when=FIRST_COMPLETED)
        except BrokenProcessPool as error:
            raise WorkerDied from error

    def _give(
        self, work: Callable[..., T], calls: deque[tuple[Any, ...]], given: deque[Future[T]]
    ) -> list[Future[T]]:
        """Submit calls to the processes that have started; to all if this one makes no calls."""
        ready = sum(each.done() for each in self._starting) if self._joins else self.jobs
        busy = sum(not future.done() for future in given)
        number = min(AHEAD * ready - busy, MOST_WAITING * self.jobs - len(given), len(calls))
        fresh = [self._pool.submit(work, *calls.popleft()) for _ in range(number)]
        given.extend(fresh)
        return fresh

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes; those that are still starting are not waited for."""
        if not all(each.done() for each in self._starting):
            self._kill()
        self._pool.shutdown(wait, cancel_futures=cancel_futures)

    def __exit__(
        self, kind: object, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._kill()  # a policy may never return
        self.shutdown(cancel_futures=True)

    def _kill(self) -> None:
        for child in self._children:
            child.kill()


class _ErrorElsewhere(KeyboardInterrupt):
    """Interruption of a call in this process because of an error in another one."""


class _Interruptible:
    """Calls in this process that errors in others interrupt, by a signal to the main thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._listens = self._calls = self._has_failed = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle the signal in this context, where that is possible."""
        if current_thread() is not main_thread() or not hasattr(signal, "pthread_kill"):
            yield
            return
        before = signal.signal(signal.SIGUSR1, _raise_error_elsewhere)
        self._listens = True
        try:
            yield
        finally:
            self._listens = False
            signal.signal(signal.SIGUSR1, before)

    def told(self, future: Future[Any]) -> None:
        """Interrupt the call that is being made if another one has failed; from any thread."""
        if future.cancelled() or future.exception() is None:
            return
        with self._lock:
            if self._has_failed:
                return  # one signal is enough
            self._has_failed = True
            if self._calls and self._listens:
                signal.pthread_kill(main_thread().ident or 0, signal.SIGUSR1)

    def call(self, work: Callable[..., T], /, *args: Any) -> list[Future[T]]:
        """Call `work` here; return its result, or nothing if another call fails first."""
        try:
            try:
                with self._lock:
                    self._calls = not self._has_failed
                return [called(work, *args)] if self._calls else []
            finally:
                with self._lock:
                    self._calls = False
        except _ErrorElsewhere:
            if not self._has_failed:
                raise  # the signal came from outside: it interrupts, as Ctrl-C does
            return []


def _raise_error_elsewhere(number: int, frame: FrameType | None) -> None:
    raise _ErrorElsewhere


class Threads(Workers):
    """Threads of this process, for calls that each wait for a process of their own."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._pool = ThreadPoolExecutor(jobs)

    def submit(self, work: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Call `work` in a thread."""
        return self._pool.submit(work, *args, **kwargs)

    def map(  # type: ignore[override]
        self, work: Callable[..., T], /, *arguments: Iterable[Any]
    ) -> Iterator[T]:
        """Yield results in order; with one thread, calls are made in this one."""
        if self.jobs == 1:
            yield from map(work, *arguments)
            return
        for future in [self.submit(work, *each) for each in zip(*arguments, strict=True)]:
            yield future.result()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:
        """Wait for the calls that are being made; make no others."""
        self._pool.shutdown(wait, cancel_futures=cancel_futures)


def _begin() -> None:
    """Begin a process."""
    die_with()  # otherwise it would keep waiting, or keep matching a pattern
    sys.stdout = sys.stderr  # keep a policy's output apart from the results


def _prepare(module: str) -> None:
    import_module(module)


@contextmanager
def _no_main_program() -> Iterator[None]:
    """Start processes that do not import the main program again, which may be a script.

    A script that calls `run` without a guard would make its runs again in every process.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
