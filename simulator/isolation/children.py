"""Child processes: started with SIGINT blocked, ended with their parent.

Imports neither numpy nor other large packages, as a policy's process needs it before it restricts
itself (`simulator.isolation.sandbox`).
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_PR_SET_PDEATHSIG = 1
_SYNCHRONIZE = 0x00100000


@contextmanager
def sigint_blocked() -> Iterator[None]:
    """Start child processes in this context with SIGINT blocked, so that only this one gets Ctrl-C.

    Windows has no such mask: processes of its console all get Ctrl-C.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # unblocks signals when it starts, so start it first
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def die_with(parent: int | None = None) -> None:
    """Make sure that this process is killed as soon as `parent` ends, for any reason.

    `parent` is a process id; None is the parent of a process that `multiprocessing` started.
    """
    if parent is None:
        from multiprocessing import parent_process

        process = parent_process()
        assert process is not None
        assert process.pid is not None
        parent = process.pid
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if sys.platform != "win32" and os.getppid() != parent:
        os._exit(1)


def _watch(parent: int) -> None:
    if sys.platform == "win32":  # where this process may have been started by a launcher
        kernel = ctypes.windll.kernel32
        kernel.WaitForSingleObject(kernel.OpenProcess(_SYNCHRONIZE, False, parent), -1)
    else:
        while os.getppid() == parent:
            time.sleep(1)
    os._exit(1)
