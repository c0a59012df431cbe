"""Work of runs, divided into units: problems in some repeats, replayed by workers.

Runs made together, as in a sweep, go through the problems together, and share the data read and
derived for a problem. Units come in the order of merging. Those at the end are the smallest, so
that all workers finish at about the same time however unequal problems are; those before have
whole blocks where they can, as data of a problem is derived in each process that replays it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from itertools import pairwise
from pathlib import Path

from simulator.counting import Charging, Order
from simulator.isolation import host
from simulator.loading import LoadedPolicy
from simulator.pools.pool import Pool, StoredProblem
from simulator.pools.probe_cost import ProbeCost
from simulator.replay.replaying import replay
from simulator.replay.serving import Serving
from simulator.runs.parts import Block, Part, Unfinished, blocks
from simulator.runs.spec import RunJudge, RunSpec
from simulator.runs.summary import Totals
from simulator.workers.executor import Shared, Workers

PREPARED_AT_MOST = 8
"""Maximum number of cached items about a problem passed from one run to the next; bounds memory for
any number of runs. The largest item has 24 MB (`simulator.replay.lockstep`)."""

UNITS_PER_WORKER = 4
"""Units that each worker would have if what is left were divided evenly."""

LEAST_ROWS = 1024
"""Decisions of the smallest unit: some milliseconds of work, far more than it takes to hand out."""

RUNS_AT_ONCE = 16
"""Maximum number of runs in a unit, whose parts are in memory together."""

MOST_MERGING = 4
"""Number of calls for merging that wait for an earlier one; bounds memory."""

MERGED_AT_ONCE = 64
"""Maximum number of runs that are merged while they are made, as each has two open files."""

Progress = Callable[[int, int], None]
"""Progress callback, called with the number of finished replays and their total."""


@dataclass(frozen=True)
class Unit:
    """A problem in some repeats, to be replayed for several runs (by number)."""

    block: Block
    runs: Sequence[int]


def make_parts(
    runs: Sequence[Unfinished], workers: Workers, progress: Progress
) -> list[dict[int, Totals]]:
    """Make all parts of all runs that are missing or damaged, and merge them.

    Returns
    -------
    The totals of each run by pool.
    """
    total = 0
    lacking: dict[Block, list[int]] = {}
    for number, run in enumerate(runs):
        for block in blocks(run.spec):
            total += len(block)
            for gap in run.missing(block):
                lacking.setdefault(gap, []).append(number)
    done = total - sum(len(gap) * len(among) for gap, among in lacking.items())
    progress(done, total)
    units = list(divided(sorted(lacking.items()), runs, workers.jobs, workers.grain))
    at_once = len(runs) <= MERGED_AT_ONCE
    with ExitStack() as stack:
        for run in runs if at_once else ():
            stack.enter_context(run)
        if units:
            folders = [run.parts for run in runs] if workers.local else None
            shared = _shared([run.spec for run in runs], folders)
            workers.meanwhile(partial(import_module, "scipy.special"))  # for intervals; slow
            results = workers.map(replayed, [shared] * len(units), units)
            with _merging(workers.jobs > 1) as merge:
                for unit, parts in zip(units, results, strict=True):
                    for number, part in zip(unit.runs, parts, strict=True):
                        runs[number].store(unit.block, part)
                        if at_once:
                            merge(runs[number], unit.block)
                        done += len(unit.block)
                        progress(done, total)
        return [run.totals() for run in runs]


@contextmanager
def _merging(beside: bool) -> Iterator[Callable[[Unfinished, Block], None]]:
    """Yield what merges the blocks of a run before one; in a thread of its own if `beside`.

    Most of it is compression, beside which this process replays. An error is raised by a later
    call, or at the end.
    """
    if not beside:
        yield Unfinished.merge_before
        return
    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(1) as thread:

        def merge(run: Unfinished, block: Block) -> None:
            waiting.append(thread.submit(run.merge_before, block))
            while len(waiting) > MOST_MERGING or waiting[0].done():
                waiting.popleft().result()
                if not waiting:
                    break

        yield merge
        for each in waiting:
            each.result()


def divided(
    gaps: Sequence[tuple[Block, Sequence[int]]],
    runs: Sequence[Unfinished],
    jobs: int,
    grain: int = 1,
) -> Iterator[Unit]:
    """Divide the gaps of runs, in order, into units for a number of workers.

    Their size is measured in decisions: a share of what is left, so that it falls towards the end,
    down to `grain` times `LEAST_ROWS`.
    """
    rows = [
        len(gap) * sum(runs[number].spec.budgets[gap.pool] for number in among)
        for gap, among in gaps
    ]
    left = sum(rows)
    for (gap, among), size in zip(gaps, rows, strict=True):
        share = max(left / (jobs * UNITS_PER_WORKER), grain * LEAST_ROWS)
        pieces = 1 if jobs == 1 else min(len(gap), math.ceil(size / share))
        for start, stop in _evenly(gap.start, gap.stop, pieces):
            for first in range(0, len(among), RUNS_AT_ONCE):
                piece = replace(gap, start=start, stop=stop)
                yield Unit(piece, among[first : first + RUNS_AT_ONCE])
        left -= size


def _evenly(start: int, stop: int, pieces: int) -> Iterator[tuple[int, int]]:
    ends = [start + (stop - start) * piece // pieces for piece in range(pieces + 1)]
    yield from pairwise(ends)


class Replays:
    """Runs that are replayed in this process, with the last problem that they were replayed on.

    `folders` are those of the runs' parts, if this process is to store them.
    """

    def __init__(self, specs: Sequence[RunSpec], folders: Sequence[Path] | None) -> None:
        self.specs = specs
        self.folders = folders
        self._problem: tuple[tuple[int, int], StoredProblem] | None = None

    def problem(self, block: Block) -> StoredProblem:
        """Return a block's problem, with what earlier units have read and derived of it."""
        if self._problem is None or self._problem[0] != block.place:
            stored = self.specs[0].pools[block.pool].problems[block.problem]
            self._problem = block.place, stored.fresh()
        return self._problem[1]


