"""Writing of pools, completely or not at all.

`simulator.pools.pool` has the schemas and reads pools.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from simulator.answers.corrections import (
    Correction,
    by_problem,
    checked_corrections,
    corrected,
    unknown_problem,
)
from simulator.answers.equivalence import Classes, classify
from simulator.arrays import Floats
from simulator.counting import COUNTING, Equality
from simulator.errors import WRITE_FAULTS, UserError
from simulator.pools.as_written import AsWrittenWriter
from simulator.pools.content import ContentHash, content_of
from simulator.pools.pool import (
    ENCODINGS,
    FORMAT,
    NO_ANSWER,
    SCHEMAS,
    SIGNALS,
    Pool,
    PoolInfo,
    read_info,
)
from simulator.pools.records import ProblemRecord, TraceRecord, first_unfit, unfit
from simulator.pools.token_signals.files import LISTS, SignalWriter, as_lists
from simulator.signals import PROBE_SIGNALS, UNASKED, UNFINISHED
from simulator.storage import (
    clear_leftovers,
    disk_error,
    file_sha256,
    link_or_copy,
    locked,
    make_folders,
    parquet_writer,
    remove_empty,
    temporary_beside,
)


@dataclass(slots=True)
class Disagreement:
    """A trace whose grade in the source differs from ours."""

    problem_id: str
    trace_id: int
    answer: str | None
    gold_answer: str
    graded: bool


class PoolWriter:
    """A writer of one pool, problem by problem in ascending order of their ids.

    Files are written to a temporary folder beside the final one. When the writer is left, the
    folder is renamed, or removed if there was an exception, so a reader never sees half a pool.
    Meanwhile the name is locked: another process that makes a pool of this name is refused.
    What a process that was killed has left of this pool is removed.

    Parameters
    ----------
    cache
        The folder of pools.
    info
        Description of the pool; the writer fills in counts, signals and hashes.
    replace
        Overwrite a pool of the same name.
    signals_of
        Folder of a pool of the same traces, whose signals are taken over unless traces have them.

    Attributes
    ----------
    path
        Final folder of the pool.
    folder
        Temporary folder, until it is renamed or removed.
    answered
        Number of traces with an answer so far.
    token_sums
        Sum and number of the values so far of each token signal.

    Raises
    ------
    UserError
        A pool of this name exists and `replace` is false, another process makes one, or the disk
        is full.
    """

    def __init__(
        self,
        cache: Path,
        info: PoolInfo,
        *,
        replace: bool = False,
        signals_of: Path | None = None,
    ) -> None:
        self.info = info
        self.path = cache / info.dataset / info.model / info.benchmark
        self.disagreements: list[Disagreement] = []
        self.folder = temporary_beside(self.path)
        self._retired = self.folder.with_suffix(".old")  # the pool that is being replaced
        self._replace = replace
        self._refuse_taken()
        self._lock = ExitStack()
        self._made: list[Path] = []  # folders created here
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._signals: dict[str, SignalWriter] = {}
        self._small: dict[str, list[pa.Table]] = {}  # files written as a whole at the end
        self._kinds = dict.fromkeys(LISTS, 0)  # which schema each is stored in
        self._content = ContentHash()
        corrections = checked_corrections(info.corrections, f"{info.name}: pool.json")
        self._corrections = by_problem(corrections)  # those of problems that are still to come
        self._problems: list[str] = []
        self._as_written = AsWrittenWriter(self.folder)
        self._signals_of = signals_of
        self._kept_signals = [] if signals_of is None else read_info(signals_of).signals
        self.answered = 0
        self.token_sums: dict[str, tuple[float, int]] = {}

    def _refuse_taken(self) -> None:
        if self.path.is_symlink() or (self.path.exists() and not self.path.is_dir()):
            raise UserError(f"{self.path}: a file or a link is in the place of the pool; remove it")
        if self.path.exists() and not self._replace:
            raise UserError(
                f"{self.path}: a pool named {self.info.name} exists; give another --benchmark, "
                "or --replace to overwrite it"
            )

    def _being_made(self, holder: str) -> UserError:
        return UserError(
            f"{self.path}: pool {self.info.name} is being imported by another process{holder}; "
            "wait until it ends, or give another --benchmark"
        )

    def __enter__(self) -> Self:
        try:
            self._made = make_folders(self.path.parent)
            if self._lock.enter_context(locked(self.path, self._being_made)):
                clear_leftovers(self.path)
            self._refuse_taken()  # it may have been made since, or be back
            self.folder.mkdir()
        except OSError as failure:
            self._remove_temporary()
            raise disk_error(failure, self.path) from failure
        except BaseException:
            self._remove_temporary()
            raise
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is None:
                self._finish()
            else:
                self._close_quietly()
        except OSError as failure:
            raise disk_error(failure, self.path) from failure
        finally:
            self._remove_temporary()  # gone already if it was renamed
        if isinstance(error, OSError) and error.errno in WRITE_FAULTS:
            raise disk_error(error, self.path) from error

    def add(self, problem: ProblemRecord, graded: Sequence[Classes] | None = None) -> Classes:
        """Group, grade and write one problem; return its answers as grouped.

        Ids must ascend, and every trace must have the same signals. `graded` is what `grade`
        returns for the problem, if that has been called already.
        """
        if self._problems and problem.problem_id <= self._problems[-1]:
            raise ValueError(f"problem {problem.problem_id!r} after {self._problems[-1]!r}")
        self._problems.append(problem.problem_id)
        traces = sorted(problem.traces, key=lambda trace: trace.trace_id)
        if self.info.problems == 0:
            self.info.signals = _signals_of(traces[0])
        by_hand = self._corrections.pop(problem.problem_id, [])
        grouped = group_answers(self.info, problem, traces, by_hand, graded)
        self._count(traces)
        ids = [problem.problem_id] * len(traces)
        trace_ids = [trace.trace_id for trace in traces]
        classes = [grouped.class_of(trace.answer) for trace in traces]
        correct = [kind != NO_ANSWER and grouped.correct[kind] for kind in classes]
        self.disagreements += [
            Disagreement(
                problem.problem_id, trace.trace_id, trace.answer, problem.gold_answer, trace.graded
            )
            for trace, right in zip(traces, correct, strict=True)
            if trace.graded is not None and trace.graded != right
        ]
        about = (problem.problem_id, problem.question, problem.gold_answer, problem.answer_kind)
        self._write("problems", [[each] for each in about])
        self._write(
            "traces",
            [
                ids,
                trace_ids,
                [trace.num_tokens for trace in traces],
                [trace.prompt_tokens for trace in traces],
                [_finish_reason(trace) for trace in traces],
                [trace.answer for trace in traces],
                classes,
                correct,
            ],
        )
        self._write(
            "classes",
            [
                [problem.problem_id] * len(grouped.texts),
                range(len(grouped.texts)),
                grouped.texts,
                grouped.correct,
            ],
        )
        self._add_signals(traces, ids, trace_ids, grouped)
        has_text = "text" in (*self.info.signals, *self._kept_signals)
        self._as_written.add(problem.problem_id, traces, grouped, has_text=has_text)
        return grouped

    def _add_signals(
        self, traces: list[TraceRecord], ids: list[str], trace_ids: list[int], grouped: Classes
    ) -> None:
        if "probes" in self.info.signals:
            probed = [_classes_of_probes(trace, grouped) for trace in traces]
            self.info.unasked += sum(classes.count(UNASKED) for classes in probed)
            self._write(
                "probes",
                [
                    ids,
                    trace_ids,
                    [trace.probe_positions for trace in traces],
                    probed,
                ],
            )
        for name in PROBE_SIGNALS:
            if name in self.info.signals:
                numbers = _nullable([trace.probe_signals[name] for trace in traces])
                self._write(name, [ids, trace_ids, numbers])
        if "text" in self.info.signals:
            self._write(
                "text",
                [
                    ids,
                    trace_ids,
                    [trace.text for trace in traces],
                    [trace.token_ends for trace in traces],
                ],
            )
        for name in LISTS:
            if name in self.info.signals:
                values = [trace.token_signals[name] for trace in traces]
                self._write_token_signal(name, ids, trace_ids, values)

    def _count(self, traces: Sequence[TraceRecord]) -> None:
        """Count a problem and its traces."""
        self.info.problems += 1
        self.info.traces += len(traces)
        self.info.tokens += sum(trace.num_tokens for trace in traces)
        self.info.unfinished += sum(trace.unfinished for trace in traces)
        self.answered += sum(trace.answer is not None for trace in traces)
        forms = Counter(self.info.answer_forms)
        forms.update(trace.answer_form for trace in traces if trace.answer_form)
        self.info.answer_forms = dict(sorted(forms.items()))

    def _write(self, name: str, columns: Sequence[Any]) -> None:
        """Store and hash the rows of a problem."""
        self._content.add(name, self._store(name, columns))

    def _store(self, name: str, columns: Sequence[Any]) -> pa.Table:
        """Append the rows of a problem to a file; return them as stored."""
        schema = self._schema(name)
        arrays = [_array(column, field.type) for column, field in zip(columns, schema, strict=True)]
        table = pa.Table.from_arrays(arrays, schema=schema)
        if name not in SIGNALS:
            self._small.setdefault(name, []).append(table)
            return table
        path = self.folder / f"{name}.parquet"
        if name in LISTS:
            if name not in self._signals:
                self._signals[name] = SignalWriter(path, name, self._kinds[name])
            self._signals[name].write(table)
            return table
        if name not in self._writers:
            self._writers[name] = parquet_writer(path, schema, ENCODINGS.get(name))
        self._writers[name].write_table(table, row_group_size=max(1, len(table)))
        return table

    def _schema(self, name: str) -> pa.Schema:
        """Return the schema in which a file is written now."""
        return LISTS[name][self._kinds[name]] if name in self._kinds else SCHEMAS[name]

    def _write_token_signal(
        self, name: str, ids: list[str], trace_ids: list[int], values: list[Floats]
    ) -> None:
        """Write a token signal: thousandths in uint16 if lossless, else float32 for the pool."""
        arrays = [np.asarray(value, dtype=np.float64) for value in values]
        for trace, array in zip(trace_ids, arrays, strict=True):
            at = first_unfit(array)
            if at is not None:
                raise UserError(
                    f"{self.info.name}: {name} of problem {ids[0]!r}, trace {trace} is "
                    f"{unfit(array[at])} ({array[at]} at token {at}); correct it at its source"
                )
        total, count = self.token_sums.get(name, (0.0, 0))
        total += sum(float(array.sum()) for array in arrays)
        self.token_sums[name] = total, count + sum(map(len, arrays))
        if self._schema(name).field(name).type.value_type == pa.uint16():
            thousandths = [as_thousandths(array) for array in arrays]
            if all(array is not None for array in thousandths):
                self._write(name, [ids, trace_ids, thousandths])
                return
            self._rewrite_as_float32(name)
        self._write(name, [ids, trace_ids, [array.astype(np.float32) for array in arrays]])

    def _rewrite_as_float32(self, name: str) -> None:
        self._kinds[name] += 1
        writer = self._signals.pop(name, None)
        if writer is None:
            return
        writer.close()
        path = self.folder / f"{name}.parquet"
        old_path = path.rename(path.with_suffix(".uint16"))
        with pq.ParquetFile(old_path) as old:
            for group in range(old.num_row_groups):
                table = as_lists(old.read_row_group(group), name)
                lists = table[name].combine_chunks()
                values = lists.values.to_numpy(zero_copy_only=False) / 1000.0
                floats = pa.ListArray.from_arrays(
                    lists.offsets, pa.array(values.astype(np.float32))
                )
                self._store(name, [table["problem_id"], table["trace_id"], floats])
        old_path.unlink()

    def _finish(self) -> None:
        if self.info.problems == 0:
            raise UserError(f"{self.info.name}: no problem has a usable trace; nothing to store")
        for left in self._corrections.values():
            raise unknown_problem(left[0], self._problems)
        for writer in (*self._writers.values(), *self._signals.values(), self._as_written):
            writer.close()
        self.info.format = FORMAT if self._signals else 1
        for name, tables in self._small.items():
            with parquet_writer(self.folder / f"{name}.parquet", SCHEMAS[name]) as writer:
                writer.write_table(pa.concat_tables(tables))
        self.info.sha256 = {
            path.name: file_sha256(path) for path in sorted(self.folder.glob("*.parquet"))
        }
        self.info.content = self._content.by_file()
        if self._signals_of is not None:
            self._take_over(Pool(self._signals_of))
        (self.folder / "pool.json").write_text(described(self.info), encoding="utf-8")
        if self._replace and self.path.exists():
            self.path.rename(self._retired)
        self.folder.rename(self.path)
        shutil.rmtree(self._retired, ignore_errors=True)

    def _take_over(self, former: Pool) -> None:
        """Take over the signals of a pool that were not written, or all files if none differs."""
        info, theirs = self.info, former.info
        left = [name for name in theirs.signals if name not in info.content]
        before = theirs.content or content_of(former.path, [*info.content, *left])
        same = all(before.get(name) == digest for name, digest in info.content.items())
        names = [*info.content, *left] if same else left
        info.content |= {name: before[name] for name in left}
        info.content = {name: info.content[name] for name in sorted(info.content)}
        if same and not info.corrections:
            info.content = theirs.content  # none, if it was stored before there were any
        for name in (f"{name}.parquet" for name in names):
            (self.folder / name).unlink(missing_ok=True)
            link_or_copy(former.path / name, self.folder / name)
            info.sha256[name] = theirs.sha256[name]
        info.sha256 = dict(sorted(info.sha256.items()))
        info.signals = theirs.signals
        info.format = max(info.format, theirs.format)

    def _close_quietly(self) -> None:
        for writer in (*self._writers.values(), *self._signals.values(), self._as_written):
            with suppress(OSError, pa.ArrowException):  # only the first error is shown
                writer.close()

    def _remove_temporary(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._retired.exists() and not self.path.exists():
            self._retired.rename(self.path)
        self._lock.close()
        remove_empty(self._made)


def group_answers(
    info: PoolInfo,
    problem: ProblemRecord,
    traces: Sequence[TraceRecord],
    corrections: Sequence[Correction],
    graded: Sequence[Classes] | None = None,
) -> Classes:
    """Group and grade the answers as a pool counts them; note further right answers in `info`.

    `traces` are in order of their ids; `graded` is as in `PoolWriter.add`.
    """
    if problem.grouped is not None:
        return corrected(problem.grouped, problem.gold_answer, corrections)
    grouped, *others = graded or grade(*to_grade(info, problem, traces))
    if problem.accepted:
        info.accepted[problem.problem_id] = list(problem.accepted)
        grouped = grouped.accepting(others)
    grouped = corrected(grouped, problem.gold_answer, corrections)
    votes = info.unparsed == "vote" and None in _answers(traces)
    return grouped.with_unparsed() if votes else grouped


def to_grade(
    info: PoolInfo, problem: ProblemRecord, traces: Iterable[TraceRecord]
) -> tuple[list[str], str, Equality, list[str]]:
    """Return the arguments of `grade` for a problem; `traces` are in order of their ids."""
    distinct = dict.fromkeys(each for each in _answers(traces) if each is not None)
    rights = [problem.gold_answer, *problem.accepted]
    return rights, problem.answer_kind, info.equality, list(distinct)


def grade(
    rights: Sequence[str], kind: str, equality: Equality, answers: Sequence[str]
) -> list[Classes]:
    """Group distinct answers, once for each of several right ones."""
    return [classify(right, kind, answers, (), equality=equality) for right in rights]


def _answers(traces: Iterable[TraceRecord]) -> list[str | None]:
    """Return final answers, then those of probes, which is the order of their classes."""
    traces = list(traces)
    probes = (answer for trace in traces for answer in trace.probe_answers or ())
    return [*(trace.answer for trace in traces), *probes]


_MAY_BE_EMPTY = (
    *("unfinished", "unasked", "probe_cost", "accepted", "answer_forms", "answer_patterns"),
    *("corrections", "regraded", "settings"),
)


def described(info: PoolInfo) -> str:
    """Return the content of `pool.json`, without new fields that are empty.

    Older versions refuse fields that they do not know.
    """
    fields = asdict(info)
    for name in _MAY_BE_EMPTY:
        if not fields[name]:
            del fields[name]
    for name in COUNTING.keys() - info.counting.keys():
        del fields[name]
    return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"


def _finish_reason(trace: TraceRecord) -> str | None:
    """Return the finish reason to store: a source's own word never means `UNFINISHED`."""
    if trace.unfinished:
        return UNFINISHED
    return f"{UNFINISHED}, ended" if trace.finish_reason == UNFINISHED else trace.finish_reason


