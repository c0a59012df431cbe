"""All the methods of a comparison at paper size: time and memory of the runs.

    python benchmarks/paper_size.py FOLDER [--cell GLOB] [--repeats 64] [--jobs 2]
    python benchmarks/paper_size.py FOLDER --deep [--jobs 1]
    python benchmarks/paper_size.py --small

Makes the nine generated cells (3.9 × 10⁹ tokens in traces, 6.9 GB) with judge scores of all their
pairs in FOLDER, unless they are there. Then runs each method on all of them, with the command line,
in turn, and prints a table: wall-clock and processor seconds, and the peak of the memory of all
processes together (proportional set size, sampled ten times a second). Making cells is not counted.

`--deep` makes two problems with 4,096 traces of 24,000 tokens on average instead, and runs each
method on them with budgets of 512 and of 4,096 traces. `--small` has small cells, in a temporary
folder.

The traces are generated, so nothing here is evidence about a method. Linux alone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from yardstick import in_yardsticks

from judges.scores.generated import score_generated
from judges.scores.store import scores_folder
from simulator.generated.cells import SIZES, Cell, Size, select_cells
from simulator.generated.pools import make_pool
from simulator.pools.pool import Pool

METHODS = {
    "cons@N": ["cons@{budget}"],
    "short-3": ["short-3@{budget}"],
    "esc": ["esc"],
    "deepconf-low": ["deepconf-low"],
    "deepconf-high": ["deepconf-high"],
    "deepprune, stored scores": ["deepprune", "--judge", "{scores}"],
}
"""Names of the runs, and words of the command line, with the budget and the stored scores."""

DEEP = replace(SIZES["paper"], name="deep", aime_problems=2, traces=4096)
DEEP_CELL = "deepseek-r1-0528-qwen3-8b/aime24"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--cell", action="append", default=[], help="MODEL/BENCHMARK, a glob")
    parser.add_argument("--method", action="append", default=[], help="beginning of a name")
    parser.add_argument("--repeats", type=int, default=64)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--deep", action="store_true")
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    if given.folder is None and not given.small:
        parser.error("name a FOLDER, or use --small")
    with tempfile.TemporaryDirectory() as scratch:
        run_all(given, Path(scratch) if given.folder is None else given.folder.resolve())


def run_all(given: argparse.Namespace, folder: Path) -> None:
    """Make what is missing in a folder, run the methods, and print a row for each."""
    cells = select_cells([DEEP_CELL] if given.deep else given.cell)
    size = DEEP if given.deep else SIZES["small" if given.small else "paper"]
    cache = folder / size.name
    tokens = sum(made(cache, cell, size) for cell in cells)
    (scores,) = (folder.name for folder in scores_folder(cache).iterdir())
    jobs = given.jobs or (1 if given.deep else 2)
    print(f"{len(cells)} cells, {tokens:.3g} tokens, {given.repeats} repeats, -j {jobs}\n")
    print("| run | wall, s | processor, s | peak, MiB |\n|---|---:|---:|---:|")
    wall, cpu, peak = 0.0, 0.0, 0.0
    pools = [word for cell in cells for word in ("-d", f"*/{cell.name}")]
    for budget in (512, size.traces) if given.deep else (size.traces,):
        for name, words in METHODS.items():
            if given.method and not name.startswith(tuple(given.method)):
                continue
            options = ["-n", str(budget), "--repeats", str(given.repeats), "-j", str(jobs)]
            once = measured(
                [
                    *(word.format(budget=budget, scores=scores) for word in words),
                    *pools,
                    *options,
                    "--cache",
                    str(cache),
                ]
            )
            title = f"{name}, N={budget}" if given.deep else name
            print(row(title, *once), flush=True)
            wall, cpu, peak = wall + once[0], cpu + once[1], max(peak, once[2])
    print(row("**together**", wall, cpu, peak))
    print(in_yardsticks("paper-size", cpu))


def row(title: str, wall: float, cpu: float, peak: float) -> str:
    """Return a row of the table."""
    return f"| {title} | {wall:.1f} | {cpu:.1f} | {peak:.0f} |"


def made(cache: Path, cell: Cell, size: Size) -> int:
    """Make a cell with its scores unless it is there; return its number of tokens."""
    path = cache / "generated" / cell.name
    if not (path / "pool.json").exists():
        began = time.perf_counter()
        cache.mkdir(parents=True, exist_ok=True)
        path = cache / make_pool(cache, cell, size).name
        print(f"made {cell.name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    score_generated(cache, path)
    return Pool(path).info.tokens


def measured(words: Sequence[str]) -> tuple[float, float, float]:
    """Make a run; return wall-clock and processor seconds, and peak MiB of all its processes."""
    with tempfile.TemporaryDirectory() as folder:
        began, peak = time.perf_counter(), 0.0
        process = subprocess.Popen(
            [sys.executable, "-m", "simulator.cli", "run", *words, "-o", f"{folder}/run"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        while True:
            done, status, usage = os.wait4(process.pid, os.WNOHANG)
            if done:
                break
            peak = max(peak, sum(map(mib, family(process.pid))))
            time.sleep(0.1)
        seconds = time.perf_counter() - began
        if os.waitstatus_to_exitcode(status):
            said = process.stderr.read() if process.stderr else ""
            raise SystemExit(f"failed: run {' '.join(words)}\n{said}")
        return seconds, usage.ru_utime + usage.ru_stime, peak


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            with suppress(OSError):
                found += map(int, task.read_text().split())
    return found


def mib(pid: int) -> float:
    """Return the proportional set size of a process in MiB; 0 if it has ended."""
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return int(next(each for each in lines if each.startswith("Pss:")).split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    main()
