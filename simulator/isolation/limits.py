"""Limits of an untrusted policy: time, memory and output.

`simulator.isolation.host.load(..., limits=Limits())` holds a policy to them, in
`simulator.isolation.bubblewrap` where that works. Here is what enforces them, on both sides. Loads
nothing heavy: a policy's process limits itself before it imports anything.
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
    from simulator.loading import Limits

MAX_FILES = 256
"""Maximum number of open files of a policy's process."""

MAX_THREADS = 4096
"""Maximum number of threads and processes of its user; a policy can only start threads."""

MAX_CPU_SECONDS = 24 * 3600
"""Processor time after which the kernel ends the process, in case the host was stopped."""


class Overdue(BaseException):
    """Timeout of a policy; not an `Exception`, so that no handler swallows it."""


class Bank:
    """Time budget of a policy over successive answers, in seconds."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._saved = 0.0

    @property
    def allowed(self) -> float:
        """Seconds available for the next answer."""
        return self._limits.seconds + self._saved

    def spend(self, seconds: float) -> None:
        """Subtract the seconds of an answer."""
        self._saved = min(self._limits.banked, max(0.0, self.allowed - seconds))


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """Raise `Overdue` in this context when the time is over.

    What a policy asks can keep the host busy for long, and only a signal interrupts it. Signals
    need the main thread of a POSIX system; elsewhere this does nothing.
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
            signal.setitimer(signal.ITIMER_REAL, 0)  # the alarm may go off just before
        finally:
            signal.signal(signal.SIGALRM, before)


def limit_this_process(memory: int) -> None:
    """Give up, permanently, all privileges and resources that a policy does not need.

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
        ("RLIMIT_FSIZE", 0),  # also of files in memory, which RLIMIT_AS does not count
        ("RLIMIT_NOFILE", MAX_FILES),
        ("RLIMIT_NPROC", MAX_THREADS),
        ("RLIMIT_CPU", MAX_CPU_SECONDS),
    ):
        with suppress(AttributeError, ValueError, OSError):  # not supported here
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
    """Drop all capabilities; with them, root could raise its limits and read others' files."""
    none = (ctypes.c_uint32 * 6)()
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).capset(ctypes.byref(_Header(_CAPABILITIES_VERSION, 0)), none)
