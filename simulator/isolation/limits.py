"""What a policy that someone else wrote is held to: time, memory, and how much it may print.

`Strict` is what whoever verifies chooses; `policy_process.load(..., strict=Strict())` holds a
policy to it, in `simulator.isolation.bubblewrap` where that works. Here is what enforces it, on
both sides. Loads nothing heavy: a policy's process limits itself before it imports anything.
"""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.loading import Strict

MAX_FILES = 256
"""How many files a policy's process may have open."""

MAX_THREADS = 4096
"""How many threads and processes its user may have; it can start threads only."""

MAX_CPU_SECONDS = 24 * 3600
"""Processor time after which the kernel ends it, should the host have been stopped meanwhile."""


class Overdue(BaseException):
    """A policy's time is over; not for `except Exception` to swallow."""


class Bank:
    """Seconds that a policy has left, answer by answer."""

    def __init__(self, strict: Strict) -> None:
        self._strict = strict
        self._saved = 0.0

    @property
    def allowed(self) -> float:
        """Seconds for the next answer."""
        return self._strict.seconds + self._saved

    def spend(self, seconds: float) -> None:
        """Take off what an answer took."""
        self._saved = min(self._strict.banked, max(0.0, self.allowed - seconds))


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """Raise `Overdue` in here when the time is over, whatever this process is doing by then.

    A stop rule's pattern may keep the host busy for ever, which nothing but a signal interrupts.
    Only a main thread of a POSIX system can have one; elsewhere this does nothing.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_: object) -> None:
        raise Overdue

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield
    finally:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)  # it may still ring just before
        finally:
            signal.signal(signal.SIGALRM, before)


def limit_this_process(memory: int) -> None:
    """Give up every right and all resources that a policy does not need, for good.

    Parameters
    ----------
    memory
        Address space, in bytes.
    """
    if sys.platform == "win32":
        return
    import resource

    for kind, most in (
        ("RLIMIT_AS", memory),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_FSIZE", 0),  # of files in memory, too, which are outside the address space
        ("RLIMIT_NOFILE", MAX_FILES),
        ("RLIMIT_NPROC", MAX_THREADS),
        ("RLIMIT_CPU", MAX_CPU_SECONDS),
    ):
        with suppress(AttributeError, ValueError, OSError):  # a system without it
            number = getattr(resource, kind)
            hard = resource.getrlimit(number)[1]
            least = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(number, (least, least))
    if sys.platform == "linux":
        _drop_capabilities()


_CAPABILITIES_VERSION = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("process", ctypes.c_int))


def _drop_capabilities() -> None:
    """As root, a process could raise its limits again, and read what is not its own."""
    none = (ctypes.c_uint32 * 6)()
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).capset(ctypes.byref(_Header(_CAPABILITIES_VERSION, 0)), none)
