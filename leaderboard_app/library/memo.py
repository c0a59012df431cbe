"""What takes long is worked out once, however many ask for it at a time."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Once:
    """Remembers what was worked out last, by key, at most `most` results.

    Who asks for what another thread is at waits for that one, instead of doing the same beside it.
    What failed is tried anew.
    """

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._found: dict[Hashable, Future[Any]] = {}
        self._lock = Lock()

    def __call__(self, key: Hashable, make: Callable[[], T]) -> T:
        """The result of `make`, or of an earlier one with this key."""
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
