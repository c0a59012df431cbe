"""Time of verifying a submission, relative to its run.

    python benchmarks/verify_speed.py [--method METHOD|FILE] [--repeats 64] [--traces 512]
        [--times 1]

Makes a generated pool of 30 problems in a temporary folder, runs the method over it, packs the run
and verifies it. A policy file is run in a process of its own, and verified in the sandbox. All are
separate commands, so that each includes the start of Python. Prints processor time with child
processes, except those in bubblewrap, whose time is not reported to the parent; and wall time,
which includes them, but also other work on the machine. Ratios are between consecutive commands.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from compileall import compile_dir
from pathlib import Path
from statistics import median
from time import monotonic

from simulator.generated.cells import Size, select_cells
from simulator.generated.pools import make_pool


def seconds(*arguments: str, cwd: Path) -> tuple[float, float]:
    """Run the program; return processor seconds, including children, and wall seconds."""
    before, began = os.times(), monotonic()
    command = [sys.executable, "-m", "simulator.cli", *arguments]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    after = os.times()
    user = after.children_user - before.children_user
    return user + after.children_system - before.children_system, monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", default="parallel-probe")
    parser.add_argument("--repeats", default="64")
    parser.add_argument("--traces", type=int, default=512)
    parser.add_argument("--times", type=int, default=1)
    options = parser.parse_args()
    method = options.method
    if method.endswith(".py"):
        method = str(Path(method).resolve())
    taken: dict[str, list[tuple[float, float]]] = {"run": [], "verify --no-rerun": [], "verify": []}
    compile_dir(Path(__file__).parents[1] / "simulator", quiet=1)  # as installing does
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        size = Size("verify", 30, 198, options.traces, shrink=1)
        make_pool(folder / "pools", select_cells(["qwen3-32b/aime24"])[0], size)
        pools = ("--cache", "pools")
        count = ("-n", str(options.traces), "--repeats", options.repeats)
        said = ("--authors", "A", "--description", "d", "--date", "2026-01-31", "--bundle")
        for time in range(options.times):
            run, name = f"run-{time}", f"2026-01-31-m{time}"
            taken["run"].append(seconds("run", method, *count, *pools, "-o", run, cwd=folder))
            seconds("submit", run, "--method", f"m{time}", *said, cwd=folder)
            for command in ("verify --no-rerun", "verify"):
                arguments = command.split()
                bundle = f"{name}.zip"
                taken[command].append(seconds(*arguments, bundle, *pools, cwd=folder))
        size_mb = (folder / bundle).stat().st_size / 1e6
    print(f"{options.method}, 30 problems x {options.traces} traces x {options.repeats} repeats")
    print(f"bundle of {size_mb:.1f} MB; {options.times} times, seconds and shares of the run")
    for clock, name in enumerate(("processor", "wall")):
        print(f"{name:<18}{'min':>8}{'median':>8}{'min':>8}{'median':>8}")
        for command, each in taken.items():
            used = [pair[clock] for pair in each]
            shares = [one / run[clock] for one, run in zip(used, taken["run"], strict=True)]
            figures = (min(used), median(used), min(shares), median(shares))
            print(f"{command:<18}" + "".join(f"{figure:8.2f}" for figure in figures))
    print(f"ratio verify {figures[-1]:.2f}")  # of wall time, the median


if __name__ == "__main__":
    main()
