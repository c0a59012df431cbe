"""Growth of time and memory with the size of a replay, and of the leaderboard.

    python benchmarks/growth.py [--axis AXIS …] [--scale 1]

Doubles one size at a time, twice, others unchanged, each in a process of its own: traces a problem
(N), repeats, problems, settings of a sweep and tokens a trace of `deepconf-low` on a generated
pool; submissions of the leaderboard's ranks, which compare every two. Prints CPU seconds (start-up
and making the pool left out), peak memory in MiB, and the exponent of the last doubling: 1 for time
in proportion to size. `--scale 4` makes replays four times as large in traces. Last are the ratios
of the time of the largest to that of half its size.
"""

from __future__ import annotations

import argparse
import math
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from ranking_speed import make as make_contenders

from leaderboard_app.library.ranking import rank
from simulator.generated.cells import Size, select_cells
from simulator.generated.pools import make_pool, pool_folder
from simulator.pools.pool import Pool
from simulator.replay.serving import Serving
from simulator.runs.spec import RunSpec
from simulator.runs.sweep import Sweep, load_settings, make_sweep, parse_grid

CELL = "qwen3-32b/aime24"

REPLAYS = {"N": 32, "repeats": 16, "problems": 8, "settings": 2, "tokens": 1}
"""Sizes of the smallest replay; `tokens` in units of a sixteenth of the published lengths."""

SUBMISSIONS = 100
"""Least number of submissions."""


def replay(sizes: dict[str, int]) -> tuple[float, float]:
    """Replay on a pool of these sizes; return CPU seconds and this process's peak MiB."""
    cell = select_cells([CELL])[0]
    shrink = 16 // sizes["tokens"]
    size = Size("growth", sizes["problems"], sizes["problems"], sizes["N"], shrink=shrink)
    windows = ",".join(str(16 + number) for number in range(sizes["settings"]))
    with tempfile.TemporaryDirectory() as scratch:
        make_pool(Path(scratch), cell, size)
        pool = Pool(pool_folder(Path(scratch), cell))
        settings = load_settings("deepconf-low", parse_grid([f"window={windows}"]))
        began = time.process_time()
        specs = [
            RunSpec(each.loaded, [pool], sizes["N"], sizes["repeats"], 0, Serving())
            for each in settings
        ]
        make_sweep(Sweep(settings, specs), Path(scratch, "runs"))
        return time.process_time() - began, _peak()


def ranks(submissions: int) -> tuple[float, float]:
    """Rank submissions on nine pools; return CPU seconds and this process's peak MiB."""
    contenders = make_contenders(submissions, 1.0)
    began = time.process_time()
    rank(contenders)
    return time.process_time() - began, _peak()


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(axis: str, factor: int, scale: int) -> tuple[int, float, float]:
    """Measure one size in a new process; returns the size too."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        if axis == "submissions":
            size = SUBMISSIONS * factor
            return size, *process.submit(ranks, size).result()
        sizes = REPLAYS | {"N": REPLAYS["N"] * scale}
        sizes[axis] *= factor
        return sizes[axis], *process.submit(replay, sizes).result()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    axes = [*REPLAYS, "submissions"]
    parser.add_argument("--axis", action="append", choices=axes, help="default: all")
    parser.add_argument("--scale", type=int, default=1)
    given = parser.parse_args()
    print("| doubled | sizes | CPU s | peak memory, MiB | exponent |")
    print("|---|---|---|---|---:|")
    ratios = {}
    for axis in given.axis or axes:
        found = [measure(axis, factor, given.scale) for factor in (1, 2, 4)]
        sizes, times, peaks = zip(*found, strict=True)
        ratios[axis] = times[-1] / times[-2]
        cells = (
            ", ".join(str(each) for each in sizes),
            ", ".join(f"{each:.2f}" for each in times),
            ", ".join(f"{each:.0f}" for each in peaks),
            f"{math.log2(ratios[axis]):.2f}",
        )
        print(f"| {axis} | {' | '.join(cells)} |", flush=True)
    for axis, ratio in ratios.items():
        print(f"ratio growth-{axis} {ratio:.2f}")


if __name__ == "__main__":
    main()
