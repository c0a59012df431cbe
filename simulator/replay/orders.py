"""The order in which each repeat starts a problem's traces."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby

import numpy as np

from simulator.arrays import Ints
from simulator.counting import DRAWN, GENERATED, Order
from simulator.pools.pool import StoredProblem

ORDERS_AT_ONCE = 64
"""Number of repeats whose orders are drawn together; changing it changes the orders of a seed."""


def orders(
    problem: StoredProblem,
    budget: int,
    repeats: Sequence[int],
    seed: int,
    key: int,
    charging: str = GENERATED,
    order: Order = DRAWN,
) -> Iterator[Ints]:
    """Yield the first `budget` rows of each repeat's permutation of the problem's traces.

    They do not depend on the policy, the other repeats or the budget (a smaller one is a prefix).
    With the order `stored`, they are the first traces of the pool. With the charging `scout`, they
    are those of that program: all problems share a repeat's.
    """
    for numbers in _in_blocks(repeats):
        yield from orders_together(problem, budget, numbers, seed, key, charging, order)


def orders_together(
    problem: StoredProblem,
    budget: int,
    repeats: Sequence[int],
    seed: int,
    key: int,
    charging: str = GENERATED,
    order: Order = DRAWN,
) -> Ints:
    """Return the orders of all `repeats`, as `orders` yields them, shape (repeats, budget)."""
    traces = len(problem.lengths)
    found = np.empty((len(repeats), min(budget, traces)), dtype=np.int64)
    start = 0
    for numbers in _in_blocks(repeats):
        here = found[start : start + len(numbers)]
        start += len(numbers)
        if order == "stored":
            here[:] = np.arange(here.shape[1])
        elif charging == "scout":
            for row, repeat in zip(here, numbers, strict=True):
                row[:] = shuffled(traces, seed + repeat)[: len(row)]
        else:
            block = numbers[0] // ORDERS_AT_ONCE
            rng = np.random.default_rng((seed, key, block, ORDERS_AT_ONCE))
            drawn = np.tile(np.arange(traces), (ORDERS_AT_ONCE, 1))
            rng.permuted(drawn, axis=1, out=drawn)
            here[:] = drawn[np.array(numbers) % ORDERS_AT_ONCE, : here.shape[1]]
    return found


def _in_blocks(repeats: Sequence[int]) -> Iterator[list[int]]:
    """Split repeats into those after one another whose orders are drawn together."""
    for _, numbers in groupby(repeats, lambda repeat: repeat // ORDERS_AT_ONCE):
        yield [*numbers]


@lru_cache(maxsize=1024)
def shuffled(traces: int, seed: int) -> Ints:
    """Return the permutation that the programs of SCOUT and AutoTTS draw, shape (traces,).

    Their published figures are means over the seeds 0 to 99.
    """
    rows = list(range(traces))
    random.Random(seed).shuffle(rows)
    return np.array(rows)


ROWS_PER_PART = 65_536
"""Decisions that the repeats of one block come to, about: what is replayed and kept together."""


def blocks_of(repeats: int, budget: int) -> Iterator[range]:
    """Split a run's repeats into ranges that are replayed together."""
    size = ORDERS_AT_ONCE * max(1, ROWS_PER_PART // (ORDERS_AT_ONCE * budget))
    for start in range(0, repeats, size):
        yield range(start, min(start + size, repeats))
