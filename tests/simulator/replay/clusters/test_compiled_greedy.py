"""Compiled clustering given wrong arrays; `test_greedy.py` compares what it finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

compiled = pytest.importorskip(
    "simulator.replay.clusters._greedy", reason="installed without a compiler"
)


def blocks(**changed: Any) -> list[Any]:
    """Arguments of `place_block` for three traces, some of them changed."""
    given: dict[str, Any] = {
        "scores": np.full((3, 3), 0.4, dtype=np.float32),
        "rows": np.arange(3),
        "members": np.array([0, 0, 1, 1, 0, 2], dtype=np.uint16),
        "first": 0,
        "last": 3,
        "rule": (0.5, 3, 3, False),
        "rounding": 1e-9,
        "calls": 100,
        "clusters": np.full(3, -1),
        "pairs": np.empty((3, 2), dtype=np.int64),
        "call": np.empty(3, dtype=np.int64),
    }
    return [*(given | changed).values()]


@pytest.mark.parametrize(
    "changed",
    [
        {"scores": np.zeros((3, 2), dtype=np.float32)},
        {"rows": np.array([0, 1, 3])},
        {"rows": np.array([0, -1, 2])},
        {"members": np.array([0, 1, 0, 1, 0, 2], dtype=np.uint16)},  # a trace after the one placed
        {"members": np.array([0, 0, 1, 1, 1, 2], dtype=np.uint16)},  # one twice
        {"members": np.array([0, 0, 1], dtype=np.uint16)},
        {"last": 4},
        {"first": -1},
        {"first": 1},  # the clusters of earlier traces are missing
        {"rule": (0.5, 0, 3, False)},
        {"clusters": np.full(2, -1)},
        {"pairs": np.empty((2, 2), dtype=np.int64), "call": np.empty(2, dtype=np.int64)},
        {"pairs": np.empty((2, 2), dtype=np.int64)},
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    changed: dict[str, Any],
) -> None:
    assert compiled.place_block(*blocks()) == (3, 3, False)
    with pytest.raises(ValueError, match=r"belong together|no room"):
        compiled.place_block(*blocks(**changed))
