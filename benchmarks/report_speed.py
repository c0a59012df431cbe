"""Time of a report over many runs, by step.

    python benchmarks/report_speed.py [RUN] [--runs 100]

Copies RUN (by default, one of cons@16 on the pool that comes with the package) into a temporary
folder, with other policy names, reads and compares the copies, and prints CPU seconds of each step.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

from yardstick import in_yardsticks

from simulator.loading import load_policy
from simulator.pools.pool import Pool
from simulator.pools.shipped import shipped_pools
from simulator.replay.serving import Serving
from simulator.report.comparison import compare
from simulator.report.text import as_table
from simulator.runs.making import make_run
from simulator.runs.results import read_problem_sums, read_results
from simulator.runs.spec import RunSpec

T = TypeVar("T")


def timed(label: str, step: Callable[[], T]) -> T:
    """Run a step and print its CPU time."""
    start = time.process_time()
    result = step()
    print(f"{label:<24}{time.process_time() - start:8.2f} s")
    return result


def copy_run(run: Path, folder: Path, number: int) -> Path:
    """Copy a run, and give its policy another name."""
    copy = shutil.copytree(run, folder / f"{number:04d}")
    summary = json.loads((copy / "summary.json").read_text(encoding="utf-8"))
    summary["policy"] += f"-{number}"
    (copy / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    return copy


def main() -> None:
    """Make the copies and time the steps."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--runs", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if arguments.run is None:
            arguments.run = Path(temporary, "run")
            (path,) = shipped_pools().values()
            spec = RunSpec(load_policy("cons@16", {}), [Pool(path)], 16, 16, 0, Serving())
            make_run(spec, arguments.run)
        began = time.process_time()
        folders = [
            copy_run(arguments.run, Path(temporary), number) for number in range(arguments.runs)
        ]
        results = timed(
            "read summaries", lambda: [each for one in folders for each in read_results(one)]
        )
        sums = timed("read answers", lambda: {one: read_problem_sums(one) for one in folders})
        with patch("simulator.report.comparison.read_problem_sums", sums.get):
            comparison = timed("compare with the best", lambda: compare(results))
            timed("compare every pair", lambda: compare(results, every_pair=True))
        timed("table", lambda: as_table(comparison))
        print(in_yardsticks("report", time.process_time() - began))


if __name__ == "__main__":
    main()
