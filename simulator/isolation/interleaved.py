"""Playing with several policy processes at once: each thinks while the others are served.

Everything here is done in one thread, and must be the main one: nothing else could be interrupted
when a policy's time is over (`simulator.isolation.limits.interrupted_after`).
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
    """Have several policies, each in a process of its own, answer what each is asked.

    The time of an answer passes while its policy is waited for and while it is served itself, not
    while others are.

    Parameters
    ----------
    hands
        A policy and all that it is to answer, as `simulator.replay.replaying.replaying`.

    Returns
    -------
    What each hand returned, in their order.

    Raises
    ------
    PolicyError, UserError
        What the first had that failed; the processes that were at work are ended.
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
    """Who has asked something, or has no time left to."""
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
    """A hand that is being played."""

    answering: Answering
    result: Result

    def __init__(self, loaded: LoadedPolicy, work: Generator[Asked, Answer, Result]) -> None:
        assert isinstance(loaded.policy, IsolatedPolicy)
        self._policy = loaded.policy
        self._file = loaded.file
        self._work = work

    def ask(self, answer: Answer) -> bool:
        """Take an answer (None before the first), ask for the next; False where there is none."""
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
        """Serve the policy, which has asked something; whether that was all of the hand."""
        with self._blamed():
            answered = self.answering.go_on()
        return answered and not self.ask(self.answering.answer)

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        """As `simulator.policy.solving.solve`: what goes wrong in here is the policy's fault."""
        try:
            yield
        except PolicyError as error:
            self._work.throw(error)
        except (UserError, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._work.throw(PolicyError(explain(error, self._file)))
