"""The pool format: all stored traces of one model on one benchmark, in one folder of Parquet files.

A pool is written once, by `simulator.pools.writer`, and then only read. `SCHEMAS` defines the
columns of each file; `FORMAT` is the version of the format. Formats 1 and 2 differ only in the
files of token signals (`simulator.pools.token_signals.files`): a pool without any is of format 1,
which older versions of the program read too. What is stored, and with it fingerprints and runs, is
the same in both.
"""

from __future__ import annotations

import hashlib
import json
import math
import typing
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulator.arrays import Array, Bools, Floats, Ints, Ints32
from simulator.arrow import null_mask, numpy_array
from simulator.counting import COUNTING, Equality, Unparsed
from simulator.errors import UserError
from simulator.pools.token_signals.files import LISTS, as_lists, groups_of_problems, unpacked
from simulator.pools.token_signals.values import Piece, TokenValues
from simulator.remote import RemotePath, parquet_source
from simulator.signals import NO_ANSWER as NO_ANSWER
from simulator.signals import PROBE_SIGNALS, TOKEN_SIGNALS, UNFINISHED
from simulator.signals import SIGNALS as SIGNALS
from simulator.signals import UNASKED as UNASKED
from simulator.storage import read_versioned, reading

T = TypeVar("T")

MOST_PREPARED = 64
"""Number of derived data kept of a problem: signals, and what rules work out."""

FORMAT = 2
"""Newest version of the pool format; a reader refuses a pool with a newer one."""

TokenAccuracy = Literal["exact", "total", "estimated"]

AS_WRITTEN = "as_written.parquet"
"""Answers as the source wrote them, which not every pool has (`simulator.pools.as_written`)."""

PROBE_COST = ("suffix", "answer")
"""Keys of `probe_cost` in `pool.json`."""

SCHEMAS: dict[str, pa.Schema] = {
    "problems": pa.schema(
        [
            pa.field("problem_id", pa.string(), nullable=False),
            pa.field("question", pa.string()),
            pa.field("gold_answer", pa.string(), nullable=False),
            pa.field("answer_kind", pa.string(), nullable=False),
        ]
    ),
    "traces": pa.schema(
        [
            pa.field("problem_id", pa.string(), nullable=False),
            pa.field("trace_id", pa.int32(), nullable=False),
            pa.field("num_tokens", pa.int32(), nullable=False),
            pa.field("prompt_tokens", pa.int32()),
            pa.field("finish_reason", pa.string()),
            pa.field("answer", pa.string()),
            pa.field("answer_class", pa.int32(), nullable=False),
            pa.field("correct", pa.bool_(), nullable=False),
        ]
    ),
    "classes": pa.schema(
        [
            pa.field("problem_id", pa.string(), nullable=False),
            pa.field("answer_class", pa.int32(), nullable=False),
            pa.field("answer", pa.string(), nullable=False),
            pa.field("correct", pa.bool_(), nullable=False),
        ]
    ),
    "probes": pa.schema(
        [
            pa.field("problem_id", pa.string(), nullable=False),
            pa.field("trace_id", pa.int32(), nullable=False),
            pa.field("position", pa.list_(pa.int32()), nullable=False),
            pa.field("answer_class", pa.list_(pa.int32()), nullable=False),
        ]
    ),
    **{
        name: pa.schema(
            [
                pa.field("problem_id", pa.string(), nullable=False),
                pa.field("trace_id", pa.int32(), nullable=False),
                pa.field(name, pa.list_(pa.float32()), nullable=False),
            ]
        )
        for name in PROBE_SIGNALS
    },
    "text": pa.schema(
        [
            pa.field("problem_id", pa.string(), nullable=False),
            pa.field("trace_id", pa.int32(), nullable=False),
            pa.field("text", pa.large_string(), nullable=False),
            pa.field("token_ends", pa.list_(pa.int32())),
        ]
    ),
    **{name: schemas[0] for name, schemas in LISTS.items()},
}
"""Columns of each Parquet file; of token signals, those of format 1 that are preferred. Rows are
sorted by problem and trace. A signal file has one row group per problem, and one of a token signal
in format 2 at least one."""

