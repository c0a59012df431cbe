"""Time of a replay of `deepprune` with stored scores, at once and pair by pair.

    python benchmarks/deepprune_speed.py [--problems 6] [--repeats 32]

Makes a generated pool with 512 traces a problem and the scores of all its pairs. Replays
`deepprune` with the scores at hand, and in the same process by requests of its judge, for a
sixteenth of the repeats. A copy of the method's file is replayed in a process of its own, with the
scores at hand and by requests. Prints milliseconds a replay, scores read from the disk among them,
and checks that decisions and answers are the same: of processor time in this process, wall-clock
time with the policy in its own (`isolated`). The ratio of that is to wall-clock time at once in
another replay, for which, as for it, the random draws of the first are kept.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np

from judges.scores.cached import CachedScores
from judges.scores.generated import score_generated
from simulator.generated.cells import SIZES, select_cells
from simulator.generated.pools import make_pool
from simulator.isolation.host import load
from simulator.loading import LoadedPolicy, load_policy
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
    print(
        f"{'problem':>7} {'at once, ms':>12} {'by requests, ms':>16} {'isolated, ms':>13} "
        f"{'by requests':>12} {'pairs':>8}"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / make_pool(Path(folder), cell, size).name
        scores = CachedScores(score_generated(Path(folder), path).store, None)
        total = np.zeros(5)
        here = load_policy("deepprune", {})
        (Path(folder) / "mine.py").write_text(here.source)
        apart = load(str(Path(folder) / "mine.py"))
        for problem in Pool(path).problems:
            few = max(given.repeats // 16, 1)
            at_once, _, made = timed(here, problem.fresh(), scores, given.repeats)
            _, isolated, alike = timed(apart, problem.fresh(), scores, given.repeats)
            _, wall, _ = timed(here, problem.fresh(), scores, given.repeats)  # what it drew is kept
            with patch.object(Engine, "greedy_clusters", return_value=None):
                by_requests, _, same = timed(here, problem.fresh(), scores, few)
                _, slowly, likewise = timed(apart, problem.fresh(), scores, few)
            for other in (alike, same, likewise):
                number = len(other.answers)
                assert made.answers.slice(0, number).equals(other.answers)
                assert made.decisions.slice(0, number * TRACES).equals(other.decisions)
            pairs = sum(made.answers["judge_calls"].to_pylist()) / given.repeats
            print(
                f"{problem.index:7} {at_once:12.1f} {by_requests:16.1f} {isolated:13.1f} "
                f"{slowly:12.1f} {pairs:8,.0f}"
            )
            total += (at_once, by_requests, isolated, slowly, wall)
    means = total / given.problems
    print(
        f"{'mean':>7} {means[0]:12.1f} {means[1]:16.1f} {means[2]:13.1f} {means[3]:12.1f}   "
        f"{means[1] / means[0]:.1f} times"
    )
    print(f"ratio deepprune {means[0] / means[1]:.4f}")
    print(f"ratio deepprune-isolated {means[2] / means[4]:.3f}")


def timed(
    loaded: LoadedPolicy, problem: StoredProblem, scores: CachedScores, repeats: int
) -> tuple[float, float, Replayed]:
    """Replay a problem; return processor and wall-clock milliseconds a replay, and the record."""
    began, began_wall = time.process_time(), time.perf_counter()
    made = replay(
        loaded,
        problem,
        budget=TRACES,
        repeats=range(repeats),
        seed=0,
        serving=Serving(),
        judge=scores,
    )
    used, wall = time.process_time() - began, time.perf_counter() - began_wall
    return used * 1000 / repeats, wall * 1000 / repeats, made


if __name__ == "__main__":
    main()
