"""Time of runs with `-j 2`, relative to `-j 1`.

    python benchmarks/jobs_speed.py [--jobs 2] [--rounds 3] [--scale 1] [--only NAME]

Runs the command line on the pool that comes with the package, both ways in turn; the least time of
the rounds counts. Prints the wall-clock seconds of one process, by how much several are faster, and
the processor time of all processes together with `-j` relative to one: on a quiet machine, N
processes are faster by N over this ratio at best. `--scale` multiplies the repeats. The files of
both ways are compared byte by byte.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHORT_M = """
from simulator import Policy, majority_vote

class ShortM(Policy):
    m = 3

    def solve(self, problem, sampler):
        traces = sampler.start(sampler.budget)
        return majority_vote(sampler.decode(traces, first=self.m))
"""

RUNS = {
    "cons@64": (18_000, ["cons@64"]),
    "parallel-probe": (8000, ["parallel-probe"]),
    "deepconf-low": (900, ["deepconf-low", "-p", "window=32", "-p", "warm_up=8"]),
    "deepprune, lexical judge": (450, ["deepprune"]),
    "a policy file": (1000, ["short_m.py"]),
    "a sweep of esc": (4000, ["esc", "-p", "window=2,4,8,16"]),
    "short: cons@64 as it is": (64, ["cons@64"]),
}
"""Names of runs: repeats, and words of the command line. All but the last take over 5 s."""

RESULTS = ("decisions.parquet", "answers.parquet", "summary.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="factor of the repeats")
    parser.add_argument("--only", help="part of the names of the runs to make")
    arguments = parser.parse_args()
    many = f"-j {arguments.jobs}"
    print(
        f"{'run':<28}{'-j 1, s':>9}{'CPU, s':>9}{many + ', s':>9}{'faster':>8}{'CPU':>7}{'load':>7}"
    )
    for name, (repeats, words) in RUNS.items():
        if arguments.only and arguments.only not in name:
            continue
        given = [*words, "--repeats", str(max(1, round(repeats * arguments.scale)))]
        wall, cpu = measured(given, arguments.jobs, arguments.rounds)
        print(
            f"{name:<28}{wall[0]:>9.2f}{cpu[0]:>9.2f}{wall[1]:>9.2f}{wall[0] / wall[1]:>8.2f}"
            f"{cpu[1] / cpu[0]:>7.2f}{os.getloadavg()[0]:>7.1f}",
            flush=True,
        )
        if arguments.only:
            print(f"ratio jobs {wall[1] / wall[0]:.3f}")


def measured(words: list[str], jobs: int, rounds: int) -> tuple[list[float], list[float]]:
    """Return the least wall-clock and processor seconds, each of one process and of several."""
    wall, cpu = [float("inf")] * 2, [float("inf")] * 2
    for turn in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "short_m.py").write_text(SHORT_M)
            for way in (0, 1)[:: 1 if turn % 2 else -1]:
                seconds = once([*words, "-j", str((1, jobs)[way]), "-o", f"{way}"], folder)
                wall[way], cpu[way] = min(wall[way], seconds[0]), min(cpu[way], seconds[1])
            for file in Path(folder, "0").rglob("*"):
                if file.name in RESULTS:
                    same = Path(folder, "1", file.relative_to(Path(folder, "0")))
                    assert file.read_bytes() == same.read_bytes(), f"{file} differs"
    return wall, cpu


def once(words: list[str], folder: str) -> tuple[float, float]:
    """Make a run; return its wall-clock seconds, and processor seconds of all its processes."""
    shutil.rmtree(Path(folder, "pools", ".judges"), ignore_errors=True)  # scored by an earlier run
    command = [sys.executable, "-m", "simulator.cli", "run", *words, "-d", "shipped/*"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([*command, "--cache", "pools"], cwd=folder, check=True, capture_output=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = [each.ru_utime + each.ru_stime for each in (before, after)]
    return wall, used[1] - used[0]


if __name__ == "__main__":
    main()
