"""Time of greedy clustering with scores in memory, and the number of pairs that it requests.

    python benchmarks/clustering_speed.py --traces 512
    python benchmarks/clustering_speed.py --pool 'shipped/*' --judge FOLDER

Answers of traces are drawn from a skewed distribution. Scores are those of a perfect judge, of a
noisy one (blurred), or the noisy ones rounded to 0 and 1 (hard); or all traces are alike, or none
are, with and without reaching K. Prints milliseconds (least and median of the rounds), pairs
requested, pairs requested without early stopping, all pairs, clusters, and traces placed. `engine`
goes through the sampler, with its checks, its memory and its ledger.

With `--judge`, the name of scores that `deepprune-sim judge score` stored of all pairs of a pool,
nothing is timed: for τ at quantiles of the scores, prints the pairs requested, in percent of those
requested without early stopping, and the mean number of clusters, over four orders of up to
`--traces` traces of each problem.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
from yardstick import in_yardsticks

import deepprune_sim as dp
from judges.scores.store import open_store, scores_folder
from simulator.policy.clustering import UNPLACED, greedy_clusters
from simulator.policy.sampler import Sampler
from simulator.pools.pool import Pool, PoolInfo, StoredProblem
from simulator.pools.records import ProblemRecord, TraceRecord
from simulator.pools.writer import PoolWriter
from simulator.replay.engine import Engine
from simulator.replay.judging import TokensRead
from simulator.replay.serving import Serving

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MAX_MEMBERS = 20

QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Quantiles of stored scores that are tried as τ."""

RATIOS: list[str] = []
"""Lines to print last."""


class Table:
    """A judge whose scores are in a table; counts the pairs requested."""

    def __init__(self, scores: Floats) -> None:
        self.scores = scores
        self.asked = 0

    def __call__(self, pairs: Ints) -> Floats:
        self.asked += len(pairs)
        answers: Floats = self.scores[pairs[:, 0], pairs[:, 1]]
        return answers

    def score(self, problem: StoredProblem, pairs: Ints, num_tokens: Ints) -> Floats:
        return self(pairs)

    def tokens_read(self, problem: StoredProblem, pairs: Ints, call: Ints) -> TokensRead:
        return TokensRead(0, 0, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--traces", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--pool", help="with --judge")
    parser.add_argument("--judge", help="folder of stored scores, by its name")
    given = parser.parse_args()
    if given.judge:
        shares(dp.open_pool(given.pool).path, given.judge, given.traces)
        return
    with tempfile.TemporaryDirectory() as folder:
        problem = write_problem(Path(folder), given.traces)
        print(
            f"{'judge':<10} {'K':>3} {'ms':>14} {'engine ms':>14} {'asked':>8} {'drawn':>8} "
            f"{'pairs':>8} {'clusters':>8} {'placed':>6}"
        )
        tables = judges(given.traces)
        for name, scores in tables.items():
            measure(name, scores, 16, problem, given.rounds)
        for name in ("blurred", "hard"):
            measure(name, tables[name], 32, problem, given.rounds)
        measure("none alike", tables["none alike"], given.traces, problem, given.rounds)
    print("\n".join(RATIOS))


def judges(traces: int) -> dict[str, Floats]:
    """Make score tables, shape (traces, traces), for 16 answers, one with 0.3 of the votes."""
    rng = np.random.default_rng(0)
    answers = np.minimum(rng.geometric(0.3, traces), 16) - 1
    same = (answers[:, None] == answers[None, :]).astype(np.float64)
    noise = np.triu(rng.normal(0, 1, same.shape))
    blurred = 1 / (1 + np.exp(-(2 * same - 1 + noise + noise.T)))
    return {
        "perfect": same,
        "blurred": blurred,
        "hard": (blurred > 0.5).astype(np.float64),
        "all alike": np.ones_like(same),
        "none alike": np.zeros_like(same),
    }


def measure(
    name: str, scores: Floats, max_clusters: int, problem: StoredProblem, rounds: int
) -> None:
    traces = len(scores)

    def cluster(ask: Callable[[Ints], Floats]) -> Ints:
        return greedy_clusters(
            traces,
            ask,
            np.random.default_rng(1),
            threshold=0.5,
            max_clusters=max_clusters,
            max_members=MAX_MEMBERS,
        )

    def through_the_engine() -> None:
        engine = Engine(problem, np.arange(traces), Serving(), Table(scores))
        sampler = Sampler(engine, (0,))
        sampler.decode(sampler.start(traces), tokens=500)
        cluster(sampler.judge)

    table = Table(scores)
    found = cluster(table)
    plain = [timed(lambda: cluster(Table(scores))) for _ in range(rounds)]
    engine = [timed(through_the_engine) for _ in range(rounds)]
    for what, spent in (("clustering", plain), ("clustering-engine", engine)):
        if (name, max_clusters) == ("blurred", 16):
            RATIOS.append(in_yardsticks(what, min(spent) / 1000))
    times = " ".join(f"{min(each):6.1f} {median(each):7.1f}" for each in (plain, engine))
    print(
        f"{name:<10} {max_clusters:3} {times} {table.asked:8,} {drawn(found):8,} "
        f"{traces * (traces - 1) // 2:8,} {found.max() + 1:8} {np.sum(found != UNPLACED):6}"
    )


def shares(pool: Path, judge: str, traces: int) -> None:
    """Print the pairs requested with a judge's stored scores, of those without early stopping."""
    store = open_store(scores_folder(pool.parents[2]) / judge)
    halves = [store.read(problem).astype(np.float64) for problem in Pool(pool).problems]
    tables = [np.where(np.isnan(half), half.T, half) for half in halves]
    every = np.concatenate([table[np.triu_indices(len(table), 1)] for table in tables])
    print(f"{'quantile':>8} {'tau':>6} {'asked, %':>8} {'clusters':>8}")
    for quantile in QUANTILES:
        tau = float(np.quantile(every, quantile))
        asked, without, clusters = 0, 0, []
        for number, table in enumerate(tables):
            for repeat in range(4):
                rng = np.random.default_rng([number, repeat])
                order = rng.permutation(len(table))[:traces]
                scores = Table(table[np.ix_(order, order)])
                found = greedy_clusters(
                    *(len(order), scores, rng),
                    threshold=tau,
                    max_clusters=16,
                    max_members=MAX_MEMBERS,
                )
                asked, without = asked + scores.asked, without + drawn(found)
                clusters.append(int(found.max()) + 1)
        print(f"{quantile:8} {tau:6.3f} {100 * asked / without:8.1f} {np.mean(clusters):8.1f}")


def drawn(clusters: Ints) -> int:
    """Count the pairs of each compared trace with all its candidate members."""
    compared = min(int(np.sum(clusters != UNPLACED)) + 1, len(clusters))
    return sum(
        int(np.minimum(np.unique(clusters[:trace], return_counts=True)[1], MAX_MEMBERS).sum())
        for trace in range(compared)
    )


def timed(work: Callable[[], object]) -> float:
    """Measure the processor time of a call, in milliseconds."""
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


def write_problem(folder: Path, traces: int) -> StoredProblem:
    """Write a stored problem with traces of 1000 tokens."""
    info = PoolInfo("benchmark", "none", "none", "benchmark", "1", "total", synthetic=True)
    records = [
        TraceRecord(trace_id=number, num_tokens=1000, answer="1") for number in range(traces)
    ]
    with PoolWriter(folder, info) as writer:
        writer.add(ProblemRecord("p", None, "1", "math", records))
    return Pool(writer.path).problems[0]


if __name__ == "__main__":
    main()
