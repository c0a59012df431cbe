"""Ranks, from tests of every two entries on a fixed set of pools that all of them cover.

Two entries are compared by a sign-flip test over problems, and the rate of false discoveries among
all pairs is held at 5% (`simulator.significance`). The set of pools is that of
`simulator.report.common_pools`: an entry that leaves one of them out has no rank. Ranks are
computed once over all entries, so that they do not depend on filters.
docs/decisions/007-intervals.md has the reasons.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import NamedTuple, overload

import numpy as np

from simulator.arrays import Array, Bools, Floats
from simulator.report.common_pools import common_pools
from simulator.report.paired import by_problem, reduction_of, to_baseline
from simulator.runs.results import Metric, ProblemSums
from simulator.significance import Contrast, rank_ranges, significantly_better
from simulator.statistics import SEED, Bootstrap, Resampled, pareto_front

AT_ONCE = 100
"""Number of contenders whose resamples are held in memory together, 16 MB of each kind."""


class PoolKey(NamedTuple):
    """Traces that two entries must share to be compared."""

    pool: str
    fingerprint: str
    problem_ids: tuple[str, ...]

    @property
    def problems(self) -> tuple[str, tuple[str, ...]]:
        """Benchmark and problems; pools with equal ones are resampled together."""
        return self.benchmark, self.problem_ids

    @property
    def benchmark(self) -> str:
        """The last part of the pool's name."""
        return self.pool.rpartition("/")[2]


@dataclass(frozen=True, slots=True, eq=False)
class Contender:
    """An entry's results on each problem of its pools; unranked entries are measured only."""

    id: str
    ranked: bool
    sums: Mapping[PoolKey, ProblemSums]


class Others(Sequence[str]):
    """Ids of the entries that are better, or worse, than one: a bit of each, as they are many."""

    __slots__ = ("_bits", "_ids")

    def __init__(self, ids: Sequence[str], bits: Array) -> None:
        self._ids, self._bits = ids, bits

    def mask(self, ids: tuple[str, ...]) -> Bools:
        """Tell which of the entries `ids` are among these, shape (ids,)."""
        if ids == tuple(self._ids):
            return np.unpackbits(self._bits, count=len(ids)).astype(np.bool_)
        held = {*self}
        return np.array([each in held for each in ids], dtype=np.bool_)

    def __len__(self) -> int:
        return int(np.bitwise_count(self._bits).sum())

    def __iter__(self) -> Iterator[str]:
        return (self._ids[row] for row in self._rows().tolist())

    def _rows(self) -> Array:
        return np.flatnonzero(np.unpackbits(self._bits, count=len(self._ids)))

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[str, ...]: ...

    def __getitem__(self, place: int | slice) -> str | tuple[str, ...]:
        rows = self._rows()[place]
        if isinstance(place, slice):
            return tuple(self._ids[row] for row in rows.tolist())
        return self._ids[int(rows)]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Others | tuple) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


@dataclass(frozen=True, slots=True)
class Place:
    """An entry's place on the board.

    Parameters
    ----------
    reduction
        Share of the tokens of cons@N that it saves, a mean over `pools` if it covers them, else
        over its own, each weighted equally; None if its answers cannot be used.
    to_baseline
        Its accuracy minus that of cons@N, over the same pools.
    rank, last
        First and last rank that it can have: 1 + the number of entries that are significantly
        better, and the number of ranked entries minus those that are significantly worse; None if
        it is not ranked.
    better, worse
        Ids of the entries that are significantly better, and worse.
    compared
        Number of other ranked entries.
    pareto
        True if none of those is at least as good in tokens and accuracy and better in one of them;
        None without a rank.
    pools
        Names of the pools that every ranked entry covers.
    """

    reduction: Metric | None = None
    to_baseline: Contrast | None = None
    rank: int | None = None
    last: int | None = None
    better: Sequence[str] = ()
    worse: Sequence[str] = ()
    compared: int = 0
    pareto: bool | None = None
    pools: tuple[str, ...] = field(default=())

    @property
    def difference(self) -> Metric | None:
        """Accuracy minus that of cons@N with its interval."""
        return None if self.to_baseline is None else self.to_baseline.difference

    @property
    def range(self) -> str:
        """Rank as text, `2–5` if several are possible; empty without one."""
        if self.rank is None:
            return ""
        return str(self.rank) if self.rank == self.last else f"{self.rank}–{self.last}"


def usable(sums: ProblemSums) -> bool:
    """Check that a run can have recorded these sums; submissions may contain anything."""
    parts = (sums.correct, sums.tokens, sums.baseline_correct, sums.baseline_tokens)
    most = 2**52 // max(1, len(sums.problem_ids))
    return (
        0 < sums.repeats <= 2**31 // max(1, len(sums.problem_ids)) - 1
        and len(sums.problem_ids) > 0
        and len(set(sums.problem_ids)) == len(sums.problem_ids)
        and all(each.min() >= 0 and each.max() <= most for each in parts)
        and bool((sums.baseline_tokens > 0).all())
        and max(sums.correct.max(), sums.baseline_correct.max()) <= sums.repeats
    )


def shared_pools(contenders: Sequence[Contender]) -> frozenset[PoolKey]:
    """Return the pools on which contenders are ranked; empty if none are."""
    return common_pools([frozenset(each.sums) for each in contenders if each.ranked])


