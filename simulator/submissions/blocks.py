"""A submission's Parquet files: their footers are checked before any row is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulator.arrays import Array
from simulator.replay.orders import ROWS_PER_PART
from simulator.submissions.strict_json import Refused, shown

BYTES_PER_ROW = 400
BYTES_BESIDE = 4_000_000
"""Largest size of a row group in memory: bytes per row, and once for its labels."""

MAX_GROUPS = 1_000_000

LABELS = ("pool", "problem_id")
"""The columns that name the problem of a row."""


def open_table(
    content: bytes,
    name: str,
    schema: pa.Schema,
    *,
    rows: range,
    most_in_group: int,
    optional: Sequence[Sequence[str]] = (),
) -> pq.ParquetFile:
    """Open a Parquet file that has exactly these columns, and a number of rows within `rows`.

    The columns of each of `optional` may be missing together, as in runs of older versions.

    Raises
    ------
    Refused
        It is not Parquet, or declares other columns, more rows or larger row groups than allowed.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        footer, found = file.metadata, file.schema_arrow
    except Exception as error:  # Arrow raises many types for a damaged footer
        raise _unreadable(name, error) from None
    for names in optional:
        if not {*names} & {*found.names}:
            schema = pa.schema([field for field in schema if field.name not in names])
    if not found.equals(schema):
        raise Refused(f"{name}: columns are not those of a run; {_first_other(found, schema)}")
    if footer.num_rows not in rows:
        most = f"{rows.start:,}" if len(rows) == 1 else f"at most {rows.stop - 1:,}"
        raise Refused(f"{name}: {footer.num_rows:,} rows, where the run has {most}")
    if footer.num_row_groups > min(MAX_GROUPS, footer.num_rows):
        raise Refused(f"{name}: {footer.num_row_groups:,} row groups are too many")
    total = 0
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        most_bytes = BYTES_BESIDE + BYTES_PER_ROW * max(group.num_rows, 0)
        if not 0 < group.num_rows <= most_in_group or not 0 <= group.total_byte_size <= most_bytes:
            raise Refused(
                f"{name}: row group {number} has {group.num_rows:,} rows in "
                f"{group.total_byte_size:,} bytes; a run's are smaller"
            )
        for index in range(group.num_columns):
            column = group.column(index)
            if column.num_values != group.num_rows or column.total_uncompressed_size > most_bytes:
                raise Refused(
                    f"{name}: row group {number}, column {found.names[index]}: "
                    f"{column.num_values:,} values in {column.total_uncompressed_size:,} bytes"
                )
        total += group.num_rows
    if total != footer.num_rows:
        raise Refused(f"{name}: its row groups have {total:,} rows, its footer {footer.num_rows:,}")
    return file


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive rows of one problem: its name, the number of its first row, columns by name."""

    pool: str
    problem_id: str
    first_row: int
    columns: dict[str, Array]

    def __len__(self) -> int:
        return len(self.columns["repeat"])


def blocks(file: pq.ParquetFile, name: str) -> Iterator[Block]:
    """Yield the rows of a table, a problem at a time, in stored order.

    Raises
    ------
    Refused
        The file cannot be read, has nulls in a required column, or labels that are too long.
    """
    waiting: list[Block] = []
    row = 0
    for number in range(file.metadata.num_row_groups):
        for block in _of_group(file, name, number, row):
            if waiting and (block.pool, block.problem_id) != (
                waiting[0].pool,
                waiting[0].problem_id,
            ):
                yield _joined(waiting)
                waiting = []
            waiting.append(block)
            row += len(block)
    if waiting:
        yield _joined(waiting)


def _joined(parts: list[Block]) -> Block:
    if len(parts) == 1:
        return parts[0]
    columns = {
        name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns
    }
    return Block(parts[0].pool, parts[0].problem_id, parts[0].first_row, columns)


def _of_group(file: pq.ParquetFile, name: str, number: int, first_row: int) -> Iterator[Block]:
    try:
        table = file.read_row_group(number, use_threads=False)
        table.validate(full=True)
    except Exception as error:
        raise _unreadable(name, error) from None
    columns: dict[str, Array] = {}
    for field in table.schema:
        column = table[field.name]
        if column.null_count and not field.nullable:
            raise Refused(f"{name}: column {field.name} has nulls")
        columns[field.name] = values_of(column, name)
    pools, problems = (columns.pop(label) for label in LABELS)
    size = len(pools)
    changes = np.flatnonzero((pools[1:] != pools[:-1]) | (problems[1:] != problems[:-1])) + 1
    for start, end in zip([0, *changes.tolist()], [*changes.tolist(), size], strict=True):
        yield Block(
            str(pools[start]),
            str(problems[start]),
            first_row + start,
            {each: values[start:end] for each, values in columns.items()},
        )


def values_of(column: pa.ChunkedArray, name: str = "") -> Array:
    """Return a column of the table `name` as an array; texts and columns with nulls as objects."""
    if pa.types.is_dictionary(column.type):
        merged = column.combine_chunks()
        labels = merged.dictionary.to_pylist()
        if any(label is None or len(label) > 2000 for label in labels):
            raise Refused(f"{name}: a label is missing or too long")
        texts = np.array([*labels, ""], dtype=object)
        values: Array = texts[merged.indices.to_numpy(zero_copy_only=False)]
        return values
    if pa.types.is_string(column.type) or column.null_count:
        return np.array([*column.to_pylist(), None], dtype=object)[:-1]
    plain: Array = column.to_numpy()
    return plain


def refuse_first(
    rows: Block, bad: Array, what: Callable[[int], str], table: str = "decisions"
) -> None:
    """Refuse a block that has a bad row; the message names the first one."""
    found = np.flatnonzero(bad)
    if len(found):
        row = int(found[0])
        trace = f", trace {rows.columns['trace_id'][row]}" if "trace_id" in rows.columns else ""
        raise Refused(
            f"{table}.parquet row {rows.first_row + row} (pool {rows.pool}, problem "
            f"{rows.problem_id}, repeat {rows.columns['repeat'][row]}{trace}): {what(row)}"
        )


def most_rows_in_group(budget: int) -> int:
    """Return the most rows that a run's writer puts into a row group."""
    return max(ROWS_PER_PART * 2, 64 * budget)


def _unreadable(name: str, error: Exception) -> Refused:
    return Refused(f"{name}: not readable as Parquet ({shown(str(error), 120)})")


def _first_other(found: pa.Schema, wanted: pa.Schema) -> str:
    for field in wanted:
        index = found.get_field_index(field.name)
        if index < 0:
            return f"{field.name} is missing"
        if not found.field(index).equals(field):
            here = shown(_kind(found.field(index)), 120)
            return f"{field.name} is {here}, not {_kind(field)}"
    return "there are other columns, or they are in another order"


def _kind(field: pa.Field) -> str:
    return f"{field.type}{'' if field.nullable else ' not null'}"
