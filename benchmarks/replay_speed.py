"""CPU time of one replay (method, problem, repeat), relative to the public SCOUT program.

    python benchmarks/replay_speed.py POOL [--scout EVALUATION_FOLDER] [--rounds 5] [--solve]
        [--shares]

POOL is the folder of a pool made by `deepprune-sim import scout`; EVALUATION_FOLDER is `evaluation`
of a checkout of zhengkid/Parallel-Probe, whose own classes are timed on its own copy of the data.
Both sides run in turn in this process, on one core, and the least of the rounds counts, so that the
ratio is reliable on a noisy machine.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from yardstick import in_yardsticks

from simulator.loading import load_policy
from simulator.policy.base import Problem
from simulator.policy.sampler import Sampler
from simulator.pools.pool import Pool
from simulator.replay.engine import Engine
from simulator.replay.orders import orders
from simulator.replay.recording import GradedAnswer, Recorder
from simulator.replay.replaying import answered, replay, replaying
from simulator.replay.serving import Serving

METHODS = [
    ("cons@64", "cons@64", {}, 64),
    ("esc (8, 64)", "esc", {"window": "8"}, 64),
    ("asc (64, .95)", "asc", {}, 64),
    ("sac over 1", "sac", {}, 1),
    ("sac over 64", "sac", {}, 64),
    ("parallel-probe, 64", "parallel-probe", {}, 64),
    ("parallel-probe, all vote", "parallel-probe", {}, 64),
]
"""Methods of SCOUT's main table. Its seventh method is an older Parallel-Probe in which pruned
branches vote; the published one is timed in its place."""


def ours(pool: Pool, repeats: int, *, by_solve: bool = False) -> dict[str, Callable[[], None]]:
    """Return a call for each method that replays it over every problem.

    With `by_solve` its `solve` is asked in each repeat, as that of a policy file is.
    """

    def call(spec: str, settings: dict[str, str], budget: int) -> None:
        loaded = load_policy(spec, settings)
        for problem in pool.problems:
            how: dict[str, Any] = {
                "budget": budget,
                "repeats": range(repeats),
                "seed": 0,
                "serving": Serving(),
            }
            if by_solve:
                answered(replaying(loaded, problem.fresh(), **how), loaded)
            else:
                replay(loaded, problem.fresh(), **how)

    return {
        label: lambda spec=spec, settings=settings, budget=budget: call(spec, settings, budget)  # type: ignore[misc]
        for label, spec, settings, budget in METHODS
    }


def theirs(folder: Path, benchmark: str) -> dict[str, Callable[[], None]]:
    """Return the calls of the public program, whose `evaluate` always makes 100 shuffles."""
    sys.path.insert(0, str(folder))
    import data_loader  # type: ignore[import-not-found]
    import method  # type: ignore[import-not-found]

    path = folder / "Qwen3-8B-128"
    task = data_loader.ModelandTask(str(path), benchmark)
    probing = {"num_chains": 64, "T": 40, "prune_patience": 7, "warm_up": 15}
    solvers = [
        (method.FullReadStrategy(), method.MajorityVoteSolver(n=64)),
        (method.FullReadStrategy(), method.ESCSolver(n=64, window_size=8)),
        (method.FullReadStrategy(), method.ASCSolver(n=64, threshold=0.95)),
        (method.ConvergenceProbeStrategy(n=14), method.GreedySolver()),
        (method.ConvergenceProbeStrategy(n=14), method.MajorityVoteSolver(n=64)),
        (
            method.ParallelESTPruningBurstMajorityOnActiveBranches(**probing),
            method.GreedySolver(),
        ),
        (method.ParallelESTPruning(**probing), method.GreedySolver()),
    ]

    def call(strategy: object, solver: object) -> None:
        solver.branch_strategy = strategy  # type: ignore[attr-defined]
        task.evaluate(solver, bootstrap_iter=1)

    return {
        label: lambda strategy=strategy, solver=solver: call(strategy, solver)  # type: ignore[misc]
        for (label, *_), (strategy, solver) in zip(METHODS, solvers, strict=True)
    }


def shares(pool: Pool, repeats: int) -> None:
    """Print the time of `solve` by stage: orders, setting up, the policy's calls, recording."""
    print(f"\n{'ms per replay':26}   orders   set-up   policy   record")
    for label, spec, settings, budget in METHODS[:-1]:
        policy = load_policy(spec, settings).policy
        shown = Problem("benchmark", None, "math")
        spent = [0.0] * 4
        for problem in pool.problems:
            recorder = Recorder(problem)
            marks = [time.process_time()]
            drawn = list(orders(problem, budget, range(repeats), 0, 0))
            marks.append(time.process_time())
            engines = [Engine(problem, order, Serving()) for order in drawn]
            samplers = [Sampler(engine, (0,)) for engine in engines]
            marks.append(time.process_time())
            for sampler in samplers:
                policy.solve(shown, sampler)
            marks.append(time.process_time())
            for repeat, engine in enumerate(engines):
                recorder.add(repeat, engine, GradedAnswer(None, -1, False))
            recorder.tables()
            marks.append(time.process_time())
            for stage in range(4):
                spent[stage] += marks[stage + 1] - marks[stage]
        replays = len(pool.problems) * repeats
        print(f"{label:26}" + "".join(f"{each / replays * 1e3:9.3f}" for each in spent))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pool", type=Path)
    parser.add_argument("--scout", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--solve", action="store_true", help="also time solve in each repeat")
    parser.add_argument("--shares", action="store_true", help="also show its time by stage")
    arguments = parser.parse_args()
    pool = Pool(arguments.pool)
    sides = {"ours": ours(pool, arguments.repeats)}
    if arguments.solve:
        sides["solve"] = ours(pool, arguments.repeats, by_solve=True)
    if arguments.scout:
        sides["SCOUT"] = theirs(arguments.scout, pool.info.benchmark)
    replays = len(pool.problems) * arguments.repeats
    least: dict[tuple[str, str], float] = {}
    for _ in range(arguments.rounds):
        for label, *_ in METHODS:
            for side, calls in sides.items():
                began = time.process_time()
                calls[label]()
                spent = (time.process_time() - began) / replays * 1e3
                least[side, label] = min(spent, least.get((side, label), spent))
    print(f"{'ms per replay':26}" + "".join(f"{side:>9}" for side in sides) + "    ratio")
    labels = [label for label, *_ in METHODS]
    for label in [*labels, "mean"]:
        row = [
            sum(least[side, each] for each in labels) / len(labels)
            if label == "mean"
            else least[side, label]
            for side in sides
        ]
        ratio = f"{row[0] / row[-1]:9.3f}" if len(row) > 1 else ""
        print(f"{label:26}" + "".join(f"{value:9.3f}" for value in row) + ratio)
    if arguments.solve:
        ours_mean, solve = (sum(least[side, each] for each in labels) for side in ("ours", "solve"))
        print(f"ratio replay-at-once {ours_mean / solve:.3f}")
        print(in_yardsticks("replay-solve", solve * replays / 1e3))
    if arguments.shares:
        shares(pool, arguments.repeats)


if __name__ == "__main__":
    main()
