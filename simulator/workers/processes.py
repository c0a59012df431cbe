"""Workers of this machine: processes, or threads that wait for processes."""

from __future__ import annotations

import math
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
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing import active_children, get_context
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event as EventType
from threading import Event, Lock, RLock, Thread, current_thread, main_thread
from time import monotonic
from types import FrameType, ModuleType, TracebackType
from typing import Any, Generic, TypeVar

from simulator.errors import UserError
from simulator.isolation.children import die_with, sigint_blocked
from simulator.workers.executor import WorkerDied, Workers

T = TypeVar("T")

AHEAD = 2
"""Calls that a process has at a time: one that it makes, and one that it goes on with."""

START_AFTER = 0.1
"""Seconds of calls in this process after which others start, if those left seem to take long."""

WORTH_STARTING = 0.5
"""Seconds that the calls left must seem to take: a process takes about as long to start."""

MOST_WAITING = 8
"""Results per process that wait for an earlier one; bounds memory."""


class Processes(Workers):
    """Processes of this machine, which start once.

    Parameters
    ----------
    jobs
        Number of calls that run at the same time, at least 2.
    module
        Name of the module whose functions are called; the processes import it at once.
    joins
        Let this process be one of them and make calls, too. It has imported everything, so it
        begins at once; the others start when that has taken a moment (`START_AFTER`), unless the
        rest seems to take no longer. Otherwise they start when this is made.

    Raises
    ------
    UserError
        No process can be started; by `map` and `submit` if `joins`.
    """

    def __init__(self, jobs: int, module: str, *, joins: bool = True) -> None:
        self.jobs = jobs
        self.joins = joins
        self._module = module
        self._pool: ProcessPoolExecutor | None = None
        self._starting: list[Future[None]] = []
        self._children: set[BaseProcess] = set()
        self._starter: Thread | None = None
        self._meanwhile: list[Callable[[], object]] = []
        self._short, self._over = Event(), Event()
        self._lock = Lock()
        self._refused: UserError | None = None
        if not joins:
            self._started()

    def _started(self) -> ProcessPoolExecutor:
        """Start the processes if they have not been started; return their executor."""
        with self._lock:
            if self._pool is None:
                others = self.jobs - 1 if self.joins else self.jobs
                before = set(active_children())
                context = get_context("spawn")
                try:
                    all_started = context.Event()
                    pool = ProcessPoolExecutor(
                        others, mp_context=context, initializer=_begin, initargs=(all_started,)
                    )
                    with sigint_blocked(), _no_main_program():
                        # As many calls as processes, which starts all of them: none is made before
                        # all have been submitted.
                        starting = [pool.submit(_prepare, self._module) for _ in range(others)]
                    all_started.set()
                except OSError as error:  # no room for semaphores, too many processes, not allowed
                    for child in set(active_children()) - before:
                        child.kill()
                    raise UserError(
                        f"no other process can be started ({error.strerror}); do without: -j 1"
                    ) from None
                self._children = set(active_children()) - before
                self._starting, self._pool = starting, pool
            return self._pool

    @contextmanager
    def _starting_later(self, calls: _Calls[Any]) -> Iterator[None]:
        """Start the processes from another thread if the calls take a moment."""
        if self._pool is None and not (self._starter and self._starter.is_alive()):
            self._short.clear()
            self._starter = Thread(target=self._start_later, args=(calls,), daemon=True)
            self._starter.start()
        for each in self._starting:
            each.add_done_callback(calls.started)
        try:
            yield
        finally:
            self._wait_for_starter()

    def _start_later(self, calls: _Calls[Any]) -> None:
        while not self._short.wait(START_AFTER):
            if calls.seconds_left() > WORTH_STARTING:
                break
        else:
            return
        try:
            self._started()
        except UserError as error:
            self._refused = error
        for each in self._starting:
            each.add_done_callback(calls.started)
        for work in self._meanwhile:
            if not self._over.is_set():
                with suppress(Exception):
                    work()
        self._over.wait()  # the processes end with the thread that started them

    def meanwhile(self, work: Callable[[], object]) -> None:
        """Call `work` in another thread of this process; see `Workers.meanwhile`."""
        self._meanwhile.append(work)

    def submit(self, work: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Call `work` in another process."""
        return self._started().submit(work, *args, **kwargs)

    def map(  # type: ignore[override]
        self, work: Callable[..., T], /, *arguments: Iterable[Any]
    ) -> Iterator[T]:
        """Yield results in order; see `Workers.map`.

        An error in another process interrupts the call that this one is making, which may never
        return, if it is made in the main thread of a POSIX system.
        """
        here = _Interruptible()
        calls = _Calls(self, work, zip(*arguments, strict=True), here.told)
        try:
            with here.listening(), self._starting_later(calls):
                while calls.left():
                    if self._refused is not None:
                        raise self._refused
                    calls.give()
                    given = calls.given()
                    for future in given:
                        if future.done():
                            future.result()  # raises its error at once, not when it is its turn
                    if given and given[0].done():
                        yield calls.taken()
                    elif own := calls.own():
                        here.call(*own)
                    else:
                        running = [future for future in given if not future.done()]
                        wait(running, return_when=FIRST_COMPLETED)
        except BrokenProcessPool as error:
            raise WorkerDied from error
        finally:
            calls.end()

    def room(self) -> int:
        """Return how many calls the processes that have started are to have at a time."""
        if self._pool is None:
            return 0
        ready = sum(each.done() for each in self._starting) if self.joins else self.jobs
        return AHEAD * ready

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes; those that are still starting are not waited for."""
        self._wait_for_starter()
        if self._pool is not None:
            if not all(each.done() for each in self._starting):
                self._kill()
            self._pool.shutdown(wait, cancel_futures=cancel_futures)
        self._over.set()
        if self._starter is not None and self._starter is not current_thread():
            self._starter.join()  # a thread that is importing must not outlive the interpreter

    def __exit__(
        self, kind: object, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._wait_for_starter()
            self._kill()  # a policy may never return
        self.shutdown(cancel_futures=True)

    def _wait_for_starter(self) -> None:
        """Wait until the other thread has started the processes, or ends without."""
        self._short.set()
        while self._starter and self._starter.is_alive() and not (self._pool or self._refused):
            self._starter.join(0.001)

    def _kill(self) -> None:
        for child in self._children:
            child.kill()
        if self._pool is not None:
            # This process holds the end to write to, too: half a result would be waited for.
            with suppress(AttributeError, OSError):
                self._pool._result_queue._writer.close()  # type: ignore[attr-defined]


class _Calls(Generic[T]):
    """Calls of one `map`: they are given to processes from any thread; results come in order.

    So a process that has started, or has made its calls, gets others while this one makes a long
    one.
    """

    def __init__(
        self,
        processes: Processes,
        work: Callable[..., T],
        calls: Iterable[tuple[Any, ...]],
        told: Callable[[Future[Any]], None],
    ) -> None:
        self._processes, self._work, self._told = processes, work, told
        self._calls = deque(calls)
        self._number, self._began = len(self._calls), monotonic()
        self._given: deque[Future[T]] = deque()
        self._elsewhere = 0  # calls that processes have
        self._most = MOST_WAITING * processes.jobs
        self._lock = RLock()

    def left(self) -> bool:
        """Return True if a result has not been taken yet."""
        return bool(self._calls or self._given)

    def seconds_left(self) -> float:
        """Estimate how long the calls left take in this process, by those that were made."""
        with self._lock:
            left = len(self._calls) + sum(not future.done() for future in self._given)
        made, taken = self._number - left, monotonic() - self._began
        return taken / made * left if made else math.inf

    def given(self) -> list[Future[T]]:
        """Return the results that have not been taken, of the calls that were given, in order."""
        with self._lock:
            return list(self._given)

    def taken(self) -> T:
        """Return the first result, and forget it."""
        with self._lock:
            future = self._given.popleft()
        return future.result()

    def give(self) -> None:
        """Submit calls to the processes that have started; to all if this one makes no calls."""
        with self._lock:
            while self._calls and len(self._given) < self._most:
                if self._elsewhere >= self._processes.room():
                    return
                self._elsewhere += 1
                future = self._processes.submit(self._work, *self._calls[0])
                self._calls.popleft()
                self._given.append(future)
                future.add_done_callback(self._done)

    def started(self, future: Future[Any]) -> None:
        """Give calls to a process that has started, which `future` tells."""
        if not _failed(future):
            with suppress(RuntimeError):  # no more calls are taken; the main thread is told
                self.give()

    def _done(self, future: Future[T]) -> None:
        self._told(future)
        if _failed(future):  # the executor may hold a lock of its own, which `give` waits for
            return
        with self._lock:
            self._elsewhere -= 1
        self.started(future)

    def own(self) -> tuple[Future[T], Callable[..., T], tuple[Any, ...]] | None:
        """Return a call for this process to make, and its result; None if it is to make none."""
        with self._lock:
            if not self._processes.joins or not self._calls or len(self._given) >= self._most:
                return None
            future: Future[T] = Future()
            self._given.append(future)
            return future, self._work, self._calls.popleft()

    def end(self) -> None:
        """Give no more calls."""
        with self._lock:
            self._calls.clear()


def _failed(future: Future[Any]) -> bool:
    return future.cancelled() or future.exception() is not None


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

    def call(self, future: Future[T], work: Callable[..., T], arguments: tuple[Any, ...]) -> None:
        """Call `work` here; set its result, unless another call fails first."""
        try:
            try:
                with self._lock:
                    self._calls = not self._has_failed
                if self._calls:
                    future.set_result(work(*arguments))
            finally:
                with self._lock:
                    self._calls = False
        except _ErrorElsewhere:
            if not self._has_failed:
                raise  # the signal came from outside: it interrupts, as Ctrl-C does


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


def _begin(all_started: EventType) -> None:
    """Begin a process, which works when all have been started."""
    die_with()  # otherwise it would keep waiting, or keep matching a pattern
    sys.stdout = sys.stderr  # keep a policy's output apart from the results
    all_started.wait()


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
