"""The pools that methods are ranked on: a fixed set, which every ranked method covers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from itertools import combinations
from typing import Any, TypeVar

Pool = TypeVar("Pool", bound=Any)


def common_pools(covered: Collection[frozenset[Pool]]) -> frozenset[Pool]:
    """Return the largest set of pools that at least half of the methods cover, and at least two.

    So a method that leaves pools out has no rank, instead of changing the set, unless half of all
    methods leave them out. Sets considered are those that a method covers, and what two methods
    have in common. Without such a set, it is the one that most methods cover. Of equally large
    sets, it is that of more methods, then the first by the pools' names.

    Parameters
    ----------
    covered
        Each method's pools.

    Returns
    -------
    The set; empty if no two methods share a pool.
    """
    times = Counter(covered)
    sets = {*times, *(one & other for one, other in combinations(times, 2))} - {frozenset()}
    methods = {each: sum(count for held, count in times.items() if each <= held) for each in sets}
    half = max(2, (len(covered) + 1) // 2)
    usual = [each for each in sets if methods[each] >= half]
    if usual:
        return min(usual, key=lambda each: (-len(each), -methods[each], sorted(each)))
    shared = [each for each in sets if methods[each] >= 2]
    if not shared:
        return frozenset()
    return min(shared, key=lambda each: (-methods[each], -len(each), sorted(each)))
