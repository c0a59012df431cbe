"""Time of a replay of `deepprune` with stored scores, at once and pair by pair.

    python benchmarks/deepprune_speed.py [--problems 6] [--repeats 32]

Makes a generated pool with 512 traces a problem and the scores of all its pairs. Replays
`deepprune` with the scores at hand, and in the same process by requests of its judge, for a
sixteenth of the repeats. Prints processor milliseconds a replay, scores read from the disk among
them, and checks that decisions and answers are the same.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

from judges.scores.cached import CachedScores
from judges.scores.generated import score_generated
from simulator.generated.cells import SIZES, select_cells
from simulator.generated.pools import make_pool
from simulator.loading import load_policy
from simulator.pools.pool import Pool, StoredProblem
from simulator.replay.engine import Engine
from simulator.replay.recording import Replayed
from simulator.replay.replaying import replay
from simulator.replay.serving import Serving

TRACES = 512


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--problems", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=32)
    given = parser.parse_args()
    (cell,) = select_cells(["qwen3-32b/aime24"])
    size = replace(SIZES["paper"], traces=TRACES, aime_problems=given.problems, shrink=20)
    print(f"{'problem':>7} {'at once, ms':>12} {'by requests, ms':>16} {'pairs':>8}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / make_pool(Path(folder), cell, size).name
        scores = CachedScores(score_generated(Path(folder), path).store, None)
        total = [0.0, 0.0]
        for problem in Pool(path).problems:
            few = max(given.repeats // 16, 1)
            at_once, made = timed(problem.fresh(), scores, given.repeats)
            with patch.object(Engine, "greedy_clusters", return_value=None):
                by_requests, same = timed(problem.fresh(), scores, few)
            assert made.answers.slice(0, few).equals(same.answers)
            assert made.decisions.slice(0, few * TRACES).equals(same.decisions)
            pairs = sum(made.answers["judge_calls"].to_pylist()) / given.repeats
            print(f"{problem.index:7} {at_once:12.1f} {by_requests:16.1f} {pairs:8,.0f}")
            total = [total[0] + at_once, total[1] + by_requests]
    means = [each / given.problems for each in total]
    print(f"{'mean':>7} {means[0]:12.1f} {means[1]:16.1f}   {means[1] / means[0]:.1f} times")
    print(f"ratio deepprune {means[0] / means[1]:.4f}")


def timed(problem: StoredProblem, scores: CachedScores, repeats: int) -> tuple[float, Replayed]:
    """Replay a problem; return processor milliseconds a replay, and the record."""
    loaded = load_policy("deepprune", {})
    began = time.process_time()
    made = replay(
        loaded,
        problem,
        budget=TRACES,
        repeats=range(repeats),
        seed=0,
        serving=Serving(),
        judge=scores,
    )
    return (time.process_time() - began) * 1000 / repeats, made


if __name__ == "__main__":
    main()
