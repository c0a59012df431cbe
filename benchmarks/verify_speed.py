"""How long verifying a submission takes, in times of the run that it is of.

    python benchmarks/verify_speed.py [--method METHOD|FILE] [--repeats 64] [--traces 512]
        [--times 1]

Makes a generated pool of 30 problems in a temporary folder, runs the method over it, packs the run
and verifies it. A policy file is run in a process of its own, and verified in the sandbox. All are
commands of their own, so that starting Python counts for each; times are of the processor, those
of all processes that a command leaves or ends included, as other work on the machine would disturb
wall times. The ratios are those of commands that followed one another.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
from compileall import compile_dir
from contextlib import suppress
from pathlib import Path
from statistics import median

from simulator.generated.cells import Size, select_cells
from simulator.generated.pools import make_pool

_PR_SET_CHILD_SUBREAPER = 36


def cpu_seconds(*arguments: str, cwd: Path) -> float:
    """Processor time of a call of the program, with its children.

    What runs in bubblewrap is killed with it and nobody's child then: it is counted where this
    process inherits it.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    before = os.times()
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
    with suppress(ChildProcessError):
        while True:
            os.wait()
    after = os.times()
    user = after.children_user - before.children_user
    return user + after.children_system - before.children_system


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
    taken: dict[str, list[float]] = {"run": [], "verify --no-rerun": [], "verify": []}
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
            taken["run"].append(cpu_seconds("run", method, *count, *pools, "-o", run, cwd=folder))
            cpu_seconds("submit", run, "--method", f"m{time}", *said, cwd=folder)
            for command in ("verify --no-rerun", "verify"):
                arguments = command.split()
                bundle = f"{name}.zip"
                used = cpu_seconds(*arguments, bundle, *pools, cwd=folder)
                taken[command].append(used)
        size_mb = (folder / bundle).stat().st_size / 1e6
    print(f"{options.method}, 30 problems x {options.traces} traces x {options.repeats} repeats")
    print(f"bundle of {size_mb:.1f} MB; {options.times} times, seconds and shares of the run")
    print(f"{'':<18}{'min':>8}{'median':>8}{'min':>8}{'median':>8}")
    for command, seconds in taken.items():
        shares = [one / run for one, run in zip(seconds, taken["run"], strict=True)]
        figures = (min(seconds), median(seconds), min(shares), median(shares))
        print(f"{command:<18}" + "".join(f"{figure:8.2f}" for figure in figures))


if __name__ == "__main__":
    main()
