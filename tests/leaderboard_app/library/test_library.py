"""The library: entries, what they need, what is broken, and that it follows the files."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_entries import made_entry
from shown_folders import folders_in, write_recorded
from submitted import submit
from verified_folders import add_verified

from leaderboard_app.library.citation import bibtex, of_entry
from leaderboard_app.library.entries import superseded
from leaderboard_app.library.entry import Entry
from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import Library, load, state_of
from leaderboard_app.views.entry.entry import about_table, commands, submitted_table
from simulator.pools.probe_cost import ProbeCost


def test_nothing_there_is_an_empty_library(empty: Folders) -> None:
    library = load(empty)
    assert (library.entries, library.pools, library.broken) == ((), (), ())
    assert {figure.method for figure in library.published} >= {"cons@512", "DeepPrune"}


def test_runs_and_submissions_are_entries_with_their_badges(full_library: Library) -> None:
    badges = {name: entry.badge for name, entry in full_library.by_id.items()}
    assert badges["runs/cons-8"] == "local"
    assert badges["2026-11-20-short"] == "self-reported"
    assert badges["2026-11-20-taken-back"] == "withdrawn"
    assert badges["2026-11-22-asc"] == "synthetic"
    assert badges["2026-11-20-checked-asc"] == "verified"
    assert badges["2026-11-21-hostile"] is None
    assert not full_library.by_id["2026-11-20-taken-back"].takes_part
    assert not full_library.by_id["2026-11-21-hostile"].takes_part


def test_what_is_broken_is_listed_with_its_reason_and_nothing_else_is(
    full_library: Library,
) -> None:
    broken = {each.path.name: each.reason for each in full_library.broken}
    assert set(broken) == {"2026-11-21-broken", "broken", "damaged"}
    assert "summary.json" in broken["2026-11-21-broken"]
    assert "answers.parquet" in broken["broken"]
    assert "pool.json" in broken["damaged"]


def test_what_a_policy_needs_is_known_without_running_it(full_library: Library) -> None:
    needs = {name: entry.needs for name, entry in full_library.by_id.items()}
    assert needs["runs/cons-8"] == ()
    assert needs["runs/parallel-probe"] == ("probes",)
    assert needs["2026-11-22-deepconf-low"] == ("confidence",)


def test_settings_of_one_method_have_labels_of_their_own(full_library: Library) -> None:
    labels = {name: entry.label for name, entry in full_library.by_id.items()}
    assert labels["runs/asc-0.7"] == "asc (threshold=0.7)"
    assert labels["runs/asc-0.99"] == "asc (threshold=0.99)"
    assert len(set(labels.values())) == len(labels)


def test_rows_of_an_entry_come_from_its_own_files(full_library: Library) -> None:
    entry = full_library.by_id["runs/cons-8"]
    where = "problem_id = ? AND repeat = 0"
    answers = full_library.recorded(entry, "answers", where, "p3")
    assert {row["pool"] for row in answers} == {
        "recorded/model-a/bench-1",
        "recorded/model-a/bench-2",
        "recorded/model-b/bench-1",
    }
    # 8 traces of problem 3 have 80, 90, … 150 tokens
    assert {row["tokens"] for row in answers} == {sum(range(80, 151, 10))}
    assert len(full_library.recorded(entry, "decisions", where, "p3")) == 3 * 8


def test_the_state_is_another_once_a_file_is_added_changed_or_removed(
    small: Folders, tmp_path: Path
) -> None:
    for folder in ("pools", "runs"):
        shutil.copytree(small.cache.parent / folder, tmp_path / folder)
    folders = Folders(tmp_path / "pools", tmp_path / "runs", tmp_path / "submissions")
    states = [state_of(folders)]
    shutil.copytree(folders.runs / "cons", folders.runs / "again")
    states.append(state_of(folders))
    (folders.runs / "again" / "summary.json").write_text("{}", encoding="utf-8")
    states.append(state_of(folders))
    shutil.rmtree(folders.runs / "again")
    (folders.submissions / "2026-11-22-x").mkdir(parents=True)
    states.append(state_of(folders))
    assert len(set(states)) == len(states)
    assert state_of(folders) == states[-1]


def test_two_versions_of_a_pool_are_told_apart(small: Folders, tmp_path: Path) -> None:
    shutil.copytree(small.cache, tmp_path / "pools")
    shutil.copytree(small.runs, tmp_path / "runs")
    run = tmp_path / "runs" / "cons" / "run.json"
    known = load(Folders(tmp_path / "pools", tmp_path / "runs", tmp_path / "none"))
    (fingerprint,) = {
        result.fingerprint for result in known.entries[0].results.values() if result.fingerprint
    }
    run.write_text(run.read_text().replace(fingerprint, "0" * 64))
    library = load(Folders(tmp_path / "pools", tmp_path / "runs", tmp_path / "none"))
    assert list(library.entries[0].results) == ["recorded/model-a/bench-1#00000000"]


@pytest.mark.parametrize(
    "source", ["class X(:", "\0", "(" * 10_000, "class X:\n    requires = 1\n"]
)
def test_a_source_that_is_no_python_needs_nothing_that_is_known(
    small: Folders, tmp_path: Path, source: str
) -> None:
    folders = folders_in(tmp_path)
    shutil.copytree(small.runs, folders.runs)
    file = folders.runs / "cons" / "run.json"
    described = json.loads(file.read_text(encoding="utf-8"))
    sha256 = hashlib.sha256(source.encode()).hexdigest()
    described["policy"] |= {"builtin": False, "source": source, "class": "X", "sha256": sha256}
    file.write_text(json.dumps(described), encoding="utf-8")
    assert {entry.id: entry.needs for entry in load(folders).entries} == {"runs/cons": ()}


def test_a_verified_entry_has_the_verifiers_figures_and_the_submitted_ones_beside_them(
    small: Folders, tmp_path: Path
) -> None:
    pool = write_recorded(tmp_path / "pools", "model-a", "bench-1")
    folder = submit(tmp_path, "short-2@4", pool=pool, seed=3)
    add_verified(folder, seed=11, repeats=5)
    library = load(folders_in(tmp_path))
    (entry,) = [each for each in library.entries if each.path == folder]
    assert (entry.badge, entry.seed, entry.repeats) == ("verified", 11, 5)
    (shown,) = entry.results.values()
    (own,) = library.submitted(entry)
    assert (own.seed, own.repeats) == (3, 3)
    assert shown.metrics["tokens_per_problem"] != own.metrics["tokens_per_problem"]
    sums = library.problem_sums(entry)[shown.pool]
    assert sums.repeats == 5
    assert "seed 11" in bibtex(of_entry(entry, library.board))
    assert all("--seed 3" in each for each in commands(entry)[:1])
    table = submitted_table(entry, [own])
    assert "Submitted: seed 3, 3 repeats." in table.notes[0]
    replay = library.recorded(entry, "answers", "repeat = 4")
    assert len(replay) == len(sums.problem_ids)


@pytest.mark.parametrize(
    ("given", "cost", "said"),
    [
        (ProbeCost(0, 0), "0+0", "probes cost 0 tokens by --probe-cost"),
        (ProbeCost(0, 20), "0+20", "probes cost 20 tokens by --probe-cost"),
        (ProbeCost(5, 20), "5+20", "probes cost 5+20 tokens by --probe-cost"),
        (None, "10+20", ""),  # the pool records none: the default
    ],
)
def test_a_cost_of_probes_that_was_given_is_told(
    tmp_path: Path, given: ProbeCost | None, cost: str, said: str
) -> None:
    pool = write_recorded(tmp_path / "pools", "model-a", "bench-1")
    folder = submit(tmp_path, "sac", pool=pool, probe_cost=given)
    shutil.copytree(tmp_path / "run-0", tmp_path / "runs" / "sac")
    add_verified(folder, run=folder)
    for entry in load(folders_in(tmp_path)).entries:
        (result,) = entry.results.values()
        assert (result.probe_cost, entry.given_cost) == (cost, said)
        (row,) = [row for row in about_table(entry).rows if row[0].text == "Cost of a probe"]
        origin = "by --probe-cost" if given else "the default"
        assert row[1].text == f"{cost.removeprefix('0+')} tokens, {origin}"
        assert (f"--probe-cost {cost}" in commands(entry)[0]) is (given is not None)


def test_a_run_without_probes_tells_no_cost_of_them(small: Folders) -> None:
    (entry,) = load(small).entries
    assert entry.given_cost == ""
    assert "Cost of a probe" not in [row[0].text for row in about_table(entry).rows]
    assert "--probe-cost" not in commands(entry)[0]


def entry_of(name: str, **fields: Any) -> Entry:
    return made_entry(name, authors=("Ada",), **fields)


@pytest.mark.parametrize(
    ("newer", "taken"),
    [
        ({}, True),
        ({"authors": ("ADA", "Bob")}, True),
        ({"authors": ("Eve",)}, False),
        ({"badge": "withdrawn"}, False),
        ({"badge": None}, False),
        ({"badge": "self-reported", "basis": "recomputed"}, False),
    ],
)
def test_a_later_submission_takes_the_place_of_one_of_its_own_authors(
    newer: dict[str, Any], taken: bool
) -> None:
    old = entry_of("old")
    new = replace(entry_of("new", supersedes="old"), **newer)
    found = {each.id: each for each in superseded([old, new])}
    assert (found["old"].badge == "superseded") is taken
    assert found["old"].superseded_by == ("new" if taken else None)
    assert found["old"].takes_part is not taken


def test_the_boards_file_is_part_of_the_library_and_a_wrong_one_is_listed(tmp_path: Path) -> None:
    folders = folders_in(tmp_path)
    folders.submissions.mkdir()
    file = folders.submissions / "board.toml"
    file.write_text('title = "Ours"\nurl = "https://board.example.org"\n', encoding="utf-8")
    library = load(folders)
    assert (library.board.title, library.broken) == ("Ours", ())
    file.write_text('title = "Ours"\nadress = "here"\n', encoding="utf-8")
    assert state_of(folders) != library.state
    wrong = load(folders)
    assert wrong.board.title == "deepprune-sim leaderboard"
    assert [each.path for each in wrong.broken] == [file]
    assert "no such field 'adress'" in wrong.broken[0].reason
