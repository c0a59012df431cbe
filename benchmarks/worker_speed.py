"""Cost of a policy's own process: its start, a round trip, and 64 rounds per problem.

    python benchmarks/worker_speed.py [--rounds 11] [--ratio]

Needs no data. Compares the policy's own process (`worker`) with a stranger's policy (`limited`: in
bubblewrap, if available) and with this process, all measured in one run. `--ratio` measures the 64
rounds alone. Last, `ratio worker-rounds` is their processor time in both processes, relative to
that in this process.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from simulator.isolation.host import layers, load
from simulator.loading import Limits, LoadedPolicy
from simulator.pools.pool import Pool, PoolInfo, StoredProblem
from simulator.pools.records import ProblemRecord, TraceRecord
from simulator.pools.writer import PoolWriter
from simulator.replay.replaying import replay
from simulator.replay.serving import Serving

TRACES = 512
REPEATS = 100

POLICIES = {
    "round trip: the clock": "for _ in range(500): sampler.clock",
    "decode of 1 trace": "t = sampler.start(1)\n        for _ in range(500): sampler.decode(t, 1)",
    "decode and probe of 512 traces in lock step": (
        "t = sampler.start(512)\n"
        "        for _ in range(500): sampler.decode(t, 7); sampler.probe(t)"
    ),
    "decode of 512 traces, all different": (
        "t = sampler.start(512)\n        sampler.decode(t[0], tokens=1)\n"
        "        for _ in range(500): sampler.decode(t, tokens=1)"
    ),
    "texts of 512 traces": (
        "t = sampler.start(512); sampler.decode(t)\n        for _ in range(20): t.text"
    ),
}
ROUNDS = """
        votes = []
        for _ in range(64):
            trace = sampler.start(1)
            sampler.decode(trace)
            votes.append(trace[0].answer)
        majority_vote(np.array(votes))
"""
WAYS: dict[str, dict[str, Any]] = {
    "limited": {"limits": Limits()},
    "worker": {},
    "in process": {"in_process": True},
}


def main() -> None:
    """Print the table: wall-clock time, and processor time of both processes, by way."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11, help="rounds, all ways in turn")
    parser.add_argument("--ratio", action="store_true", help="measure the 64 rounds alone")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pool = write_pool(Path(folder))
        print("limited:", ", ".join(layers(load(write_policy(folder, "pass"), limits=Limits()))))
        print(
            f"{'wall (CPU) in µs':<45}" + "".join(f"{way:>19}" for way in WAYS) + " limited/worker"
        )
        for name, body in () if given.ratio else POLICIES.items():
            times = measured(folder, pool, body, 1, given.rounds)
            show(name, times, 20 if "texts" in name else 500)
        times = measured(folder, pool, ROUNDS, REPEATS, given.rounds)
        show("64 rounds of start, decode, answer", times, REPEATS)
        if not given.ratio:
            show("start, with the policy loaded", starting(folder, given.rounds), 1)
        print(f"ratio worker-rounds {times['worker'][1] / times['in process'][1]:.3g}")


def show(name: str, times: Mapping[str, tuple[float, float]], calls: int) -> None:
    """Print a row: microseconds per call, and the ratio of limited to worker."""
    cells = (
        f"{wall / calls * 1e6:,.0f} ({cpu / calls * 1e6:,.0f})" for wall, cpu in times.values()
    )
    pairs = zip(times["limited"], times["worker"], strict=True)
    ratios = [f"{one / other:.2f}" if other else "–" for one, other in pairs]
    print(f"{name:<45}" + "".join(f"{cell:>19}" for cell in cells) + f"  {ratios[0]} ({ratios[1]})")


def measured(
    folder: str, pool: Pool, body: str, repeats: int, rounds: int
) -> dict[str, tuple[float, float]]:
    """Measure wall-clock and processor seconds of a replay by way, minus those of an empty policy.

    The results are the least of the rounds. The ways take turns, in alternating order, so that
    other work on the machine affects them equally.
    """
    problem = pool.problems[0].fresh()
    taken: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for text in ("pass", body):
        loaded = {way: load(write_policy(folder, text), **how) for way, how in WAYS.items()}
        for turn in range(rounds):
            for way, policy in list(loaded.items())[:: 1 if turn % 2 else -1]:
                taken.setdefault((way, text), []).append(once(policy, problem, repeats))
    least = {key: np.min(times[1:], axis=0) for key, times in taken.items()}
    return {way: tuple(least[way, body] - least[way, "pass"]) for way in WAYS}


def once(policy: LoadedPolicy, problem: StoredProblem, repeats: int) -> tuple[float, float]:
    """Measure a replay's wall-clock seconds, and processor seconds of both processes."""
    began, used = time.perf_counter(), time.process_time()
    done = replay(policy, problem, budget=TRACES, repeats=range(repeats), seed=0, serving=Serving())
    wall, cpu = time.perf_counter() - began, time.process_time() - used
    if not policy.in_process:
        cpu += sum(map(float, done.answers["answer"].to_pylist()))
    return wall, cpu


def starting(folder: str, rounds: int) -> dict[str, tuple[float, float]]:
    """Measure the least time of starts that take turns; processor time of this process only."""
    taken: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for number in range(2 * rounds):
        for way, how in WAYS.items():
            file = write_policy(folder, f"{number}")
            began, used = time.perf_counter(), time.process_time()
            load(file, **how)
            taken[way].append((time.perf_counter() - began, time.process_time() - used))
    return {way: tuple(np.min(times, axis=0)) for way, times in taken.items()}


def write_policy(folder: str, body: str) -> str:
    """Write a policy file whose `solve` has this body, and answers with its processor time."""
    file = Path(folder) / "policy.py"
    file.write_text(
        "import time\nimport numpy as np\nfrom simulator import Policy, majority_vote\n"
        "class Mine(Policy):\n    def solve(self, problem, sampler):\n"
        f"        began = time.process_time()\n        {body.strip()}\n"
        "        return repr(time.process_time() - began)\n"
    )
    return str(file)


def write_pool(cache: Path) -> Pool:
    """Write a pool of one problem of 512 traces of about 10,000 tokens, with texts and probes."""
    rng = np.random.default_rng(0)
    info = PoolInfo("bench", "model", "worker", "bench", "1", "total", synthetic=True)
    with PoolWriter(cache, info) as writer:
        traces = [
            TraceRecord(
                trace_id=number,
                num_tokens=length,
                answer=str(rng.integers(5)),
                text="four" * length,
                probe_positions=np.arange(500, length, 500),
                probe_answers=[str(rng.integers(5)) for _ in range(500, length, 500)],
            )
            for number, length in enumerate(rng.integers(5_000, 15_000, TRACES).tolist())
        ]
        writer.add(ProblemRecord("p", "?", "1", "text", traces))
    return Pool(writer.path)


if __name__ == "__main__":
    main()
