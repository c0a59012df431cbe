"""Concurrent sessions of several policy processes: each computes while the others are served.

Everything here runs in one thread, which must be the main thread: others cannot be interrupted when
a policy's time is over (`simulator.isolation.limits.interrupted_after`).
"""

from __future__ import annotations

import math
import select
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

from simulator.errors import PolicyError, UserError
from simulator.isolation.process import Answering, IsolatedPolicy
from simulator.loading import LoadedPolicy
from simulator.policy.base import Answer
from simulator.policy.solving import explain
from simulator.replay.replaying import Asked

Result = TypeVar("Result")


def side_by_side(
    assignments: Sequence[tuple[LoadedPolicy, Generator[Asked, Answer, Result]]],
) -> list[Result]:
    """Run the sessions of several policies concurrently, each policy in its own process.

    The time limit of an answer counts waiting for its policy and serving it, not serving others.

    Parameters
    ----------
    assignments
        Policies, each with its session, such as `simulator.replay.replaying.replaying`.

    Returns
    -------
    The results of the sessions, in order.

    Raises
    ------
    PolicyError, UserError
        The error of the first session that failed; all running processes are ended.
    """
    sessions = [_Session(loaded, work) for loaded, work in assignments]
    running: dict[int, _Session[Result]] = {}
    poll = select.poll()
    try:
        for session in sessions:
            if session.ask(None):
                running[session.answering.fileno()] = session
                poll.register(session.answering.fileno(), select.POLLIN)
        while running:
            for file in _ready(poll, running):
                if running[file].is_through():
                    poll.unregister(file)
                    del running[file]
    except BaseException:
        for session in running.values():
            session.answering.process.close()
        raise
    return [session.result for session in sessions]


def _ready(poll: select.poll, running: dict[int, _Session[Result]]) -> set[int]:
    """Wait for sessions that sent a request or have no time left; return their descriptors."""
    least = min(session.answering.left for session in running.values())
    began = time.monotonic()
    ready = {file for file, _ in poll.poll(None if math.isinf(least) else max(0, least) * 1000)}
    waited = time.monotonic() - began
    for file, session in running.items():
        session.answering.left -= waited
        if session.answering.left <= 0:
            ready.add(file)
    return ready


class _Session(Generic[Result]):
    """One policy's session in progress."""

    answering: Answering
    result: Result

    def __init__(self, loaded: LoadedPolicy, work: Generator[Asked, Answer, Result]) -> None:
        assert isinstance(loaded.policy, IsolatedPolicy)
        self._policy = loaded.policy
        self._file = loaded.file
        self._work = work

    def ask(self, answer: Answer) -> bool:
        """Pass on an answer (None at first) and request the next; return False at the end."""
        try:
            asked = self._work.send(answer)
        except StopIteration as end:
            self.result = end.value
            return False
        with self._blamed():
            process, settings = self._policy.process, self._policy.settings
            self.answering = process.ask(settings, asked.problem, asked.sampler)
        return True

    def is_through(self) -> bool:
        """Serve a request of the policy; return True if its session is finished."""
        with self._blamed():
            answered = self.answering.go_on()
        return answered and not self.ask(self.answering.answer)

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        """Treat errors in this context as the policy's, as in `simulator.policy.solving.solve`."""
        try:
            yield
        except PolicyError as error:
            self._work.throw(error)
        except (UserError, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._work.throw(PolicyError(explain(error, self._file)))