ENCODINGS: dict[str, dict[str, str]] = {
    "text": {"token_ends.list.element": "DELTA_BINARY_PACKED"},
}
"""Parquet encodings of long columns, by file: differences take at most half of a plain column."""


@dataclass(slots=True)
class PoolInfo:
    """Description of a pool and its source: `pool.json`. No field depends on time or machine.

    `sha256` are the hashes of the Parquet files; `content` those of what is stored in them.
    `probe_cost` has the tokens of a probe's `suffix` and `answer` (`simulator.pools.probe_cost`),
    None if they are not known. `accepted` has further right answers of the problems that have any,
    by problem. `equality` says how answers were grouped, and `unparsed` if those that could not be
    read vote. `answer_forms` counts traces by the form in which their answer was found, and
    `answer_patterns` are the patterns that were searched first. `corrections` are applied to the
    answers (`simulator.answers.corrections`), and `regraded` has an entry for each time that
    finding and grading them anew changed something (`simulator.importers.regrading`). `unfinished`
    counts traces of which only the first tokens were generated, and `unasked` probes that were not
    asked. `settings` has parameters of built-in methods, as typed, scaled to traces that are much
    shorter than those for which a method was published. `active_parameters` are those of the model
    that a token passes through, None if not known.
    """

    dataset: str
    model: str
    benchmark: str
    importer: str
    importer_version: str
    token_accuracy: TokenAccuracy
    source: str | None = None
    revision: str | None = None
    licence: str | None = None
    citation: str | None = None
    tokenizer: str | None = None
    synthetic: bool = False
    signals: list[str] = field(default_factory=list)
    problems: int = 0
    traces: int = 0
    tokens: int = 0
    unfinished: int = 0
    unasked: int = 0
    probe_cost: dict[str, int] | None = None
    accepted: dict[str, list[str]] = field(default_factory=dict)
    equality: Equality = "meaning"
    unparsed: Unparsed = "abstain"
    answer_forms: dict[str, int] = field(default_factory=dict)
    answer_patterns: list[str] = field(default_factory=list)
    corrections: list[dict[str, str]] = field(default_factory=list)
    regraded: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, dict[str, str]] = field(default_factory=dict)
    active_parameters: float | None = None
    notes: list[str] = field(default_factory=list)
    sha256: dict[str, str] = field(default_factory=dict)
    content: dict[str, str] = field(default_factory=dict)
    format: int = 1

    @property
    def name(self) -> str:
        """Name `dataset/model/benchmark`, which is also the pool's folder in the cache."""
        return f"{self.dataset}/{self.model}/{self.benchmark}"

    @property
    def about_unfinished(self) -> str:
        """Words that name the pool and count its unfinished traces."""
        return f"{self.unfinished:,} of {self.traces:,} traces of {self.name} are unfinished"

    def require_whole(self) -> None:
        """Raise `UserError` if traces are unfinished, or probes were not asked."""
        if self.unfinished or self.unasked:
            raise UserError(
                f"{self.about_unfinished}, and {self.unasked:,} probes were not asked; record all "
                "to the end (live --complete), or name another pool"
            )

    @property
    def counting(self) -> dict[str, str]:
        """Ways of counting answers that differ from `COUNTING`."""
        return {
            name: value for name in COUNTING if (value := getattr(self, name)) != COUNTING[name]
        }

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what figures depend on: names, accuracy, origin, counting and decoded content.

        File format, compression and what is told about the pool, such as its source and licence,
        do not count; of corrections, the reasons do not. A pool stored without `content` has the
        SHA-256 over its files' hashes.
        """
        if self.content:
            names = (self.dataset, self.model, self.benchmark, self.token_accuracy)
            parts: list[Any] = ["pool content 1", *names, self.synthetic, self.content]
            if self.counting:
                parts.append(self.counting)
            if self.unfinished or self.unasked:
                parts.append(["unfinished", self.unfinished, self.unasked])
            if self.corrections:
                parts.append(
                    sorted(
                        [each.get(key, "") for key in ("problem", "answer", "verdict", "other")]
                        for each in self.corrections
                    )
                )
            return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        counted = sorted(name for name in self.sha256 if name != AS_WRITTEN)
        lines = "".join(f"{name} {self.sha256[name]}\n" for name in counted)
        return hashlib.sha256(lines.encode()).hexdigest()


class Pool:
    """A stored pool, opened for reading.

    Raises
    ------
    UserError
        The folder has no pool, a pool of a newer format, or files that cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.info = read_info(path)
        self.name = self.info.name
        self._open: dict[str, tuple[pq.ParquetFile, list[range]]] = {}

    def require(self, signals: frozenset[str], policy: str) -> None:
        """Check that the pool has the signals a policy needs; raise `UserError` otherwise."""
        missing = sorted(signals - set(self.info.signals))
        if missing:
            has = ", ".join(self.info.signals) or "only lengths and answers"
            raise UserError(
                f"pool {self.name} has no {' and no '.join(missing)}, which {policy} needs "
                f"(signals here: {has}); choose another pool with -d"
            )
        for name in sorted(signals):
            with reading(self.path / f"{name}.parquet") as path:
                footer = pq.read_metadata(parquet_source(path))
            groups, least = footer.num_row_groups, self.info.problems
            fits = groups >= least if name in TOKEN_SIGNALS else groups == least
            if not fits or footer.num_rows != self.info.traces:
                raise UserError(f"{path}: not the file that pool.json describes; import it again")

    @cached_property
    def problems(self) -> list[StoredProblem]:
        """All problems with their lengths and answers; signals are read on demand."""
        rows = self.read_problems()
        traces = self._traces
        classes = self._read("classes")
        trace_starts = _group_starts(traces["problem_id"], [row["problem_id"] for row in rows])
        class_starts = _group_starts(classes["problem_id"], [row["problem_id"] for row in rows])
        columns = {
            name: numpy_array(traces[name])
            for name in ("trace_id", "num_tokens", "answer_class", "correct")
        }
        answered = ~null_mask(traces["answer"])
        ended = np.ones(len(traces), dtype=np.bool_)
        if self.info.unfinished:
            ended = np.array([each != UNFINISHED for each in traces["finish_reason"].to_pylist()])
        answers = classes["answer"].to_pylist()
        right = numpy_array(classes["correct"])
        problems = []
        for index, row in enumerate(rows):
            here = slice(trace_starts[index], trace_starts[index + 1])
            kinds = slice(class_starts[index], class_starts[index + 1])
            problems.append(
                StoredProblem(
                    pool=self,
                    index=index,
                    problem_id=row["problem_id"],
                    question=row["question"],
                    gold_answer=row["gold_answer"],
                    answer_kind=row["answer_kind"],
                    trace_ids=columns["trace_id"][here],
                    lengths=columns["num_tokens"][here].astype(np.int64) + ~ended[here],
                    ended=ended[here],
                    answer_class=columns["answer_class"][here],
                    correct=columns["correct"][here],
                    answered=answered[here],
                    class_texts=answers[kinds],
                    class_correct=right[kinds],
                )
            )
        info = self.info
        tokens = int(columns["num_tokens"].sum(dtype=np.int64))
        counts = (len(problems), len(traces), tokens, int((~ended).sum()))
        if counts != (info.problems, info.traces, info.tokens, info.unfinished):
            raise UserError(
                f"{self.path / 'pool.json'}: its counts do not match the files; "
                "import the pool again"
            )
        return problems

    def read_problems(self) -> list[dict[str, Any]]:
        """Return the rows of `problems.parquet`."""
        rows: list[dict[str, Any]] = self._read("problems").to_pylist()
        return rows

    def trace_rows(self, problem: StoredProblem) -> list[dict[str, Any]]:
        """Return the rows of `traces.parquet` of one problem, with answers as they are spelled."""
        start = sum(len(each.lengths) for each in self.problems[: problem.index])
        rows: list[dict[str, Any]] = self._traces.slice(start, len(problem.lengths)).to_pylist()
        return rows

    @cached_property
    def _traces(self) -> pa.Table:
        return self._read("traces")

    @property
    def min_traces(self) -> int:
        """Smallest number of traces of any problem: the largest budget that fits all problems."""
        return min(len(problem.lengths) for problem in self.problems)

    def _read(self, name: str) -> pa.Table:
        with reading(self.path / f"{name}.parquet") as path:
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() != self.info.sha256.get(path.name):
                pq.read_metadata(pa.BufferReader(content))  # may raise a more specific error
                raise UserError(f"{path}: not the file that pool.json describes; import it again")
            # No threads: a short process that ends while Arrow starts threads would abort.
            table = pq.ParquetFile(pa.BufferReader(content)).read(
                SCHEMAS[name].names, use_threads=False
            )
            if table.schema == SCHEMAS[name]:
                return table  # casting imports pyarrow.compute
            try:
                return table.cast(SCHEMAS[name])
            except ValueError as error:
                raise UserError(f"{path}: {error}; import the pool again") from None

    def read_signal(self, name: str, index: int, columns: list[str]) -> pa.Table:
        """Read columns of one problem from a signal file; token signals have a list a trace."""
        with reading(self.path / f"{name}.parquet"):
            file, groups = self._signal_file(name)
            if name not in TOKEN_SIGNALS:
                return file.read_row_groups(groups[index], columns, use_threads=False)
            rows = file.read_row_groups(groups[index], use_threads=False)
            return as_lists(rows, name).select(columns)

    def token_values(self, name: str, index: int) -> TokenValues:
        """Return a token signal of one problem, of which each row group is read when it is used."""
        with reading(self.path / f"{name}.parquet"):
            file, groups = self._signal_file(name)
            numbers = groups[index]
            column = file.schema_arrow.names[-1]

        def read(place: int) -> Piece:
            with reading(self.path / f"{name}.parquet"):
                rows = file.read_row_group(numbers[place], [column], use_threads=False)
                return unpacked(rows[column], column)

        sizes = (file.metadata.row_group(number).num_rows for number in numbers[:-1])
        return TokenValues([*accumulate(sizes, initial=0)], read)

    def _signal_file(self, name: str) -> tuple[pq.ParquetFile, list[range]]:
        """Return a signal file, opened once, and the row groups of each problem."""
        if name not in self._open:
            path = self.path / f"{name}.parquet"
            # Read while decompressing instead of in advance: an eighth less time. From elsewhere, a
            # column of a row group is one request.
            file = pq.ParquetFile(
                parquet_source(path),
                page_checksum_verification=True,
                pre_buffer=False,
                buffer_size=0 if isinstance(path, RemotePath) else 1 << 16,
            )
            traces = [len(problem.lengths) for problem in self.problems]
            groups = groups_of_problems(file.metadata, traces)
            if groups is None:
                raise UserError(f"{path}: not the file that pool.json describes; import it again")
            self._open[name] = file, groups
        return self._open[name]


