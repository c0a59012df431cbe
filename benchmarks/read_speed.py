"""Time of reading one problem's confidences into an array, relative to pyarrow's own reading.

    python benchmarks/read_speed.py [--traces 512] [--tokens 24000] [--rounds 7]

Makes a pool of one problem in a temporary folder. The two are timed in turn, and the least of the
rounds counts; both open the file again in each round.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from simulator.pools.pool import Pool, PoolInfo
from simulator.pools.records import ProblemRecord, TraceRecord
from simulator.pools.writer import PoolWriter


def write(cache: Path, traces: int, tokens: int) -> Path:
    """Write a pool of one problem whose confidences vary like a model's."""
    rng = np.random.default_rng(0)
    records = []
    for number in range(traces):
        steps = rng.normal(0, 0.4, tokens)
        values = np.clip(12 + 4 * np.sin(np.cumsum(steps) / 40) + rng.normal(0, 3, tokens), 0, 60)
        signals = {"confidence": np.round(values, 3)}
        records.append(TraceRecord(number, tokens, "1", token_signals=signals))
    info = PoolInfo("benchmark", "model", "read", "benchmark", "1", "total", synthetic=True)
    with PoolWriter(cache, info) as writer:
        writer.add(ProblemRecord("p", None, "1", "math", records))
    return writer.path


def least(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Measure the least wall time of each call, in milliseconds; calls are made in turn."""
    found: dict[str, float] = {}
    for _ in range(rounds):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            spent = (time.perf_counter() - began) * 1e3
            found[name] = min(spent, found.get(name, spent))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=24_000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), arguments.traces, arguments.tokens)
        file = path / "confidence.parquet"

        def ours() -> object:
            return [*Pool(path).problems[0].token_signal("confidence")]

        def pyarrow() -> object:
            with pq.ParquetFile(file) as stored:
                return stored.read_row_group(0, columns=["confidence"])

        times = least({"ours": ours, "pyarrow": pyarrow}, arguments.rounds)
        size = file.stat().st_size / 1e6
    values = arguments.traces * arguments.tokens
    print(f"{values:,} values, {size:.1f} MB")
    for name, spent in times.items():
        print(f"{name:8} {spent:7.1f} ms")
    print(f"ratio reading {times['ours'] / times['pyarrow']:.2f}")


if __name__ == "__main__":
    main()
