"""Checks of a stored pool against the pool format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulator.arrays import Bools
from simulator.errors import UserError
from simulator.pools import as_written
from simulator.pools.content import content_of
from simulator.pools.pool import (
    AS_WRITTEN,
    NO_ANSWER,
    SCHEMAS,
    SIGNALS,
    PoolInfo,
    read_info,
)
from simulator.pools.records import first_unfit
from simulator.pools.token_signals.files import LISTS, PACKED, as_lists, groups_of_problems
from simulator.signals import PROBE_SIGNALS, UNASKED, UNFINISHED
from simulator.storage import file_sha256, reading

MAX_FINDINGS = 20
"""Maximum number of findings reported for one file."""

SMALL = [name for name in SCHEMAS if name not in SIGNALS]
"""Files that every pool has, read whole."""

Progress = Callable[[int, int], None]
"""Progress callback, called with the number of problems checked and their total."""


def check_pool(path: Path, progress: Progress = lambda done, total: None) -> list[str]:
    """Check the pool in `path`; return the errors found, one line each.

    Recomputes the hashes of files and content, and checks that rows are sorted and unique, that
    lengths, counts and ids agree across the files, that answer classes cover the answers and have
    the same grades, that unfinished traces have no answer, and that every signal matches
    `pool.json`. Reads the signals of one problem at a time.
    """
    try:
        info = read_info(path)
    except UserError as error:
        return [str(error)]
    findings = list(_check_files(path, info))
    if findings:
        return findings  # the rows cannot be trusted then
    tables = {name: pq.read_table(path / f"{name}.parquet") for name in SMALL}
    findings += _first(_check_problems(info, tables))
    if findings:
        return findings
    lengths = _lengths(tables["traces"])
    classes = Counter(tables["classes"]["problem_id"].to_pylist())
    findings += _first(_check_classes(tables, votes=info.unparsed == "vote"))
    for name in info.signals:
        counts = lengths
        if name in PROBE_SIGNALS:
            if findings or "probes" not in info.signals:
                findings.append(f"{name}.parquet: not checked, for want of sound probes")
                continue
            counts = _probe_counts(path, lengths)
        findings += _first(_check_signal(path, info, name, counts, classes, progress))
    return findings or list(_check_content(path, info))


def _first(findings: Iterator[str]) -> list[str]:
    found = list(islice(findings, MAX_FINDINGS))
    return found if next(findings, None) is None else [*found, "… and more of these"]


def _check_files(path: Path, info: PoolInfo) -> Iterator[str]:
    """Check that the expected files exist, their hashes and their columns."""
    expected = {*SMALL, *info.signals}
    present = {file.stem for file in path.glob("*.parquet")}
    if AS_WRITTEN in info.sha256:
        expected.add(Path(AS_WRITTEN).stem)
    for name in sorted(expected - present):
        yield f"{name}.parquet: missing"
    for name in sorted(present - expected):
        yield f"{name}.parquet: not a file of this pool"
    for name in sorted(expected & present):
        file = path / f"{name}.parquet"
        if file_sha256(file) != info.sha256.get(file.name):
            yield f"{file.name}: its SHA-256 is not the one in pool.json"
        try:
            with reading(file):
                schema = pq.read_schema(file)
        except UserError as error:
            yield f"{file.name}: {error}"
            continue
        wanted = [SCHEMAS.get(name, as_written.SCHEMA)]
        if name in LISTS:  # a pool of format 2 may have taken a file over from one of format 1
            wanted = LISTS[name] if info.format == 1 else [*PACKED, *LISTS[name]]
        if not any(map(schema.equals, wanted)):
            yield f"{file.name}: columns {_columns(schema)}, expected {_columns(wanted[0])}"


def _check_content(path: Path, info: PoolInfo) -> Iterator[str]:
    """Check that the fingerprint is that of the rows in the files."""
    if not info.content:  # stored without; its fingerprint follows from the files' hashes
        return
    found = content_of(path, [*SMALL, *info.signals])
    for name in sorted({*found, *info.content}):
        if found.get(name) != info.content.get(name):
            yield f"{name}.parquet: its content is not the one that pool.json has a hash of"


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name}: {field.type}" for field in schema)


def _check_problems(info: PoolInfo, tables: dict[str, pa.Table]) -> Iterator[str]:
    """Check order, uniqueness and counts of problems and traces."""
    problems = tables["problems"]["problem_id"].to_pylist()
    traces = tables["traces"]
    keys = list(zip(traces["problem_id"].to_pylist(), traces["trace_id"].to_pylist(), strict=True))
    for rows, what in ((problems, "problems.parquet:"), (keys, "traces.parquet: trace")):
        for before, after in pairwise(rows):
            if after <= before:
                yield f"{what} {after!r} comes after {before!r}: not sorted or not unique"
    with_traces = {problem for problem, _ in keys}
    for problem in sorted(with_traces.symmetric_difference(problems)):
        lacking = "traces.parquet" if problem in problems else "problems.parquet"
        yield f"{lacking}: problem {problem!r} is missing"
    lengths = traces["num_tokens"].to_numpy()
    unfinished = _unfinished(traces)
    for row in np.flatnonzero(lengths < 1 - unfinished).tolist():
        yield f"traces.parquet: trace {keys[row]} has {lengths[row]} tokens"
    for row in np.flatnonzero(unfinished & traces["answer"].is_valid().to_numpy()).tolist():
        yield f"traces.parquet: trace {keys[row]} is unfinished, but has an answer"
    counted = {
        "problems": len(problems),
        "traces": len(keys),
        "tokens": int(lengths.sum(dtype=int)),
        "unfinished": int(unfinished.sum()),
    }
    for name, count in counted.items():
        if count != getattr(info, name):
            yield f"pool.json: {getattr(info, name)} {name}, but the files have {count}"


def _unfinished(traces: pa.Table) -> Bools:
    """Return True for each trace that is marked as unfinished."""
    return np.array([reason == UNFINISHED for reason in traces["finish_reason"].to_pylist()])


def _check_classes(tables: dict[str, pa.Table], *, votes: bool) -> Iterator[str]:
    """Check that classes are numbered from 0, are unique, and cover and grade the answers.

    `votes`: traces without an answer have a class, too.
    """
    grades: dict[tuple[str, int], bool] = {}
    texts: set[tuple[str, str]] = set()
    expected: dict[str, int] = {}
    for row in tables["classes"].to_pylist():
        problem, number = row["problem_id"], row["answer_class"]
        if number != expected.get(problem, 0):
            yield f"classes.parquet: problem {problem!r}: class {number} out of order"
        expected[problem] = number + 1
        if (problem, row["answer"]) in texts:
            yield f"classes.parquet: problem {problem!r}: {row['answer']!r} has two classes"
        texts.add((problem, row["answer"]))
        grades[problem, number] = row["correct"]
    columns = ("problem_id", "trace_id", "answer", "answer_class", "correct")
    for row in tables["traces"].select(columns).to_pylist():
        where = f"traces.parquet: trace {(row['problem_id'], row['trace_id'])}"
        number = row["answer_class"]
        if (number == NO_ANSWER) != (row["answer"] is None and not votes):
            yield f"{where}: answer {row['answer']!r} with class {number}"
        elif number != NO_ANSWER and (row["problem_id"], number) not in grades:
            yield f"{where}: class {number} is not in classes.parquet"
        elif row["correct"] != grades.get((row["problem_id"], number), False):
            yield f"{where}: correct is {row['correct']}, but its class is graded otherwise"


def _lengths(traces: pa.Table) -> dict[str, tuple[list[int], list[int]]]:
    """Return trace ids and lengths by problem, in the order of the file."""
    grouped: dict[str, tuple[list[int], list[int]]] = {}
    columns = (traces[name].to_pylist() for name in ("problem_id", "trace_id", "num_tokens"))
    for problem, trace, length in zip(*columns, strict=True):
        ids, lengths = grouped.setdefault(problem, ([], []))
        ids.append(trace)
        lengths.append(length)
    return grouped


def _probe_counts(
    path: Path, lengths: dict[str, tuple[list[int], list[int]]]
) -> dict[str, tuple[list[int], list[int]]]:
    """Return trace ids and numbers of probes by problem, of a file of probes that is sound."""
    with reading(path / "probes.parquet") as file:
        positions = pq.read_table(file, columns=["position"])["position"]
    counts = iter(positions.combine_chunks().value_lengths().to_pylist())
    return {problem: (ids, list(islice(counts, len(ids)))) for problem, (ids, _) in lengths.items()}


def _check_signal(
    path: Path,
    info: PoolInfo,
    name: str,
    lengths: dict[str, tuple[list[int], list[int]]],
    classes: Counter[str],
    progress: Progress,
) -> Iterator[str]:
    """Check a signal file: whole row groups per problem, with the traces of traces.parquet.

    There is one row group per problem, but for token signals in format 2. `lengths` are numbers of
    tokens, or of probes for a probe signal.
    """
    file = f"{name}.parquet"
    unasked = 0
    with reading(path / file) as full, pq.ParquetFile(full) as stored:
        several = name in LISTS and info.format > 1
        if stored.num_row_groups != len(lengths) and not several:
            yield f"{file}: {stored.num_row_groups} row groups for {len(lengths)} problems"
            return
        groups = groups_of_problems(stored.metadata, [len(ids) for ids, _ in lengths.values()])
        if groups is None:
            yield f"{file}: its row groups do not hold the traces of whole problems"
            return
        for done, (problem, (ids, counts)) in enumerate(lengths.items()):
            progress(done, len(lengths))
            rows = stored.read_row_groups(groups[done])
            if name in LISTS:
                rows = as_lists(rows, name)
            found = rows["trace_id"].to_pylist()
            if set(rows["problem_id"].to_pylist()) != {problem} or found != ids:
                group = f"row group {groups[done][0]}"
                yield f"{file}: {group} does not hold the traces of problem {problem!r}"
                continue
            if name == "probes":
                flat = rows["answer_class"].combine_chunks().values.to_numpy()
                unasked += int((flat == UNASKED).sum())
            for row, (trace, count) in enumerate(zip(ids, counts, strict=True)):
                for wrong in _wrong_with(name, rows, row, count, classes[problem], info):
                    yield f"{file}: trace {(problem, trace)}: {wrong}"
    if name == "probes" and unasked != info.unasked:
        yield f"pool.json: {info.unasked} unasked, but {file} has {unasked} such probes"
    progress(len(lengths), len(lengths))


def _wrong_with(
    name: str, rows: pa.Table, row: int, num_tokens: int, num_classes: int, info: PoolInfo
) -> Iterator[str]:
    if name in PROBE_SIGNALS:
        values = rows[name][row].values
        if len(values) != num_tokens:
            yield f"{len(values)} values of {name} for {num_tokens} probes"
        known = values.drop_null().to_numpy()
        outside = known[~((known >= 0) & (known <= PROBE_SIGNALS[name].most) & np.isfinite(known))]
        if len(outside):
            yield f"{name} is {outside[0]}, not a possible number"
    elif name in LISTS:
        values = rows[name][row].values
        if len(values) != num_tokens:
            yield f"{len(values)} values of {name} for {num_tokens} tokens"
        numbers = np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)
        at = first_unfit(numbers)
        if at is not None:
            yield f"{name} is {numbers[at]} at token {at}, not a finite number"
    elif name == "probes":
        positions = rows["position"][row].values.to_numpy()
        answers = rows["answer_class"][row].values.to_numpy()
        if len(positions) != len(answers):
            yield f"{len(positions)} positions for {len(answers)} answers"
        if (np.diff(positions) <= 0).any():
            yield "positions do not ascend"
        if len(positions) and (positions[0] < 1 or positions[-1] > num_tokens):
            yield f"a probe outside of its {num_tokens} tokens"
        if ((answers < UNASKED) | (answers >= num_classes)).any():
            yield "an answer class that is not in classes.parquet"
    else:
        ends = rows["token_ends"][row]
        if not ends.is_valid:
            if info.token_accuracy == "exact":
                yield "no token ends, though pool.json says that token counts are exact"
            return
        offsets = ends.values.to_numpy()
        if len(offsets) != num_tokens:
            yield f"{len(offsets)} token ends for {num_tokens} tokens"
        elif (np.diff(offsets) < 0).any() or (offsets[:1] < 0).any():
            yield "token ends do not ascend"
        elif (offsets[-1:] > len(rows["text"][row].as_py())).any():
            yield "token ends beyond the text"