@dataclass(eq=False)
class StoredProblem:
    """One problem of a pool. Arrays have one element per stored trace, in order of trace id.

    `lengths` are in tokens; `answer_class` indexes `class_texts`, −1 for none. Traces that are not
    `answered` may have a class, too, if they vote (`PoolInfo.unparsed`).

    A trace that has not `ended` has a length of one token more than was generated: that much is
    known. What is worked out from the traces (`simulator.replay`, `simulator.rules`) therefore
    holds for the whole traces, too, as long as it goes past nothing that was generated.
    """

    pool: Pool
    index: int
    problem_id: str
    question: str | None
    gold_answer: str
    answer_kind: str
    trace_ids: Ints32
    lengths: Ints
    ended: Bools
    answer_class: Ints32
    correct: Bools
    answered: Bools
    class_texts: list[str]
    class_correct: Bools
    prepared: dict[Any, Any] = field(default_factory=dict)
    """Per-problem cache of token signals and derived data (rules, engine, lock step)."""

    @property
    def available(self) -> Ints:
        """Tokens that are stored of each trace, shape (traces,)."""
        return self.lengths - ~self.ended

    @property
    def ends_known(self) -> bool:
        """True if all traces of the pool have come to their ends."""
        return not self.pool.info.unfinished

    @property
    def whole(self) -> bool:
        """True if all traces of the pool have ended and all probes were asked."""
        return self.ends_known and not self.pool.info.unasked

    def cached(self, key: Any, make: Callable[[], T]) -> T:
        """Return the element of `prepared` with this key, made on first use.

        Only the `MOST_PREPARED` used last are kept, as a policy may make a new rule for every call.
        """
        value: T = self.prepared.pop(key) if key in self.prepared else make()
        self.prepared[key] = value  # the last used comes last
        if len(self.prepared) > MOST_PREPARED:
            del self.prepared[next(iter(self.prepared))]
        return value

    def fresh(self) -> StoredProblem:
        """Return a copy of the problem with nothing read or cached yet."""
        return replace(self, prepared={})

    def classes_by_spelling(self) -> dict[str, int]:
        """Return the class of each answer of the pool's traces as it is written there.

        Corrections by hand can join answers that do not mean the same to the program. The class of
        a problem whose classes were renumbered is found by its text.
        """
        numbers = {text: number for number, text in enumerate(self.class_texts)}
        stored = self.pool.problems[self.index].class_texts
        found = dict(numbers)
        for row in self.pool.trace_rows(self):
            text = stored[row["answer_class"]] if row["answer"] else None
            if text in numbers:
                found.setdefault(row["answer"], numbers[text])
        return found

    @cached_property
    def probes(self) -> Probes:
        """Answers of each trace when it was probed."""
        table = self.pool.read_signal("probes", self.index, ["position", "answer_class"])
        positions = table["position"].combine_chunks()
        answers = table["answer_class"].combine_chunks()
        return Probes(
            offsets=numpy_array(positions.offsets).astype(np.int64),
            positions=numpy_array(positions.values).astype(np.int64),
            answers=numpy_array(answers.values),
        )

    @cached_property
    def texts(self) -> list[str]:
        """Full text of each trace."""
        texts: list[str] = self.pool.read_signal("text", self.index, ["text"])["text"].to_pylist()
        return texts

    @cached_property
    def token_ends(self) -> list[Ints]:
        """End offset of each token in characters; proportional if a pool has only totals."""
        column = self.pool.read_signal("text", self.index, ["token_ends"])["token_ends"]
        return [
            np.asarray(ends.values, dtype=np.int64)
            if ends.is_valid
            else len(text) * np.arange(1, length + 1) // length
            for ends, text, length in zip(column, self.texts, self.available.tolist(), strict=True)
        ]

    def token_signal(self, name: str) -> TokenValues:
        """Return a token signal of each trace, read as it is used."""
        return self.cached(name, lambda: self._read_token_signal(name))

    def _read_token_signal(self, name: str) -> TokenValues:
        return self.pool.token_values(name, self.index)

    def probe_signal(self, name: str) -> Floats:
        """Return a probe signal: a number for each of `probes.answers`, NaN if it is not known."""
        return self.cached(name, lambda: self._read_probe_signal(name))

    def probe_signal_table(self, name: str) -> Floats:
        """Return a probe signal arranged like `probes.table`; column 0 is NaN."""
        return self.cached(
            (name, "table"), lambda: self.probes.spread(self.probe_signal(name), math.nan)
        )

    def _read_probe_signal(self, name: str) -> Floats:
        column = self.pool.read_signal(name, self.index, [name])[name].combine_chunks()
        values: Floats = column.values.to_numpy(zero_copy_only=False).astype(np.float64)
        if len(values) != len(self.probes.answers):
            raise UserError(
                f"{self.pool.path / name}.parquet: not as many numbers as probes.parquet has "
                "probes; import the pool again"
            )
        return values


