"""The parts of an unfinished run: stored as they are made, found again, and merged.

A part is a pair of files: the decisions and the answers of one problem in a range of repeats. The
ranges may be any within a block, as work is divided among processes; a block of repeats has one row
group in the run. Blocks are merged in a fixed order, each once it is complete, so the bytes of a
run depend neither on the number of processes nor on interruptions.
"""

from __future__ import annotations

import json
from bisect import insort
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa

from simulator.arrow import arrow_array, numpy_array
from simulator.replay.orders import ROWS_PER_PART, blocks_of
from simulator.replay.recording import (
    ANSWERS,
    DECISIONS,
    FIRST_REASONS,
    add_halts,
    answers_schema,
)
from simulator.runs.format import ANSWERS_FILE, DECISIONS_FILE
from simulator.runs.spec import RunSpec
from simulator.runs.summary import Totals
from simulator.storage import parquet_writer

_COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
"""Compression of parts: 10 bytes per decision, not 45, as all parts of a sweep are on disk."""

RULE_HALTS = b"rule_halts"
"""Metadata of a part's decisions: halts by each kind of stop rule, which no row tells."""


@dataclass(frozen=True, order=True)
class Block:
    """A problem of a pool (both by number) in a range of repeats; they sort in order of merging."""

    pool: int
    problem: int
    start: int
    stop: int

    def __len__(self) -> int:
        """Return the number of repeats."""
        return self.stop - self.start

    @property
    def repeats(self) -> range:
        """The repeats."""
        return range(self.start, self.stop)

    @property
    def begin(self) -> tuple[int, int, int]:
        """The place of its first repeat in the order of merging."""
        return self.pool, self.problem, self.start

    @property
    def end(self) -> tuple[int, int, int]:
        """The place after its last repeat."""
        return self.pool, self.problem, self.stop

    @property
    def place(self) -> tuple[int, int]:
        """The pool and the problem."""
        return self.pool, self.problem

    @property
    def name(self) -> str:
        """File name of a part without suffix."""
        return f"{self.pool:03d}-{self.problem:06d}-{self.start:08d}"


def blocks(spec: RunSpec) -> Iterator[Block]:
    """Yield the blocks of a run in the order of merging."""
    for index, budget in enumerate(spec.budgets):
        for problem in spec.places(index):
            for repeats in blocks_of(spec.repeats, budget):
                yield Block(index, problem, repeats.start, repeats.stop)


@dataclass(frozen=True)
class Part:
    """The record of a problem in some repeats, as two files in Arrow's format."""

    decisions: bytes
    answers: bytes

    @classmethod
    def of(cls, decisions: pa.Table, answers: pa.Table, rule_halts: Mapping[str, int]) -> Part:
        """Compress tables of DECISIONS and ANSWERS, and the halts by each kind of stop rule."""
        decisions = decisions.replace_schema_metadata({RULE_HALTS: json.dumps(dict(rule_halts))})
        return cls(_compressed(decisions), _compressed(answers))

    def store(self, folder: Path, block: Block) -> None:
        """Store the part of a block. The answers come last: a part that has them is complete."""
        for kind in ("decisions", "answers"):
            temporary = folder / f"{block.name}.{kind}.tmp"
            temporary.write_bytes(getattr(self, kind))
            temporary.replace(folder / f"{block.name}.{kind}")


def _compressed(table: pa.Table) -> bytes:
    sink = BytesIO()
    with pa.ipc.new_file(sink, table.schema, options=_COMPRESSED) as file:
        file.write_table(table)
    return sink.getvalue()


