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
    hands: Sequence[tuple[LoadedPolicy, Generator[Asked, Answer, Result]]],
) -> list[Result]:
    """Run the sessions of several policies concurrently, each policy in its own process.

    The time limit of an answer counts waiting for its policy and serving it, not serving others.

    Parameters
    ----------
    hands
        Policies, each with its session, such as `simulator.replay.replaying.replaying`.

    Returns
    -------
    The results of the sessions, in order.

    Raises
    ------
    PolicyError, UserError
        The error of the first session that failed; all running processes are ended.
    """
    games = [_Game(loaded, work) for loaded, work in hands]
    playing: dict[int, _Game[Result]] = {}
    poll = select.poll()
    try:
        for game in games:
            if game.ask(None):
                playing[game.answering.fileno()] = game
                poll.register(game.answering.fileno(), select.POLLIN)
        while playing:
            for file in _ready(poll, playing):
                if playing[file].is_through():
                    poll.unregister(file)
                    del playing[file]
    except BaseException:
        for game in playing.values():
            game.answering.process.close()
        raise
    return [game.result for game in games]


def _ready(poll: select.poll, playing: dict[int, _Game[Result]]) -> set[int]:
    """Wait for sessions that sent a request or have no time left; return their descriptors."""
    least = min(game.answering.left for game in playing.values())
    began = time.monotonic()
    ready = {file for file, _ in poll.poll(None if math.isinf(least) else max(0, least) * 1000)}
    waited = time.monotonic() - began
    for file, game in playing.items():
        game.answering.left -= waited
        if game.answering.left <= 0:
            ready.add(file)
    return ready


class _Game(Generic[Result]):
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
