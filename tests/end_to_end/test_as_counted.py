"""Figures counted as other people's programs count: import, run, report, board and submission."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from programs import call

import deepprune_sim as dp
from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import load
from leaderboard_app.views.data.tables import description
from leaderboard_app.views.entry.entry import about_table, commands
from leaderboard_app.views.problem.replay import read_replay
from simulator.catalogue.views import connect
from simulator.errors import UserError
from simulator.pools.pool import Pool
from simulator.runs.results import read_results

PROBES = ["7", "7", "8", "8", "7"]
PROBLEMS = [
    {
        "question": "3 + 4?",
        "gold_answer": "7",
        "probe_freq": 500,
        # Two of four answers are the string 7, one means it; two could not be read.
        "each_branch": [
            [PROBES[:2], 1200, "7"],
            [PROBES, 2600, "7.0"],
            [["ERR"] * 3, 1700, "ERR"],
            [["8"] * 4, 2200, "ERR"],
        ],
    }
]
ALIKE = ("--equality", "exact", "--unparsed", "vote")
POOL = "d/m/b"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "b.json").write_text(json.dumps(PROBLEMS), encoding="utf-8")
    return tmp_path


def made(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    code, out, err = call(capsys, *command)
    assert code == 0, err
    return out


def refused(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    code, out, err = call(capsys, *command)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    return err


def imported(capsys: pytest.CaptureFixture[str], *options: str) -> Pool:
    name = ("--dataset", "d", "--model", "m", "--benchmark", "b")
    made(capsys, "import", "scout", "b.json", *name, *options)
    return Pool(Path("cache") / POOL)


def run(capsys: pytest.CaptureFixture[str], policy: str, output: str, *options: str) -> Any:
    made(capsys, "run", policy, "--repeats", "3", "-o", output, *options)
    (entry,) = json.loads(Path(output, "summary.json").read_text())["pools"]
    return {name: value["value"] for name, value in entry["metrics"].items()}


def test_the_pool_says_how_its_answers_count(capsys: pytest.CaptureFixture[str]) -> None:
    pool = imported(capsys, *ALIKE)
    shown = made(capsys, "data", "show", POOL)
    assert "\nequality        exact\n" in shown
    assert "\nunparsed        vote\n" in shown
    assert "\nno answer       2 traces (50.00%)\n" in shown
    assert made(capsys, "data", "verify", POOL)
    (problem,) = pool.problems
    assert problem.class_texts[problem.answer_class[2]] == "(no answer)"
    assert problem.answered.tolist() == [True, True, False, False]
    stored = json.loads((pool.path / "pool.json").read_text())
    assert (stored["equality"], stored["unparsed"]) == ("exact", "vote")


def test_the_usual_way_is_not_stated_so_that_older_versions_read_the_pool(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pool = imported(capsys)
    assert not {"equality", "unparsed"} & json.loads((pool.path / "pool.json").read_text()).keys()
    assert (pool.info.equality, pool.info.unparsed) == ("meaning", "abstain")


def test_a_vote_follows_the_way_of_counting(capsys: pytest.CaptureFixture[str]) -> None:
    imported(capsys)
    assert run(capsys, "cons@4", "here")["accuracy"] == 1  # 7 and 7.0 against nothing
    imported(capsys, *ALIKE, "--replace")
    assert run(capsys, "cons@4", "alike")["accuracy"] == 0  # two without an answer agree
    (problem,) = imported(capsys, "--equality", "exact", "--replace").problems
    assert problem.answer_class.tolist() == [0, 1, -1, -1]
    assert problem.correct.tolist() == [True, False, False, False]


def test_an_answer_as_text_is_graded_as_the_pool_counts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = "from deepprune_sim import Policy\n\n\nclass Seven(Policy):\n    budget = 4\n\n"
    source += "    def solve(self, problem, sampler):\n        return '7.00'\n"
    Path("seven.py").write_text(source, encoding="utf-8")
    imported(capsys)
    assert run(capsys, "seven.py", "here", "--in-process")["accuracy"] == 1
    imported(capsys, *ALIKE, "--replace")
    assert run(capsys, "seven.py", "alike", "--in-process")["accuracy"] == 0


def test_tokens_are_charged_in_whole_steps_and_decisions_keep_what_was_generated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    imported(capsys)
    # The first to finish has 1200 tokens: 1200 + 1500 + 1500 + 1500 are charged for 4 × 1200.
    assert run(capsys, "short-1@4", "here")["tokens_per_problem"] == 4800
    metrics = run(capsys, "short-1@4", "alike", "--charging", "scout")
    assert metrics["tokens_per_problem"] == 5700
    assert metrics["baseline_tokens_per_problem"] == 1200 + 2600 + 1700 + 2200
    with connect(Path("cache"), runs=Path.cwd()) as catalogue:
        assert catalogue.broken == []  # its figures follow from its decisions
        rows = catalogue.rows(
            "SELECT run, charging, basis, tokens_per_problem AS tokens FROM runs ORDER BY run"
        )
        generated = catalogue.rows(
            "SELECT sum(num_tokens)::INT AS n FROM decisions WHERE run = 'alike'"
        )
    assert rows == [
        {"run": "alike", "charging": "scout", "basis": "recomputed", "tokens": 5700},
        {"run": "here", "charging": "generated", "basis": "recomputed", "tokens": 4800},
    ]
    assert generated == [{"n": 3 * 4800}]


def test_the_board_says_so_and_shows_each_replay(capsys: pytest.CaptureFixture[str]) -> None:
    imported(capsys, *ALIKE)
    run(capsys, "short-1@3", "runs/alike", "--charging", "scout", "--seed", "5")
    library = load(Folders(Path("cache"), Path("runs"), Path("submissions")))
    (entry,) = library.entries
    assert entry.given_cost == "tokens are counted by --charging scout"
    said = {row[0].text: row[1].text for row in about_table(entry).rows}
    assert said["Tokens"] == "by --charging scout"
    assert "Cost of a probe" not in said
    assert commands(entry)[0].endswith("--seed 5 --charging scout")
    (result,) = entry.results.values()
    for repeat in range(3):  # each in the order that the program shuffles
        assert read_replay(library, entry, result, "00", repeat).stored is not None
    fields = dict(description(Pool(Path("cache") / POOL).info))
    assert fields["Equality"] == "Answers are the same only as strings, as they stand"
    assert fields["Unparsed"] == "Answers that could not be read vote"


def test_the_run_and_its_report_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    imported(capsys, *ALIKE)
    out = made(capsys, "run", "cons@4", "--repeats", "3", "-o", "alike", "--charging", "scout")
    assert "Tokens are counted in whole steps from probe to probe" in " ".join(out.split())
    record = json.loads(Path("alike/run.json").read_text())
    assert record["charging"] == "scout"
    assert (record["pools"][0]["equality"], record["pools"][0]["unparsed"]) == ("exact", "vote")
    (result,) = read_results(Path("alike"))
    assert result.charging == "scout"
    assert result.counting == {"equality": "exact", "unparsed": "vote"}
    shown = " ".join(made(capsys, "report", "alike").split())
    assert "Tokens are counted in whole steps from probe to probe" in shown
    assert f"Answers are the same only as strings (--equality exact): {POOL}." in shown
    assert f"Answers that could not be read vote (--unparsed vote): {POOL}." in shown


def test_runs_that_count_differently_are_not_compared(capsys: pytest.CaptureFixture[str]) -> None:
    imported(capsys)
    run(capsys, "cons@4", "here")
    run(capsys, "cons@4", "alike", "--charging", "scout")
    error = refused(capsys, "report", "here", "alike")
    assert "here counts tokens by --charging generated" in error
    assert "alike by --charging scout; compare runs that count alike" in error
    with pytest.raises(UserError, match="compare runs that count alike"):
        dp.compare(["here", "alike"])
    assert "Tokens are counted" not in made(capsys, "report", "here")


def test_a_submission_has_to_count_the_tokens_generated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    imported(capsys)
    run(capsys, "cons@4", "alike", "--charging", "scout")
    said = ("--method", "M", "--authors", "A", "--description", "D.")
    error = refused(capsys, "submit", "alike", *said)
    assert "run.json: its tokens are counted by --charging scout; submit a run that counts" in error
    assert not Path("submissions").exists()


def test_a_pool_without_probes_has_no_steps_to_charge(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"problem_id": "p", "gold_answer": "1", "answer": "1", "num_tokens": tokens}
        for tokens in (10, 20)
    ]
    Path("rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    name = ("--dataset", "d", "--model", "m", "--benchmark", "c")
    made(capsys, "import", "jsonl", "rows.jsonl", *name)
    error = refused(capsys, "run", "cons@2", "--charging", "scout", "-d", "d/m/c")
    assert "pool d/m/c has no probes, which cons@2 with --charging scout needs" in error
    assert not Path("runs").exists()


def test_from_python_the_same_run_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    imported(capsys)
    run(capsys, "short-1@4", "typed", "--charging", "scout")
    dp.run("short-1@4", charging="scout", repeats=3, output="called", progress=False)
    for file in ("decisions.parquet", "answers.parquet", "summary.json"):
        assert Path("called", file).read_bytes() == Path("typed", file).read_bytes()
    record = json.loads(Path("called/run.json").read_text())
    assert record["command"][-2:] == ["--charging", "scout"]
    with pytest.raises(UserError, match=r"charging='all': give one of generated, scout"):
        dp.run("cons@4", charging="all")  # type: ignore[arg-type]