class Unfinished:
    """An unfinished run: parts in a folder, merged block by block while others are made.

    A context, in which parts are merged. `parts` is the folder of the parts.
    """

    def __init__(self, spec: RunSpec, partial: Path) -> None:
        self.spec = spec
        self._partial = partial
        self.parts = partial.absolute() / "parts"
        self.parts.mkdir(exist_ok=True)
        self._starts: dict[tuple[int, int], list[int]] = {}
        for file in self.parts.glob("*.answers"):
            pool, problem, start = map(int, file.stem.split("-"))
            insort(self._starts.setdefault((pool, problem), []), start)
        self._totals: dict[int, Totals] = {}
        self._waiting = deque(blocks(spec))
        self._opened = ExitStack()
        self._tables: RunTables | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.__exit__(kind, error, trace)

    def missing(self, block: Block) -> list[Block]:
        """List the ranges of a block that no part has, or only a damaged one."""
        gaps, reached = [], block.start
        there = [part for part, _, _ in self._parts_of(block)]
        for part in [*there, replace(block, start=block.stop)]:
            if part.start > reached:
                gaps.append(replace(block, start=reached, stop=part.start))
            reached = part.stop
        return gaps

    def store(self, block: Block, part: Part | None = None) -> None:
        """Store a part, unless a worker has stored it in `parts` (then None)."""
        if part is not None:
            part.store(self.parts, block)
        starts = self._starts.setdefault(block.place, [])
        if block.start not in starts:
            insort(starts, block.start)

    def merge_before(self, block: Block) -> None:
        """Merge all blocks before that of a part, which are complete."""
        while self._waiting and self._waiting[0].end <= block.begin:
            self._merge(self._waiting.popleft())

    def totals(self) -> dict[int, Totals]:
        """Merge the other blocks; return the totals of each pool, by number."""
        with self:
            while self._waiting:
                self._merge(self._waiting.popleft())
        return self._totals

    def _merge(self, block: Block) -> None:
        if self._tables is None:
            self._tables = RunTables(
                self._partial / DECISIONS_FILE,
                self._partial / ANSWERS_FILE,
                answers_schema(self.spec.ends_known),
            )
            self._opened.enter_context(self._tables)
        totals = self._totals.setdefault(block.pool, Totals())
        _, *tables = zip(*self._parts_of(block), strict=True)
        for part in tables[0]:
            halts = (part.schema.metadata or {}).get(RULE_HALTS, "{}")  # not in older parts
            add_halts(totals.rule_halts, json.loads(halts))
        decisions, answers = map(pa.concat_tables, tables)
        totals.add(answers)
        self._tables.add(decisions, answers)

    def _parts_of(self, block: Block) -> Iterator[tuple[Block, pa.Table, pa.Table]]:
        """Yield each part of a block that is not damaged: repeats, decisions and answers."""
        reached = block.start
        for start in self._starts.get(block.place, ()):
            if reached <= start < block.stop:
                tables = self._read(replace(block, start=start))
                if tables and 0 < len(tables[1]) <= block.stop - start:
                    reached = start + len(tables[1])
                    yield replace(block, start=start, stop=reached), *tables

    def _read(self, part: Block) -> tuple[pa.Table, pa.Table] | None:
        """Read the tables of a part; None if it is damaged."""
        try:
            decisions = _read(self.parts / f"{part.name}.decisions")
            answers = _read(self.parts / f"{part.name}.answers")
        except (OSError, pa.ArrowException):  # truncated by a crash
            return None
        wanted = (DECISIONS, answers_schema(self.spec.ends_known))
        return (decisions, answers) if (decisions.schema, answers.schema) == wanted else None


class RunTables:
    """The Parquet files of a run, to which blocks are added in the order of merging.

    Decisions have one row group per block. The few answers of a block share a row group with
    others, because reading a row group takes as long as reading thousands of rows.
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
        """Add the rows of one block."""
        if len(decisions):
            rows = _in_one(decisions)
            self._decisions.write_table(rows, row_group_size=len(rows))
        self._waiting.append(answers)
        if sum(map(len, self._waiting)) >= ROWS_PER_PART:
            self._write_answers()

    def _write_answers(self) -> None:
        """Write the waiting answers as one row group."""
        rows = pa.concat_tables(self._waiting).unify_dictionaries().combine_chunks()
        self._answers.write_table(rows, row_group_size=len(rows))
        self._waiting = []


def _in_one(decisions: pa.Table) -> pa.Table:
    """Return decisions without traces of the parts that they are from.

    Parts name the reasons that stopped traces in the order of their first appearance; the block's
    are in an order of their own.
    """
    rows = decisions.unify_dictionaries().combine_chunks()
    reasons = rows["stop_reason"].chunk(0)
    names = reasons.dictionary.to_pylist()
    first = [name for name in FIRST_REASONS if name in names]
    ordered = [*first, *sorted(set(names) - set(first))]
    if names == ordered:
        return rows
    numbers = np.array([ordered.index(name) for name in names], dtype=np.int32)
    reasons = pa.DictionaryArray.from_arrays(
        arrow_array(numbers[numpy_array(reasons.indices)], pa.int32()),
        arrow_array(ordered, pa.string()),
    )
    return rows.set_column(*_STOP_REASON, reasons)


_STOP_REASON = DECISIONS.get_field_index("stop_reason"), DECISIONS.field("stop_reason")


def _read(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
        return file.read_all()
