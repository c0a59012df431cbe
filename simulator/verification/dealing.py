"""Rerun a policy across shuffled processes to expose state carried between replays.

A process serves many replays, and one replay can leave state for the next: a module variable, a
default argument, an attribute of numpy. Rerun in one process and in the same order, a policy with
such state would repeat its decisions. Here, repeats are dealt at random to several processes, each
in a different order, and processes are replaced by fresh ones on the way. The state that a replay
finds then differs from that of the run, and so do its decisions, if they depend on it.
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
"""Number of processes of a policy at a time."""

REPLACED = 5
"""Expected number of processes that are replaced by fresh ones over all problems."""

Replay = Callable[[LoadedPolicy, Sequence[int]], Replaying]
"""Function that replays one problem with a policy, in the given repeats and their order."""


@dataclass(frozen=True)
class Wanted:
    """Requested replays of a problem: the repeats, and the function that makes them.

    With `once`, no repeat is made by a second process as well.
    """

    repeats: Sequence[int]
    replay: Replay
    once: bool = False


@dataclass(frozen=True)
class Dealt:
    """A problem's replays, sorted by repeat.

    `remembered` describes the first replay that differs between two processes; empty if none does.
    """

    replayed: Replayed
    remembered: str = ""

    def of(self, repeat: int) -> Replayed:
        """Return the replay of one repeat."""
        made = self.replayed
        return Replayed(_rows(made.decisions, repeat), _rows(made.answers, repeat))


class Dealer:
    """Processes of a policy, to which the replays of each problem are dealt.

    A built-in method is part of this program, so it is replayed in this process, without dealing.

    Parameters
    ----------
    loaded
        The policy.
    seed
        Seed of the random dealing; the policy's author must not have known it.
    problems
        Number of problems that will be played.
    """

    def __init__(self, loaded: LoadedPolicy, seed: int, problems: int) -> None:
        self._loaded = loaded
        self._rng = np.random.default_rng((seed, problems))
        self._chance = REPLACED / max(problems, 1)
        self._players: list[LoadedPolicy] = [loaded] if loaded.in_process else []
        self._ends: list[ExitStack] = []
        self._printed: list[str] = []
        self._begun: list[PolicyProcess | None] = []  # started, not yet in use

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
        """True if the policy is a built-in method."""
        return self._loaded.in_process

    @property
    def printed(self) -> str:
        """Output of the first process that printed anything; empty if none did."""
        return next(filter(None, self._printed), "")

    def play(self, wanted: Sequence[Wanted]) -> list[Dealt]:
        """Replay one problem; return the replays for each request, in the order of `wanted`."""
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
        """Deal repeats at random: to each process, one repeat of another, then repeats of its own.

        Repeats whose trace orders are drawn together stay together.
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
    """The repeats of one request (number `which`) that one process makes.

    `again` is a repeat that another process makes as well; it comes first.
    """

    which: int
    wanted: Wanted
    again: int | None
    own: Sequence[int]

    @property
    def hand(self) -> list[int]:
        """All repeats, in the order in which they are made."""
        return [*self.own] if self.again is None else [self.again, *self.own]


def _played(
    player: LoadedPolicy, parts: Sequence[_Part]
) -> Generator[Asked, Answer, list[tuple[_Part, Replayed]]]:
    """Make all replays of a problem that one process was dealt."""
    made = []
    for part in parts:
        made.append((part, (yield from part.wanted.replay(player, part.hand))))
    return made


def _gathered(parts: Sequence[tuple[int | None, Replayed]]) -> Dealt:
    """Merge the replays of several processes; compare repeats that two processes made."""
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
    """Return the rows of a repeat, which are consecutive."""
    here = np.flatnonzero(table["repeat"].to_numpy() == repeat)
    return table.slice(here[0], len(here)) if len(here) else table.slice(0, 0)
