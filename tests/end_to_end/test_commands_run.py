"""`deepprune-sim run` and `methods` as they are typed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pools import T, write_pool
from programs import call

from simulator.cli import COMMANDS, cli

SAMPLE_NAME = "generated/sample-8b/aime-like"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", str(tmp_path / "cache"))


def real_pool(benchmark: str = "tiny", *, probes: bool = False) -> None:
    stored = {10: "1"} if probes else None
    problems = {"p": [T(10, "1", stored), T(30, "1", stored)], "q": [T(20, "2", stored)] * 2}
    write_pool(Path("cache"), problems, benchmark=benchmark)


def test_without_any_pool_a_sample_is_made_and_marked(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "run", "cons@4", "--repeats", "2")
    assert code == 0
    assert "making a small generated sample (synthetic)" in err
    assert f"{SAMPLE_NAME} (synthetic)" in out
    assert "not for any claim" in " ".join(out.split())
    code, _, err = call(capsys, "run", "cons@4", "--repeats", "2")
    assert (code, err) == (0, "")  # only once


def test_the_final_table_has_every_figure_with_its_interval(
    capsys: pytest.CaptureFixture[str],
) -> None:
    real_pool()
    code, out, err = call(capsys, "run", "short-1@2", "--repeats", "2", "-o", "out")
    assert (code, err) == (0, "")
    rows = [re.split(r" {2,}", line.strip()) for line in out.splitlines()]
    for row in (
        ["accuracy, %", "50.0", "[0.0, 100.0]"],
        ["against cons@2, points", "+0.0", "[+0.0, +0.0]"],
        ["tokens a problem", "30", "[20, 40]"],
        ["tokens in all, 10^8", "6e-07", "[4e-07, 8e-07]"],
        ["reduction against cons@2, %", "25.0", "[0.0, 50.0]"],
        ["clock a problem, steps", "15", "[10, 20]"],
    ):
        assert row in rows
    assert out.endswith("run: out\n")


def test_json_is_the_summary_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    real_pool()
    _, out, _ = call(capsys, "run", "cons@2", "--repeats", "2", "-o", "out", "--json")
    printed = json.loads(out)
    assert printed.pop("run") == "out"
    assert printed.pop("stop_rules") == []
    assert printed == json.loads(Path("out/summary.json").read_text())


def test_real_pools_push_generated_ones_aside(capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, "run", "cons@2", "--repeats", "1")
    real_pool()
    _, out, _ = call(capsys, "run", "cons@2", "--repeats", "1")
    assert "test/model/tiny" in out
    assert SAMPLE_NAME not in out
    _, out, _ = call(capsys, "run", "cons@2", "--repeats", "1", "-d", "generated/*")
    assert SAMPLE_NAME in out


def test_pools_without_the_signal_are_left_out_or_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    real_pool()
    code, _, err = call(capsys, "run", "sac")
    assert code == 2
    assert "needs probes, which no pool" in err
    real_pool("probed", probes=True)
    code, out, err = call(capsys, "run", "sac", "--repeats", "1")
    assert code == 0
    assert "test/model/tiny: skipped, it lacks probes" in err
    assert "test/model/probed" in out
    code, _, err = call(capsys, "run", "sac", "-d", "*tiny")
    assert code == 2
    assert "test/model/tiny has no probes, which sac needs" in err


def test_a_smaller_budget_than_the_method_asks_for_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    real_pool()
    _, _, err = call(capsys, "run", "asc", "--repeats", "1")
    assert "budget 2 instead of 40" in err


def test_a_stop_rule_that_never_halted_a_trace_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    real_pool(probes=True)
    _, _, err = call(capsys, "run", "sac", "-n", "2", "--repeats", "3")
    # 10 + 30 + 2 x 20 tokens of 4 traces
    assert err == "ProbesAgree never halted a trace of test/model/tiny (mean length 20 tokens)\n"
    _, _, err = call(capsys, "run", "sac", "-n", "2", "--repeats", "3", "-p", "in_a_row=1")
    assert err == ""
    _, out, err = call(capsys, "run", "sac", "-n", "2", "--repeats", "3", "--json")
    assert json.loads(out)["stop_rules"] == [
        {"pool": "test/model/tiny", "rule": "ProbesAgree", "halts": 0}
    ]
    assert err == ""
    swept = ("run", "sac", "-n", "2", "--repeats", "3", "-p", "in_a_row=1,2,3")
    _, _, err = call(capsys, *swept)
    assert "never halted a trace of test/model/tiny in 2 of 3 settings (mean length 20" in err
    _, out, _ = call(capsys, *swept, "--json")
    # p's longer trace and q's two halt at 10 tokens, p's other one ends there; 3 repeats.
    rules = [each["stop_rules"][0]["halts"] for each in json.loads(out)["runs"]]
    assert rules == [9, 0, 0]


def test_resume_without_a_folder_starts_one_or_says_it_is_complete(
    capsys: pytest.CaptureFixture[str],
) -> None:
    real_pool()
    code, _, err = call(capsys, "run", "cons@2", "--repeats", "1", "--resume")
    assert code == 0
    assert "no interrupted run" in err
    call(capsys, "run", "cons@2", "--repeats", "1", "-o", "out")
    code, _, err = call(capsys, "run", "cons@2", "--repeats", "1", "-o", "out", "--resume")
    assert code == 2
    assert "already complete" in err


def test_a_policy_file_with_a_parameter(capsys: pytest.CaptureFixture[str]) -> None:
    real_pool()
    Path("mine.py").write_text(
        "from simulator import Policy\n"
        "class Mine(Policy):\n"
        "    tokens = 5\n"
        "    def solve(self, problem, sampler):\n"
        "        sampler.decode(sampler.start(1), tokens=self.tokens)\n"
        "        return '1'\n"
    )
    arguments = ("run", "mine.py@Mine", "-p", "tokens=7", "--repeats", "1", "--json", "-n", "2")
    _, out, _ = call(capsys, *arguments)
    metrics = json.loads(out)["pools"][0]["metrics"]
    assert metrics["tokens_per_problem"]["value"] == 7
    assert metrics["accuracy"]["value"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["runn"], "did you mean run?"),
        (["run", "con@64"], "did you mean cons@64?"),
        (["run", "cons@2", "--repeats", "0"], "--repeats"),
        (["run", "esc", "-p", "windows=3"], "did you mean window?"),
        (["run", "esc", "-p", "window=three"], "expected int"),
        (["run", "esc", "-p", "window"], "name=value"),
        (["run", "esc", "-p", "window=3", "-p", "window=4"], "given twice"),
        (["run", "cons@2", "-d", "nothing"], "nothing"),
        (["run", "cons@2", "--step-seconds", "fast"], "--step-seconds fast"),
        (["run"], "POLICY"),
    ],
)
def test_wrong_calls_end_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    real_pool()
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err


def test_methods_lists_every_built_in_with_its_parameters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, out, _ = call(capsys, "methods", "--json")
    methods = {method["name"]: method for method in json.loads(out)}
    assert list(methods) == [
        *("pass@1", "cons@N", "asc", "esc", "sprt", "msprt", "doubling", "short-m@k"),
        *("sac", "parallel-probe", "deepconf-low", "deepconf-high", "deepconf-offline"),
        *("self-certainty", "deepprune", "oracle"),
    ]
    assert methods["parallel-probe"]["parameters"]["stable_steps"] == 40
    assert methods["oracle"]["unranked"]
    _, out, _ = call(capsys, "methods")
    assert "-p window=5" in out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command_ends_with_an_example(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    code, out, _ = call(capsys, name, "-h")
    assert code == 0
    assert "Example" in out.strip().split("\n\n")[-1]


def test_group_help_tells_what_the_commands_say_of_themselves() -> None:
    for name, (_, line) in COMMANDS.items():
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        assert command.help
        assert line.endswith(".")