def replayed(shared: Shared[Replays], unit: Unit) -> list[Part | None]:
    """Replay a unit; return the part of each of its runs, or None where it is stored."""
    replays = shared.value
    problem = replays.problem(unit.block)
    parts = list[Part | None]()
    for number in unit.runs:
        part = _replayed(replays.specs[number], unit.block, problem)
        if replays.folders is None:
            parts.append(part)
        else:
            part.store(replays.folders[number], unit.block)
            parts.append(None)
    return parts


def _replayed(spec: RunSpec, block: Block, problem: StoredProblem) -> Part:
    if len(problem.prepared) > PREPARED_AT_MOST:
        problem.prepared.clear()
    done = replay(
        spec.loaded,
        problem,
        budget=spec.budgets[block.pool],
        repeats=block.repeats,
        seed=spec.seed,
        serving=spec.serving,
        judge=spec.judge.asked if spec.judge else None,
        probe_cost=spec.probe_cost,
        charging=spec.charging,
        order=spec.order,
    )
    return Part.of(done.decisions, done.answers, done.rule_halts)


def _shared(specs: Sequence[RunSpec], folders: Sequence[Path] | None) -> Shared[Replays]:
    """Share runs with other processes, and the folders in which these store parts.

    They differ only in their parameters, their judge, their budget, and numbers in a built-in name.
    """
    spec = specs[0]
    loaded = spec.loaded
    return Shared(
        Replays(specs, folders),
        _opened,
        (loaded.source, loaded.in_process, loaded.timeout),
        [(each.loaded.spec, each.loaded.settings, each.budget) for each in specs],
        [pool.path for pool in spec.pools],
        (spec.repeats, spec.seed, spec.serving),
        [each.judge for each in specs],
        (spec.probe_cost, spec.charging, spec.order),
        folders,
    )


def _opened(
    policy: tuple[str, bool, float | None],
    settings: Sequence[tuple[str, Mapping[str, str], int | None]],
    pools: Sequence[Path],
    how: tuple[int, int, Serving],
    judges: Sequence[RunJudge | None],
    costs: tuple[ProbeCost | None, Charging, Order],
    folders: Sequence[Path] | None,
) -> Replays:
    """Load the policy and open the pools of runs in this process."""
    source, in_process, timeout = policy
    opened = [Pool(path) for path in pools]

    def load(name: str, typed: Mapping[str, str]) -> LoadedPolicy:
        loaded = host.load(name, typed, source, in_process=in_process)
        return replace(loaded, timeout=timeout)

    return Replays(
        [
            RunSpec(load(name, typed), opened, budget, *how, judge, *costs)
            for (name, typed, budget), judge in zip(settings, judges, strict=True)
        ],
        folders,
    )
