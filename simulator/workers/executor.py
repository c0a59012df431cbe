"""The interface of workers, and what it takes to be sent to one.

A command opens its workers once (`simulator.workers.opening`), as early as it can, and passes them
down. Work is a function of a module, whose arguments and result can be pickled. It reads no file
but those of pools, so that it can run on another machine. On this machine, it may store its result
in a folder of its caller.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class WorkerDied(BrokenExecutor):
    """End of a worker while it worked, as for lack of memory; the message says so."""

    def __init__(self, message: str = "a worker process died (out of memory?)") -> None:
        super().__init__(message)


class Workers(Executor):
    """Workers, in the form of an executor.

    Leaving their context ends them, whatever they are doing.

    Attributes
    ----------
    jobs
        Number of calls that run at the same time.
    grain
        Least size of a call that pays, relative to one that pays in a process of this machine.
    local
        True if calls run on this machine, and can write to its folders.
    """

    jobs: int
    grain: int = 1
    local: bool = True

    def map(  # type: ignore[override]
        self, work: Callable[..., T], /, *arguments: Iterable[Any]
    ) -> Iterator[T]:
        """Call `work` for the arguments that come together, and yield the results in their order.

        Unlike in the class above, only a few calls are given away at a time, so that few results
        wait, and this process makes calls of its own where others have enough to do.

        Raises
        ------
        WorkerDied
            A worker ended while it worked.
        Exception
            As from `work`, as soon as it is known.
        """
        raise NotImplementedError

    def meanwhile(self, work: Callable[[], object]) -> None:
        """Call `work` in another thread of this process once others have started.

        It gets ready what this process needs when the calls have been made; without other processes
        it is not called, and errors in it are left to when it is needed.
        """


class Here(Workers):
    """Calls in this process alone, one after another, when their results are asked for."""

    jobs = 1

    def submit(self, work: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Call `work` now; an error is raised at once."""
        future: Future[T] = Future()
        future.set_result(work(*args, **kwargs))
        return future

    def map(  # type: ignore[override]
        self, work: Callable[..., T], /, *arguments: Iterable[Any]
    ) -> Iterator[T]:
        """Call `work` whenever its result is asked for."""
        return map(work, *arguments)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Do nothing: there is nothing to end."""


class Shared(Generic[T]):
    """A value that every process makes itself, once: it is sent as the call that makes it.

    A process keeps the last one that it made.
    """

    def __init__(self, value: T, make: Callable[..., T], *given: Any) -> None:
        self._value: T | None = value
        self._sent = (uuid.uuid4().hex, make, given)

    @property
    def value(self) -> T:
        """The value, made on first use in a process that has received it."""
        if self._value is None:
            key, make, given = self._sent
            if key not in _made:
                _made.clear()
                _made[key] = make(*given)
            self._value = _made[key]
        return self._value

    def __getstate__(self) -> dict[str, Any]:
        return {"_value": None, "_sent": self._sent}


_made: dict[str, Any] = {}
"""The last value that another process shared with this one."""