def rank(contenders: Sequence[Contender]) -> dict[str, Place]:
    """Return the place of every contender, by its id.

    Time and memory grow with the number of pairs; benchmarks/README.md has figures.
    """
    ranked = [row for row, each in enumerate(contenders) if each.ranked]
    fixed = shared_pools(contenders)
    among = [row for row in ranked if fixed and fixed <= contenders[row].sums.keys()]
    shown = [
        tuple(sorted(fixed if fixed and fixed <= each.sums.keys() else each.sums))
        for each in contenders
    ]
    reductions = _reductions(contenders, shown)
    differences = _differences(contenders, shown)
    pools = tuple(sorted(fixed))
    names = tuple(each.pool for each in pools)
    places = {
        each.id: Place(reductions[row], differences[row], pools=names)
        for row, each in enumerate(contenders)
    }
    if not among:
        return places
    held = [[contenders[row].sums[pool] for row in among] for pool in pools]
    scores, _ = by_problem([pool.benchmark for pool in pools], held, lambda each: each.correct)
    ids, front = tuple(contenders[row].id for row in among), _front(scores, held)
    del contenders, held  # pairs of thousands take as much memory again
    return with_ranks(places, ids, significantly_better(scores), front)


def with_ranks(
    places: Mapping[str, Place], ids: Sequence[str], better: Bools, front: Bools
) -> dict[str, Place]:
    """Return places with the ranks of the entries `ids`.

    `better[i, j]` is True if i is significantly better than j; `front` tells which are on the
    Pareto front.
    """
    over, under = np.packbits(better.T, axis=1), np.packbits(better, axis=1)
    found = dict(places)
    for index, (name, (first, last)) in enumerate(zip(ids, rank_ranges(better), strict=True)):
        found[name] = replace(
            places[name],
            rank=first,
            last=last,
            better=Others(ids, over[index]),
            worse=Others(ids, under[index]),
            compared=len(ids) - 1,
            pareto=bool(front[index]),
        )
    return found


def _front(scores: Floats, held: Sequence[Sequence[ProblemSums]]) -> Bools:
    """Return the mask of entries on the Pareto front; `held` has the entries' sums by pool."""
    tokens = [
        [each.tokens.sum() / (each.repeats * len(each.problem_ids)) for each in entries]
        for entries in held
    ]
    # Rounded, as equal means over pools may differ in the last bit.
    return pareto_front(np.mean(tokens, axis=0).round(9), scores.sum(axis=1).round(12))


def _differences(
    contenders: Sequence[Contender], shown: Sequence[tuple[PoolKey, ...]]
) -> list[Contrast | None]:
    """Compare each contender with cons@N over its shown pools; None for one without pools."""
    found: list[Contrast | None] = [None] * len(contenders)
    alike: dict[tuple[PoolKey, ...], list[int]] = defaultdict(list)
    for row, pools in enumerate(shown):
        alike[pools].append(row)
    for pools, rows in alike.items():
        if pools:
            held = [[contenders[row].sums[pool] for row in rows] for pool in pools]
            compared = to_baseline([pool.benchmark for pool in pools], held)
            for row, contrast in zip(rows, compared, strict=True):
                found[row] = contrast
    return found


def _reductions(
    contenders: Sequence[Contender], shown: Sequence[tuple[PoolKey, ...]]
) -> list[Metric | None]:
    """Average each contender's reduction over its shown pools; None for one without pools.

    The bootstraps are seeded in the order of pools as in `simulator.report.paired.combine`.
    """
    problems = dict.fromkeys(pool.problems for pool in sorted({*chain(*shown)}))
    bootstraps = {
        each: Bootstrap(len(each[1]), seed=SEED + number) for number, each in enumerate(problems)
    }
    metrics: list[Metric | None] = []
    for start in range(0, len(contenders), AT_ONCE):
        block = slice(start, start + AT_ONCE)
        metrics += _reductions_of(contenders[block], shown[block], bootstraps)
    return metrics


def _reductions_of(
    contenders: Sequence[Contender],
    shown: Sequence[tuple[PoolKey, ...]],
    bootstraps: Mapping[tuple[str, tuple[str, ...]], Bootstrap],
) -> list[Metric | None]:
    """Average the reductions of few contenders, whose resamples are held together."""
    rows_of: dict[PoolKey, list[int]] = defaultdict(list)
    for row, pools in enumerate(shown):
        for pool in pools:
            rows_of[pool].append(row)
    totals: list[Resampled | None] = [None] * len(contenders)
    for pool in sorted(rows_of):
        rows = rows_of[pool]
        over, sums = bootstraps[pool.problems], [contenders[row].sums[pool] for row in rows]
        found = reduction_of(over, sums)
        for index, row in enumerate(rows):
            here, before = found[index : index + 1], totals[row]
            totals[row] = here if before is None else before + here
    metrics: list[Metric | None] = []
    for total, pools in zip(totals, shown, strict=True):
        if total is None:
            metrics.append(None)
            continue
        count = len(pools)
        mean = Resampled(total.values / count, total.resamples / count, total.tail)
        metrics += mean.estimates()
    return metrics
