"""An entry's tables, commands, report and citation, with figures worked out by hand.

In `recorded/…` trace i of problem p has 20 (p + 1) + 10 i tokens and is right unless i mod 4 is
less than p mod 4; short-3@8 ends when the third shortest of eight has finished.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from shown_folders import HOSTILE, folders_in, write_recorded

from leaderboard_app.library.entry import Entry
from leaderboard_app.library.library import Library, load
from leaderboard_app.shown.palette import BAD, GOOD, SERIES
from leaderboard_app.shown.table import as_csv, as_html
from leaderboard_app.views.entry import entry as entries
from leaderboard_app.views.entry import savings
from leaderboard_app.views.entry import verification as reports
from leaderboard_app.views.entry.entry import ProblemFigures
from simulator.boards.derived import derive_rows

POOL = "recorded/model-a/bench-1"


@pytest.fixture
def short(full_library: Library) -> Entry:
    return full_library.by_id["2026-11-20-short"]


def figures(library: Library, entry: Entry) -> dict[str, ProblemFigures]:
    found = entries.problem_figures(library, entry, entry.results[POOL])
    return {each.problem_id: each for each in found}


def test_figures_of_a_problem(full_library: Library, short: Entry) -> None:
    found = figures(full_library, short)
    assert list(found) == ["p0", "p1", "p2", "p3", "p4", "p5"]
    # p0: traces of 20 to 90 tokens, cut at 40; all are right.
    assert found["p0"].tokens == 20 + 30 + 6 * 40
    assert found["p0"].baseline_tokens == 440
    assert found["p0"].saved == 1 - 290 / 440
    assert (found["p0"].accuracy, found["p0"].clock) == (1, 40)
    assert found["p0"].answers == (("1", 2),)
    # p3: six of eight are wrong, the three that finish among them.
    assert (found["p3"].accuracy, found["p3"].baseline_accuracy) == (0, 0)
    assert found["p3"].answers == (("103", 2),)


def test_the_table_of_problems_leads_to_their_replays(full_library: Library, short: Entry) -> None:
    found = entries.problem_figures(full_library, short, short.results[POOL])
    table = entries.problem_table(short, short.results[POOL], found)
    keys = [column.key for column in table.columns]
    assert keys == [
        *("problem", "accuracy", "to_cons", "tokens", "saved", "saved_tokens", "answers", "clock")
    ]
    first = dict(zip(keys, table.rows[0], strict=True))
    assert first["problem"].link == (
        "problem?entry=2026-11-20-short&pool=recorded%2Fmodel-a%2Fbench-1&problem=p0"
    )
    assert [first[key].text for key in keys[1:]] == [
        *("100", "0", "290", "34.1", "150", "1 ×2", "40.0")
    ]


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ([("204", 3), ("203", 1)], "204 ×3, 203"),
        ([(None, 2)], "none ×2"),
        ([("a", 1), ("b", 1), ("c", 1), ("d", 1), ("e", 1)], "a, b, c, 2 more"),
        ([("x\n y" + "z" * 40, 1)], "x y" + "z" * 21),
        ([(r"\frac{100\sqrt{3}}{3} + \pi", 2)], r"\frac{100\sqrt{3}}{3} + \pi ×2"),
        ([(r"\frac{1}{2}" + " + 1" * 20, 1)], r"\frac{1}{2} + 1 + 1 + 1 "),
    ],
)
def test_answers_in_a_line(answers: list[tuple[str | None, int]], text: str) -> None:
    assert entries.answers_text(answers) == text


def figured(name: str, tokens: float, baseline: float, right: float, cons: float) -> ProblemFigures:
    return ProblemFigures(name, right, cons, tokens, baseline, 1.0, 0.0, (("1", 1),))


def test_where_tokens_are_saved(short: Entry) -> None:
    result = short.results[POOL]
    found = [
        figured("a", 50, 100, 1.0, 0.5),
        figured("b", 300, 400, 0.5, 0.5),
        figured("c", 90, 100, 0.0, 1.0),
    ]
    assert [(row["problem"], row["saved"]) for row in savings.rows(found)] == [
        ("b", 0.25),
        ("a", 0.5),
        ("c", pytest.approx(0.1)),
    ]
    assert [savings.outcome(each) for each in found] == list(savings.OUTCOMES)
    assert savings.savings_text(result, found) == (
        "Of the 600 tokens of cons@8 over 3 problems the entry saves 26.7%; most on a (50.0%), "
        "least on c (10.0%). It is right more often than cons@8 on 1, as often on 1 and less often "
        "on 1 of them."
    )
    drawn = savings.savings_chart(result, found).to_dict()
    assert drawn["layer"][1]["encoding"]["color"]["scale"]["range"] == [GOOD, SERIES[0], BAD]
    assert drawn["layer"][0]["encoding"]["x"]["sort"] == ["b", "a", "c"]


def test_figures_by_pool_have_their_intervals(full_library: Library) -> None:
    entry = full_library.by_id["runs/cons-8"]
    results = entries.results_of(entry, synthetic=False)
    assert entries.results_of(entry, synthetic=True) == []
    table = entries.pool_table(results)
    assert [row[0].text for row in table.rows] == [
        "recorded/model-a/bench-1",
        "recorded/model-a/bench-2",
        "recorded/model-b/bench-1",
    ]
    assert table.rows[0][0].link == "data?pool=recorded%2Fmodel-a%2Fbench-1"
    place = [column.key for column in table.columns].index("reduction")
    cell = table.rows[0][place]
    assert (cell.text, cell.value, cell.below) == ("0.0", 0, "[0.0, 0.0]")
    assert (cell.low, cell.high) == (0, 0)
    assert "reduction_low" in as_csv(table).splitlines()[0]
    every = entries.pool_table(results, every=True)
    assert len(every.columns) > len(table.columns)
    assert {"gold_survived", "traces_started"} <= {column.key for column in every.columns}


def test_all_parameters_are_told_those_that_were_set_first(full_library: Library) -> None:
    table = entries.parameter_table(full_library.by_id["runs/asc-0.9"])
    assert [(cell.text) for cell in table.rows[0]] == ["threshold", "0.9", "set"]
    assert {row[2].text for row in table.rows[1:]} <= {"default"}
    assert table.rows[0][0].bold


def test_the_command_makes_the_same_run(full_library: Library) -> None:
    (command,) = entries.commands(full_library.by_id["runs/asc-0.9"])
    assert command == (
        "deepprune-sim run asc -d recorded/model-a/bench-1 -d recorded/model-a/bench-2 "
        "-d recorded/model-b/bench-1 -p threshold=0.9 -n 8 --repeats 2 --seed 0"
    )
    run, verify = entries.commands(full_library.by_id["2026-11-20-short"])
    assert run.startswith("deepprune-sim run short-3@8 -d ")
    assert verify == "deepprune-sim verify submissions/2026-11-20-short"


def test_a_submission_is_verified_in_the_folder_of_the_board(short: Entry) -> None:
    _, verify = entries.commands(short, "/a board/entries")
    assert verify == "deepprune-sim verify '/a board/entries/2026-11-20-short'"
    own = replace(short, policy="mine.py")
    run, _ = entries.commands(own, "/a board/entries")
    assert shlex.split(run)[2].startswith("/a board/entries/2026-11-20-short/policy.py@")


def test_a_derived_row_is_derived_again_not_verified(tmp_path: Path) -> None:
    folders = folders_in(tmp_path)
    derive_rows(folders.cache, write_recorded(folders.cache, "model-a", "bench-1", problems=2))
    entry = next(each for each in load(folders).entries if each.policy == "esc")
    assert entry.badge == "derived"
    run, derive = entries.commands(entry)
    assert run.startswith(f"deepprune-sim run esc -d {POOL} ")
    assert derive == f"deepprune-sim leaderboard --derive {POOL}"
    assert reports.read_report(entry).why == (
        "A built-in method, replayed on this machine: anyone with the pool gets the same decisions."
    )


def tampered(entry: Entry, folder: Path, **policy: object) -> Entry:
    """Copy an entry, with another policy in its run.json."""
    path = folder / entry.path.name
    shutil.copytree(entry.path, path)
    run = json.loads((path / "run.json").read_text())
    run["policy"] |= policy
    run["serving"] |= {"concurrency": 8, "step_seconds": [[1, 0.5], [4, 0.75]]}
    run["judge"] = {"name": "lexical; rm -rf ~"}
    (path / "run.json").write_text(json.dumps(run))
    return replace(entry, path=path, policy=str(policy.get("name", entry.policy)))


def test_no_text_of_a_submitter_reaches_a_shell_unquoted(short: Entry, tmp_path: Path) -> None:
    other = tampered(short, tmp_path, name="$(id).py", **{"class": "A`id`"}, settings={"x": "1,2"})
    command, _ = entries.commands(other)
    words = shlex.split(command)
    assert words[2] == "submissions/2026-11-20-short/policy.py@A`id`"
    assert words[words.index("-p") + 1] == "x=1\\,2"
    assert words[words.index("--concurrency") + 1] == "8"
    assert words[words.index("--step-seconds") + 1] == "1:0.5,4:0.75"
    assert words[words.index("--judge") + 1] == "lexical; rm -rf ~"


def test_whether_a_policy_is_the_built_in_of_its_name_is_told(short: Entry, tmp_path: Path) -> None:
    policy = entries.policy_source(short)
    assert policy is not None
    assert policy.note == "The built-in method short-3@8 of this version."
    assert "class ShortM(Policy)" in policy.source
    other = entries.policy_source(tampered(short, tmp_path / "a", sha256="0" * 64))
    assert other is not None
    assert other.note.endswith("but another source.")
    own = entries.policy_source(tampered(short, tmp_path / "b", name="mine.py"))
    assert own is not None
    assert own.note.startswith("A policy file of the submitter")
    shutil.rmtree(tmp_path / "b")
    assert entries.policy_source(replace(short, path=tmp_path / "b")) is None


def test_a_report_counts_where_it_is_of_these_very_files(
    full_library: Library, short: Entry, tmp_path: Path
) -> None:
    entry = full_library.by_id["2026-11-22-sac"]
    report = reports.read_report(entry)
    assert [(step.name, step.status) for step in report.steps] == [
        ("well-formed", "✔ passed"),
        ("recomputed", "✔ passed"),
        ("rerun", "✔ passed"),
    ]
    assert report.layers == ("built-in",)
    assert "With python " in reports.facts_text(report)
    other = reports.other_seed_table(entry, report)
    assert other is not None
    assert [column.heading for column in other.columns[1:3]] == ["submitted", "another seed"]
    assert len(other.rows) == 9
    assert reports.read_report(short).why == "Not verified yet."
    hostile = full_library.by_id["2026-11-21-hostile"]
    assert "submission.toml: paper" in reports.read_report(hostile).why  # javascript:

    path = tmp_path / entry.path.name
    shutil.copytree(entry.path, path)
    metadata = path / "submission.toml"
    written = metadata.read_text(encoding="utf-8")
    metadata.write_text(f'{written}organisation = "An institute"\n', encoding="utf-8")
    assert reports.read_report(replace(entry, path=path)).steps == report.steps
    for renamed in (
        re.sub("(?m)^method = .*$", 'method = "Another"', written),
        f'{written}version = "2"\n',
        f'{written}withdrawn = "A mistake in the prompt."\n',
    ):
        metadata.write_text(renamed, encoding="utf-8")
        changed = reports.read_report(replace(entry, path=path))
        assert changed.steps == ()
        assert "was made under another method" in changed.why
    metadata.write_text(written, encoding="utf-8")
    with (path / "policy.py").open("a", encoding="utf-8") as source:
        source.write("\n")
    changed = reports.read_report(replace(entry, path=path))
    assert changed.steps == ()
    assert "was made for other files" in changed.why
    (path / "verification.json").write_text("[" * 100_000)
    assert "cannot be read" in reports.read_report(replace(entry, path=path)).why


def test_what_is_said_of_an_entry_is_text_and_only_https_is_a_link(short: Entry) -> None:
    table = entries.about_table(
        replace(short, method=HOSTILE, organisation=HOSTILE, paper="javascript:alert(1)")
    )
    html = as_html(table)
    assert "<img" not in html
    assert 'href="javascript' not in html
    assert 'href="https://github.com/example/code"' in html
    assert entries.byline(short) == "Ada Lovelace, Emmy Noether · Test Institute · 2026-11-20"


def test_names_that_are_nearly_right_are_found(full_library: Library) -> None:
    assert full_library.nearest("runs/ecs")[0] == "runs/esc"
    assert full_library.nearest("RUNS/SAC")[0] == "runs/sac"
    assert full_library.nearest("zzzzzzzz") == []
