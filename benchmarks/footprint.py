"""Start-up time of the command line, and peak memory of runs.

    python benchmarks/footprint.py [--cache POOLS] [--repeats 10,100,1000]

Every measured command is a process of its own. Start-up is the median of 15 runs of
`deepprune-sim --help`, compared with `python -c pass`; memory is the peak resident set, for each
pool below POOLS and number of repeats.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from simulator.pools.pool import Pool, iter_pool_folders


def seconds(command: list[str]) -> float:
    """Measure the wall time of a command, in seconds."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def peak_mib(command: list[str], folder: str) -> float:
    """Measure the peak resident set of a command, in MiB (Linux reports KiB, macOS bytes)."""
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"failed: {' '.join(command)}")
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--repeats", default="10,100,1000")
    arguments = parser.parse_args()
    program = [sys.executable, "-m", "simulator.cli"]
    medians = []
    for label, command in (
        ("deepprune-sim --help", [*program, "--help"]),
        ("python -c pass", [sys.executable, "-c", "pass"]),
    ):
        median = statistics.median(seconds(command) for _ in range(15))
        print(f"{label:24} {median * 1e3:6.0f} ms")
        medians.append(median)
    print(f"ratio start {medians[0] / medians[1]:.2f}")
    if arguments.cache is None:
        return
    repeats = arguments.repeats.split(",")
    print(f"\n{'peak MiB at repeats':60}" + "".join(f"{each:>8}" for each in repeats))
    for path in iter_pool_folders(arguments.cache.resolve()):
        pool = Pool(path)
        for method in ["cons@8", *(["parallel-probe"] if "probes" in pool.info.signals else [])]:
            row = []
            for count in repeats:
                with tempfile.TemporaryDirectory() as folder:
                    options = ["-d", pool.name, "--repeats", count]
                    cache = ["--cache", str(arguments.cache.resolve())]
                    row.append(peak_mib([*program, "run", method, *options, *cache], folder))
            label = f"{method} on {pool.name}"
            print(f"{label:60}" + "".join(f"{each:8.0f}" for each in row), flush=True)


if __name__ == "__main__":
    main()
