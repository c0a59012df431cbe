"""Costs of probes in submissions: recomputed from their number, and rerun."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pools import T, write_pool
from submitted import edit_json, edit_rows, found, statuses, submit, verified, write_policy

from simulator.pools.pool import Pool
from simulator.pools.probe_cost import FREE, ProbeCost
from simulator.replay.serving import Serving, parse_step_seconds

PROBING = """
from simulator import Policy, ProbesAgree, majority_vote

class Probing(Policy):
    requires = {"probes"}
    def solve(self, problem, sampler):
        sampler.probe(sampler.start(1))
        traces = sampler.start(sampler.budget - 1)
        sampler.decode(traces, until=ProbesAgree(2), first=2)
        votes = sampler.probe(traces)
        return majority_vote(votes) if sampler.probe_tokens else None
"""


def pool_of(folder: Path) -> Pool:
    traces = [
        T(30 + 7 * n, str(n % 3), {10: str(n % 2), 20: str(n % 2), 30: str(n % 3)})
        for n in range(6)
    ]
    return write_pool(folder / "pools", {"p": traces, "q": traces[::-1]})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    return submit(folder, "sac", pool=pool_of(folder))


@pytest.fixture
def submission(tmp_path: Path, made: Path) -> Path:
    shutil.copytree(made.parent.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / "submissions" / made.name


@pytest.mark.parametrize(
    "serving",
    [
        Serving(),
        Serving(2),
        Serving(3, parse_step_seconds("1:0.01,8:0.03")),
        Serving(None, ((1, 0.5),), 0.01, 0.02, 40, kv_tokens=100, probe_steps=3),
    ],
)
@pytest.mark.parametrize("cost", [None, FREE, ProbeCost(5, 3)])
@pytest.mark.parametrize("policy", ["parallel-probe", "sac", "file"])
def test_an_honest_run_with_probes_recomputes_to_itself(
    tmp_path: Path, policy: str, cost: ProbeCost | None, serving: Serving
) -> None:
    name = write_policy(tmp_path, PROBING) if policy == "file" else policy
    pool = pool_of(tmp_path)
    submission = submit(tmp_path, name, pool=pool, serving=serving, probe_cost=cost)
    assert statuses(verified(submission)) == ["passed", "passed", "skipped"]


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("probe_tokens", 1, "probe_tokens is 1, 10+20 tokens for each probe give"),
        ("probe_calls", 10**15, "probe_calls is 1000000000000000, which is impossible"),
        ("clock", 10.0**9, "steps for each of"),
        ("clock", 0.0, "clock is 0.0"),
        ("clock", 61.5, "clock is 61.5"),
        ("clock", float("nan"), "clock is nan"),
    ],
)
def test_tampered_costs_of_probes_are_told(
    submission: Path, column: str, value: object, said: str
) -> None:
    def edit(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        rows[0][column] = value
        return rows

    edit_rows(submission / "answers.parquet", edit)
    (finding,) = found(verified(submission), "recomputed")
    assert said in finding


def test_a_cost_is_said_to_be_what_it_is(submission: Path) -> None:
    run = submission / "run.json"
    assert json.loads(run.read_text())["pools"][0]["probe_cost"] == {
        "suffix": 10,
        "answer": 20,
        "source": "default",
    }
    edit_json(run, lambda fields: fields["pools"][0]["probe_cost"].update(suffix=1))
    (finding,) = found(verified(submission), "recomputed")
    assert "a probe of test/model/tiny is recorded with 1+20 tokens (default)" in finding
    assert "here it has 10+20 (default)" in finding


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        ({"suffix": -1, "answer": 1, "source": "given"}, "suffix"),
        ({"suffix": 1, "source": "given"}, "answer"),
        ({"suffix": 1, "answer": 1, "source": "thin air"}, "source"),
        (7, "probe_cost"),
    ],
)
def test_a_malformed_cost_is_refused(submission: Path, cost: object, said: str) -> None:
    edit_json(submission / "run.json", lambda run: run["pools"][0].update(probe_cost=cost))
    (finding,) = found(verified(submission), "well-formed")
    assert said in finding


@pytest.mark.parametrize(
    ("charging", "said"),
    [
        ("scout", "its tokens are counted by --charging scout; submit a run that counts those"),
        ("all", "charging 'all' is none of generated, scout"),
        (7, "'charging' is 7"),
    ],
)
def test_a_submission_that_counts_other_tokens_is_refused(
    submission: Path, charging: object, said: str
) -> None:
    edit_json(submission / "run.json", lambda run: run.update(charging=charging))
    (finding,) = found(verified(submission), "well-formed")
    assert said in finding


def test_a_run_of_before_counts_the_tokens_generated(submission: Path) -> None:
    edit_json(submission / "run.json", lambda run: run.pop("charging"))
    assert statuses(verified(submission))[:2] == ["passed", "passed"]


def test_a_rerun_charges_what_the_run_charged_and_notes_a_cost_that_was_given(
    tmp_path: Path,
) -> None:
    pool, cost = pool_of(tmp_path), ProbeCost(1, 2)
    made = submit(tmp_path, "sac", pool=pool, probe_cost=cost, repeats=64)
    verification = verified(made, run_again=True)
    assert statuses(verification) == ["passed", "passed", "passed"]
    assert any(
        "a probe of test/model/tiny costs 1+2 tokens by --probe-cost, not 10+20" in note
        for step in verification.steps
        for note in step.notes
    )