@dataclass(frozen=True, eq=False)
class Probes:
    """Probes of one problem: trace i's are the elements `offsets[i]:offsets[i + 1]`.

    `positions` are tokens generated when probed, ascending within a trace; `answers` are classes,
    `UNASKED` for a probe that was not asked.
    """

    offsets: Ints
    positions: Ints
    answers: Ints32

    @cached_property
    def counts(self) -> Ints:
        """Number of probes of each trace, shape (traces,)."""
        return np.diff(self.offsets)

    @cached_property
    def most(self) -> int:
        """Largest number of probes of a trace."""
        return int(self.counts.max(initial=0))

    @cached_property
    def first_unasked(self) -> Ints:
        """Tokens at each trace's first probe that was not asked, shape (traces,); else the most."""
        first = np.full(len(self.counts), np.iinfo(np.int64).max)
        rows = np.repeat(np.arange(len(first)), self.counts)
        unasked = self.answers == UNASKED
        np.minimum.at(first, rows[unasked], self.positions[unasked])
        return first

    @cached_property
    def interval(self) -> int | None:
        """Tokens between probes if all traces are probed at its multiples, else None."""
        index = np.arange(len(self.positions)) - np.repeat(self.offsets[:-1], self.counts)
        if not len(index):
            return None
        interval = int(self.positions[0])
        return (
            interval
            if interval > 0 and np.array_equal(self.positions, (index + 1) * interval)
            else None
        )

    @cached_property
    def table(self) -> Ints32:
        """Answer by trace and number of probes so far, shape (traces, probes + 1).

        Column 0 is −1, before the first probe. Columns after a trace's last probe repeat it.
        """
        return self.spread(self.answers, NO_ANSWER)

    def columns(self, rows: Ints, num_tokens: Ints) -> Ints:
        """Count the probes of traces `rows` up to `num_tokens`: column numbers of `table`."""
        if self.interval is not None:
            columns: Ints = num_tokens // self.interval
            np.minimum(columns, self.most, out=columns)
            return columns
        return np.array(
            [
                np.searchsorted(
                    self.positions[self.offsets[row] : self.offsets[row + 1]], tokens, side="right"
                )
                for row, tokens in zip(rows.tolist(), num_tokens.tolist(), strict=True)
            ],
            dtype=np.int64,
        )

    def spread(self, values: Array, before: float) -> Array:
        """Arrange one value per probe, shape (probes,), like `table`; `before` fills column 0."""
        column = np.minimum(np.arange(self.most + 1), self.counts[:, None])
        flat = np.concatenate([values[:0], [before], values]).astype(values.dtype)
        return flat[np.where(column > 0, self.offsets[:-1, None] + column, 0)]


