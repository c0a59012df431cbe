"""Time of N settings in one sweep, relative to the same N settings in separate runs.

    python benchmarks/sweep_speed.py POOL POLICY -p NAME=VALUE,VALUE [-p …] [-n N] [--repeats R]
                                     [--rounds 3]

POOL is a pool's folder. Both sides are timed in turn, each in a process of its own (start-up is not
counted), and the least CPU time of the rounds counts. The files of both are compared byte by byte.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from simulator.pools.pool import Pool
from simulator.replay.serving import Serving
from simulator.runs.making import make_run
from simulator.runs.spec import RunSpec
from simulator.runs.sweep import Sweep, load_settings, make_sweep, parse_grid

RESULTS = ("decisions.parquet", "answers.parquet", "summary.json")


def measure(
    together: bool,
    folder: Path,
    pool: Path,
    policy: str,
    typed: Sequence[str],
    how: tuple[int, int],
) -> tuple[float, float, float]:
    """Make all runs, in one sweep or one by one; return CPU seconds, wall seconds and peak MiB."""
    settings = load_settings(policy, parse_grid(typed))
    budget, repeats = how
    opened = Pool(pool)
    specs = [
        RunSpec(each.loaded, [opened], budget or None, repeats, 0, Serving()) for each in settings
    ]
    began = time.process_time(), time.perf_counter()
    if together:
        make_sweep(Sweep(settings, specs), folder)
    else:
        for setting, spec in zip(settings, specs, strict=True):
            make_run(spec, folder / setting.folder)
    spent = time.process_time() - began[0], time.perf_counter() - began[1]
    return *spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pool", type=Path)
    parser.add_argument("policy")
    parser.add_argument("-p", dest="typed", action="append", default=[], required=True)
    parser.add_argument("-n", dest="budget", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    how = (arguments.budget, arguments.repeats)
    names = [each.folder for each in load_settings(arguments.policy, parse_grid(arguments.typed))]
    print(f"{len(names)} settings, {how[1]} repeats    CPU s    wall s   peak MiB")
    least: dict[bool, float] = {}
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as scratch:
            for together, label in ((True, "one sweep"), (False, "run by run")):
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                    folder = Path(scratch, label)
                    given = (arguments.pool, arguments.policy, arguments.typed, how)
                    cpu, wall, peak = process.submit(measure, together, folder, *given).result()
                print(f"{label:26} {cpu:8.2f}  {wall:8.2f}  {peak:9.0f}")
                least[together] = min(cpu, least.get(together, cpu))
            for name in names:
                for file in RESULTS:
                    one, other = (
                        Path(scratch, at, name, file) for at in ("one sweep", "run by run")
                    )
                    assert one.read_bytes() == other.read_bytes(), f"{name}/{file} differs"
    print(f"ratio sweep {least[True] / least[False]:.2f}")


if __name__ == "__main__":
    main()
