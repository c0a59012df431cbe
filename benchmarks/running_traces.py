"""Measures what probes of running traces, and votes so far, tell about the vote that is to come.

    python benchmarks/running_traces.py CACHE -d '*/aime24' [--orders 100]

CACHE is a folder of pools with a probe every 500 tokens. In random orders of each problem's traces,
N of which start together: (1) when the m-th finishes, how far the running traces are from their
ends, by whether they hold the majority's answer of those that have finished; (2) how right the
answer is that many traces hold before one has finished; (3) what a vote gains by going on. Ties
count by expected value. Means over problems, with equal weight for each pool.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from method_tables import one_line, show
from scipy.stats import rankdata

from simulator.arrays import Bools, Floats, Ints, Ints32
from simulator.pools.folders import find_pools
from simulator.pools.pool import Pool, StoredProblem

STEP = 500


class Order:
    """A problem's first N traces in a random order, shortest first, with their probes."""

    def __init__(self, problem: StoredProblem, rows: Ints) -> None:
        rows = rows[np.argsort(problem.lengths[rows], kind="stable")]
        self.lengths = problem.lengths[rows]
        self.answers = problem.answer_class[rows]
        self.right: Bools = np.append(problem.class_correct, False)  # -1: no answer
        self.rows, self.probes = rows, problem.probes

    def votes(self, finished: int) -> Ints:
        """Count the votes of each class among the first to finish."""
        answers = self.answers[:finished]
        return np.bincount(answers[answers >= 0], minlength=len(self.right) - 1)

    def held(self, tokens: int) -> Ints32:
        """Return the class that each trace held at its last probe, -1 for none."""
        columns = self.probes.columns(self.rows, np.full(len(self.rows), tokens))
        return self.probes.table[self.rows, columns]

    def accuracy(self, votes: Ints) -> float:
        """Return the chance that a majority with ties at random is right."""
        return float(self.right[:-1][votes == votes.max()].mean()) if votes.any() else 0.0


def orders(pools: list[Pool], traces: int, count: int) -> Iterator[tuple[str, Order]]:
    """Yield random orders of the problems of each pool, with the pool's name."""
    for pool in pools:
        for number, problem in enumerate(pool.problems):
            rng = np.random.default_rng((traces, number))
            for _ in range(count):
                yield pool.name, Order(problem, rng.permutation(len(problem.lengths))[:traces])


def remaining(pools: list[Pool], count: int) -> None:
    """Print the remaining lengths of running traces, by what they hold."""
    rows = []
    for finished in (3, 6):
        cells: dict[tuple[str, bool], list[Floats]] = defaultdict(list)
        ranks = []
        for name, order in orders(pools, 32, count):
            votes = order.votes(finished)
            if not votes.any():
                continue
            now, leader = int(order.lengths[finished - 1]), int(votes.argmax())
            rest = order.lengths[finished:] - now
            holds = order.held(now)[finished:] == leader
            ends = order.answers[finished:] == leader
            if 0 < holds.sum() < len(holds):
                ranks.append(np.corrcoef(rankdata(rest), holds)[0, 1])
            for value in (True, False):
                chosen = holds == value
                cells[name, value].append(np.stack([rest[chosen], ends[chosen]]))
        for (name, value), parts in sorted(cells.items()):
            tokens, agree = np.concatenate(parts, axis=1).mean(axis=1)
            what = "the majority's answer" if value else "another, or none"
            rows.append([name, str(finished), what, f"{tokens:,.0f}", f"{100 * agree:.0f}"])
        rows.append(["mean rank correlation", str(finished), "", f"{np.nanmean(ranks):.2f}", ""])
    print("\nRunning traces when some of 32 have finished: tokens to their end, % ending in it")
    show(["pool", "finished", "holds", "tokens left", "ends in it, %"], rows)


def agreement(pools: list[Pool], count: int) -> None:
    """Print how right an answer is that a share of 64 traces has held in three probes in a row."""
    shares = (0.5, 0.7, 0.9)
    found: dict[float, list[tuple[float, float]]] = {share: [] for share in shares}
    number = 0
    for _, order in orders(pools, 64, count):
        number += 1
        first = int(order.lengths[0]) // STEP
        end = order.accuracy(order.votes(12))
        missing = set(shares)
        held_at = [order.held(step * STEP) for step in range(first + 1)]
        for step in range(3, first + 1):
            last = held_at[step]
            same = (held_at[step - 2] == last) & (held_at[step - 1] == last) & (last >= 0)
            held = np.bincount(last[same], minlength=1)
            reached = {share for share in missing if held.max() >= share * len(last)}
            for share in reached:
                found[share].append((float(order.right[held.argmax()]), end))
            missing -= reached
    rows = []
    for share in shares:
        early, late = np.array(found[share] or [(np.nan, np.nan)]).mean(axis=0)
        part = len(found[share]) / number
        cells = (100 * part, 100 * early, 100 * late, 100 * part * (late - early))
        rows.append([f"{100 * share:.0f}", *(f"{cell:.1f}" for cell in cells)])
    print("\nAn answer that a share of 64 traces held in three probes before the first finished")
    show(["share, %", "orders, %", "right, %", "first 12, %", "points lost in all"], rows)


def going_on(pools: list[Pool], count: int) -> None:
    """Print what going on to the 16th finisher of 32 gains, by the votes so far."""
    cells: dict[tuple[int, int, int], list[tuple[float, ...]]] = defaultdict(list)
    for _, order in orders(pools, 32, count):
        last = order.accuracy(order.votes(16))
        spent = [int(np.minimum(order.lengths, order.lengths[e]).sum()) for e in range(16)]
        for finished in (2, 3, 4, 6, 8):
            first, second = np.sort(np.append(order.votes(finished), (0, 0)))[:-3:-1].tolist()
            now = order.accuracy(order.votes(finished))
            cells[finished, first, second].append((now, last, spent[finished - 1], spent[15]))
    rows = []
    for (finished, first, second), found in sorted(cells.items()):
        if len(found) >= 200:
            now, last, tokens, more = np.mean(found, axis=0)
            values = (100 * now, 100 * (last - now), 100 * (more / tokens - 1))
            row = [str(finished), f"{first}:{second}", f"{len(found):,}"]
            rows.append([*row, *(f"{value:.1f}" for value in values)])
    print(
        "\nVotes of the first of 32 to finish: % right, and points and % tokens of going on to 16"
    )
    show(["finished", "votes", "orders", "right, %", "points", "tokens, %"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cache", type=Path, metavar="CACHE")
    parser.add_argument("-d", "--data", action="append", required=True, metavar="POOL")
    parser.add_argument("--orders", type=int, default=100, help="random orders of each problem")
    given = parser.parse_args()
    with one_line():
        pools = [Pool(path) for path in find_pools(given.cache, given.data)]
        for part in (remaining, agreement, going_on):
            part(pools, given.orders)


if __name__ == "__main__":
    main()
