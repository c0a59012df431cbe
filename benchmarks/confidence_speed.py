"""Speed of group confidence, its first crossing and DeepConf-low on a full-size pool.

    deepprune-sim data sample --size paper --cell 'deepseek*/aime24' --cache POOLS
    python benchmarks/confidence_speed.py POOLS/generated/deepseek-r1-0528-qwen3-8b/aime24

They are compared with plain implementations, and with a running sum alone, `numpy.cumsum` to int64
trace by trace. Everything runs in turn in one process. Prints the least CPU seconds of one core
over the rounds, and wall seconds beside them. The pool's column is read with pyarrow row group by
row group, on one core, as the replay reads it. Without a pool, only the first two are measured, on
traces made here.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow.parquet as pq

from simulator.generated.cells import SIZES, select_cells
from simulator.generated.pools import generated_problems
from simulator.loading import load_policy
from simulator.pools.pool import Pool
from simulator.replay.replaying import replay
from simulator.replay.serving import Serving
from simulator.rules.compiled import group_steps
from simulator.rules.group_means import BELOW, Staircase, Stored

WINDOW = 2048


def ours(stored: Stored, threshold: float) -> int | None:
    """Compute the whole staircase, and the first crossing from it."""
    stairs = Staircase(stored, WINDOW)
    stairs.extreme(len(stored))
    return stairs.first_past(BELOW * threshold)


def by_numpy(stored: Stored, threshold: float) -> int | None:
    """Compute the same where no compiled code was built."""
    with patch("simulator.rules.group_means.group_steps", lambda: None):
        return ours(stored, threshold)


def running_sum(stored: Stored, threshold: float) -> None:
    """Compute what groups could be had from, and no more."""
    np.cumsum(stored, dtype=np.int64)


def plain_numpy(stored: Stored, threshold: float) -> int | None:
    """Compute group means from running sums, and the first crossing from their running minimum."""
    sums = np.concatenate([[0], np.cumsum(stored, dtype=np.int64)])
    groups = (sums[WINDOW:] - sums[:-WINDOW]) / (1000 * WINDOW)
    lowest = np.minimum.accumulate(groups)
    crossing = int(np.searchsorted(-lowest, -threshold, side="right"))
    return WINDOW + crossing if crossing < len(lowest) else None


def incremental(stored: Stored, threshold: float) -> int | None:
    """Compute the first crossing token by token from a window's sum, as DeepConf's code does."""
    window: deque[float] = deque(maxlen=WINDOW)
    total, lowest, crossing = 0.0, np.inf, None
    for number, confidence in enumerate((stored / 1000).tolist(), start=1):
        if len(window) == WINDOW:
            total -= window[0]
        window.append(confidence)
        total += confidence
        if number >= WINDOW:
            mean = total / WINDOW
            lowest = min(lowest, mean)
            if mean < threshold and crossing is None:
                crossing = number
    return crossing


def least(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, tuple[float, float]]:
    """Measure the least CPU and wall seconds of each call; calls are made in turn."""
    found = dict.fromkeys(calls, (np.inf, np.inf))
    for _ in range(rounds):
        for name, call in calls.items():
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            spent = time.process_time() - cpu, time.perf_counter() - wall
            found[name] = min(found[name][0], spent[0]), min(found[name][1], spent[1])
    return found


def some_traces(pool: Pool) -> list[Stored]:
    """Return the confidences of every eighth trace of five problems."""
    traces: list[Stored] = []
    for problem in pool.problems[:: len(pool.problems) // 5]:
        confidence = problem.fresh().token_signal("confidence")
        traces += [confidence.stored(row).copy() for row in range(0, len(problem.lengths), 8)]
    return traces


def made_traces() -> list[Stored]:
    """Return the confidences of every eighth trace of a problem of a generated pool."""
    (cell,) = select_cells(["deepseek*/aime24"])
    traces = next(generated_problems(cell, SIZES["paper"])).traces[::8]
    return [np.rint(trace.token_signals["confidence"] * 1000).astype(np.uint16) for trace in traces]


def on_arrays(traces: list[Stored], rounds: int) -> None:
    """Print nanoseconds per token of staircase and first crossing on decoded arrays."""
    threshold = float(np.median([Staircase(trace, WINDOW).extreme(len(trace)) for trace in traces]))
    few = traces[:: len(traces) // 8]
    forms: dict[str, tuple[Callable[[Stored, float], object], list[Stored]]] = {
        "ours": (ours, traces),
        "without C": (by_numpy, traces),
        "cumsum": (running_sum, traces),
        "numpy": (plain_numpy, traces),
        "incremental": (incremental, few),
    }
    for trace in few:
        found = {form(trace, threshold) for form in (ours, by_numpy, plain_numpy)}
        assert len(found) == 1
    print("groups by", "numpy" if group_steps() is None else "compiled code")

    def each(form: Callable[[Stored, float], object], some: list[Stored]) -> None:
        for trace in some:
            form(trace, threshold)

    calls = {name: partial(each, *form) for name, form in forms.items()}
    spent = {}
    for name, (cpu, _) in least(calls, rounds).items():
        spent[name] = cpu / sum(len(trace) for trace in forms[name][1])
        print(f"{name:12} {spent[name] * 1e9:8.2f} ns per token")
    print(f"ratio group-confidence {spent['ours'] / spent['cumsum']:.2f}")


def on_pool(path: Path, rounds: int) -> None:
    """Print the time of DeepConf-low from Parquet, and of only reading the column."""
    loaded = load_policy("deepconf-low")

    def read() -> None:
        with pq.ParquetFile(path / "confidence.parquet") as stored:
            column = stored.schema_arrow.names[-1]  # whatever the format
            for group in range(stored.num_row_groups):
                stored.read_row_group(group, [column], use_threads=False)

    def run(repeats: int) -> None:
        for problem in Pool(path).problems:
            replay(
                loaded,
                problem.fresh(),
                budget=512,
                repeats=range(repeats),
                seed=0,
                serving=Serving(),
            )

    run(1)  # warm-up
    calls: dict[str, Callable[[], object]] = {
        "read": read,
        "1 repeat": partial(run, 1),
        "64 repeats": partial(run, 64),
    }
    times = least(calls, rounds)
    for name, (cpu, wall) in times.items():
        print(f"{name:12} {cpu:8.2f} s CPU {wall:8.2f} s")
    for name, beside in (("1 repeat", "read"), ("64 repeats", "1 repeat")):
        ratios = [one / other for one, other in zip(times[name], times[beside], strict=True)]
        print(f"{name} / {beside}: {ratios[0]:.2f} CPU, {ratios[1]:.2f} wall")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pool", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.pool is None:
        on_arrays(made_traces(), arguments.rounds)
        return
    on_pool(arguments.pool, arguments.rounds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory  {peak:8.0f} MiB")
    on_arrays(some_traces(Pool(arguments.pool)), arguments.rounds)


if __name__ == "__main__":
    main()
