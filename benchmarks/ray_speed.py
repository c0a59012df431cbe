"""Cost of a unit of work on a Ray cluster: what the driver spends, and what the work takes.

    python benchmarks/ray_speed.py [POOL] [--nodes 2] [--jobs N] [--scale 1] [--only NAME]

Makes runs in one process, and on several Ray nodes of this machine, and compares their files byte
by byte. All is for a unit: `work` is the processor time of replaying it in one process, and
`merging` that of storing and merging what comes of it there. `driver` is the processor time of this
process with Ray: merging, handing out units, and receiving results; Ray's own processes are not in
it. `cores`, work over driver, is how many cores one driver can keep busy if nothing else is in the
way. Bytes are those of a unit's call and of its result. `--jobs` divides the work as for so many
CPUs. Parameters are scaled to the pool that comes along, and those of the methods on other pools.
"""

from __future__ import annotations

import argparse
import os
import pickle
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from simulator.isolation import host
from simulator.pools.pool import Pool
from simulator.replay.serving import Serving
from simulator.runs.making import make_run
from simulator.runs.spec import RunSpec
from simulator.workers.executor import Here, Workers
from simulator.workers.ray_cluster import RayTasks

ROOT = Path(__file__).resolve().parent.parent

SHIPPED = ROOT / "datasets_cache/shipped/Qwen2.5-Coder-0.5B-Instruct-Q4_K_M/school-math"

RUNS: dict[str, tuple[int, str, dict[str, str]]] = {
    "cons@64": (4000, "cons@64", {}),
    "parallel-probe": (1000, "parallel-probe", {}),
    "deepconf-low": (100, "deepconf-low", {"window": "32", "warm_up": "8"}),
    "a policy file": (120, str(ROOT / "docs/examples/short_m.py"), {}),
}
"""Names of runs: repeats, policy and parameters."""

RESULTS = ("decisions.parquet", "answers.parquet", "summary.json")

T = TypeVar("T")


class Measured(Workers):
    """Workers that count their calls, and the bytes and processor seconds of work in them."""

    def __init__(self, workers: Workers, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.workers, self.jobs, self.grain = workers, workers.jobs, workers.grain
        self.units = self.sent = self.came = 0
        self.work = 0.0

    def map(  # type: ignore[override]
        self, work: Callable[..., T], /, *arguments: Iterable[Any]
    ) -> Iterator[T]:
        """Yield results in order, as `workers` do."""
        shared, units = (list(each) for each in arguments)
        self.units += len(units)
        self.sent += sum(len(pickle.dumps(unit)) for unit in units)
        results = self.workers.map(work, shared, units)
        for _ in units:
            began = self._clock()
            result: Any = next(results)
            self.work += self._clock() - began
            self.came += sum(len(part.decisions) + len(part.answers) for part in result)
            yield result


def cpu_seconds() -> float:
    """Return the processor seconds of this process, and of its policy's process while it runs."""
    seconds = time.process_time()
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            words = Path("/proc", child, "stat").read_text().rpartition(")")[2].split()
            if b"isolation.worker" in Path("/proc", child, "cmdline").read_bytes():
                seconds += (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("pool", nargs="?", type=Path, default=SHIPPED)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--jobs", type=int, help="CPUs to divide the work for")
    parser.add_argument("--scale", type=float, default=1.0, help="factor of the repeats")
    parser.add_argument("--only", default="", help="part of the names of the runs to make")
    arguments = parser.parse_args()
    pool = Pool(arguments.pool)
    os.environ["RAY_AUTH_MODE"] = "disabled"
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        for _ in range(arguments.nodes - 1):
            cluster.add_node(**node)
        with RayTasks(cluster.address, arguments.jobs) as tasks:
            list(tasks.map(abs, range(100)))  # workers have started
            show_empty(tasks)
            print(
                f"\n{'run':<16}{'units':>6}{'decisions':>11}{'work, ms':>10}{'merging, ms':>12}"
                f"{'driver, ms':>11}{'cores':>7}{'bytes out':>10}{'in':>9}{'a decision':>11}"
            )
            for name in RUNS:
                if arguments.only in name:
                    show(name, pool, tasks, arguments.scale)
    finally:
        cluster.shutdown()


def show_empty(tasks: RayTasks, number: int = 2000) -> None:
    """Print what tasks cost that do nothing."""
    cpu, wall = time.process_time(), time.perf_counter()
    list(tasks.map(abs, range(number)))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(
        f"a task that does nothing: {1000 * cpu / number:.2f} ms of the driver's processor, "
        f"{number / wall:,.0f} a second with {tasks.jobs} CPUs"
    )


def show(name: str, pool: Pool, tasks: RayTasks, scale: float) -> None:
    """Make a run both ways; print a unit's mean cost."""
    repeats, policy, scaled = RUNS[name]
    settings = scaled if pool.path == SHIPPED else {}
    spec = RunSpec(
        host.load(policy, settings), [pool], None, max(1, round(repeats * scale)), 0, Serving()
    )
    with tempfile.TemporaryDirectory() as folder:
        here, there = Path(folder, "here"), Path(folder, "there")
        make_run(
            replace(spec, repeats=1), Path(folder, "first")
        )  # imports, and reads, what is needed
        alone = Measured(Here(), cpu_seconds)
        began = cpu_seconds()
        make_run(spec, here, jobs=alone)
        merging = cpu_seconds() - began - alone.work
        spread = Measured(tasks, time.process_time)
        began = time.process_time()
        make_run(spec, there, jobs=spread)
        driver = time.process_time() - began
        for file in RESULTS:
            assert (here / file).read_bytes() == (there / file).read_bytes(), f"{file} differs"
    decisions = sum(len(pool.problems) * spec.repeats * budget for budget in spec.budgets)
    print(
        f"{name:<16}{spread.units:>6}{decisions:>11,}{1000 * alone.work / spread.units:>10.1f}"
        f"{1000 * merging / spread.units:>12.2f}"
        f"{1000 * driver / spread.units:>11.2f}{alone.work / driver:>7.1f}"
        f"{spread.sent / spread.units:>10,.0f}{spread.came / spread.units:>9,.0f}"
        f"{spread.came / decisions:>11.1f}",
        flush=True,
    )
    print(f"ratio ray-driver-{name.replace(' ', '-')} {driver / alone.work:.3f}", flush=True)


if __name__ == "__main__":
    main()
