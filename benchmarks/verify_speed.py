"""How long verifying a submission takes, in times of the run that it is of.

    python benchmarks/verify_speed.py [--method parallel-probe] [--repeats 64] [--traces 512]

Makes a generated pool of 30 problems in a temporary folder, runs the method over it, packs the run
and verifies it. Both are commands of their own, so that starting Python counts for both; times are
of the processor, those of child processes included, as other work on the machine would disturb
wall times.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from simulator.generated.cells import Size, select_cells
from simulator.generated.pools import make_pool


def cpu_seconds(*arguments: str, cwd: Path) -> float:
    """Processor time of a call of the program, with its children."""
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
    after = os.times()
    user = after.children_user - before.children_user
    return user + after.children_system - before.children_system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", default="parallel-probe")
    parser.add_argument("--repeats", default="64")
    parser.add_argument("--traces", type=int, default=512)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        size = Size("verify", 30, 198, options.traces, shrink=1)
        make_pool(folder / "pools", select_cells(["qwen3-32b/aime24"])[0], size)
        pools = ("--cache", "pools")
        count = ("-n", str(options.traces), "--repeats", options.repeats)
        run = cpu_seconds("run", options.method, *count, *pools, "-o", "run", cwd=folder)
        said = ("--method", "m", "--authors", "A", "--description", "d", "--bundle")
        cpu_seconds("submit", "run", *said, cwd=folder)
        (bundle,) = folder.glob("*.zip")
        recompute = cpu_seconds("verify", bundle.name, "--no-rerun", *pools, cwd=folder)
        verify = cpu_seconds("verify", bundle.name, *pools, cwd=folder)
        print(
            f"{options.method}, 30 problems x {options.traces} traces x {options.repeats} repeats"
        )
        print(f"bundle            {bundle.stat().st_size / 1e6:6.1f} MB")
        print(f"run               {run:6.1f} s")
        print(f"verify --no-rerun {recompute:6.1f} s  {recompute / run:.2f} of the run")
        print(f"verify            {verify:6.1f} s  {verify / run:.2f} of the run")


if __name__ == "__main__":
    main()
