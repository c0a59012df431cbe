"""Hashes of a pool's decoded content, one per file, from which its fingerprint follows.

Rows are hashed a problem at a time and column by column, as values: numbers, texts, lengths and
nulls. Compression, encodings, row groups and the types that numbers are stored in do not count.
Integers count as int32, token signals as the float32 nearest to the number that a reader gets.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulator.arrays import Array
from simulator.pools.pool import SCHEMAS
from simulator.pools.token_signals.files import LISTS, as_lists
from simulator.storage import reading

ROWS_AT_ONCE = 256
"""Rows that are read at a time from files with other row groups than the writer's."""

NUMBERS_AT_ONCE = 2**20
"""Numbers that are converted at a time."""

_THOUSANDTHS = (np.arange(2**16) / 1000.0).astype("<f4")
"""Numbers that are stored as thousandths in uint16."""


class ContentHash:
    """Hashes of the files of a pool, fed problem by problem in ascending order."""

    def __init__(self) -> None:
        self._digests = {name: hashlib.sha256() for name in SCHEMAS}
        self._fed: set[str] = set()

    def add(self, name: str, rows: pa.Table) -> None:
        """Add the rows of one problem to the hash of the file `name`."""
        self._fed.add(name)
        if not len(rows):
            return
        digest = self._digests[name]
        for column in SCHEMAS[name].names:
            for part in _canonical(_whole(rows[column])):
                digest.update(part)

    def by_file(self) -> dict[str, str]:
        """Return the hash of each file in hexadecimal, by the file's name without suffix."""
        return {name: self._digests[name].hexdigest() for name in sorted(self._fed)}


def content_of(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Hash the content of the files `names` of a stored pool; memory stays that of one problem.

    Raises
    ------
    UserError
        A file cannot be read.
    """
    content = ContentHash()
    for name in names:
        with reading(folder / f"{name}.parquet") as path, pq.ParquetFile(path) as stored:
            for rows in problems_in(stored, name):
                content.add(name, rows)
    return content.by_file()


def problems_in(stored: pq.ParquetFile, name: str) -> Iterator[pa.Table]:
    """Yield the rows of each problem in the file `name`; token signals have a list a trace."""
    if name not in LISTS:
        yield from _by_problem(stored, SCHEMAS[name].names)
        return
    for rows in _by_problem(stored, stored.schema_arrow.names):
        yield as_lists(rows, name)


def _by_problem(stored: pq.ParquetFile, columns: list[str]) -> Iterator[pa.Table]:
    """Yield the rows of each problem as a table, whatever the row groups."""
    waiting: list[pa.Table] = []
    last: object = None
    for batch in stored.iter_batches(ROWS_AT_ONCE, columns=columns, use_threads=False):
        table = pa.Table.from_batches([batch])
        ids = table["problem_id"].to_pylist()
        starts = [row for row in range(1, len(ids)) if ids[row] != ids[row - 1]]
        for start, end in zip([0, *starts], [*starts, len(ids)], strict=True):
            if waiting and ids[start] != last:
                yield pa.concat_tables(waiting)
                waiting = []
            waiting.append(table.slice(start, end - start))
            last = ids[start]
    yield pa.concat_tables(waiting) if waiting else stored.schema_arrow.empty_table()


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _canonical(column: pa.Array) -> Iterator[bytes | memoryview]:
    """Yield a column as bytes that depend on its values alone, each part preceded by its size."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    yield struct.pack("<qq", len(column), column.null_count)
    if column.null_count:
        yield np.asarray(column.is_valid().to_numpy(zero_copy_only=False), np.uint8).tobytes()
        column = column.drop_null()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        texts = column.cast(pa.large_string())
        offsets = np.frombuffer(texts.buffers()[1], "<i8")[texts.offset :][: len(texts) + 1]
        yield np.diff(offsets).tobytes()
        if len(offsets) and offsets[-1] > offsets[0]:
            yield memoryview(texts.buffers()[2])[int(offsets[0]) : int(offsets[-1])]
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield np.diff(column.offsets.to_numpy()).astype("<i8").tobytes()
        yield from _canonical(column.flatten())
    elif pa.types.is_boolean(kind):
        yield np.asarray(column.to_numpy(zero_copy_only=False), np.uint8).tobytes()
    else:
        for start in range(0, len(column), NUMBERS_AT_ONCE):
            yield _numbers(column.slice(start, NUMBERS_AT_ONCE)).tobytes()


def _numbers(column: pa.Array) -> Array:
    """Return integers as int32, thousandths and other numbers as float32 without negative zero."""
    if column.type == pa.uint16():
        thousandths: Array = _THOUSANDTHS[column.to_numpy()]
        return thousandths
    if pa.types.is_integer(column.type):
        integers: Array = column.cast(pa.int32()).to_numpy().astype("<i4", copy=False)
        return integers
    floats: Array = column.to_numpy().astype("<f4") + np.float32(0)
    return floats
