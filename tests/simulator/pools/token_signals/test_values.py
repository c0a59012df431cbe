"""Values that are read piece by piece, and read again where they would take too much memory."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.arrays import Ints
from simulator.pools.token_signals import values as module
from simulator.pools.token_signals.values import Piece, TokenValues

TRACES = [[1, 2], [3], [], [4, 5, 6], [7], [8, 9]]
STARTS = [0, 2, 5]


def piece(number: int) -> Piece:
    rows = TRACES[STARTS[number] : [*STARTS, len(TRACES)][number + 1]]
    offsets: Ints = np.cumsum([0, *map(len, rows)])
    return np.concatenate(rows).astype(np.uint16), offsets


def test_each_piece_is_read_when_it_is_used_and_kept() -> None:
    read: list[int] = []

    def reading(number: int) -> Piece:
        read.append(number)
        return piece(number)

    values = TokenValues(STARTS, reading)
    assert read == []
    assert values.stored(3).tolist() == [4, 5, 6]
    assert values.stored(3, 2).tolist() == [4, 5]
    assert values.stored(2).tolist() == []
    assert values.of(4).tolist() == [0.007]
    assert read == [1]
    assert values.dtype == np.uint16
    assert [each.tolist() for each in values] == TRACES
    assert sorted(read) == [0, 1, 2]


def test_a_piece_beyond_what_is_kept_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def reading(number: int) -> Piece:
        read.append(number)
        return piece(number)

    monkeypatch.setattr(module, "KEPT_BYTES", 12)  # of 6, 8 and 4 bytes
    values = TokenValues(STARTS, reading)
    for _ in range(2):
        assert [each.tolist() for each in values] == TRACES
    assert read == [0, 1, 2, 0, 1, 2]
    assert values.stored(5).tolist() == [8, 9]
    assert read == [0, 1, 2, 0, 1, 2]
    monkeypatch.setattr(module, "KEPT_BYTES", 1)  # the last one is kept, however large it is
    assert values.stored(0).tolist() == values.stored(0).tolist() == [1, 2]
    assert read == [0, 1, 2, 0, 1, 2, 0]


def test_values_in_memory_are_one_piece() -> None:
    values = TokenValues.held(np.array([1.5, 2.5, 3.5], dtype=np.float32), np.array([0, 1, 1, 3]))
    assert [each.tolist() for each in values] == [[1.5], [], [2.5, 3.5]]
    assert values.of(2, 1).tolist() == [2.5]
