"""Cache that computes each result once, even if several threads ask at the same time."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Once:
    """Cache of the `most` results used last, by key.

    A thread that asks for a result in progress waits for it instead of computing it again. Failures
    are not cached.
    """

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._found: dict[Hashable, Future[Any]] = {}
        self._lock = Lock()

    def __call__(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the result of `make`, or of an earlier call with this key."""
        with self._lock:
            known = self._found.pop(key, None)
            found: Future[Any] = known or Future()
            self._found[key] = found  # the last one used is the last to be forgotten
            while len(self._found) > self._most:
                del self._found[next(iter(self._found))]
        if known is None:
            try:
                found.set_result(make())
            except BaseException as error:
                found.set_exception(error)
                with self._lock:
                    self._found.pop(key, None)
        return cast(T, found.result())
