"""What a policy's own process costs: its start, a round trip, and 64 rounds a problem.

    python benchmarks/worker_speed.py

Needs no data. Each figure beside the same in this process, from one run.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from simulator import policy_process
from simulator.pool import Pool, PoolInfo
from simulator.pool_writer import PoolWriter
from simulator.records import ProblemRecord, TraceRecord
from simulator.replay import replay
from simulator.serving import Serving

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
        return majority_vote(np.array(votes))
"""


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        pool = write_pool(Path(folder))
        print(f"{'':<45}{'worker':>12}{'in process':>12}")
        for name, body in POLICIES.items():
            calls = 20 if "texts" in name else 500
            own, here = (seconds(folder, pool, body, 1, way) / calls * 1e6 for way in (0, 1))
            print(f"{name:<45}{own:>9,.0f} µs{here:>9,.0f} µs")
        own, here = (seconds(folder, pool, ROUNDS, REPEATS, way) * 1e3 / REPEATS for way in (0, 1))
        print(f"{'64 rounds of start, decode, answer: a problem':<45}{own:>9.1f} ms{here:>9.1f} ms")
        own, here = (starting(folder, way) * 1e3 for way in (0, 1))
        print(f"{'start, with the policy loaded':<45}{own:>9,.0f} ms{here:>9,.0f} ms")


def seconds(folder: str, pool: Pool, body: str, repeats: int, in_process: int) -> float:
    """The median of five replays, what a replay that does nothing takes taken off."""
    times = {}
    for text in ("pass", body):
        loaded = policy_process.load(write_policy(folder, text), in_process=bool(in_process))
        problem = pool.problems[0].fresh()
        taken = []
        for _ in range(6):
            began = time.perf_counter()
            replay(
                loaded, problem, budget=TRACES, repeats=range(repeats), seed=0, serving=Serving()
            )
            taken.append(time.perf_counter() - began)
        times[text] = statistics.median(taken[1:])  # the first reads the pool
    return times[body] - times["pass"]


def starting(folder: str, in_process: int) -> float:
    """The median of five starts."""
    taken = []
    for number in range(5):
        file = write_policy(folder, f"return '{number}'")
        began = time.perf_counter()
        policy_process.load(file, in_process=bool(in_process))
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def write_policy(folder: str, body: str) -> str:
    """A policy file whose `solve` has this body."""
    file = Path(folder) / "policy.py"
    file.write_text(
        "import numpy as np\nfrom simulator import Policy, majority_vote\n"
        f"class Mine(Policy):\n    def solve(self, problem, sampler):\n        {body.strip()}\n"
    )
    return str(file)


def write_pool(cache: Path) -> Pool:
    """One problem of 512 traces of about 10,000 tokens, with texts and probes."""
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
