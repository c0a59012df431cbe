"""Time and memory of generating pools at paper size.

    python benchmarks/generate_speed.py [--cell 'deepseek*/aime24'] [--cores 2] [--text]

Each cell is made by a process of its own (`deepprune-sim data sample`, including start-up), on
--cores cores, in a temporary folder (below --folder) that is removed afterwards. Memory is the peak
resident set.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from yardstick import in_yardsticks

from simulator.generated.cells import select_cells


def measured(command: list[str]) -> tuple[float, float, bytes]:
    """Run a command; return wall seconds, peak MiB (Linux: KiB, macOS: bytes) and its output."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"failed: {' '.join(command)}")
    peak = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return time.perf_counter() - began, peak, printed


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--cell", default="deepseek*/aime24", help="name or glob, '*' for all nine")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--size", default="paper")
    parser.add_argument("--text", action="store_true")
    parser.add_argument("--folder", type=Path, help="a folder with 1.8 bytes of space per token")
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores])
    total = 0.0
    print(f"{'':40} {'tokens':>13} {'seconds':>8} {'peak MiB':>9} {'MB':>7}")
    for cell in select_cells([arguments.cell]):
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            options = ["--size", arguments.size, "--cell", cell.name, "--cache", folder, "--json"]
            text = ["--text"] if arguments.text else []
            program = [sys.executable, "-m", "simulator.cli", "data", "sample"]
            seconds, peak, printed = measured([*program, *options, *text])
            (made,) = json.loads(printed)
            print(
                f"{cell.name:40} {made['tokens']:13,} {seconds:8.1f} {peak:9,.0f} "
                f"{made['bytes'] / 1e6:7,.0f}",
                flush=True,
            )
            total += seconds
    print(in_yardsticks("generating", total))


if __name__ == "__main__":
    main()
