"""Rows that are derived where a pool is: the same for everybody, and only of this version."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from shown_folders import folders_in, write_recorded

from leaderboard_app.cli import leaderboard
from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import load, state_of
from leaderboard_app.library.standings import RANKED, groups, standings
from simulator.boards.derived import FOLDER, derive_rows
from simulator.loading import load_policy
from simulator.pools.pool import Pool

ON_THE_POOL = ("asc", "esc", "parallel-probe", "sac")
"""Built-in methods of submissions that the recorded pool of 8 traces, without entropy, allows."""


@pytest.fixture(scope="module")
def derived(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Make a recorded pool with derived rows."""
    folders = folders_in(tmp_path_factory.mktemp("derived"))
    derive_rows(folders.cache, write_recorded(folders.cache, "model-a", "bench-1"))
    return folders


def test_the_built_in_methods_are_ranked_on_a_pool_that_is_here(derived: Folders) -> None:
    found = load(derived)
    (group,) = groups(found, False)
    rows = standings(found, group)
    assert {row.entry.policy for row in rows} >= set(ON_THE_POOL)
    assert {row.part for row in rows} == {RANKED}
    assert all(row.place.rank is not None for row in rows)
    assert {row.entry.badge for row in rows} == {"derived"}
    assert all(row.budgets == (8,) for row in rows)
    assert "asc (threshold=0.8)" in {row.label for row in rows}


def test_a_method_that_the_pool_does_not_allow_is_left_out_with_the_reason(
    derived: Folders,
) -> None:
    found = derive_rows(derived.cache, Pool(derived.cache / "recorded/model-a/bench-1"))
    assert found.made == ()  # all are there
    assert "cons@64: the pool has 8 traces of a problem" in found.left_out


def test_rows_are_the_same_bytes_for_everybody(derived: Folders, tmp_path: Path) -> None:
    other = derive_rows(tmp_path, write_recorded(tmp_path, "model-a", "bench-1"))

    def hashes(parent: Path) -> dict[str, str]:
        return {
            f"{folder.name}/{name}": hashlib.sha256((folder / name).read_bytes()).hexdigest()
            for folder in sorted(parent.iterdir())
            for name in ("decisions.parquet", "answers.parquet", "summary.json")
        }

    assert hashes(tmp_path / FOLDER) == hashes(derived.cache / FOLDER)
    assert len(other.made) >= len(ON_THE_POOL)


def test_a_row_of_another_version_of_its_method_is_not_shown(tmp_path: Path) -> None:
    folders = folders_in(tmp_path)
    pool = write_recorded(folders.cache, "model-a", "bench-1")
    folder = next(each for each in derive_rows(folders.cache, pool).made if "-esc-" in each.name)
    before = state_of(folders)
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    run["policy"]["source"] += "# of another version\n"
    run["policy"]["sha256"] = hashlib.sha256(run["policy"]["source"].encode()).hexdigest()
    (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")
    assert run["policy"]["sha256"] != load_policy("esc").sha256
    assert state_of(folders) != before
    assert "esc" not in {entry.policy for entry in load(folders).entries}


def test_a_row_whose_answers_do_not_follow_from_its_decisions_is_broken(tmp_path: Path) -> None:
    folders = folders_in(tmp_path)
    pool = write_recorded(folders.cache, "model-a", "bench-1")
    folder = next(each for each in derive_rows(folders.cache, pool).made if "-esc-" in each.name)
    answers = pq.read_table(folder / "answers.parquet")
    place = answers.column_names.index("correct")
    right = [True] * len(answers)
    pq.write_table(answers.set_column(place, "correct", [right]), folder / "answers.parquet")
    found = load(folders)
    assert "esc" not in {entry.policy for entry in found.entries}
    assert [each.path.name for each in found.broken] == [folder.name]


def test_the_command_derives_before_it_serves_or_exports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recorded(tmp_path, "model-a", "bench-1", problems=2)
    monkeypatch.setattr("os.execve", lambda *given: None)
    arguments = ["--derive", "recorded/*", "--cache", str(tmp_path), "--port", "8765"]
    result = CliRunner().invoke(leaderboard, arguments, catch_exceptions=False)
    assert "derived: " in result.stderr
    assert "rows on recorded/model-a/bench-1" in result.stderr
    assert "left out: cons@64: the pool has 8 traces of a problem" in result.stderr
    assert [*(tmp_path / FOLDER).iterdir()]
