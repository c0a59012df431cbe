"""Time and size of stored judge scores, and of the judges that need no model.

    python benchmarks/score_cache_speed.py [--traces 512] [--rounds 5]

Prints the least time of several rounds, for all pairs of one problem: storing, reading (in turn
with pyarrow's own reading of the same file), lookup in memory, a replay's small calls, and scoring
by the oracle and by the lexical judge on generated text.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from judges.kinds.lexical import LexicalJudge
from judges.kinds.oracle import OracleJudge
from judges.prefixes import TOKENS_500
from judges.protocol import all_pairs
from judges.scores.cached import CachedScores
from judges.scores.store import Description, ScoreStore
from simulator.generated.cells import SIZES, select_cells
from simulator.generated.pools import make_pool
from simulator.pools.pool import Pool


def least(rounds: int, *functions: Callable[[], object]) -> list[float]:
    """Measure the least milliseconds of each function over all rounds; they are called in turn."""
    best = [float("inf")] * len(functions)
    for _ in range(rounds):
        for at, function in enumerate(functions):
            began = time.perf_counter()
            function()
            best[at] = min(best[at], 1e3 * (time.perf_counter() - began))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--traces", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    (cell,) = select_cells(["qwen3-32b/aime24"])
    # A tenth of the length: texts of some 1,200 tokens, of which a judge reads 500.
    size = replace(
        SIZES["paper"], traces=arguments.traces, aime_problems=1, gpqa_problems=1, shrink=10
    )
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        info = make_pool(cache, replace(cell, cons_accuracy=100.0), size, text=True)
        problem = Pool(cache / info.name).problems[0]
        pairs = all_pairs(len(problem.lengths))
        oracle = OracleJudge(0.87)
        scores = oracle.score_stored(problem, pairs)
        tokens = np.zeros(len(problem.lengths), dtype=np.int64)
        stores = iter(
            ScoreStore(cache / f"scores-{number}", Description.of(oracle))
            for number in range(arguments.rounds + 1)
        )
        store = next(stores)
        store.write(problem, pairs, scores, tokens)
        (part,) = store.path.rglob("part-*.parquet")
        held = CachedScores(store, None)
        held.score(problem, pairs)
        prefixes = TOKENS_500.prefixes(problem)
        print(f"{len(pairs):,} pairs: {store.size_of(info.name):,} bytes")
        (write,) = least(
            arguments.rounds, lambda: next(stores).write(problem, pairs, scores, tokens)
        )
        read, arrow = least(arguments.rounds, lambda: store.read(problem), lambda: read_part(part))
        lookup, calls = least(
            arguments.rounds,
            lambda: held.score(problem, pairs),
            lambda: [held.score(problem, pairs[at : at + 20]) for at in range(0, 10_000, 20)],
        )
        oracle_ms, lexical_ms = least(
            max(1, arguments.rounds // 2),
            lambda: oracle.score_stored(problem, pairs),
            lambda: LexicalJudge().score(prefixes, pairs),
        )
        for what, milliseconds in {
            "storing": write,
            "reading": read,
            "pyarrow's reading of the file": arrow,
            "lookup of all pairs in memory": lookup,
            "500 calls of 20 pairs": calls,
            "scoring: oracle": oracle_ms,
            "scoring: lexical": lexical_ms,
        }.items():
            print(f"{what:34} {milliseconds:9.1f} ms")
        print(f"ratio reading-scores {read / arrow:.2f}")


def read_part(part: Path) -> object:
    return pq.ParquetFile(part).read(use_threads=False)


if __name__ == "__main__":
    main()
