"""Time and memory of computing the leaderboard's ranks.

    python benchmarks/ranking_speed.py --contenders 200

Uses random contenders on nine pools (30, 30 and 198 problems, three times), once all on every pool
and once each on some of them, of which few are ranked. Testing every two contenders by themselves
is timed on some of the pairs. Prints CPU seconds, the peak memory of a process of its own, and last
the ratio of the ranks' time to that of every pair alone, of all on every pool.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from leaderboard_app.library.ranking import Contender, PoolKey, rank
from simulator.report.paired import by_problem
from simulator.runs.results import ProblemSums
from simulator.significance import p_value

REPEATS = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--contenders", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=200, help="Pairs that are compared alone.")
    given = parser.parse_args()
    print("| pools | ranks, s | peak memory, MiB | every pair alone, s | ratio |")
    print("|---|---:|---:|---:|---:|")
    ratios = []
    for name, share in (("all nine", 1.0), ("each 60% of them", 0.6)):
        fresh = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=fresh) as process:
            taken, peak = process.submit(measure, given.contenders, share).result()
        naive = by_themselves(make(given.contenders, share), given.pairs)
        ratios.append(taken / naive)
        print(f"| {name} | {taken:.1f} | {peak:.0f} | {naive:.0f} | {ratios[-1]:.4f} |")
    print(f"ratio ranking {ratios[0]:.4f}")


def measure(count: int, share: float) -> tuple[float, float]:
    """Compute ranks; returns CPU seconds and this process's peak memory in MiB."""
    contenders = make(count, share)
    began = time.process_time()
    rank(contenders)
    taken = time.process_time() - began
    return taken, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def make(count: int, share: float) -> list[Contender]:
    """Make contenders of different skill, each on a random share of the pools."""
    generator = np.random.default_rng(0)
    pools = [
        PoolKey(f"d/model-{number // 3}/benchmark-{number % 3}", str(number), _ids(size))
        for number, size in enumerate([30, 30, 198] * 3)
    ]
    contenders = []
    for number in range(count):
        skill = generator.normal(1.0, 0.2)
        sums = {}
        for pool in pools:
            if generator.random() < share:
                size = len(pool.problem_ids)
                ease = np.clip(generator.beta(2, 1, size) * skill, 0, 1)
                sums[pool] = ProblemSums(
                    pool.problem_ids,
                    REPEATS,
                    generator.binomial(REPEATS, ease).astype(np.int64),
                    generator.integers(1_000, 9_000, size),
                    generator.binomial(REPEATS, 0.5, size).astype(np.int64),
                    np.full(size, 9_000),
                )
        contenders.append(Contender(str(number), True, sums))
    return contenders


def _ids(size: int) -> tuple[str, ...]:
    return tuple(f"{number:03d}" for number in range(size))


def by_themselves(contenders: list[Contender], pairs: int) -> float:
    """Estimate the seconds for all pairs, one after the other, from some of them."""
    generator = np.random.default_rng(1)
    began = time.process_time()
    for _ in range(pairs):
        both = [contenders[each] for each in generator.choice(len(contenders), 2, False)]
        shared = sorted(set(both[0].sums) & set(both[1].sums))
        if shared:
            sums = [[each.sums[pool] for each in both] for pool in shared]
            names = [pool.benchmark for pool in shared]
            (first, second), _ = by_problem(names, sums, lambda each: each.correct)
            p_value(first - second)
    taken = time.process_time() - began
    return taken / pairs * len(contenders) * (len(contenders) - 1) / 2


if __name__ == "__main__":
    main()