def _classes_of_probes(trace: TraceRecord, grouped: Classes) -> list[int]:
    classes = [grouped.class_of(answer) for answer in trace.probe_answers or ()]
    if trace.asked is None:
        return classes
    asked = trace.asked.tolist()
    return [kind if was else UNASKED for kind, was in zip(classes, asked, strict=True)]


def as_thousandths(values: Floats) -> npt.NDArray[np.uint16] | None:
    """Convert `values` to whole thousandths in uint16, or return None if that is not lossless."""
    scaled = np.round(values * 1000.0)
    if not np.isfinite(scaled).all() or (scaled < 0).any() or (scaled > 65535).any():
        return None
    if not np.array_equal(scaled / 1000.0, values):
        return None
    return scaled.astype(np.uint16)


def _signals_of(trace: TraceRecord) -> list[str]:
    present = {*trace.token_signals, *trace.probe_signals}
    present |= {"text"} if trace.text is not None else set()
    present |= {"probes"} if trace.probe_positions is not None else set()
    return [name for name in SIGNALS if name in present]


def _nullable(numbers: Sequence[Floats]) -> pa.ListArray:
    """Convert numbers to lists of float32, with null for NaN."""
    offsets = np.cumsum([0, *(len(each) for each in numbers)], dtype=np.int32)
    flat = np.concatenate(numbers).astype(np.float32)
    return pa.ListArray.from_arrays(offsets, pa.array(flat, pa.float32(), mask=np.isnan(flat)))


def _array(column: Any, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    """Convert a column to Arrow; lists of numpy arrays are concatenated in one step."""
    if isinstance(column, pa.Array | pa.ChunkedArray):
        return column
    if not pa.types.is_list(kind) or not all(isinstance(each, np.ndarray) for each in column):
        return pa.array(column, type=kind)
    offsets = np.cumsum([0, *(len(each) for each in column)], dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, pa.array(np.concatenate(column), kind.value_type))