def read_info(path: Path) -> PoolInfo:
    """Read and check a pool's `pool.json`."""
    file = path / "pool.json"
    what, remedy = "a pool description", "import the pool again"
    try:
        checked = read_versioned(
            file, what, FORMAT, remedy, kind="pool format", unreadable="not readable as JSON"
        )
    except FileNotFoundError:
        raise UserError(f"{path}: no pool here (pool.json is missing); import it again") from None

    fields = checked.fields
    for key, kind in typing.get_type_hints(PoolInfo).items():
        if key in fields:
            checked.get(key, kind, 0, 2**63 - 1)
    cost = fields.get("probe_cost") or dict.fromkeys(PROBE_COST, 0)
    bad_cost = {*cost} != {*PROBE_COST} or not all(0 <= each <= 10**6 for each in cost.values())
    verdicts = fields.get("corrections", [])
    bad_verdict = any(
        not {"problem", "answer", "verdict", "reason"} <= {*each} for each in verdicts
    )
    bad = bad_cost or bad_verdict or set(fields.get("signals", ())) - set(SIGNALS)
    if fields["format"] < 1 or bad:
        raise UserError(f"{file}: not {what}; {remedy}")
    try:
        return PoolInfo(**fields)
    except TypeError as error:
        raise UserError(f"{file}: {error}; {remedy}") from None


def iter_pool_folders(cache: Path) -> Iterator[Path]:
    """Yield folders of all pools in `cache`, sorted by name, also those without `pool.json`."""
    yield from sorted(
        {
            file.parent
            for name in ("pool.json", "traces.parquet")
            for file in cache.glob(f"*/*/*/{name}")
            if not any(part.startswith(".") for part in file.relative_to(cache).parts)
        }
    )


def _group_starts(column: pa.ChunkedArray, ids: list[str]) -> list[int]:
    """Return each problem's first row in a column sorted by problem, then the last one's end."""
    numbers = {problem_id: number for number, problem_id in enumerate(ids)}
    rows = range(len(column))

    def problem_of(row: int) -> int:
        return numbers.get(column[row].as_py(), len(ids))

    return [0, *(bisect_right(rows, number, key=problem_of) for number in range(len(ids)))]
