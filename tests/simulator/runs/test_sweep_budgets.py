"""Sweeps over budgets, by -n and by braces in a name; parameters that changed nothing."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pools import T, write_pool
from programs import call, results

from simulator.api.plan import Plan, plan_runs
from simulator.errors import UserError
from simulator.methods import expand_name, family_name
from simulator.runs.idle import about_idle, idle_parameters
from simulator.runs.making import make_run
from simulator.runs.sweep import load_settings, make_sweep, parse_grid

REPEATS = 5


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Make a pool of 6 problems with 9 traces and probes every 5 tokens, and one with 7 traces."""
    rng = random.Random(6)
    for name, traces in (("more", 9), ("less", 7)):
        problems = {
            f"{number:02d}": [
                T(
                    length := rng.randint(5, 90),
                    str(rng.randint(1, 2)),
                    {at: str(rng.randint(1, 2)) for at in range(5, length, 5)},
                )
                for _ in range(traces)
            ]
            for number in range(6)
        }
        write_pool(tmp_path / "cache", problems, benchmark=name)
    return tmp_path / "cache"


@pytest.fixture
def shell(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.chdir(cache.parent)
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", str(cache))
    return lambda *arguments: call(capsys, *arguments)


def planned(cache: Path, policy: str, *typed: str, n: tuple[int, ...] = ()) -> Plan:
    how: dict[str, Any] = {"budget": n or None, "repeats": REPEATS, "cache": cache}
    return plan_runs(policy, parse_grid(typed), ["*more*"], **how)


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ("cons@{8,16}", [("cons@8", {"budget": "8"}), ("cons@16", {"budget": "16"})]),
        ("cons@{8}", [("cons@8", {})]),
        ("cons@8", [("cons@8", {})]),
        (
            "short-{2,3}@{16,4}",
            [
                ("short-2@16", {"m": "2", "budget": "16"}),
                ("short-2@4", {"m": "2", "budget": "4"}),
                ("short-3@16", {"m": "3", "budget": "16"}),
                ("short-3@4", {"m": "3", "budget": "4"}),
            ],
        ),
        ("short-{2,3}@4", [("short-2@4", {"m": "2"}), ("short-3@4", {"m": "3"})]),
        ("cons@{8,}", [("cons@{8,}", {})]),
        ("my_{1,2}.py", [("my_{1,2}.py", {})]),
    ],
)
def test_braces_in_a_name_are_expanded_the_first_slowest(
    spec: str, names: list[tuple[str, dict[str, str]]]
) -> None:
    assert expand_name(spec) == names


@pytest.mark.parametrize(
    ("name", "varied", "family"),
    [
        ("cons@8", ["budget"], "cons@N"),
        ("short-3@16", ["budget"], "short-3@N"),
        ("short-3@16", ["m"], "short-m@16"),
        ("short-3@16", ["m", "budget"], "short-m@k"),
        ("esc", ["budget"], "esc"),
        ("pass@1", ["budget"], "pass@1"),
    ],
)
def test_a_family_has_letters_for_what_varies(name: str, varied: list[str], family: str) -> None:
    assert family_name(name, varied) == family


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize(
    ("policy", "typed", "budgets", "folders"),
    [
        ("cons@{9,2}", (), (), ["n=9", "n=2"]),
        ("short-{1,2}@{4,8}", (), (), ["m=1,n=4", "m=1,n=8", "m=2,n=4", "m=2,n=8"]),
        ("esc", ("window=2,3",), (3, 8), [f"window={w},n={n}" for w in (2, 3) for n in (3, 8)]),
        ("parallel-probe", ("interval=5",), (2, 9), ["n=2", "n=9"]),
    ],
)
def test_each_run_is_what_it_is_alone(
    cache: Path,
    tmp_path: Path,
    policy: str,
    typed: tuple[str, ...],
    budgets: tuple[int, ...],
    folders: list[str],
    jobs: int,
) -> None:
    plan = planned(cache, policy, *typed, n=budgets)
    summaries = make_sweep(plan, tmp_path / "sweep", jobs=jobs)
    assert plan.folders == folders
    for name, spec, summary in zip(folders, plan.specs, summaries, strict=True):
        alone = planned(cache, spec.loaded.spec, n=(spec.budget,) if spec.budget else ())
        assert alone.policy == spec.loaded.name
        assert summary == make_run(spec, tmp_path / name)
        assert results(tmp_path / "sweep" / name) == results(tmp_path / name)
        assert summary["pools"][0]["budget"] == int(name.rpartition("=")[2])


