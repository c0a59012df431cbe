"""`--baseline` and `--axes` as they are typed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pools import T, write_pool
from programs import call, results

import deepprune_sim as dp
from simulator.api.results import Run, Runs

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One problem is always right, the other never; traces have 10 to 40 tokens."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", str(tmp_path / "cache"))
    problems = {"p": [T(40, "1", {10: "1"})] * 2, "q": [T(20, "2", {10: "1"})] * 2}
    write_pool(Path("cache"), problems)


def ok(capsys: Captured, *arguments: str) -> str:
    code, out, err = call(capsys, *arguments)
    assert (code, "error" in err) == (0, False), err
    return out


def test_a_run_is_compared_with_a_run_beside_it(capsys: Captured) -> None:
    out = ok(capsys, "run", "cons@1", "--baseline", "cons@2", "--repeats", "3", "-o", "runs/x")
    rows = dict(re.findall(r"^ *(.*?) {2,}([^ \n]+)", out, re.MULTILINE))
    assert rows["against cons@2, points"] == "+0.0"
    assert rows["tied with cons@2"] == "yes"
    assert rows["reduction against cons@2, %"] == "50.0"  # 40 + 20 instead of 80 + 40 tokens
    again = "deepprune-sim report runs/x runs/x-baseline --baseline 'x-baseline'"
    assert out.splitlines()[-2:] == ["run: runs/x", f"compared again by: {again}"]
    recorded = json.loads(Path("runs/x/run.json").read_text())["baseline"]
    assert recorded == {"policy": "cons@2", "run": "x-baseline"}
    for name in ("cons@1", "cons@2"):
        ok(capsys, "run", name, "--repeats", "3", "-o", f"alone/{name}")
    assert results(Path("runs/x")) == results(Path("alone/cons@1"))
    assert results(Path("runs/x-baseline")) == results(Path("alone/cons@2"))
    shown = ok(capsys, "report", "runs/x", "runs/x-baseline", "--baseline", "x-baseline", "--json")
    raw = json.loads(shown)["rows"][0]
    assert (raw["method"], raw["reduction"], raw["accuracy_difference"]) == ("cons@1", 0.5, 0)


def test_a_baseline_among_the_settings_is_made_once(capsys: Captured) -> None:
    run = ("run", "cons@{1,2}", "--baseline", "cons@2", "--repeats", "2", "-o", "s")
    out = ok(capsys, *run)
    assert "against cons@2" in out
    assert out.splitlines()[-1].startswith("compared again by: deepprune-sim report s --baseline")
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["cache", "s"]
    records = [json.loads(file.read_text()) for file in Path("s").glob("*/run.json")]
    assert [record["baseline"]["policy"] for record in records] == ["cons@2"] * 2
    shown = json.loads(ok(capsys, *run[:-1], "t", "--json"))["runs"]
    pools = [run["pools"][0] for run in shown]
    assert [each["baseline"] for each in pools] == ["cons@2"] * 2
    assert [each["metrics"]["reduction"]["value"] for each in pools] == [0.5, 0]
    assert [each["metrics"]["baseline_tokens_per_problem"]["value"] for each in pools] == [60, 60]


def test_a_sweep_is_ordered_by_the_chosen_axes(capsys: Captured) -> None:
    run = ("run", "cons@{1,2}", "--repeats", "2", "-o")
    usual, timed = ok(capsys, *run, "s"), ok(capsys, *run, "t", "--axes", "clock,accuracy")
    assert "clock" not in usual
    assert "no other setting is as good in both cost and accuracy" in " ".join(usual.split())
    assert "clock," in timed
    assert "Pareto, by accuracy and clock: no other setting" in " ".join(timed.split())
    fronts = [re.findall(r"^ *(\d) .* yes$", out, re.MULTILINE) for out in (usual, timed)]
    assert fronts == [["1"], ["1", "2"]]  # two traces take twice the tokens of one, and as long


def test_a_name_without_n_has_that_of_the_run(capsys: Captured) -> None:
    ok(capsys, "run", "pass@1", "-n", "2", "--baseline", "esc", "--repeats", "2", "-o", "x")
    record = json.loads(Path("x-baseline/run.json").read_text())
    assert (record["policy"]["name"], record["budget"]) == ("esc", 2)


def test_what_the_baseline_does_not_use_is_left_to_the_policy(capsys: Captured) -> None:
    run = ("run", "sac", "-n", "2", "--probe-cost", "3+4", "--baseline", "cons@2")
    ok(capsys, *run, "--repeats", "2")
    assert len([*Path("runs").glob("*-baseline")]) == 1


def test_an_interrupted_comparison_goes_on(capsys: Captured) -> None:
    ok(capsys, "run", "cons@2", "--repeats", "2", "-o", "x-baseline")
    run = ("run", "cons@1", "--baseline", "cons@2", "-o", "x", "--repeats", "2")
    assert "already exists" in call(capsys, *run)[2]
    wrong = call(capsys, *run, "--seed", "1", "--resume")
    assert (
        wrong[2].splitlines()[-1]
        == "error: x-baseline: a run with another seed; remove it, or give another -o"
    )
    before = results(Path("x-baseline"))
    assert "against cons@2, points" in ok(capsys, *run, "--resume")
    assert results(Path("x-baseline")) == before


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["run", "cons@1", "--baseline", "conz@2"], "error: --baseline: conz@2: neither a"),
        (["run", "cons@1", "--baseline", "cons@9"], "error: --baseline: pool test/model/tiny"),
        (["run", "cons@1", "--baseline", "cons@9"], "only 2 traces, fewer than the budget of 9"),
        (["report", "alone", "--baseline", "esc"], "error: --baseline esc: no such row on"),
        (["report", "alone", "--axes", "accuracy"], "error: --axes accuracy: give accuracy and"),
        (["report", "alone", "--axes", "speed"], "error: --axes speed: 'speed' is none of"),
    ],
)
def test_what_cannot_be_is_one_line(capsys: Captured, arguments: list[str], why: str) -> None:
    ok(capsys, "run", "cons@1", "--repeats", "2", "-o", "alone")
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "")
    assert why in err
    assert err.count("\n") == 1


def test_clock_and_total_cost_are_in_a_report_of_100_columns(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    ok(capsys, "run", "cons@2", "--repeats", "2", "-o", "cons")
    ok(capsys, "run", "sac", "-n", "2", "--repeats", "2", "-o", "sac")
    monkeypatch.setenv("COLUMNS", "100")
    for axes, named in (("accuracy,total", ""), ("accuracy,clock", "accuracy and clock")):
        out = ok(capsys, "report", "cons", "sac", "--axes", axes)
        lines = out.splitlines()
        assert max(map(len, lines)) <= 100
        heading = " ".join(lines[:3])
        assert "clock" in heading
        assert "cost" in heading
        assert (f"Pareto by {named}" in heading) == bool(named)


def test_python_compares_as_the_command_line_does(capsys: Captured) -> None:
    typed = ("run", "cons@1", "--baseline", "cons@2", "--repeats", "3", "--json")
    (entry,) = json.loads(ok(capsys, *typed, "-o", "runs/typed"))["pools"]
    run = dp.run("cons@1", baseline="cons@2", repeats=3, output="runs/made")
    assert isinstance(run, Run)
    for name in ("made", "made-baseline"):
        assert results(Path("runs", name)) == results(Path("runs", name.replace("made", "typed")))
    record, before = (
        json.loads(Path("runs", name, "run.json").read_text()) for name in ("made", "typed")
    )
    assert record["baseline"] == before["baseline"] | {"run": "made-baseline"}
    assert "--baseline cons@2" in " ".join(record["command"])
    figures = run.summary().xs("test/model/tiny")
    assert {*figures.index} == {*entry["metrics"]}
    for name, metric in entry["metrics"].items():
        assert figures.loc[name, "value"] == metric["value"]
    assert figures.loc["reduction", "value"] == 0.5  # 60 instead of 120 tokens, not cons@1's 60
    assert "cons@2" in repr(run)
    assert run.baseline is not None
    assert run.baseline.policy == "cons@2"


def test_python_has_a_baseline_among_the_settings_and_goes_on() -> None:
    sweep = dp.run("esc", budget=[1, 2], baseline="esc", repeats=2, output="s")
    assert isinstance(sweep, Runs)
    assert sweep.baseline is not None
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["cache", "s"]
    assert sweep.baseline.path == Path("s/n=2")
    saved = sweep.summary().xs("reduction", level="metric")["value"]
    assert saved.tolist() == [0.5, 0]
    dp.run("cons@2", repeats=2, output="x-baseline")
    with pytest.raises(dp.UserError, match="already exists"):
        dp.run("cons@1", baseline="cons@2", repeats=2, output="x")
    run = dp.run("cons@1", baseline="cons@2", repeats=2, output="x", resume=True)
    assert run.summary().loc[("test/model/tiny", "reduction"), "value"] == 0.5
    with pytest.raises(dp.UserError, match=r"^baseline=<class .*: give a built-in name or a file$"):
        dp.run("cons@1", baseline=dp.Policy)  # type: ignore[arg-type]
