"""Time, memory and disk of reading confidences in pool format 2, relative to format 1.

    python benchmarks/read_speed.py [POOL] [--traces 512] [--tokens 24000] [--rounds 7]

Without POOL, it makes a pool of one problem; either is converted to both formats in a temporary
folder. The first problems (`--problems`, 1) are read in turn, and the least CPU time of the rounds
counts; files are opened again in each round. Memory is what a process of its own takes more at its
peak than before it reads the first problem (Linux).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from simulator.pools.pool import Pool, PoolInfo
from simulator.pools.records import ProblemRecord, TraceRecord
from simulator.pools.token_signals.converting import convert
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


def read(pool: Path, problems: int) -> int:
    """Read the confidences of the first problems as a replay does; return the number of tokens."""
    opened = Pool(pool)
    signals = (each.fresh().token_signal("confidence") for each in opened.problems[:problems])
    return sum(len(values) for signal in signals for values in signal)


def print_peak(pool: Path) -> None:
    """Print the KiB that reading the first problem takes, which is called in a new process."""
    first = Pool(pool).problems[0]
    before = peak()
    for values in first.token_signal("confidence"):
        len(values)
    print(peak() - before)


def peak() -> int:
    """Return the most memory that this process has held, in KiB; not that of its parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


def measure(pool: Path, beside: Path, problems: int, rounds: int) -> None:
    """Print time, memory and disk of both formats."""
    seconds: dict[int, float] = {}
    memory, disk = {}, {}
    pools = {number: beside / f"format-{number}" for number in (1, 2)}
    for number, folder in pools.items():
        shutil.copytree(pool, folder)
        convert(folder, number)
        disk[number] = (folder / "confidence.parquet").stat().st_size
        command = [sys.executable, __file__, "--peak", str(folder)]
        memory[number] = int(subprocess.run(command, capture_output=True, check=True).stdout)
    for _ in range(rounds):
        for number, folder in pools.items():
            began = time.process_time()
            tokens = read(folder, problems)
            spent = time.process_time() - began
            seconds[number] = min(spent, seconds.get(number, spent))
    for number in pools:
        each = f"{seconds[number] / tokens * 1e9:.2f} ns a token"
        print(f"format {number}: {each}, {memory[number] / 2**10:.0f} MiB, {disk[number]:,} bytes")
    for name, of in (("reading", seconds), ("reading-memory", memory), ("reading-disk", disk)):
        print(f"ratio {name} {of[2] / of[1]:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pool", type=Path, nargs="?")
    parser.add_argument("--traces", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=24_000)
    parser.add_argument("--problems", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--peak", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak is not None:
        print_peak(arguments.peak)
        return
    with tempfile.TemporaryDirectory() as folder:
        pool = arguments.pool or write(Path(folder), arguments.traces, arguments.tokens)
        measure(pool, Path(folder), arguments.problems, arguments.rounds)


if __name__ == "__main__":
    main()