def test_smaller_budgets_start_the_first_traces_of_larger_ones(cache: Path, tmp_path: Path) -> None:
    plan = planned(cache, "cons@{3,8}")
    make_sweep(plan, tmp_path / "out")
    columns = ["problem_id", "repeat", "order", "trace_id"]
    few, many = (
        pq.read_table(tmp_path / "out" / name / "decisions.parquet", columns=columns).to_pylist()
        for name in plan.folders
    )
    assert sorted(few, key=str) == sorted((row for row in many if row["order"] < 3), key=str)
    assert len(few) == 3 * 6 * REPEATS


@pytest.mark.parametrize(
    ("policy", "first", "more"),
    [("cons@{%s}", "2,4", "2,4,8"), ("esc", "2,4", "8,2,4")],
)
def test_resume_adds_budgets(shell: Any, cache: Path, policy: str, first: str, more: str) -> None:
    def made(values: str, *options: str) -> Any:
        braces = "%s" in policy
        name = policy % values if braces else policy
        how = () if braces else ("-n", values)
        return shell("run", name, *how, "-d", "*more*", "--repeats", "2", "-o", "out", *options)

    assert made(first)[0] == 0
    before = results(Path("out/n=2"))
    code, out, _ = made(more, "--resume")
    assert code == 0
    assert "sweep: out (3 runs" in out
    assert results(Path("out/n=2")) == before
    assert json.loads(Path("out/sweep.json").read_text())["runs"] == [
        f"n={each}" for each in more.split(",")
    ]
    code, _, err = made(more, "--resume", "--seed", "1")
    assert (code, "another seed" in err) == (2, True)


def test_json_has_the_budgets(shell: Any) -> None:
    _, out, _ = shell("run", "esc", "-n", "3,8", "-d", "*more*", "--repeats", "2", "--json")
    printed = json.loads(out)
    assert [run["pools"][0]["budget"] for run in printed["runs"]] == [3, 8]
    assert printed["changed_nothing"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("esc", "-n", "2,8,16"), "test/model/less has a problem with only 7 traces, fewer "
         "than the budget of 8; give -n 7 or less"),
        (("cons@{2,9}",), "only 7 traces, fewer than the budget of 9; give a name with 7 or less"),
        (("esc", "-n", "2,2"), "2 occurs twice"),
        (("esc", "-n", "2,x"), "'x' is not a valid integer"),
        (("esc", "-n", "2,0"), "0 is not in the range x>=1"),
        (("cons@{2,02}",), "cons@{2,02}: 2 and 02 are the same"),
        (("cons@{2,2}",), "cons@{2,2}: has cons@2 twice; give each number once"),
        (("short-{1,1}@{2,4}",), "short-{1,1}@{2,4}: has short-1@2 twice"),
        (("cons@{2,4}", "-n", "2"), "-n 2: the name cons@4 already sets the budget"),
        (("cons@2", "cons@4"), "quote its braces, as in 'cons@{8,16,32}'"),
        (("cons@2", "esc.py"), "give one POLICY; got 2: cons@2 esc.py"),
        (("short-3@4", "-p", "m=2"), "-p m=2: the name short-3@4 already sets m=3"),
        (("short-{2,3}@4", "-p", "m=2"), "-p m=2: the name short-2@4 already sets m=2"),
        (("cons@4", "-p", "budget=2"), "-p budget: the name cons@4 sets the budget"),
        (("cons@4", "-p", "x=2"), "-p x: cons@4 has no parameters"),
        (("pass@1", "-p", "x=2"), "-p x: pass@1 has no parameters"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_a_line(
    shell: Any, arguments: tuple[str, ...], said: str
) -> None:
    code, _, err = shell("run", *arguments, "-o", "out")
    assert code == 2
    assert said in err
    assert err.count("\n") == 1
    assert not [*Path().glob("out*")]


def test_too_large_a_grid_of_budgets_is_refused() -> None:
    with pytest.raises(UserError, match="a grid of 2 x 600 = 1,200 runs"):
        load_settings("esc", parse_grid(["window=2,3"]), budgets=range(1, 601))


# Parameters that changed nothing

IDLE = """
from simulator import Policy, majority_vote

class Mine(Policy):
    ignored = 1
    stop_at = 2
    def solve(self, problem, sampler):
        traces = sampler.start(min(self.stop_at, sampler.budget))
        sampler.decode(traces)
        return majority_vote(traces)
"""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-p", "ignored=1,2", "-p", "stop_at=2,3"), "ignored changed nothing (stop_at did)"),
        (("-p", "ignored=1,2"), "ignored changed nothing"),
        (("-p", "stop_at=2,3", "-n", "4,7"), "N changed nothing (stop_at did)"),
        (("-p", "ignored=1,2", "-n", "4,7"), "ignored and N changed nothing"),
        (("-p", "stop_at=2,9", "-n", "2,7"), ""),  # stop_at has no effect at N=2, but at N=7
    ],
)
def test_a_parameter_that_changed_no_decision_is_named(
    shell: Any, options: tuple[str, ...], said: str
) -> None:
    Path("mine.py").write_text(IDLE)
    code, _, err = shell("run", "mine.py", *options, "--repeats", "2", "-o", "out")
    assert code == 0
    assert err.splitlines() == ([said] if said else [])
    stored = json.loads(Path("out/sweep.json").read_text())["changed_nothing"]
    named = [] if not said else said.partition(" changed")[0].split(" and ")
    assert ["N" if name == "budget" else name for name in stored] == named


