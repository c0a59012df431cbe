"""Small submissions for tests, and ways to tamper with them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pools import T, write_pool

from simulator.isolation import host
from simulator.loading import LoadedPolicy
from simulator.pools.pool import Pool
from simulator.pools.probe_cost import ProbeCost
from simulator.replay.serving import Serving
from simulator.runs.making import make_run
from simulator.runs.spec import RunSpec
from simulator.storage import parquet_writer
from simulator.submissions.badges import Verification
from simulator.submissions.packing import pack, write_folder
from simulator.verification.options import Options
from simulator.verification.steps import verify_here

FIELDS: dict[str, Any] = {
    "method": "A method",
    "authors": ["A. Author"],
    "date": tomllib.loads("d = 2026-01-31")["d"],
    "description": "Two words.",
}

PROBLEMS = {
    "p": [T(10, "1"), T(30, "1"), T(20, "2"), T(40, None), T(15, "1"), T(25, "3")],
    "q": [T(11, "2"), T(31, "1"), T(21, "2"), T(41, "1"), T(16, "2"), T(26, "2")],
    "r": [T(50, "1"), T(35, "4"), T(22, "4"), T(12, "1"), T(17, "5"), T(28, "1")],
}

FIRST_TWO = """
from simulator import Policy, majority_vote

class FirstTwo(Policy):
    def solve(self, problem, sampler):
        return majority_vote(sampler.decode(sampler.start(sampler.budget), first=2))
"""


def submit(
    folder: Path,
    policy: str | LoadedPolicy = "short-2@4",
    *,
    pool: Pool | Sequence[Pool] | None = None,
    traces: int = 4,
    repeats: int = 3,
    seed: int = 0,
    serving: Serving | None = None,
    fields: Mapping[str, Any] | None = None,
    probe_cost: ProbeCost | None = None,
) -> Path:
    """Make a submission of a run over small pools, all below `folder`."""
    pool = pool or write_pool(folder / "pools", PROBLEMS)
    pools = [pool] if isinstance(pool, Pool) else pool
    loaded = host.load(policy) if isinstance(policy, str) else policy
    budget = None if loaded.budget else traces
    run = folder / f"run-{seed}"
    asked = (loaded, pools, budget, repeats, seed, serving or Serving())
    make_run(RunSpec(*asked, probe_cost=probe_cost), run)
    return write_folder(pack(run, {**FIELDS, **(fields or {})}), folder / "submissions")


def write_policy(folder: Path, source: str) -> str:
    """Write a policy file of this source."""
    file = folder / "policy.py"
    file.write_text(source, encoding="utf-8")
    return str(file)


def verified(submission: Path, **options: Any) -> Verification:
    """Verify in this process, with the pools beside the submissions; seed 7 is the other."""
    cache = submission.parent.parent / "pools"
    options = {"seed": 7, "run_again": False, **options}
    return verify_here(submission, Options(cache, **options), lambda what, done: None)


def found(verification: Verification, step: str) -> list[str]:
    """Return a step's findings; assert that it failed, with findings of one line each."""
    (result,) = [each for each in verification.steps if each.step == step]
    assert result.status == "failed", verification.steps
    assert all(len(line) < 600 and line.isprintable() for line in result.findings)
    return list(result.findings)


def statuses(verification: Verification) -> list[str]:
    return [step.status for step in verification.steps]


def edit_json(file: Path, edit: Callable[[Any], None]) -> None:
    value = json.loads(file.read_text(encoding="utf-8"))
    edit(value)
    file.write_text(json.dumps(value), encoding="utf-8")


def edit_rows(file: Path, edit: Callable[[list[dict[str, Any]]], Sequence[dict[str, Any]]]) -> None:
    """Change rows of a Parquet file; its form stays as the writer of runs has it."""
    table = pq.read_table(file)
    rows = [*edit(table.to_pylist())]
    with parquet_writer(file, table.schema) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema=table.schema))
