"""The values of a token signal, read a few traces at a time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from simulator.arrays import Floats, Ints

KEPT_BYTES = 48 * 2**20
"""Bytes of a token signal that are kept of a problem; what does not fit is read again."""

Numbers = npt.NDArray[np.uint16] | npt.NDArray[np.float32]
Piece = tuple[Numbers, Ints]
"""Values of some traces, one after another, and offsets: trace i's are `offsets[i]:offsets[i + 1]`.

The values are as stored: thousandths in uint16, or the numbers themselves in float32."""


class TokenValues:
    """A token signal of one problem: the values of each trace.

    Parameters
    ----------
    starts
        First trace of each piece of the signal, ascending from 0.
    read
        Function that reads a piece, given its place in `starts`.
    """

    def __init__(self, starts: Sequence[int], read: Callable[[int], Piece]) -> None:
        self._starts = starts
        self._read = read
        self._kept: dict[int, Piece] = {}  # the last read comes last
        self._bytes = 0

    @classmethod
    def held(cls, values: Numbers, offsets: Ints) -> TokenValues:
        """Return values that are in memory: trace i's are `offsets[i]:offsets[i + 1]`."""
        return cls([0], lambda _: (values, offsets))

    @property
    def dtype(self) -> np.dtype[np.uint16] | np.dtype[np.float32]:
        """Type of the values as stored."""
        return self._piece(0)[0].dtype

    def __iter__(self) -> Iterator[Numbers]:
        """Yield the values of each trace as stored; views."""
        for number in range(len(self._starts)):
            values, offsets = self._piece(number)
            ends = offsets.tolist()
            for start, end in pairwise(ends):
                yield values[start:end]

    def stored(self, row: int, tokens: int | None = None) -> Numbers:
        """Return the first `tokens` values of a trace (None: all) as stored; a view."""
        number = bisect_right(self._starts, row) - 1
        values, offsets = self._piece(number)
        row -= self._starts[number]
        start, end = int(offsets[row]), int(offsets[row + 1])
        return values[start : end if tokens is None else min(end, start + tokens)]

    def of(self, row: int, tokens: int | None = None) -> Floats:
        """Return the numbers of the first `tokens` tokens of a trace (None: all); a new array."""
        stored = self.stored(row, tokens)
        floats = stored.astype(np.float64)
        return floats / 1000.0 if stored.dtype == np.uint16 else floats

    def _piece(self, number: int) -> Piece:
        piece = self._kept.get(number)
        if piece is None:
            piece = self._kept[number] = self._read(number)
            self._bytes += piece[0].nbytes
            while self._bytes > KEPT_BYTES and len(self._kept) > 1:
                self._bytes -= self._kept.pop(next(iter(self._kept)))[0].nbytes
        return piece