SAME_AVERAGES = """
from simulator import Policy

class Mine(Policy):
    requires = {"probes"}
    answers = True
    trace = 0
    def solve(self, problem, sampler):
        traces = sampler.start(2)
        sampler.decode(traces[self.trace : self.trace + 1], tokens=4)
        probed = sampler.probe(traces[self.trace : self.trace + 1])
        return probed[0] if self.answers else None
"""


def test_equal_averages_are_not_taken_for_equal_answers_or_decisions(
    cache: Path, tmp_path: Path
) -> None:
    write_pool(
        tmp_path / "cache",
        {
            f"{number}": [T(20, "1", {3: wrong}), T(20, "1", {3: wrong})]
            for number, wrong in enumerate("23")
        },
        benchmark="wrong-more",
    )
    (tmp_path / "mine.py").write_text(SAME_AVERAGES)
    how: dict[str, Any] = {"repeats": REPEATS, "cache": cache, "in_process": True}
    grid = parse_grid(["answers=True,False", "trace=0,1"])
    plan = plan_runs(str(tmp_path / "mine.py"), grid, ["*wrong-more*"], **how)
    summaries = make_sweep(plan, tmp_path / "out")
    averages = [
        [each["metrics"]["accuracy"], each["metrics"]["tokens_total"]]
        for summary in summaries
        for each in summary["pools"]
    ]
    assert averages == averages[:1] * 4
    made = json.loads((tmp_path / "out" / "sweep.json").read_text())
    assert made["changed_nothing"] == []


def test_a_parameter_that_matters_at_one_budget_is_not_idle(cache: Path, tmp_path: Path) -> None:
    plan = planned(cache, "esc", "window=2,3", n=(2, 9))
    make_sweep(plan, tmp_path / "out")
    swept = {
        tmp_path / "out" / name: each.swept
        for name, each in zip(plan.folders, plan.settings, strict=True)
    }
    assert idle_parameters(swept) == []
    window = {
        run: {"window": each["window"]} for run, each in swept.items() if each["budget"] == "2"
    }
    assert idle_parameters(window) == ["window"]  # a window of 3 is one of 2 at N=2


@pytest.mark.parametrize(
    ("idle", "names", "line"),
    [
        ([], ["a"], ""),
        (["a"], ["a"], "a changed nothing"),
        (["a", "c"], ["a", "b", "c"], "a and c changed nothing (b did)"),
        (["a"], ["a", "b", "c"], "a changed nothing (b and c did)"),
    ],
)
def test_the_line_names_what_did_change_something(
    idle: list[str], names: list[str], line: str
) -> None:
    assert about_idle(idle, names) == line
