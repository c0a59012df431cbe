"""The files of token signals: columns and row groups in pool formats 1 and 2.

In format 2, a trace's numbers stand as plain little-endian bytes in one cell, two or four a number,
and a problem has a row group for about every `GROUP_TOKENS` tokens. A reader gets the bytes as they
are, a few traces at a time. In format 1, they are a Parquet list with a row group a problem, which
takes twice the time and several times the memory to read. `as_lists` makes one of the other.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulator.arrays import Array, Ints
from simulator.arrow import numpy_array
from simulator.signals import TOKEN_SIGNALS
from simulator.storage import parquet_writer

GROUP_TOKENS = 2**20
"""Tokens of a row group in format 2, which ends with the trace that reaches them."""

_KEYS = [
    pa.field("problem_id", pa.string(), nullable=False),
    pa.field("trace_id", pa.int32(), nullable=False),
]

LISTS: dict[str, list[pa.Schema]] = {
    name: [
        pa.schema([*_KEYS, pa.field(name, pa.list_(pa.type_for_alias(kind)), nullable=False)])
        for kind in signal.storage
    ]
    for name, signal in TOKEN_SIGNALS.items()
}
"""Columns of each token signal with a list a trace, the preferred type first: format 1."""

PACKED_TYPES: dict[str, np.dtype[Any]] = {
    "thousandths": np.dtype("<u2"),
    "float32": np.dtype("<f4"),
}
"""Numbers in the bytes of a packed column, by its name."""

PACKED = [pa.schema([*_KEYS, pa.field(name, pa.binary(), nullable=False)]) for name in PACKED_TYPES]
"""Columns of a token signal with its numbers as bytes, in the same order as `LISTS`: format 2."""


def is_packed(schema: pa.Schema) -> bool:
    """Check whether the file of a token signal with these columns is of format 2."""
    return schema.names[-1] in PACKED_TYPES


def kind_of(schema: pa.Schema, name: str) -> int:
    """Return the place in `LISTS` and `PACKED` of the type of the numbers in a file.

    Raises
    ------
    pa.ArrowInvalid
        There is no such type.
    """
    field = schema.field(-1)
    known = [each.field(-1) for each in (PACKED if is_packed(schema) else LISTS[name])]
    if field not in known:
        raise pa.ArrowInvalid(f"a column {field.name} of {field.type}, which is no token signal")
    return known.index(field)


def unpacked(column: pa.ChunkedArray, name: str) -> tuple[Array, Ints]:
    """Return the numbers of a column of either format, and the offsets of its traces in them.

    The column is called `name`. The numbers are views of its memory if it has one chunk.

    Raises
    ------
    pa.ArrowInvalid
        The column is neither of the two.
    """
    cells = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if pa.types.is_list(cells.type):
        return numpy_array(cells.values), numpy_array(cells.offsets).astype(np.int64)
    if not pa.types.is_binary(cells.type) or name not in PACKED_TYPES:
        raise pa.ArrowInvalid(f"a column {name} of {cells.type}, which is no token signal")
    kind = PACKED_TYPES[name]
    _, ends, content = cells.buffers()
    offsets = np.frombuffer(ends, dtype=np.int32)[cells.offset :][: len(cells) + 1].astype(np.int64)
    first, last = (int(offsets[0]), int(offsets[-1])) if len(cells) else (0, 0)
    if ((offsets - first) % kind.itemsize).any():
        raise pa.ArrowInvalid(f"a cell of {name} ends within a number")
    numbers = np.frombuffer(content or b"", dtype=np.uint8)[first:last].view(kind)
    return numbers, (offsets - first) // kind.itemsize


def as_lists(rows: pa.Table, name: str) -> pa.Table:
    """Return rows of a file of the token signal `name` with a list a trace, whatever its format.

    Raises
    ------
    pa.ArrowInvalid
        There is no column of a token signal.
    """
    if not is_packed(rows.schema):
        return rows
    column = rows.schema.names[-1]
    schema = LISTS[name][kind_of(rows.schema, name)]
    kind = schema.field(name).type
    lists = [
        _lists(*unpacked(pa.chunked_array([each]), column), kind) for each in rows[column].chunks
    ]
    cells = pa.chunked_array(lists, kind)
    return pa.Table.from_arrays([*rows.columns[:-1], cells], schema=schema)


def as_numbers(cells: pa.Array | pa.ChunkedArray, name: str) -> pa.Array:
    """Return lists of the numbers, in float64, in cells of a packed column called `name`."""
    column = cells if isinstance(cells, pa.ChunkedArray) else pa.chunked_array([cells])
    numbers, offsets = unpacked(column, name)
    floats = numbers / 1000.0 if numbers.dtype == np.uint16 else numbers.astype(np.float64)
    return _lists(floats, offsets, pa.list_(pa.float64()))


def _lists(numbers: Array, offsets: Ints, kind: pa.DataType) -> pa.Array:
    """Return lists of type `kind` on the memory of numpy's arrays."""
    ends = _plain(offsets.astype(np.int32), pa.int32())
    return pa.ListArray.from_arrays(ends, _plain(numbers, kind.value_type), type=kind)


