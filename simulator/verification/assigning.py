"""Rerun a policy across shuffled processes to expose state carried between replays.

A process serves many replays, and one replay can leave state for the next: a module variable, a
default argument, an attribute of numpy. Rerun in one process and in the same order, a policy with
such state would repeat its decisions. Here, repeats are assigned at random to several processes,
each in a different order, and processes are replaced by fresh ones on the way. The state that a
replay finds then differs from that of the run, and so do its decisions, if they depend on it.

Disguised problems have a process of their own, which makes no other replays: a policy that sees
through a disguise there cannot remember what it decided without it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
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

PROCESSES = 4
"""Number of processes of a policy at a time, beside the one for disguised problems."""

REPLACED = 5
"""Expected number of processes that are replaced by fresh ones over all problems."""

Replay = Callable[[LoadedPolicy, Sequence[int]], Replaying]
"""Function that replays one problem with a policy, in the given repeats and their order."""


@dataclass(frozen=True)
class Wanted:
    """Requested replays of a problem: the repeats, and the function that makes them."""

    repeats: Sequence[int]
    replay: Replay


@dataclass(frozen=True)
class Gathered:
    """A problem's replays, sorted by repeat.

    `remembered` describes the first replay that differs between two processes; empty if none does.
    """

    replayed: Replayed
    remembered: str = ""

    def of(self, repeat: int) -> Replayed:
        """Return the replay of one repeat."""
        made = self.replayed
        return Replayed(_rows(made.decisions, repeat), _rows(made.answers, repeat))


class Assigner:
    """Processes of a policy, to which the replays of each problem are assigned.

    A built-in method is share of this program, so it is replayed in this process.

    Parameters
    ----------
    loaded
        The policy.
    seed
        Seed of the random assignment; the policy's author must not have known it.
    problems
        Number of problems that will be replayed.
    """

    def __init__(self, loaded: LoadedPolicy, seed: int, problems: int) -> None:
        self._loaded = loaded
        self._rng = np.random.default_rng((seed, problems))
        self._chance = REPLACED / max(problems, 1)
        self._runners: list[LoadedPolicy] = [loaded] if loaded.in_process else []
        self._ends: list[ExitStack] = []
        self._outputs: list[str] = []
        self._begun: list[PolicyProcess | None] = []  # started, not yet in use
        self._apart: LoadedPolicy = loaded

    def __enter__(self) -> Self:
        if not self._runners:
            # The policy's own process is the one apart: nothing has been replayed with it yet.
            self._begun = [host.begun(self._loaded) for _ in range(PROCESSES + 1)]
            while len(self._runners) < PROCESSES:
                self._add()
        return self

    def __exit__(self, *error: object) -> None:
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
    def output(self) -> str:
        """Output of the first process that printed anything; empty if none did."""
        return next(filter(None, self._outputs), "")

    def replay(self, wanted: Sequence[Wanted]) -> list[Gathered]:
        """Replay one problem; return the replays for each request, in the order of `wanted`."""
        if self._loaded.in_process:
            return [
                Gathered(answered(each.replay(self._loaded, each.repeats), self._loaded))
                for each in wanted
            ]
        if self._rng.random() < self._chance:
            self._remove(int(self._rng.integers(PROCESSES)))
            self._begun.append(host.begun(self._loaded))  # the next, for the one after
            self._add()
        assigned = [self._assign(each) for each in wanted]
        assignments = []
        for number, runner in enumerate(self._runners):
            which = self._rng.permutation(len(wanted)).tolist()
            shares = [_Share(each, wanted[each], *assigned[each][number]) for each in which]
            shares = [share for share in shares if share.repeats]
            assignments.append((runner, _replayed(runner, shares)))
        made: list[list[tuple[int | None, Replayed]]] = [[] for _ in wanted]
        for replayed_by_one in side_by_side(assignments):
            for share, replayed in replayed_by_one:
                made[share.which].append((share.again, replayed))
        return [_gathered(shares) for shares in made]

    def replay_apart(self, wanted: Wanted) -> Replayed:
        """Replay a problem in the process that makes no replays but these."""
        work = wanted.replay(self._apart, wanted.repeats)
        if self._loaded.in_process:
            return answered(work, self._loaded)
        (made,) = side_by_side([(self._apart, work)])
        return made

    def _assign(self, wanted: Wanted) -> list[tuple[int | None, list[int]]]:
        """Assign repeats at random: to each process, one of another process, then its own.

        Repeats whose trace orders are drawn together stay together.
        """
        repeats = np.array(wanted.repeats)
        owner = self._rng.integers(PROCESSES, size=len(repeats))
        assignments: list[tuple[int | None, list[int]]] = []
        for number in range(PROCESSES):
            others = repeats[owner != number]
            again = int(self._rng.choice(others)) if len(others) else None
            shuffled = self._rng.permutation(repeats[owner == number])
            together = np.argsort(shuffled // ORDERS_AT_ONCE, kind="stable")
            assignments.append((again, shuffled[together].tolist()))
        return assignments

    def _add(self) -> None:
        with ExitStack() as stack:
            process = self._begun.pop(0)
            self._runners.append(stack.enter_context(host.fresh(self._loaded, process)))
            self._ends.append(stack.pop_all())

    def _remove(self, number: int) -> None:
        runner, end = self._runners.pop(number), self._ends.pop(number)
        end.close()
        self._outputs.append(host.output(runner))


@dataclass(frozen=True)
class _Share:
    """The repeats of one request (number `which`) that one process makes.

    `again` is a repeat that another process makes as well; it comes first.
    """

    which: int
    wanted: Wanted
    again: int | None
    own: Sequence[int]

    @property
    def repeats(self) -> list[int]:
        """All repeats, in the order in which they are made."""
        return [*self.own] if self.again is None else [self.again, *self.own]


def _replayed(
    runner: LoadedPolicy, shares: Sequence[_Share]
) -> Generator[Asked, Answer, list[tuple[_Share, Replayed]]]:
    """Make all replays of a problem that one process was assigned."""
    made = []
    for share in shares:
        made.append((share, (yield from share.wanted.replay(runner, share.repeats))))
    return made


def _gathered(shares: Sequence[tuple[int | None, Replayed]]) -> Gathered:
    """Merge the replays of several processes; compare repeats that two processes made."""
    first = [
        None
        if again is None
        else Replayed(_rows(share.decisions, again), _rows(share.answers, again))
        for again, share in shares
    ]
    own = [
        (share.decisions, share.answers)
        if one is None
        else (share.decisions.slice(len(one.decisions)), share.answers.slice(len(one.answers)))
        for one, (_, share) in zip(first, shares, strict=True)
    ]
    decisions, answers = (
        table.take(np.argsort(table["repeat"].to_numpy(), kind="stable"))
        for table in (
            pa.concat_tables(tables).unify_dictionaries() for tables in zip(*own, strict=True)
        )
    )
    made = Gathered(Replayed(decisions, answers))
    for one, (again, _) in zip(first, shares, strict=True):
        if one is None or again is None:
            continue
        if found := difference(one, made.of(again)):
            return replace(made, remembered=f"repeat {again}: {found}")
    return made


def _rows(table: pa.Table, repeat: int) -> pa.Table:
    """Return the rows of a repeat, which are consecutive."""
    here = np.flatnonzero(table["repeat"].to_numpy() == repeat)
    return table.slice(here[0], len(here)) if len(here) else table.slice(0, 0)
