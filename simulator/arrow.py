"""Conversion between Arrow and numpy without pandas.

`pyarrow.array` and `to_numpy` import pandas, if it is installed, whatever they convert. That takes
a quarter of a second, longer than a short run, and again in each of its processes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.arrays import Array, Bools

_STRING = pa.string()


def arrow_array(
    values: Sequence[Any] | Array, kind: pa.DataType, nulls: Bools | None = None
) -> pa.Array:
    """Convert values to an Arrow array, as `pyarrow.array` does.

    Parameters
    ----------
    values
        Texts, or numbers or truth values in one dimension; None in a list is null.
    kind
        Type of the array: string, boolean, or a number of fixed width.
    nulls
        Further nulls, True where a value is one, shape (values,).

    Raises
    ------
    OverflowError
        The type has no such integer.
    """
    if not isinstance(values, np.ndarray) or values.dtype == np.object_:
        none = np.array([value is None for value in values], dtype=np.bool_)
        nulls = none if nulls is None else none | nulls
        if none.any() and kind != _STRING:
            values = [0 if value is None else value for value in values]
    valid = None if nulls is None or not nulls.any() else _bits(~nulls)
    content = _texts(values) if kind == _STRING else [_numbers(values, kind)]
    return pa.Array.from_buffers(kind, len(values), [valid, *content])


def numpy_array(column: pa.Array | pa.ChunkedArray) -> Array:
    """Convert numbers or truth values to numpy, as `to_numpy` does.

    Those in one chunk, other than truth values, are a view that cannot be written to.

    Raises
    ------
    ValueError
        There are nulls (`numbers_in` leaves them out).
    """
    if column.null_count:
        raise ValueError("nulls, which numpy has not")
    return _joined(column, _stored)


def numbers_in(column: pa.Array | pa.ChunkedArray) -> Array:
    """Convert the numbers or truth values of a column that are not null to numpy."""
    if not column.null_count:
        return numpy_array(column)
    if column.null_count == len(column):
        return np.empty(0, dtype=column.type.to_pandas_dtype())
    return _joined(column, _stored)[~null_mask(column)]


def numbered(column: pa.Array | pa.ChunkedArray) -> tuple[list[str], Array]:
    """Return the different texts of a column without nulls, as they first appear, and their places.

    The places are the row of each value's text among these, shape (values,).
    """
    import pyarrow.compute as pc

    texts = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    coded = pc.dictionary_encode(texts.cast(_STRING))
    return coded.dictionary.to_pylist(), numpy_array(coded.indices)


def null_mask(column: pa.Array | pa.ChunkedArray) -> Bools:
    """Tell which values of a column of any type are null, shape (values,)."""
    mask: Bools = _joined(column, _nulls)
    return mask


def _joined(column: pa.Array | pa.ChunkedArray, convert: Callable[[pa.Array], Array]) -> Array:
    """Convert each chunk of a column, and join them."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    if not chunks:
        return convert(pa.nulls(0, column.type))
    parts = [convert(chunk) for chunk in chunks]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _stored(chunk: pa.Array) -> Array:
    """Return the values of an array; those that are null are any."""
    start, count, content = chunk.offset, len(chunk), chunk.buffers()[1]
    kind = _dtype(chunk.type)
    if content is None:
        return np.empty(count, dtype=kind)
    if kind == np.bool_:
        return _unpacked(content, start, count)
    numbers = np.frombuffer(content, kind, count, start * kind.itemsize)
    numbers.flags.writeable = False
    return numbers


def _nulls(chunk: pa.Array) -> Bools:
    valid = chunk.buffers()[0]
    if valid is None or not chunk.null_count:
        return np.full(len(chunk), pa.types.is_null(chunk.type))
    return ~_unpacked(valid, chunk.offset, len(chunk))


def _unpacked(content: pa.Buffer, start: int, count: int) -> Bools:
    bits = np.frombuffer(content, dtype=np.uint8)
    return np.unpackbits(bits, count=start + count, bitorder="little")[start:].view(np.bool_)


def _bits(values: Bools) -> pa.Buffer:
    return pa.py_buffer(np.packbits(values, bitorder="little"))


def _texts(values: Sequence[Any] | Array) -> list[pa.Buffer]:
    """Return the buffers of texts: where each begins, and all of them."""
    encoded = [b"" if value is None else value.encode() for value in values]
    ends = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(each) for each in encoded], out=ends[1:])
    return [_numbers(ends, pa.int32()), pa.py_buffer(b"".join(encoded))]


@lru_cache(maxsize=32)
def _dtype(kind: pa.DataType) -> np.dtype[Any]:
    found: np.dtype[Any] = np.dtype(kind.to_pandas_dtype())
    return found


def _numbers(values: Sequence[Any] | Array, kind: pa.DataType) -> pa.Buffer:
    wanted = _dtype(kind)
    given = np.asarray(values)
    if wanted == np.bool_:
        return _bits(given.astype(np.bool_, copy=False))
    numbers = np.ascontiguousarray(given, dtype=wanted)
    if numbers.dtype.kind in "iu" and given.dtype != numbers.dtype and (given != numbers).any():
        raise OverflowError(f"a number that {kind} does not have")
    return pa.py_buffer(numbers)
