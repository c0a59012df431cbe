"""Fixed work, beside which a benchmark without a peer of its own states its time."""

from __future__ import annotations

import time
from functools import lru_cache

import numpy as np


@lru_cache(maxsize=1)
def yardstick() -> float:
    """Return the processor seconds of fixed work in Python and numpy: the least of five rounds."""
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 1000, 500_000)
    words = [str(number) for number in numbers[:50_000].tolist()]
    times = []
    for _ in range(5):
        began = time.process_time()
        counts: dict[str, int] = {}
        for word in words:
            counts[word] = counts.get(word, 0) + 1
        np.sort(numbers)
        np.cumsum(numbers)
        np.bincount(numbers)
        times.append(time.process_time() - began)
    return min(times)


def in_yardsticks(name: str, seconds: float) -> str:
    """Return the line `ratio NAME VALUE` of a time in seconds."""
    return f"ratio {name} {seconds / yardstick():.4g}"