def _plain(numbers: Array, kind: pa.DataType) -> pa.Array:
    """Return an Arrow array without `pyarrow.array`, which imports pandas."""
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(numbers)])


class SignalWriter:
    """A writer of one file of a token signal.

    Parameters
    ----------
    kind
        Place of the type of its numbers in `LISTS` and `PACKED`.
    packed
        True for format 2.
    """

    def __init__(self, path: Path, name: str, kind: int, *, packed: bool = True) -> None:
        self._name, self._packed = name, packed
        self._schema = PACKED[kind] if packed else LISTS[name][kind]
        column = self._schema.names[-1]
        encodings = {column: "PLAIN"} if packed else {f"{name}.list.element": "BYTE_STREAM_SPLIT"}
        self._writer = parquet_writer(path, self._schema, encodings)

    def write(self, rows: pa.Table) -> None:
        """Append the rows of one problem, with lists; in format 2 also a part of them."""
        if not self._packed:
            self._writer.write_table(rows.combine_chunks(), row_group_size=max(1, len(rows)))
            return
        numbers, offsets = unpacked(rows[self._name], self._name)
        content = np.ascontiguousarray(numbers).view(np.uint8)
        for start, end in _groups(offsets):
            here = offsets[start : end + 1] * numbers.itemsize
            cells = pa.Array.from_buffers(
                pa.binary(),
                end - start,
                [
                    None,
                    pa.py_buffer((here - here[0]).astype(np.int32)),
                    pa.py_buffer(content[int(here[0]) : int(here[-1])]),
                ],
            )
            keys = [rows[field.name].slice(start, end - start) for field in _KEYS]
            group = pa.Table.from_arrays([*keys, cells], schema=self._schema)
            self._writer.write_table(group, row_group_size=len(group))

    def close(self) -> None:
        """Complete the file."""
        self._writer.close()


def _groups(offsets: Ints) -> Iterator[tuple[int, int]]:
    """Yield the first trace of each row group and the one after its last; `offsets` in tokens."""
    start = 0
    while start < len(offsets) - 1:
        full = int(np.searchsorted(offsets, offsets[start] + GROUP_TOKENS))
        end = min(max(full, start + 1), len(offsets) - 1)
        yield start, end
        start = end


def groups_of_problems(footer: pq.FileMetaData, traces: Sequence[int]) -> list[range] | None:
    """Return the row groups of each problem, which has so many traces; None if they do not fit."""
    sizes = (footer.row_group(number).num_rows for number in range(footer.num_row_groups))
    ends = [0, *accumulate(sizes)]
    places = [bisect_left(ends, end) for end in accumulate(traces, initial=0)]
    if ends[-1] != sum(traces) or len({*ends}) < len(ends):
        return None
    if [ends[place] for place in places] != [*accumulate(traces, initial=0)]:
        return None
    return [range(*pair) for pair in pairwise(places)]
