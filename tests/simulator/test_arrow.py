"""Arrow arrays made without pandas, beside those that pyarrow makes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.arrow import arrow_array, null_mask, numbers_in, numpy_array

VALUES = {
    pa.string(): st.text(st.characters(codec="utf-8")),
    pa.bool_(): st.booleans(),
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(allow_nan=False),
}
COLUMNS = st.sampled_from(list(VALUES)).flatmap(
    lambda kind: st.tuples(st.just(kind), st.lists(st.none() | VALUES[kind]))
)


@given(COLUMNS)
def test_lists_are_converted_as_pyarrow_does(column: tuple[pa.DataType, list[Any]]) -> None:
    kind, values = column
    made = arrow_array(values, kind)
    made.validate(full=True)
    assert made.equals(pa.array(values, kind))
    assert made.null_count == values.count(None)


@given(st.lists(st.tuples(st.integers(-(2**31), 2**31 - 1), st.booleans())))
def test_numbers_of_numpy_are_converted_as_pyarrow_does(rows: list[tuple[int, bool]]) -> None:
    numbers = np.array([number for number, _ in rows], dtype=np.int64)
    nulls = np.array([null for _, null in rows], dtype=np.bool_)
    for kind in (pa.int32(), pa.int64(), pa.float64()):
        made = arrow_array(numbers, kind, nulls)
        made.validate(full=True)
        assert made.equals(pa.array(numbers, kind, mask=nulls))
    assert arrow_array(nulls, pa.bool_()).equals(pa.array(nulls))
    assert arrow_array(numbers[::2], pa.int32()).equals(pa.array(numbers[::2], pa.int32()))


@pytest.mark.parametrize("values", [np.array([2**31]), [2**31], [0.5]])
def test_a_number_that_the_type_does_not_have_is_refused(values: Any) -> None:
    with pytest.raises(OverflowError, match="int32"):
        arrow_array(values, pa.int32())


@given(
    st.lists(st.lists(st.none() | st.booleans()), max_size=3),
    st.integers(0, 9),
    st.sampled_from([pa.bool_(), pa.int32(), pa.uint16(), pa.float32(), pa.float64()]),
)
def test_columns_are_converted_to_numpy_as_pyarrow_does(
    chunks: list[list[bool | None]], start: int, kind: pa.DataType
) -> None:
    parts = [pa.array(chunk, pa.bool_()).cast(kind)[start:] for chunk in chunks]
    for column in (pa.chunked_array(parts, kind), *parts):
        values = column.to_pylist()
        there = [value for value in values if value is not None]
        assert numbers_in(column).tolist() == there
        assert numbers_in(column).dtype == kind.to_pandas_dtype()
        assert null_mask(column).tolist() == [value is None for value in values]
        if len(there) == len(values):
            assert numpy_array(column).tolist() == values
        else:
            with pytest.raises(ValueError, match="nulls"):
                numpy_array(column)


def test_nulls_of_texts_are_found() -> None:
    column = pa.chunked_array([["a", None], [None, "b", ""]])
    assert null_mask(column).tolist() == [False, True, True, False, False]


def test_a_view_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        numpy_array(pa.array([1, 2]))[0] = 3


def test_pandas_is_not_imported() -> None:
    code = (
        "import sys, pyarrow as pa\nfrom simulator.arrow import arrow_array, numpy_array\n"
        "arrow_array(['a', None], pa.string())\nnumpy_array(arrow_array([1], pa.int32()))\n"
        "sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
