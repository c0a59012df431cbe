"""A time limit for work of this process, in any thread."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Overdue(BaseException):
    """Interruption; not an `Exception`, so that no handler of the work swallows it."""


@contextmanager
def limited_to(seconds: float) -> Iterator[None]:
    """Raise `TimeoutError` in this context when the time is over.

    Python raises it between two instructions, so that a call of a library comes to its end first.
    """
    interrupt = ctypes.pythonapi.PyThreadState_SetAsyncExc
    thread = ctypes.c_ulong(threading.get_ident())
    deciding = threading.Lock()
    is_over = False

    def ring() -> None:
        with deciding:
            if not is_over:
                interrupt(thread, ctypes.py_object(_Overdue))

    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    try:
        try:
            timer.start()
            yield
        finally:
            with deciding:
                is_over = True
            timer.cancel()
            interrupt(thread, None)  # if it rang just now
    except _Overdue:
        raise TimeoutError(f"took longer than {seconds:g} s") from None
