"""Watch over a replayed policy: tells one that goes nowhere, and ends one that takes too long.

A policy goes nowhere if it generates no token: it decodes nothing, only probes, or loops. The time
that a judge takes for an answer does not count. A timer looks at it from time to time. In a main
thread of a POSIX system this is a signal, which also interrupts a policy in this process; elsewhere
it is a thread, which can only end another process.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Protocol

from simulator.errors import TimedOut
from simulator.loading import LoadedPolicy, shown_settings
from simulator.replay.engine import Engine

QUIET = 10.0
"""Seconds without a generated token after which a policy is told."""

EVERY = 1.0
"""Seconds between two looks."""


class _InAnotherProcess(Protocol):
    """A policy whose process can be ended from any thread."""

    def end_process(self) -> None: ...


class _Overdue(KeyboardInterrupt):
    """Interruption of a policy that takes too long; ends with the next look if it is swallowed."""


class Watch:
    """A watch over the replays of one policy, one after another; `over` starts each.

    A policy with `limits` has time limits of its own and is not watched.
    """

    def __init__(self, loaded: LoadedPolicy) -> None:
        self._loaded = loaded
        self._engine: Engine | None = None
        self._repeat = 0
        self._began = self._moved = 0.0
        self._tokens = 0
        self._is_told = False
        self._is_overdue = False
        self._timer: tuple[float, float] | None = None

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look at the policy from time to time in this context."""
        if self._loaded.limits is not None:
            yield
            return
        limit = self._loaded.timeout
        first = QUIET if limit is None else min(QUIET, limit)
        main = threading.current_thread() is threading.main_thread()
        if main and hasattr(signal, "setitimer") and not signal.getitimer(signal.ITIMER_REAL)[0]:
            before = signal.signal(signal.SIGALRM, lambda *_: self._look(interrupting=True))
            try:
                self._timer = first, min(first, EVERY)
                yield
            finally:
                self._timer = None
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, before)
            return
        ended = threading.Event()

        def look_again() -> None:
            while not ended.wait(min(first, EVERY)):
                self._look(interrupting=False)

        threading.Thread(target=look_again, daemon=True).start()
        try:
            yield
        finally:
            ended.set()

    def over(self, engine: Engine, repeat: int) -> Watch:
        """Watch the policy answer in this context; raise `TimedOut` if it is ended."""
        self._repeat = repeat
        self._tokens, self._is_told, self._is_overdue = 0, False, False
        self._began = self._moved = time.monotonic()
        self._engine = engine
        if self._timer is not None:  # anew, as math-verify, which grades answers, ends timers
            signal.setitimer(signal.ITIMER_REAL, *self._timer)
        return self

    def __enter__(self) -> None:
        """Do nothing: `over` has begun."""

    def __exit__(
        self, kind: object, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop watching; raise `TimedOut` in place of the error of a policy that was ended."""
        engine, self._engine = self._engine, None
        if error is not None and self._is_overdue:
            assert engine is not None
            raise TimedOut(
                f"{self._loaded.file}: took longer than {self._loaded.timeout:g} s "
                f"(--timeout) for {self._where(engine)}"
            ) from error

    def _where(self, engine: Engine) -> str:
        settings = self._loaded.settings
        where = f"problem {engine.problem.problem_id}, repeat {self._repeat}"
        return f"{where}, {shown_settings(settings)}" if settings else where

    def _look(self, *, interrupting: bool) -> None:
        engine = self._engine
        if engine is None:
            return
        now, tokens, limit = time.monotonic(), engine.progress, self._loaded.timeout
        asks = engine.judging is not None and engine.judging.is_asking
        if tokens != self._tokens or asks:
            self._tokens, self._moved, self._is_told = tokens, now, False
        elif now - self._moved >= QUIET and not self._is_told:
            self._is_told = True
            self._tell(engine, limit)
        if limit is not None and now - self._began >= limit:
            was_overdue, self._is_overdue = self._is_overdue, True
            policy: _InAnotherProcess | object = self._loaded.policy
            # A second interruption could meet the wait for the end of the policy's process.
            if interrupting and not (was_overdue and hasattr(policy, "end_process")):
                raise _Overdue
            if hasattr(policy, "end_process"):
                policy.end_process()
            elif sys.platform == "win32":
                _thread.interrupt_main()

    def _tell(self, engine: Engine, limit: float | None) -> None:
        then = "--timeout SECONDS ends it by itself" if limit is None else f"at {limit:g} s it ends"
        with suppress(Exception):  # also if standard error is being written to just now
            print(
                f"{self._loaded.file}: {self._where(engine)}: the policy has generated no token "
                f"for {QUIET:g} s; Ctrl-C ends it, {then}",
                file=sys.stderr,
                flush=True,
            )
