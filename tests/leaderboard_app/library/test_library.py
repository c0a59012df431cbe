"""The library: entries, what they need, what is broken, and that it follows the files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from shown_folders import folders_in

from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import Library, load, state_of


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
    described["policy"] |= {"builtin": False, "source": source, "class": "X"}
    file.write_text(json.dumps(described), encoding="utf-8")
    assert {entry.id: entry.needs for entry in load(folders).entries} == {"runs/cons": ()}
