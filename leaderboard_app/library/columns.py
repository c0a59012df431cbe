"""Reading of thousands of rows column by column, without a dictionary for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator.arrays import Array, Floats
from simulator.arrow import null_mask, numbers_in
from simulator.runs.format import METRICS
from simulator.runs.results import Metric

_PLACES = {name: number for number, name in enumerate(METRICS)}


class MetricsOf(Mapping[str, Metric]):
    """The metrics of one row, in the order of `METRICS`; those that were not measured are missing.

    `numbers` has value, low and high of each metric, shape (metrics, 3), NaN where there is none.
    """

    __slots__ = ("_numbers",)

    def __init__(self, numbers: Floats) -> None:
        self._numbers = numbers

    def __getitem__(self, name: str) -> Metric:
        found = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def get(self, name: str, default: Any = None) -> Any:
        """Return a metric, or else the default."""
        place = _PLACES.get(name)
        if place is None:
            return default
        numbers: list[float] = self._numbers[place].tolist()
        value, low, high = (None if each != each else each for each in numbers)
        return default if value is None else Metric(value, low, high)

    def __contains__(self, name: object) -> bool:
        place = _PLACES.get(name)  # type: ignore[call-overload]
        return place is not None and self._numbers[place, 0] == self._numbers[place, 0]

    def __iter__(self) -> Iterator[str]:
        there = self._numbers[:, 0] == self._numbers[:, 0]
        return (name for name, is_there in zip(METRICS, there.tolist(), strict=True) if is_there)

    def __len__(self) -> int:
        return int(np.count_nonzero(self._numbers[:, 0] == self._numbers[:, 0]))

    def __repr__(self) -> str:
        return repr(dict(self))


def metrics_of(table: pa.Table) -> list[MetricsOf]:
    """Return the metrics of each row of the views `runs` or `submissions`."""
    numbers = np.full((len(table), len(METRICS), 3), np.nan)
    for row, name in enumerate(METRICS):
        for end, column in enumerate((name, f"{name}_low", f"{name}_high")):
            if column in table.column_names:
                numbers[:, row, end] = _filled(table[column], np.nan)
    return [MetricsOf(each) for each in numbers]


def values_in(column: pa.ChunkedArray) -> list[Any]:
    """Return the values of a column; equal texts are one object."""
    if not pa.types.is_string(column.type):
        found: list[Any] = column.to_pylist()
        return found
    if not len(column):
        return []
    coded = pc.dictionary_encode(column).combine_chunks()
    texts = [*coded.dictionary.to_pylist(), None]
    return [texts[code] for code in _filled(coded.indices, len(texts) - 1).tolist()]


def _filled(column: pa.Array | pa.ChunkedArray, missing: float) -> Array:
    """Return the numbers of a column, `missing` where it is null."""
    absent = null_mask(column)
    found = np.full(len(column), missing, dtype=np.float64 if missing != missing else np.int64)
    found[~absent] = numbers_in(column)
    return found


def by_group(column: pa.ChunkedArray) -> list[tuple[int, int]]:
    """Return first and last + 1 of the rows with each value of a column that is sorted."""
    values = values_in(column)
    starts = [row for row, each in enumerate(values) if row == 0 or each != values[row - 1]]
    return [*zip(starts, [*starts, len(values)][1:], strict=True)]
