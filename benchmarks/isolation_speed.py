"""Time of a replay with its policy in a process of its own, relative to one in this process.

    python benchmarks/isolation_speed.py [--busy 12] [--rounds 15]

Needs no data. Both ways take turns, a few replays each, in one run, so that other work on the
machine affects them equally. `--busy` adds that many processes that only count, each in a session
of its own as those of other people are. Prints milliseconds of wall-clock time per replay: the
median of the rounds, and the ratio of the medians. The last lines are the least that a request can
take: a message goes to another process and back, and neither does anything else. Either both sleep
until it comes, or both look for it all the time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from worker_speed import write_pool

from simulator.isolation.host import load
from simulator.loading import LoadedPolicy
from simulator.pools.pool import StoredProblem
from simulator.replay.replaying import replay
from simulator.replay.serving import Serving

POLICIES = {
    "first of all (short-3)": (
        "traces = sampler.start(sampler.budget)\n"
        "        return majority_vote(sampler.decode(traces, first=3))"
    ),
    "windows of 8 (esc)": (
        "traces = sampler.start(8); sampler.decode(traces)\n"
        "        while len(set(traces[-8:].answer.tolist())) > 1 and len(traces) < 64:\n"
        "            more = sampler.start(8); sampler.decode(more); traces = traces + more\n"
        "        return majority_vote(traces)"
    ),
    "64 rounds of start, decode, answer": (
        "for _ in range(64):\n"
        "            trace = sampler.start(1); sampler.decode(trace); trace[0].answer\n"
        "        return majority_vote(sampler.traces)"
    ),
}
AT_ONCE = 10
"""Replays of one turn."""

ECHO = """
import os, sys
os.set_blocking(0, sys.argv[1] == "asleep")
while True:
    try:
        os.write(1, os.read(0, 99))
    except BlockingIOError:
        pass
    except BrokenPipeError:
        break
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--busy", type=int, default=0, help="processes that only count")
    parser.add_argument("--rounds", type=int, default=15, help="rounds, both ways in turn")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, busy(arguments.busy):
        problem = write_pool(Path(folder)).problems[0].fresh()
        print(f"{'ms a replay':<40}{'in process':>12}{'isolated':>12}{'ratio':>8}{'load':>8}")
        for name, body in POLICIES.items():
            file = Path(folder) / "policy.py"
            file.write_text(
                "from simulator import Policy, majority_vote\nclass Mine(Policy):\n"
                f"    def solve(self, problem, sampler):\n        {body}\n"
            )
            inside, apart = (load(str(file), in_process=here) for here in (True, False))
            times = measured([inside, apart], problem, arguments.rounds)
            here, there = np.median(times, axis=0) * 1e3
            load_now = os.getloadavg()[0]
            print(f"{name:<40}{here:>12.2f}{there:>12.2f}{there / here:>8.2f}{load_now:>8.1f}")
        for how in ("asleep", "awake"):
            print(f"a round trip, {how}: {round_trip(how) * 1e6:.1f} µs")


def measured(ways: list[LoadedPolicy], problem: StoredProblem, rounds: int) -> list[list[float]]:
    """Measure seconds a replay by round and way; the ways take turns in alternating order."""
    found = []
    for turn in range(rounds + 1):
        times = [0.0] * len(ways)
        for way in range(len(ways))[:: 1 if turn % 2 else -1]:
            began = time.perf_counter()
            repeats = range(turn * AT_ONCE, (turn + 1) * AT_ONCE)
            replay(ways[way], problem, budget=64, repeats=repeats, seed=0, serving=Serving())
            times[way] = (time.perf_counter() - began) / AT_ONCE
        found.append(times)
    return found[1:]  # the first also starts the process


def round_trip(how: str) -> float:
    """Measure seconds from sending a message to receiving its copy; the median of 300."""
    command = [sys.executable, "-c", ECHO, how]
    times = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        ours, theirs = other.stdin.fileno(), other.stdout.fileno()
        os.set_blocking(theirs, how == "asleep")
        for _ in range(300):
            began = time.perf_counter()
            os.write(ours, b"x" * 64)
            received = b""
            while not received:
                with suppress(BlockingIOError):
                    received = os.read(theirs, 99)
            times.append(time.perf_counter() - began)
        other.kill()
    return float(np.median(times[100:]))


@contextmanager
def busy(number: int) -> Iterator[None]:
    """Keep this many processes busy in this context."""
    command = [sys.executable, "-c", "while True: pass"]
    counting = [subprocess.Popen(command, start_new_session=True) for _ in range(number)]
    try:
        yield
    finally:
        for process in counting:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
