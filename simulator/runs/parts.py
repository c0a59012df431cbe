"""The parts of an unfinished run: replayed in one or several processes, stored, and merged.

A part is a pair of files: the decisions and the answers of one problem in a block of repeats. Parts
are merged in a fixed order, so the result does not depend on the number of processes or of
interruptions. Runs made together, as in a sweep, go through the problems together, and share the
data read and derived for a problem.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from multiprocessing import active_children, get_context
from pathlib import Path
from types import ModuleType
from typing import Self

import pyarrow as pa

from simulator.counting import Charging, Order
from simulator.isolation import host
from simulator.isolation.children import die_with, sigint_blocked
from simulator.loading import LoadedPolicy
from simulator.pools.pool import Pool, StoredProblem
from simulator.pools.probe_cost import ProbeCost
from simulator.replay.orders import ROWS_PER_PART, blocks_of
from simulator.replay.recording import ANSWERS, DECISIONS, add_halts, answers_schema
from simulator.replay.replaying import replay
from simulator.replay.serving import Serving
from simulator.runs.format import ANSWERS_FILE, DECISIONS_FILE
from simulator.runs.spec import RunJudge, RunSpec
from simulator.runs.summary import Totals
from simulator.storage import parquet_writer

PREPARED_AT_MOST = 8
"""Maximum number of cached items about a problem passed from one run to the next; bounds memory for
any number of runs. The largest item has 24 MB (`simulator.replay.lockstep`)."""

_COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
"""Compression of parts: 10 bytes per decision, not 45, as all parts of a sweep are on disk."""

RULE_HALTS = b"rule_halts"
"""Metadata of a part's decisions: halts by each kind of stop rule, which no row tells."""

Progress = Callable[[int, int], None]
"""Progress callback, called with the number of finished replays and their total."""


@dataclass(frozen=True)
class Task:
    """One part: a problem of a pool (by number) in a range of repeats."""

    pool: int
    problem: int
    repeats: range

    @property
    def name(self) -> str:
        """File name of the part without suffix; names sort in the order of merging."""
        return f"{self.pool:03d}-{self.problem:06d}-{self.repeats.start:08d}"


def tasks_of(spec: RunSpec) -> Iterator[Task]:
    """Yield the parts of a run in the order of merging."""
    for index, (pool, budget) in enumerate(zip(spec.pools, spec.budgets, strict=True)):
        for problem in range(len(pool.problems)):
            for repeats in blocks_of(spec.repeats, budget):
                yield Task(index, problem, repeats)


@dataclass(frozen=True)
class Making:
    """An unfinished run, with the folder of its parts."""

    spec: RunSpec
    parts: Path


@dataclass(frozen=True)
class Batch:
    """A part missing in several runs (by number); one process makes it for all of them."""

    task: Task
    runs: Sequence[int]


