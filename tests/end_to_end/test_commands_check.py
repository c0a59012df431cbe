"""`deepprune-sim check` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from simulator.cli import cli
from simulator.conformance.checks import CHECKS
from simulator.errors import UserError

FAIR = """
from simulator import Policy, majority_vote

class Fair(Policy):
    share = 1.0
    def solve(self, problem, sampler):
        traces = sampler.start(max(1, int(self.share * sampler.budget)))
        finished = sampler.decode(traces)
        return majority_vote(finished)
"""
UNFAIR = FAIR.replace("majority_vote(finished)", "min(finished.answer)")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("fair.py").write_text(FAIR)
    Path("unfair.py").write_text(UNFAIR)
    return tmp_path


def check(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["check", *words])
    if isinstance(done.exception, UserError):
        raise done.exception
    return done.exit_code, done.stdout


def test_a_fair_policy_passes_every_check() -> None:
    code, shown = check("fair.py", "--in-process")
    assert code == 0
    lines = [line.split()[:2] for line in shown.splitlines() if line.startswith("  ")]
    assert lines == [["ok", name] for name in CHECKS]


@pytest.mark.parametrize("how", [[], ["--in-process"]])
def test_a_policy_that_takes_too_long_is_ended(how: list[str]) -> None:
    loop = "        while True: sampler.decode(sampler.start(0), tokens=0)\n"
    head = FAIR.partition("        traces")[0]
    Path("loop.py").write_text(head + loop)
    with pytest.raises(UserError) as error:
        check("loop.py", "--timeout", "0.5", *how)
    assert str(error.value).startswith("loop.py: took longer than 0.5 s (--timeout) for problem ")


def test_a_failure_says_where_and_how_to_see_it_again() -> None:
    code, shown = check("unfair.py", "--in-process")
    assert code == 1
    failed = [line.split()[1] for line in shown.splitlines() if line.split()[0] == "FAILED"]
    assert failed == ["labels"]
    again = shown.partition("to reproduce: deepprune-sim check ")[2].split()
    code, shown = check(*again)
    assert code == 1
    (line,) = (line for line in shown.splitlines() if "FAILED" in line)
    assert line.split()[1] == "labels"


def test_json_has_every_check() -> None:
    code, shown = check("unfair.py", "--json", "--in-process")
    assert code == 1
    told = json.loads(shown)
    assert not told["passed"]
    assert [each["check"] for each in told["checks"]] == list(CHECKS)
    (failed,) = (each for each in told["checks"] if not each["passed"])
    assert failed["problem"] in failed["again"]


def test_one_check_is_made_with_what_it_rests_on() -> None:
    code, shown = check("fair.py", "--only", "labels", "--in-process")
    assert code == 0
    lines = [line for line in shown.splitlines() if line.startswith("  ")]
    assert [line.split()[1] for line in lines] == ["labels"]


def test_more_problems_and_repeats_are_replayed_where_asked_for() -> None:
    code, shown = check("fair.py", "--problems", "6", "--repeats", "3", "--in-process")
    assert code == 0
    assert "on 18 replays of" in shown


def test_a_failure_of_memory_is_seen_again_with_as_many_replays() -> None:
    """It takes more replays than there are where nothing is said."""
    Path("late.py").write_text(
        FAIR.replace("from", "seen = []\nfrom", 1)
        .replace("        finished", "        seen.append(1)\n        finished")
        .replace("decode(traces)", "decode(traces[: 1 if len(seen) > 40 else None])")
    )
    code, shown = check("late.py", "--problems", "6", "--repeats", "4", "--in-process")
    assert code == 1
    again = (
        shown.partition("FAILED  memory")[2].partition("deepprune-sim check ")[2].splitlines()[0]
    )
    assert "--problems 6 --repeats 4" in again
    code, shown = check(*again.split())
    assert code == 1
    assert "FAILED  memory" in shown


def test_parameters_are_checked_as_set() -> None:
    assert check("fair.py", "-p", "share=0.5", "--in-process")[0] == 0
    code, shown = check("fair.py", "-p", "share=2", "--in-process")
    assert code == 1
    assert "exceeds the budget" in shown


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--only", "honesty"], "no such check; use one of runs, requires"),
        (["--problem", "17"], "has no such problem; it has 000, 001"),
        (["-p", "share=0.5,1"], "one value"),
        (["-p", "shave=1"], "did you mean share"),
        (["-d", "no/such/pool"], "no/such/pool"),
    ],
)
def test_wrong_arguments_are_one_line(words: list[str], says: str) -> None:
    with pytest.raises(UserError, match=says):
        check("fair.py", *words)


def test_help_names_every_check() -> None:
    code, shown = check("-h")
    assert code == 0
    assert all(f"    {name} " in shown for name in CHECKS)
