"""People see how answers came in, judge them by eye, and correct them."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from simulator.cli import cli
from simulator.errors import UserError

Row = dict[str, Any]


def row(problem: str, answer: str | None, gold: str, text: str | None = None, **more: Any) -> Row:
    fields = {"problem_id": problem, "gold_answer": gold, "answer": answer, "num_tokens": 10}
    return fields | ({} if text is None else {"text": text}) | more


ROWS = [
    row("apples", "12", "12", r"Six and six, so \boxed{12}. Done."),
    row("apples", "12.0", "12", r"I get \boxed{12.0}"),
    row("apples", "13", "12", r"I get \boxed{13}"),
    row("apples", "120 dozen / 12 shelves", "12", r"\boxed{120 dozen / 12 shelves}"),
    row("pears", "5", "7", r"It is \boxed{5}"),
    row("pears", None, "7", "It goes on and on"),
    row("pears", "7", "7", r"\boxed{7}"),
    row("pears", "5", "7", r"\boxed{5}"),
]
"""By hand: apples has 12 (twice), 13, and one that names 12; pears has 5 (twice), none, and 7."""


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments, "--cache", str(folder / "cache")])


def imported(folder: Path, rows: list[Row], *options: str) -> Result:
    path = folder / "traces.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")
    names = ["--dataset", "d", "--model", "m", "--benchmark", "b"]
    return run(folder, "import", "jsonl", str(path), *names, *options)


@pytest.fixture
def fruit(tmp_path: Path) -> Path:
    assert imported(tmp_path, ROWS).exit_code == 0
    return tmp_path


def test_an_import_ends_with_the_figures_of_its_answers(tmp_path: Path) -> None:
    bad = row("pears", "7", "7", r"\boxed{7}", num_tokens=-1)
    told = imported(tmp_path, [*ROWS, bad], "--drop-bad-rows").stdout
    # apples: 2 of 4 right, and the vote; pears: 1 of 4 right, the vote wrong.
    for line in (
        "pass@1          37.50%\n",
        "cons@4          50.00% (4 traces a problem; ties are shared)\n",
        "no answer       1 trace (12.50%)\n",
        "distinct        median 2.5 answers a problem (2 to 3)\n",
        "left out        1 × num_tokens is below 1\n",
    ):
        assert line in told


def test_json_has_the_same_figures(tmp_path: Path) -> None:
    result = imported(tmp_path, ROWS, "--json")
    answers = json.loads(result.stdout)["answers"]
    assert (answers["pass_at_1"], answers["cons"], answers["no_answer"]) == (0.375, 0.5, 1)
    assert (answers["no_answer_share"], answers["classes"]) == (0.125, [2, 2.5, 3])
    assert "warning: 12.50% of the traces of d/m/b have no answer" in result.stderr


def test_token_signals_are_told_with_their_mean(tmp_path: Path) -> None:
    rows = [row("p", "1", "1", confidence=[value] * 10) for value in (2.0, 3.0)]
    told = imported(tmp_path, rows)
    assert "confidence      2.5 on average\n" in told.stdout
    assert told.stderr == ""


def test_up_to_a_tenth_without_an_answer_is_no_warning(tmp_path: Path) -> None:
    rows = [row("p", None if number == 0 else "1", "1") for number in range(10)]
    result = imported(tmp_path, rows)
    assert "no answer       1 trace (10.00%)" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "no answer in any of 2 traces; say where it is with --map answer=COLUMN"),
        ("and so on", "(the first text ends with 'and so on'); say where it is with --map answer="),
    ],
)
def test_files_without_any_answer_are_refused(
    tmp_path: Path, text: str | None, expected: str
) -> None:
    result = imported(tmp_path, [row("p", None, "1", text), row("q", None, "1", text)])
    assert isinstance(result.exception, UserError)
    assert expected in str(result.exception)
    assert "\n" not in str(result.exception)
    assert list((tmp_path / "cache").rglob("*")) == []


def test_a_run_and_its_report_repeat_a_large_share(
    fruit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(fruit)
    made = run(fruit, "run", "cons@4", "-d", "d/m/b", "--repeats", "2", "-o", "made")
    assert "N=4, token counts total, 12.5% of traces without an answer\n" in made.stdout
    assert json.loads((fruit / "made" / "run.json").read_text())["no_answer"] == {"d/m/b": 0.125}
    told = CliRunner().invoke(cli, ["report", "made"]).stdout
    assert "Many traces have no answer and vote for nothing: 12.5% on d/m/b." in told
    data = json.loads(CliRunner().invoke(cli, ["report", "made", "--json"]).stdout)
    assert [each["no_answer"] for each in data["rows"]] == [0.125]
    assert "12.50%" in run(fruit, "data", "list").stdout
    as_json = run(fruit, "run", "cons@4", "-d", "d/m/b", "--repeats", "2", "-o", "b", "--json")
    assert json.loads(as_json.stdout)["no_answer"] == {"d/m/b": 0.125}


def test_the_overview_begins_with_what_is_in_doubt(fruit: Path) -> None:
    listed = json.loads(run(fruit, "data", "answers", "d/m/b", "--json").stdout)["problems"]
    first, second = listed
    assert (first["problem_id"], first["merged"], first["near"], first["no_answer"]) == (
        *("apples", 1, 1),
        0,
    )
    assert (second["problem_id"], second["merged"], second["near"]) == ("pears", 0, 0)
    assert (second["no_answer"], second["right"], second["groups"]) == (1, 1, 2)
    assert (second["wrong_answer"], second["wrong_traces"]) == ("5", 2)
    shown = run(fruit, "data", "answers", "d/m/b").stdout
    assert shown.index("apples") < shown.index("pears")
    assert "5 (2)" in shown
    rows = list(csv.DictReader(io.StringIO(run(fruit, "data", "answers", "d/m/b", "--csv").stdout)))
    assert [(each["problem_id"], each["near"]) for each in rows] == [
        ("apples", "1"),
        ("pears", "0"),
    ]


def test_a_problem_is_shown_with_verdicts_spellings_and_text(fruit: Path) -> None:
    shown = run(fruit, "data", "answers", "d/m/b", "apples").stdout
    for part in (
        "gold answer  12 (math)",
        "4: 2 right, 2 wrong, 0 no answer",
        "right      2  50.00%  12",
        "also  12.0 (1)",
        r"trace 0: Six and six, so \boxed{12}. Done.",
        "near miss  1  25.00%  120 dozen / 12 shelves",
        "holds the gold answer",
        "wrong      1  25.00%  13",
    ):
        assert part in shown
    silent = run(fruit, "data", "answers", "d/m/b", "pears").stdout
    assert "no answer          1  trace 1: It goes on and on" in silent


def test_groups_as_json_and_csv(fruit: Path) -> None:
    (problem,) = json.loads(run(fruit, "data", "answers", "d/m/b", "apples", "--json").stdout)[
        "problems"
    ]
    groups = {group["answer"]: group for group in problem["groups"]}
    assert groups["12"]["spellings"] == {"12": 1, "12.0": 1}
    assert (groups["12"]["verdict"], groups["12"]["trace_id"]) == ("right", 0)
    assert groups["120 dozen / 12 shelves"]["like"] == "holds the gold answer"
    table = run(fruit, "data", "answers", "d/m/b", "*", "--csv").stdout
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [(each["problem_id"], each["verdict"], each["traces"]) for each in rows] == [
        ("apples", "right", "2"),
        ("apples", "wrong", "1"),
        ("apples", "wrong", "1"),
        ("pears", "wrong", "2"),
        ("pears", "right", "1"),
        ("pears", "no answer", "1"),
    ]


def test_a_problem_without_any_answer_has_the_same_columns(tmp_path: Path) -> None:
    assert imported(tmp_path, [row("a", None, "1"), row("b", "1", "1")]).exit_code == 0
    table = run(tmp_path, "data", "answers", "d/m/b", "*", "--csv").stdout
    silent, other = csv.DictReader(io.StringIO(table))
    assert (silent["problem_id"], silent["verdict"], silent["traces"]) == ("a", "no answer", "1")
    assert (other["answer"], other["verdict"]) == ("1", "right")
    shown = run(tmp_path, "data", "answers", "d/m/b", "a").stdout
    assert "traces       1: 0 right, 0 wrong, 1 no answer" in shown


def test_terminal_commands_in_answers_are_not_obeyed(tmp_path: Path) -> None:
    text = "\x1b[2Jit is \\boxed{\x1b[31m7}"
    assert imported(tmp_path, [row("p", "\x1b[31m7", "1", text), row("p", "1", "1", "1")]).stdout
    shown = run(tmp_path, "data", "answers", "d/m/b", "p").stdout
    assert "\x1b" not in shown
    assert "·[31m7" in shown


def test_many_groups_are_cut_short_but_for_near_misses(tmp_path: Path) -> None:
    answers = [str(number) for number in range(20, 40)]
    assert (
        imported(tmp_path, [row("p", each, "7") for each in [*answers, "7 km / h 7"]]).exit_code
        == 0
    )
    shown = run(tmp_path, "data", "answers", "d/m/b", "p").stdout
    assert "near miss" in shown
    assert "… and 8 more, 8 traces: --all shows them" in shown
    assert "--all shows" not in run(tmp_path, "data", "answers", "d/m/b", "p", "--all").stdout


def test_an_unknown_problem_is_told_with_the_nearest(fruit: Path) -> None:
    result = run(fruit, "data", "answers", "d/m/b", "pear")
    assert str(result.exception) == "d/m/b: no problem 'pear'; did you mean pears?"


CORRECTION = """[[corrections]]
problem = "apples"
answer = '120 dozen / 12 shelves'
verdict = "right"
reason = "names the number"
"""


def test_a_correction_is_applied_shown_and_dropped(fruit: Path) -> None:
    file = fruit / "corrections.toml"
    file.write_text(CORRECTION)
    before = json.loads(run(fruit, "data", "show", "d/m/b", "--json").stdout)
    trial = run(fruit, "data", "regrade", "d/m/b", "--corrections", str(file), "--dry-run").stdout
    assert "Nothing was written (--dry-run)." in trial
    assert json.loads(run(fruit, "data", "show", "d/m/b", "--json").stdout) == before

    told = run(fruit, "data", "regrade", "d/m/b", "--corrections", str(file)).stdout
    told = re.sub(" +", " ", told)
    for part in (
        "verdicts 1 changed",
        "apples 1 120 dozen / 12 shelves 120 dozen / 12 shelves wrong right",
        "pass@1 50.00%; was 37.50%",
        "corrections 1",
        "runs on the former pool",
    ):
        assert part in told
    shown = run(fruit, "data", "show", "d/m/b").stdout
    assert "problem apples: 120 dozen / 12 shelves right (names the number)" in " ".join(
        shown.split()
    )
    assert (
        "by hand: 120 dozen / 12 shelves right: names the number"
        in run(fruit, "data", "answers", "d/m/b", "apples").stdout
    )
    assert run(fruit, "data", "verify").stdout == "d/m/b: sound\n"

    dropped = json.loads(
        run(fruit, "data", "regrade", "d/m/b", "--no-corrections", "--json").stdout
    )
    assert dropped["new_fingerprint"] == before["fingerprint"]
    assert (dropped["changed_verdicts"], dropped["dropped_corrections"]) == (1, 1)


def test_an_import_takes_corrections_and_does_not_drop_them(tmp_path: Path) -> None:
    file = tmp_path / "corrections.toml"
    file.write_text(CORRECTION)
    made = imported(tmp_path, ROWS, "--corrections", str(file))
    assert "pass@1          50.00%" in made.stdout
    assert "corrections     1 by hand" in made.stdout
    again = imported(tmp_path, ROWS, "--replace")
    assert "has 1 corrections by hand that --replace would drop" in str(again.exception)
    assert imported(tmp_path, ROWS, "--replace", "--corrections", str(file)).exit_code == 0


def test_an_import_with_a_correction_that_does_not_fit_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "corrections.toml"
    file.write_text(CORRECTION.replace("apples", "aples"))
    result = imported(tmp_path, ROWS, "--corrections", str(file))
    assert "no problem 'aples'; did you mean apples?" in str(result.exception)
    assert list((tmp_path / "cache").rglob("*")) == []
