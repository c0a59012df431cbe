"""Runs: what they record and summarise, on pools whose figures are worked out by hand."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import filelock
import pyarrow.parquet as pq
import pytest
from pools import T, write_pool

from simulator.errors import UserError
from simulator.isolation import host
from simulator.loading import load_policy
from simulator.pools.pool import Pool
from simulator.replay.serving import Serving
from simulator.runs import making
from simulator.runs.making import find_partial, make_run, new_folder, partial_folder
from simulator.runs.results import read_results
from simulator.runs.spec import RunSpec


def two_problems(cache: Path) -> Pool:
    """P is answered rightly by both traces, q wrongly by both."""
    return write_pool(cache, {"p": [T(10, "1"), T(30, "1")], "q": [T(20, "2"), T(20, "2")]})


def spec_of(
    pool: Pool,
    policy: str,
    *,
    budget: int | None = None,
    repeats: int = 3,
    seed: int = 0,
    serving: Serving | None = None,
    **settings: str,
) -> RunSpec:
    loaded = load_policy(policy, settings)
    return RunSpec(loaded, [pool], budget, repeats, seed, serving or Serving())


def metrics_of(tmp_path: Path, spec: RunSpec) -> dict[str, dict[str, float]]:
    metrics: dict[str, dict[str, float]] = make_run(spec, tmp_path / "run")["pools"][0]["metrics"]
    return metrics


def test_summary_of_cons_by_hand(tmp_path: Path) -> None:
    metrics = metrics_of(tmp_path, spec_of(two_problems(tmp_path), "cons@2"))
    values = {name: estimate["value"] for name, estimate in metrics.items()}
    assert values == {
        "accuracy": 0.5,
        "accuracy_difference": 0.0,
        "reduction": 0.0,
        "tokens_total": 80,
        "tokens_1e8": 80 / 1e8,
        "tokens_per_problem": 40,
        "baseline_accuracy": 0.5,
        "baseline_tokens_per_problem": 40,
        "pass_at_k": 0.5,
        "distinct_answers": 1,
        "distinct_answers_share": 1,
        "gold_survived": 1,
        "traces_started": 2,
        "clock": (30 + 20) / 2,
        "probe_calls": 0,
        "judge_calls": 0,
        "judge_tokens": 0,
        "judge_tokens_reused": 0,
        "judge_tokens_charged": 0,
        "probe_tokens": 0,
        "cost": 40,
        "cost_reduction": 0,
    }
    # Of two problems a resample holds p twice, q twice, or one each, at ¼, ¼ and ½.
    assert (metrics["accuracy"]["low"], metrics["accuracy"]["high"]) == (0, 1)
    assert (metrics["clock"]["low"], metrics["clock"]["high"]) == (20, 30)


def test_summary_of_short_m_by_hand(tmp_path: Path) -> None:
    # p ends when its first trace is done, 10 + 10 tokens; q's traces tie, 20 + 20.
    metrics = metrics_of(tmp_path, spec_of(two_problems(tmp_path), "short-1@2"))
    assert metrics["tokens_per_problem"]["value"] == 30
    assert metrics["reduction"] == {"value": 0.25, "low": 0.0, "high": 0.5}
    assert metrics["clock"]["value"] == 15


def test_what_pruning_keeps_by_hand(tmp_path: Path) -> None:
    # The shorter trace is kept: the right one on p, a wrong one on q; on r both are wrong, so that
    # r says nothing about whether the right answer survives.
    traces = {
        "p": [T(10, "1"), T(30, "2")],
        "q": [T(20, "2"), T(40, "1")],
        "r": [T(5, "2"), T(6, "3")],
    }
    metrics = metrics_of(tmp_path, spec_of(write_pool(tmp_path, traces), "short-1@2"))
    assert metrics["distinct_answers"]["value"] == 1
    assert metrics["distinct_answers_share"] == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert metrics["gold_survived"] == {"value": 0.5, "low": 0.0, "high": 1.0}
    assert metrics["pass_at_k"]["value"] == pytest.approx(1 / 3)


def test_without_any_right_trace_nothing_could_survive(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": [T(1, "2")], "q": [T(1, None)]})
    metrics = metrics_of(tmp_path, spec_of(pool, "cons@1"))
    nothing = {"value": None, "low": None, "high": None}
    assert metrics["gold_survived"] == nothing
    assert metrics["distinct_answers_share"] == {"value": 1.0, "low": None, "high": None}
    (result,) = read_results(tmp_path / "run")
    assert "gold_survived" not in result.metrics


def test_answers_are_put_together_in_large_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(two_problems(tmp_path), "cons@2", repeats=5)
    make_run(spec, tmp_path / "one")
    monkeypatch.setattr("simulator.runs.parts.ROWS_PER_PART", 1)
    make_run(spec, tmp_path / "two")
    one, two = (pq.ParquetFile(tmp_path / name / "answers.parquet") for name in ("one", "two"))
    assert (one.num_row_groups, two.num_row_groups) == (1, 2)
    assert one.read().to_pylist() == two.read().to_pylist()
    assert one.read()["problem_id"].to_pylist() == ["p"] * 5 + ["q"] * 5


def test_one_problem_has_no_interval(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": [T(10, "1")]})
    metrics = metrics_of(tmp_path, spec_of(pool, "cons@1"))
    assert metrics["accuracy"] == {"value": 1.0, "low": None, "high": None}


def test_a_run_leaves_nothing_with_the_problems_it_replayed(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": [T(10, "1", {5: "1"})]})
    make_run(spec_of(pool, "sac"), tmp_path / "run")
    assert pool.problems[0].prepared == {}
    assert "probes" not in vars(pool.problems[0])


def test_a_run_records_what_it_is(tmp_path: Path) -> None:
    pool = two_problems(tmp_path)
    spec = spec_of(pool, "esc", seed=7, window="2")
    make_run(spec, tmp_path / "run", command=["deepprune-sim", "run", "esc"])
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["policy"]["parameters"] == {"window": 2}
    assert run["policy"]["settings"] == {"window": "2"}
    assert "class ESC(Policy)" in run["policy"]["source"]
    assert (run["seed"], run["repeats"], run["budget"]) == (7, 3, None)
    assert run["pools"] == [
        {
            "name": "test/model/tiny",
            "fingerprint": pool.info.fingerprint,
            "synthetic": False,
            "token_accuracy": "total",
            "budget": 2,
            "probe_cost": None,
        }
    ]
    assert run["command"] == ["deepprune-sim", "run", "esc"]
    assert run["wall_seconds"] >= 0
    assert {"python", "numpy", "deepprune-sim"} <= set(run["versions"])
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "answers.parquet",
        "decisions.parquet",
        "run.json",
        "summary.json",
    ]


def test_decisions_and_answers_have_a_row_for_everything(tmp_path: Path) -> None:
    make_run(spec_of(two_problems(tmp_path), "short-1@2"), tmp_path / "run")
    decisions = pq.read_table(tmp_path / "run" / "decisions.parquet").to_pylist()
    answers = pq.read_table(tmp_path / "run" / "answers.parquet").to_pylist()
    assert [(row["problem_id"], row["repeat"]) for row in answers] == [
        (problem, repeat) for problem in ("p", "q") for repeat in range(3)
    ]
    assert len(decisions) == 2 * 2 * 3
    for answer in answers:
        mine = [
            row
            for row in decisions
            if (row["problem_id"], row["repeat"]) == (answer["problem_id"], answer["repeat"])
        ]
        assert sum(row["num_tokens"] for row in mine) == answer["tokens"]
        assert max(row["ended"] for row in mine) == answer["clock"]
        assert [row["order"] for row in mine] == [0, 1]
    p = {row["trace_id"]: row for row in decisions[:2]}
    assert (p[0]["num_tokens"], p[0]["finished"], p[0]["stop_reason"]) == (10, True, "finished")
    assert (p[1]["num_tokens"], p[1]["finished"], p[1]["stop_reason"]) == (10, False, "first")


@pytest.fixture
def many(tmp_path: Path) -> Pool:
    """Nine problems of nine traces each, lengths and answers all over the place."""
    problems = {
        f"{i}": [
            T(7 + (i * 13 + j * 29) % 50, None if (i + j) % 7 == 0 else f"{(i * j) % 4}")
            for j in range(9)
        ]
        for i in range(9)
    }
    return write_pool(tmp_path / "many", problems)


RESULTS = ("decisions.parquet", "answers.parquet", "summary.json")


def results_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in RESULTS}


@pytest.mark.parametrize("policy", ["asc", "short-2@6"])
def test_one_process_or_three_give_the_same_bytes(tmp_path: Path, many: Pool, policy: str) -> None:
    for jobs in (1, 3):
        make_run(spec_of(many, policy, repeats=70), tmp_path / f"{jobs}", jobs=jobs)
    assert results_of(tmp_path / "1") == results_of(tmp_path / "3")


def test_a_seed_changes_the_orders_and_nothing_else_does(tmp_path: Path, many: Pool) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_run(spec_of(many, "cons@4", seed=seed), tmp_path / name)
    assert results_of(tmp_path / "a") == results_of(tmp_path / "b")
    assert results_of(tmp_path / "a") != results_of(tmp_path / "c")


def test_more_repeats_extend_a_run(tmp_path: Path, many: Pool) -> None:
    for repeats in (5, 80):
        make_run(spec_of(many, "cons@4", repeats=repeats), tmp_path / f"{repeats}")
    few, more = (
        [
            row
            for row in pq.read_table(tmp_path / name / "answers.parquet").to_pylist()
            if row["repeat"] < 5
        ]
        for name in ("5", "80")
    )
    assert few == more


def test_random_policies_are_as_deterministic(tmp_path: Path, many: Pool) -> None:
    policy = tmp_path / "random_policy.py"
    policy.write_text(
        "from simulator import Policy, majority_vote\n"
        "class Some(Policy):\n"
        "    def solve(self, problem, sampler):\n"
        "        traces = sampler.start(int(sampler.rng.integers(1, sampler.budget)))\n"
        "        sampler.decode(traces, tokens=int(sampler.rng.integers(1, 60)))\n"
        "        return majority_vote(traces)\n"
    )
    for name in ("a", "b"):
        make_run(spec_of(many, str(policy)), tmp_path / name)
    assert results_of(tmp_path / "a") == results_of(tmp_path / "b")


def test_a_run_that_was_cut_off_is_taken_up(tmp_path: Path, many: Pool) -> None:
    spec = spec_of(many, "cons@4", repeats=10)
    make_run(spec, tmp_path / "whole")

    def stop_half_way(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_run(spec, tmp_path / "cut", progress=stop_half_way)
    assert not (tmp_path / "cut").exists()
    assert find_partial(tmp_path, spec) == tmp_path / "cut"
    assert find_partial(tmp_path, spec_of(many, "cons@4", repeats=11)) is None

    replayed: list[int] = []
    make_run(
        spec, tmp_path / "cut", resume=True, progress=lambda done, total: replayed.append(done)
    )
    assert replayed[0] == 50  # problems 0 to 4 were there
    assert results_of(tmp_path / "cut") == results_of(tmp_path / "whole")
    assert not partial_folder(tmp_path / "cut").exists()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_records_the_halts_by_each_kind_of_stop_rule(tmp_path: Path, jobs: int) -> None:
    # In 4 repeats, p's traces halt at 5 and 8, the end of the second; q's have one probe or none.
    halting = write_pool(
        tmp_path,
        {
            "p": [T(9, "1", {2: "1", 5: "1"}), T(8, "1", {4: "1", 8: "1"})],
            "q": [T(9, "1", {5: "1"}), T(9, "1", {})],
        },
    )
    idle = write_pool(tmp_path, {"p": [T(9, "1", {5: "1"})] * 2}, benchmark="idle")
    policy = tmp_path / "rules.py"
    policy.write_text(
        "from simulator import Policy, ProbesAgree\n"
        "class Rules(Policy):\n"
        "    requires = {'probes'}\n"
        "    def solve(self, problem, sampler):\n"
        "        sampler.decode(sampler.start(2), until=ProbesAgree(2))\n"
    )
    for in_process in (True, False):
        loaded = host.load(str(policy), {}, in_process=in_process)
        spec = RunSpec(loaded, [halting, idle], None, 4, 0, Serving())

        def stop(done: int, total: int) -> None:
            if done > 4:
                raise KeyboardInterrupt

        run = tmp_path / f"run-{in_process}"
        with pytest.raises(KeyboardInterrupt):
            make_run(spec, run, progress=stop, jobs=jobs)
        make_run(spec, run, resume=True, jobs=jobs)
        assert json.loads((run / "run.json").read_text())["stop_rules"] == [
            {"pool": "test/model/tiny", "rule": "ProbesAgree", "halts": 4},
            {"pool": "test/model/idle", "rule": "ProbesAgree", "halts": 0},
        ]


def test_resuming_another_run_says_what_differs(tmp_path: Path, many: Pool) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_run(spec_of(many, "cons@4"), tmp_path / "run", progress=stop)
    with pytest.raises(UserError, match=r"another seed and budget|another policy and seed"):
        make_run(spec_of(many, "cons@3", seed=1), tmp_path / "run", resume=True)
    with pytest.raises(UserError, match="add --resume"):
        make_run(spec_of(many, "cons@4"), tmp_path / "run")
    assert partial_folder(tmp_path / "run").exists()


def test_a_taken_folder_is_refused_and_an_empty_one_used(tmp_path: Path) -> None:
    spec = spec_of(two_problems(tmp_path), "cons@2")
    (tmp_path / "empty").mkdir()
    make_run(spec, tmp_path / "empty")
    with pytest.raises(UserError, match="already exists"):
        make_run(spec, tmp_path / "empty")


@pytest.mark.parametrize(
    ("policy", "budget", "expected"),
    [
        ("cons@5", None, 5),  # the name says it
        ("asc", None, 9),  # 40 by default, at most what the pool holds
        ("asc", 3, 3),
        ("cons@5", 5, 5),
        ("doubling", None, 9),  # 512 by default
    ],
)
def test_budgets(many: Pool, policy: str, budget: int | None, expected: int) -> None:
    assert spec_of(many, policy, budget=budget).budgets == [expected]


def test_a_disk_without_locks_is_no_reason_to_make_no_run(
    tmp_path: Path, many: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    make_run(spec_of(many, "cons@4"), tmp_path / "run")
    assert (tmp_path / "run" / "summary.json").exists()


def test_a_run_under_a_lock_is_made_by_nobody_else(tmp_path: Path, many: Pool) -> None:
    lock = filelock.FileLock(tmp_path / ".run.partial.lock")
    with lock, pytest.raises(UserError, match=r"run\.partial: another process is making this run"):
        make_run(spec_of(many, "cons@4"), tmp_path / "run")
    make_run(spec_of(many, "cons@4"), tmp_path / "run")
    assert [path.name for path in tmp_path.glob("*run*")] == ["run"]


@pytest.mark.parametrize(
    ("policy", "budget", "message"),
    [
        ("cons@10", None, "only 9 traces"),
        ("asc", 10, "only 9 traces"),
        ("cons@5", 6, "already sets the budget"),
    ],
)
def test_budgets_that_cannot_be_met(
    many: Pool, policy: str, budget: int | None, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        _ = spec_of(many, policy, budget=budget).budgets


def test_a_serving_model_makes_the_clock_seconds(tmp_path: Path) -> None:
    # One slot, half a second a step: the traces of each problem run one after another.
    serving = Serving(1, ((1, 0.5),))
    spec = spec_of(two_problems(tmp_path), "cons@2", serving=serving)
    summary: dict[str, Any] = make_run(spec, tmp_path / "run")
    assert summary["pools"][0]["clock_unit"] == "seconds"
    assert summary["pools"][0]["metrics"]["clock"]["value"] == 20.0


def test_new_folders_do_not_collide(tmp_path: Path) -> None:
    first = new_folder(tmp_path, "cons@64")
    first.mkdir()
    second = new_folder(tmp_path, "cons@64")
    partial_folder(second).mkdir()
    assert new_folder(tmp_path, "cons@64") not in (first, second)
    assert "/" not in new_folder(tmp_path, "a b/c").name


def test_a_failed_run_is_removed_though_a_worker_stores_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = tmp_path / "run.partial"
    (partial / "parts").mkdir(parents=True)
    removed = []

    def remove(folder: Path, ignore_errors: bool) -> None:
        removed.append(folder)
        shutil_rmtree(folder, ignore_errors=ignore_errors)
        if len(removed) < 3:
            (folder / "parts").mkdir(parents=True)
            (folder / "parts" / "late.decisions").write_bytes(b"")

    shutil_rmtree = shutil.rmtree
    monkeypatch.setattr(shutil, "rmtree", remove)
    making._remove(partial)
    assert removed == [partial] * 3
    assert not partial.exists()
