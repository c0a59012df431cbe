"""`deepprune-sim run` and `methods` as they are typed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pools import T, write_pool
from programs import call, results

from simulator.cli import COMMANDS, cli
from simulator.pools.pool import Pool
from simulator.pools.shipped import shipped_pools

(SHIPPED,) = shipped_pools()


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", str(tmp_path / "cache"))


def real_pool(benchmark: str = "tiny", *, probes: bool = False) -> None:
    stored = {10: "1"} if probes else None
    problems = {"p": [T(10, "1", stored), T(30, "1", stored)], "q": [T(20, "2", stored)] * 2}
    write_pool(Path("cache"), problems, benchmark=benchmark)


def test_without_any_pool_the_one_that_comes_along_is_copied_and_replayed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, err = call(capsys, "run", "cons@4", "--repeats", "2")
    assert code == 0
    assert err.startswith("no recorded pool in ")
    assert err.endswith(f"/cache: replaying {SHIPPED}, which comes with deepprune-sim\n")
    assert err.count("\n") == 1
    assert out.startswith(f"{SHIPPED}: ")
    assert "synthetic" not in out.lower()
    (copy,) = Path("cache").glob("*/*/*")
    for file in shipped_pools()[SHIPPED].iterdir():
        assert (copy / file.name).read_bytes() == file.read_bytes()
    code, again, err = call(capsys, "run", "cons@4", "--repeats", "2")
    assert (code, err) == (0, "")  # it is there now
    assert again.startswith(f"{SHIPPED}: ")


def test_both_pool_formats_give_the_same_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    for method in ("deepconf-low", "deepconf-offline"):
        run = ("run", method, "-d", "shipped/*", "-n", "16", "--repeats", "2", "-o")
        assert call(capsys, "data", "convert", "shipped/*", "--to", "1")[0] == 0
        assert call(capsys, *run, f"{method}-1")[0] == 0
        assert call(capsys, "data", "convert", "shipped/*")[0] == 0
        assert call(capsys, *run, f"{method}-2")[0] == 0
        assert results(Path(f"{method}-1")) == results(Path(f"{method}-2"))


def test_pools_of_ones_own_are_replayed_instead(capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, "run", "cons@4", "--repeats", "2")
    real_pool()
    code, out, err = call(capsys, "run", "cons@2", "--repeats", "2")
    assert (code, err) == (0, "")
    assert out.startswith("test/model/tiny: ")
    assert SHIPPED not in out


def test_parameters_that_a_pool_names_are_used_and_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    named = Pool(shipped_pools()[SHIPPED]).info.settings["deepconf-low"]
    run = ("run", "deepconf-low", "-d", "shipped/*", "--repeats", "1", "--json")
    code, out, err = call(capsys, *run)
    assert code == 0
    for name, value in named.items():
        assert f"-p {name}={value}" in err
        assert json.loads(out)["parameters"][name] == json.loads(value)
    assert "give -p for other values" in err
    code, out, err = call(capsys, *run, "-p", "window=100")
    assert json.loads(out)["parameters"]["window"] == 100
    assert "window=" not in err


def test_the_final_table_has_every_figure_with_its_interval(
    capsys: pytest.CaptureFixture[str],
) -> None:
    real_pool()
    code, out, err = call(capsys, "run", "short-1@2", "--repeats", "2", "-o", "out")
    assert (code, err) == (0, "")
    rows = [re.split(r" {2,}", line.strip()) for line in out.splitlines()]
    for row in (
        ["accuracy, %", "50.0", "[0.0, 100.0]"],
        ["against cons@2, points", "+0.0", "[-100.0, +100.0]"],
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
    assert printed.pop("no_answer") == {"test/model/tiny": 0.0}
    assert printed == json.loads(Path("out/summary.json").read_text())


def test_real_pools_push_generated_ones_aside(capsys: pytest.CaptureFixture[str]) -> None:
    traces = {"p": [T(10, "1"), T(30, "1")]}
    write_pool(Path("cache"), traces, benchmark="made", synthetic=True)
    real_pool()
    _, out, _ = call(capsys, "run", "cons@2", "--repeats", "1")
    assert "test/model/tiny" in out
    assert "synthetic" not in out
    _, out, _ = call(capsys, "run", "cons@2", "--repeats", "1", "-d", "*/made")
    assert out.startswith("test/model/made (synthetic)")


def test_pools_without_the_signal_are_left_out_or_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    real_pool()
    code, _, err = call(capsys, "run", "sac")
    assert code == 2
    assert "needs probes, which no recorded pool here has" in err
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


@pytest.mark.parametrize("how", [(), ("--in-process",)])
@pytest.mark.parametrize("what", ["requires", "optional"])
def test_signals_may_be_given_as_a_list(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    what: str,
    how: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("listed.py").write_text(
        "from deepprune_sim import Policy, majority_vote\n\n\n"
        "class Listed(Policy):\n"
        f"    {what} = ['probes']\n\n"
        "    def solve(self, problem, sampler):\n"
        "        assert problem.signals == {'probes'}\n"
        "        traces = sampler.start(2)\n"
        "        sampler.decode(traces, tokens=64)\n"
        "        return majority_vote(sampler.probe(traces))\n"
    )
    typed = ("run", "listed.py", "-n", "2", "--repeats", "1", "-d", "shipped/*", *how)
    code, _, err = call(capsys, *typed, "--probe-cost", "0", "-o", "out")
    assert (code, "error" in err) == (0, False)


@pytest.mark.parametrize("folder", ["", ".", "..", "/"])
def test_a_folder_without_a_name_is_refused(
    capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    code, _, err = call(capsys, "run", "esc", "-d", "shipped/*", "-o", folder)
    assert code == 2
    assert err.rstrip().endswith(f"{folder!r} is no name; give that of a new folder.")


def test_a_sweep_needs_the_signals_of_every_setting(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for order in ("entropy,probe_entropy", "probe_entropy,entropy"):
        code, _, err = call(capsys, "run", "eat", "-p", f"signal={order}", "-d", "shipped/*")
        assert code == 2
        assert "lacks probe_entropy" in err or "has no probe_entropy" in err
        assert not Path("runs").exists()


def test_methods_lists_every_built_in_with_its_parameters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, out, _ = call(capsys, "methods", "--json")
    methods = {method["name"]: method for method in json.loads(out)}
    assert list(methods) == [
        *(
            "pass@1",
            "cons@N",
            "asc",
            "esc",
            "sprt",
            "msprt",
            "doubling",
            "ppr-1v1",
            "beta-sc",
            "bayes-3",
        ),
        *(
            "short-m@k",
            "quorum",
            "steadfast",
            "sac",
            "parallel-probe",
            "cmc",
            "certaindex",
            "dynasor",
            "k-stable",
        ),
        *("eat", "deer"),
        *("deepconf-low", "deepconf-high", "deepconf-offline", "deepconf-optillm"),
        *("deepconf-vllm", "self-certainty", "best-of-n", "weighted-vote", "soft-sc"),
        "tail-entropy",
        *("cges", "reasc", "slim-sc", "deepprune", "oracle"),
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


def test_probes_are_charged_as_the_pool_records_or_as_the_option_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    real_pool(probes=True)

    def made(*options: str) -> tuple[dict[str, float], dict[str, object]]:
        folder = Path("-".join(("run", *options)))
        arguments = ("sac", "-n", "2", "--repeats", "2", "-p", "in_a_row=1", *options)
        code, out, err = call(capsys, "run", *arguments, "-o", str(folder), "--json")
        assert (code, err) == (0, "")
        metrics = json.loads(out)["pools"][0]["metrics"]
        names = ("tokens_per_problem", "probe_calls", "probe_tokens", "cost", "clock")
        record = json.loads((folder / "run.json").read_text())
        return {name: metrics[name]["value"] for name in names}, record["pools"][0]["probe_cost"]

    # Traces of 10 and 30, and of 20 and 20: all but the first have a probe at 10, where they halt;
    # the vote asks these three again. So 2 probes on p and 4 on q.
    values, cost = made()
    assert cost == {"suffix": 10, "answer": 20, "source": "default"}
    assert values == {
        "tokens_per_problem": 20,
        "probe_calls": 3,
        "probe_tokens": 90,
        "cost": 110,
        "clock": 10 + 20 + 20,
    }
    values, cost = made("--probe-cost", "3+4")
    assert cost == {"suffix": 3, "answer": 4, "source": "given"}
    assert (values["probe_tokens"], values["clock"]) == (21, 10 + 4 + 4)
    values, _ = made("--probe-cost", "0")
    assert (values["probe_calls"], values["cost"], values["clock"]) == (3, 20, 10)
    pool = Path("cache/test/model/tiny/pool.json")
    recorded = json.loads(pool.read_text()) | {"probe_cost": {"suffix": 1, "answer": 2}}
    pool.write_text(json.dumps(recorded))
    values, cost = made("--seed", "1")
    assert cost == {"suffix": 1, "answer": 2, "source": "pool"}
    assert values["probe_tokens"] == 9
    code, out, _ = call(capsys, "run", "sac", "-n", "2", "--repeats", "1", "-p", "in_a_row=1")
    assert code == 0
    assert "cost: tokens + probes" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sac", "--probe-cost", "much"), "--probe-cost much: give the tokens of an answer"),
        (("sac", "--probe-cost", "-1"), "--probe-cost -1: give"),
        (("sac", "--probe-cost", "1+2+3"), "--probe-cost 1+2+3: give"),
        (("sac", "--probe-cost", "9999999"), "at most 1,000,000 each"),
        (("cons@2", "--probe-cost", "0"), "cons@2 does not use probes; remove --probe-cost"),
    ],
)
def test_a_wrong_cost_of_probes_is_told(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    real_pool(probes=True)
    code, _, err = call(capsys, "run", *arguments)
    assert code == 2
    assert said in err


def test_a_damaged_cost_of_probes_in_a_pool_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    real_pool(probes=True)
    pool = Path("cache/test/model/tiny/pool.json")
    stored = json.loads(pool.read_text())
    for cost in ({"suffix": 1}, {"suffix": -1, "answer": 1}, {"suffix": 1, "answer": "2"}, [1, 2]):
        pool.write_text(json.dumps(stored | {"probe_cost": cost}))
        code, _, err = call(capsys, "run", "sac")
        assert code == 2
        assert "import the pool again" in err


def test_check_tells_what_a_probe_costs(capsys: pytest.CaptureFixture[str]) -> None:
    real_pool(probes=True)
    _, out, _ = call(capsys, "check", "sac", "-d", "*tiny", "--only", "runs", "--problems", "1")
    assert "costs 10 tokens read and 20 generated" in " ".join(out.split())
    _, out, _ = call(capsys, "check", "cons@2", "-d", "*tiny", "--only", "runs")
    assert "generated" not in out


def test_an_import_stores_what_a_probe_cost(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"problem_id": "p", "gold_answer": "1", "answer": "1", "num_tokens": 30}
    row |= {"probe_positions": [10], "probe_answers": ["1"]}
    Path("traces.jsonl").write_text(json.dumps(row))
    name = ("--dataset", "d", "--model", "m", "--benchmark", "b")
    arguments = ("traces.jsonl", *name, "--probe-cost", "12+7")
    assert call(capsys, "import", "jsonl", *arguments)[0] == 0
    stored = json.loads(Path("cache/d/m/b/pool.json").read_text())
    assert stored["probe_cost"] == {"suffix": 12, "answer": 7}
    assert "12+7" in call(capsys, "data", "show", "d/m/b")[1]