def replay_missing(runs: Sequence[Making], jobs: int, progress: Progress) -> None:
    """Make all parts of all runs that are missing or damaged."""
    total = missing = 0
    lacking: dict[Task, list[int]] = {}
    for number, run in enumerate(runs):
        for task in tasks_of(run.spec):
            total += len(task.repeats)
            if not _is_complete(run, task):
                missing += len(task.repeats)
                lacking.setdefault(task, []).append(number)
    done = total - missing
    progress(done, total)
    tasks = sorted(lacking, key=lambda task: task.name)
    shares = max(1, jobs // max(1, len(tasks)))  # with fewer tasks than processes, split the runs
    batches = [
        Batch(task, lacking[task][share::shares])
        for task in tasks
        for share in range(min(shares, len(lacking[task])))
    ]
    with closing(_replayed(runs, batches, jobs)) as sizes:
        for size in sizes:
            done += size
            progress(done, total)


def _is_complete(run: Making, task: Task) -> bool:
    parts = run.parts
    if not (parts / f"{task.name}.answers").exists():
        return False
    try:
        decisions = _read_part(parts / f"{task.name}.decisions")
        answers = _read_part(parts / f"{task.name}.answers")
    except (OSError, pa.ArrowException):  # truncated by a crash
        return False
    wanted = (DECISIONS, answers_schema(run.spec.ends_known))
    schemas = (decisions.schema, answers.schema) == wanted
    return schemas and len(answers) == len(task.repeats)


def _replayed(
    runs: Sequence[Making], batches: Sequence[Batch], jobs: int
) -> Generator[int, None, None]:
    """Make the batches; yield the size of each part when it is done."""
    if jobs == 1 or len(batches) < 2:
        for batch in batches:
            yield from _make_parts(runs, batch)
        return
    spec = runs[0].spec  # runs differ only in their parameters
    given = (
        (spec.loaded.spec, spec.loaded.source, spec.loaded.in_process, spec.loaded.timeout),
        [(run.spec.loaded.settings, run.parts) for run in runs],
        [pool.path for pool in spec.pools],
        (spec.budget, spec.repeats, spec.seed, spec.serving),
        [run.spec.judge for run in runs],
        (spec.probe_cost, spec.charging, spec.order),
        list(sys.path),
    )
    others = set(active_children())
    executor = ProcessPoolExecutor(
        min(jobs, len(batches)),
        mp_context=get_context("spawn"),
        initializer=_start_worker,
        initargs=given,
    )
    try:
        with sigint_blocked(), _no_main_program():
            futures = [executor.submit(_work, batch) for batch in batches]
        for future in as_completed(futures):
            yield future.result()
    except BaseException:
        for worker in set(active_children()) - others:
            worker.kill()  # its policy may never return
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _no_main_program() -> Iterator[None]:
    """Start worker processes that do not import the main program again, which may be a script.

    A script that calls `run` without a guard would make its runs again in every worker.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


_in_worker: list[Making]


def _start_worker(
    policy: tuple[str, str, bool, float | None],
    runs: Sequence[tuple[Mapping[str, str], Path]],
    pools: Sequence[Path],
    settings: tuple[int | None, int, int, Serving],
    judges: Sequence[RunJudge | None],
    costs: tuple[ProbeCost | None, Charging, Order],
    path: list[str],
) -> None:
    global _in_worker
    die_with()  # otherwise the worker would keep waiting, or keep matching a pattern
    sys.path[:] = path
    sys.stdout = sys.stderr  # keep a policy's output apart from the results
    opened = [Pool(path) for path in pools]
    name, source, in_process, timeout = policy

    def load(typed: Mapping[str, str]) -> LoadedPolicy:
        loaded = host.load(name, typed, source, in_process=in_process)
        return replace(loaded, timeout=timeout)

    _in_worker = [
        Making(RunSpec(load(typed), opened, *settings, judge, *costs), parts)
        for (typed, parts), judge in zip(runs, judges, strict=True)
    ]


def _work(batch: Batch) -> int:
    return sum(_make_parts(_in_worker, batch))


def _make_parts(runs: Sequence[Making], batch: Batch) -> Iterator[int]:
    """Make one part for each run of a batch; yield the size of each when it is done."""
    task = batch.task
    # Data read and derived here is shared by the runs, and freed after them.
    problem = runs[batch.runs[0]].spec.pools[task.pool].problems[task.problem].fresh()
    for number in batch.runs:
        if len(problem.prepared) > PREPARED_AT_MOST:
            problem.prepared.clear()
        _make_part(runs[number], task, problem)
        yield len(task.repeats)


def _make_part(run: Making, task: Task, problem: StoredProblem) -> None:
    spec = run.spec
    done = replay(
        spec.loaded,
        problem,
        budget=spec.budgets[task.pool],
        repeats=task.repeats,
        seed=spec.seed,
        serving=spec.serving,
        judge=spec.judge.asked if spec.judge else None,
        probe_cost=spec.probe_cost,
        charging=spec.charging,
        order=spec.order,
    )
    decisions = done.decisions.replace_schema_metadata({RULE_HALTS: json.dumps(done.rule_halts)})
    # The answers come last: a part with answers is complete.
    for kind, table in (("decisions", decisions), ("answers", done.answers)):
        temporary = run.parts / f"{task.name}.{kind}.tmp"
        with (
            pa.OSFile(str(temporary), "wb") as sink,
            pa.ipc.new_file(sink, table.schema, options=_COMPRESSED) as file,
        ):
            file.write_table(table)
        temporary.replace(run.parts / f"{task.name}.{kind}")


def merge(partial: Path, spec: RunSpec) -> dict[int, Totals]:
    """Merge the parts of a run into its two Parquet files."""
    totals: dict[int, Totals] = {}
    columns = answers_schema(spec.ends_known)
    with RunTables(partial / DECISIONS_FILE, partial / ANSWERS_FILE, columns) as tables:
        for task in tasks_of(spec):
            part = partial / "parts" / task.name
            pool = totals.setdefault(task.pool, Totals())
            decisions = _read_part(part.with_name(f"{task.name}.decisions"))
            metadata = decisions.schema.metadata or {}  # a part of an older version has none
            add_halts(pool.rule_halts, json.loads(metadata.get(RULE_HALTS, "{}")))
            answers = _read_part(part.with_name(f"{task.name}.answers"))
            pool.add(answers)
            tables.add(decisions, answers)
    return totals


class RunTables:
    """The Parquet files of a run, to which parts are added in the order of `tasks_of`.

    Decisions have one row group per part. The few answers of a part share a row group with others,
    because reading a row group takes as long as reading thousands of rows.
    """

    def __init__(
        self, decisions: Path | BytesIO, answers: Path | BytesIO, columns: pa.Schema = ANSWERS
    ) -> None:
        self._waiting: list[pa.Table] = []
        with ExitStack() as stack:
            self._decisions = stack.enter_context(parquet_writer(decisions, DECISIONS))
            self._answers = stack.enter_context(parquet_writer(answers, columns))
            self._opened = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with self._opened:
            if error[0] is None and self._waiting:
                self._write_answers()

    def add(self, decisions: pa.Table, answers: pa.Table) -> None:
        """Add the rows of one part."""
        if len(decisions):
            self._decisions.write_table(decisions, row_group_size=len(decisions))
        self._waiting.append(answers)
        if sum(map(len, self._waiting)) >= ROWS_PER_PART:
            self._write_answers()

    def _write_answers(self) -> None:
        """Write the waiting answers as one row group."""
        rows = pa.concat_tables(self._waiting).unify_dictionaries().combine_chunks()
        self._answers.write_table(rows, row_group_size=len(rows))
        self._waiting = []


def _read_part(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
        return file.read_all()
