"""Running a policy again so that nothing it remembers is what it remembered in its run.

A process serves many replays, and what one leaves behind (a module's variable, a default argument,
an attribute of numpy) the next can find. In one process and the same order, a policy that remembers
does once more what it did. Here repeats are dealt at random to several processes, each in another
order, and processes are replaced by fresh ones on the way: what a replay can find differs from what
it found, and its decisions with it, if they depend on that.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulator.conformance.checks import difference
from simulator.isolation import host
from simulator.isolation.interleaved import side_by_side
from simulator.isolation.process import PolicyProcess
from simulator.loading import LoadedPolicy
from simulator.policy.base import Answer
from simulator.replay.orders import ORDERS_AT_ONCE
from simulator.replay.recording import Replayed
from simulator.replay.replaying import Asked, Replaying, answered

Ints = npt.NDArray[np.int64]

PROCESSES = 4
"""How many processes of a policy there are at a time."""

REPLACED = 5
"""How many of them are replaced by fresh ones over all problems, about."""

Replay = Callable[[LoadedPolicy, Sequence[int]], Replaying]
"""Replays one problem with a policy, in these repeats and in their order."""


@dataclass(frozen=True)
class Wanted:
    """Replays of a problem: in these repeats, as `replay` makes them.

    `once` says that no second process makes any of them.
    """

    repeats: Sequence[int]
    replay: Replay
    once: bool = False


@dataclass(frozen=True)
class Dealt:
    """A problem's replays, sorted by repeat.

    `remembered` says how a replay that two processes made differs; empty where none does.
    """

    replayed: Replayed
    remembered: str = ""

    def of(self, repeat: int) -> Replayed:
        """The replay of one repeat."""
        made = self.replayed
        return Replayed(_rows(made.decisions, repeat), _rows(made.answers, repeat))


class Dealer:
    """Processes of a policy, among which the replays of each problem are dealt.

    A built-in method, which runs in this process and is this program's own, is replayed as it is.

    Parameters
    ----------
    loaded
        The policy.
    seed
        What is dealt to whom follows from it; nobody who wrote the policy may have known it.
    problems
        How many problems are to come.
    """

    def __init__(self, loaded: LoadedPolicy, seed: int, problems: int) -> None:
        self._loaded = loaded
        self._rng = np.random.default_rng((seed, problems))
        self._chance = REPLACED / max(problems, 1)
        self._players: list[LoadedPolicy] = [loaded] if loaded.in_process else []
        self._ends: list[ExitStack] = []
        self._printed: list[str] = []
        self._begun: list[PolicyProcess | None] = []  # one more than are playing

    def __enter__(self) -> Self:
        if not self._players:
            self._players.append(self._loaded)  # nothing has been replayed with it yet
            self._ends.append(ExitStack())
            self._begun = [host.begun(self._loaded) for _ in range(PROCESSES)]
            while len(self._players) < PROCESSES:
                self._add()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._ends:
            self._remove(0)
        for process in self._begun:
            if process is not None:
                process.close()

    @property
    def trusted(self) -> bool:
        """Whether the policy is a method of this program."""
        return self._loaded.in_process

    @property
    def printed(self) -> str:
        """What the first of the processes that printed anything has printed."""
        return next(filter(None, self._printed), "")

    def play(self, wanted: Sequence[Wanted]) -> list[Dealt]:
        """Replay one problem: for all that is wanted, in this order, what came of it."""
        if self._loaded.in_process:
            return [
                Dealt(answered(each.replay(self._loaded, each.repeats), self._loaded))
                for each in wanted
            ]
        if self._rng.random() < self._chance:
            self._remove(int(self._rng.integers(PROCESSES)))
            self._begun.append(host.begun(self._loaded))  # the next, for the one after
            self._add()
        dealt = [self._deal(each) for each in wanted]
        hands = []
        for number, player in enumerate(self._players):
            which = self._rng.permutation(len(wanted)).tolist()
            parts = [_Part(each, wanted[each], *dealt[each][number]) for each in which]
            hands.append((player, _played(player, [part for part in parts if part.hand])))
        made: list[list[tuple[int | None, Replayed]]] = [[] for _ in wanted]
        for played in side_by_side(hands):
            for part, replayed in played:
                made[part.which].append((part.again, replayed))
        return [_gathered(parts) for parts in made]

    def _deal(self, wanted: Wanted) -> list[tuple[int | None, list[int]]]:
        """What each process makes: first one that another makes as well, then its own, at random.

        Repeats whose orders of traces are drawn together stay together.
        """
        repeats = np.array(wanted.repeats)
        owner = self._rng.integers(PROCESSES, size=len(repeats))
        hands: list[tuple[int | None, list[int]]] = []
        for number in range(PROCESSES):
            others = repeats[owner != number]
            once = wanted.once or not len(others)
            again = None if once else int(self._rng.choice(others))
            shuffled = self._rng.permutation(repeats[owner == number])
            together = np.argsort(shuffled // ORDERS_AT_ONCE, kind="stable")
            hands.append((again, shuffled[together].tolist()))
        return hands

    def _add(self) -> None:
        with ExitStack() as stack:
            process = self._begun.pop(0)
            self._players.append(stack.enter_context(host.fresh(self._loaded, process)))
            self._ends.append(stack.pop_all())

    def _remove(self, number: int) -> None:
        player, end = self._players.pop(number), self._ends.pop(number)
        end.close()
        self._printed.append(host.printed(player))


@dataclass(frozen=True)
class _Part:
    """Of what is wanted (by number), the repeats that one process makes.

    `again` is one that another makes as well, and comes first.
    """

    which: int
    wanted: Wanted
    again: int | None
    own: Sequence[int]

    @property
    def hand(self) -> list[int]:
        """All of them, in the order in which they are made."""
        return [*self.own] if self.again is None else [self.again, *self.own]


def _played(
    player: LoadedPolicy, parts: Sequence[_Part]
) -> Generator[Asked, Answer, list[tuple[_Part, Replayed]]]:
    """All that one process makes of a problem."""
    made = []
    for part in parts:
        made.append((part, (yield from part.wanted.replay(player, part.hand))))
    return made


def _gathered(parts: Sequence[tuple[int | None, Replayed]]) -> Dealt:
    """What several processes made of one problem, each with the repeat that another made, too."""
    first = [
        None
        if again is None
        else Replayed(_rows(part.decisions, again), _rows(part.answers, again))
        for again, part in parts
    ]
    own = [
        (part.decisions, part.answers)
        if one is None
        else (part.decisions.slice(len(one.decisions)), part.answers.slice(len(one.answers)))
        for one, (_, part) in zip(first, parts, strict=True)
    ]
    decisions, answers = (
        table.take(np.argsort(table["repeat"].to_numpy(), kind="stable"))
        for table in (
            pa.concat_tables(tables).unify_dictionaries() for tables in zip(*own, strict=True)
        )
    )
    made = Dealt(Replayed(decisions, answers))
    for one, (again, _) in zip(first, parts, strict=True):
        if one is None or again is None:
            continue
        if found := difference(one, made.of(again)):
            return replace(made, remembered=f"repeat {again}: {found}")
    return made


def _rows(table: pa.Table, repeat: int) -> pa.Table:
    """The rows of a repeat, which follow one another."""
    here = np.flatnonzero(table["repeat"].to_numpy() == repeat)
    return table.slice(here[0], len(here)) if len(here) else table.slice(0, 0)
