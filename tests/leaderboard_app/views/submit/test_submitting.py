"""The page Submit: every command it shows is run, in order, in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from pools import T, write_pool

from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import load
from leaderboard_app.shown import submitting
from leaderboard_app.shown.palette import BADGES
from leaderboard_app.shown.submitting import Places
from simulator.errors import UserError
from simulator.pools.shipped import copy_shipped
from simulator.submissions.badges import STEPS

DAY = date(2026, 1, 31)


def run(command: str, folder: Path) -> str:
    """Run a command as it stands, as a reader would in `folder`; what it prints."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("DEEPPRUNE_SIM")
    }
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"$ {command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_four_steps_lead_from_a_policy_to_a_verified_submission(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "my pools", tmp_path / "runs", tmp_path / "submissions")
    pool = submitting.first_pool()
    copy_shipped(folders.cache, pool)
    budget = submitting.budget_of(load(folders), pool)
    assert budget == 64
    places = Places.of(folders, tmp_path)
    steps = submitting.steps(pool, budget, DAY, places)
    assert [step.title[:2] for step in steps] == ["1.", "2.", "3.", "4."]
    (tmp_path / submitting.POLICY_FILE).write_text(submitting.POLICY, encoding="utf-8")
    printed = [run(command, tmp_path) for step in steps for command in step.commands]
    assert "rerun        passed" in printed[-1]
    (entry,) = (each for each in load(folders).entries if not each.id.startswith("runs/"))
    assert (entry.id, entry.method) == ("2026-01-31-first-three", "First three")
    assert entry.badge == "verified"
    assert entry.verified_at is not None


def test_two_commands_make_a_first_row_from_an_empty_folder(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "datasets_cache", tmp_path / "runs", tmp_path / "submissions")
    commands = submitting.first_row(Places.of(folders, tmp_path))
    assert len(commands) == 2
    for command in commands:
        run(command, tmp_path)
    badges = {entry.badge for entry in load(folders).entries}
    assert badges == {"local", "self-reported"}


def test_first_runs_can_be_made_where_nothing_is_and_on_a_pool_that_is_there(
    tmp_path: Path,
) -> None:
    folders = Folders(tmp_path / "datasets_cache", tmp_path / "my runs", tmp_path / "submissions")
    commands = submitting.first_runs(load(folders), Places.of(folders, tmp_path))
    assert [command.split()[1] for command in commands] == ["run", "run"]
    for command in commands:
        run(command, tmp_path)
    assert {entry.id for entry in load(folders).entries} == {"runs/cons", "runs/asc"}
    write_pool(folders.cache, {"a": [T(1, "1")] * 3, "b": [T(1, "1")] * 2})
    (folders.runs / "cons").rename(tmp_path / "cons")
    (folders.runs / "asc").rename(tmp_path / "asc")
    commands = submitting.first_runs(load(folders), Places.of(folders, tmp_path))
    assert [command.split()[2] for command in commands] == ["cons@2", "asc"]
    for command in commands:
        run(command, tmp_path)
    (cons, asc) = load(folders).entries
    assert [*cons.results] == [*asc.results] == ["test/model/tiny"]


def test_commands_name_folders_only_where_they_are_not_the_usual_ones(tmp_path: Path) -> None:
    usual = Folders(tmp_path / "datasets_cache", tmp_path / "runs", tmp_path / "submissions")
    missing = Places.of(usual, tmp_path)  # commands would take the user's folder of pools
    assert missing.cache == f" --cache {usual.cache}"
    usual.cache.mkdir()
    assert Places.of(usual, tmp_path) == Places("", "runs", "submissions")
    other = Folders(tmp_path / "a b", tmp_path / "c d" / "runs", tmp_path / "e f")
    places = Places.of(other, tmp_path)
    assert places.cache == f" --cache '{tmp_path}/a b'"
    assert places.run("x") == f"'{tmp_path}/c d/runs/x'"
    assert places.submit_option == f" -o '{tmp_path}/e f'"
    commands = submitting.steps("a/b/it's", 8, DAY, places)[0].commands
    assert all("-d 'a/b/it'\"'\"'s' -n 8" in command for command in commands)


def test_the_budget_is_what_the_problem_with_the_fewest_traces_has(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "pools", tmp_path / "runs", tmp_path / "submissions")
    pool = write_pool(folders.cache, {"a": [T(1, "1")] * 3, "b": [T(1, "1")] * 2})
    assert submitting.budget_of(load(folders), pool.name) == 2
    write_pool(folders.cache, {"a": [T(1, "1")] * 600}, benchmark="large")
    assert submitting.budget_of(load(folders), "test/model/large") == 512
    file = pool.path / "traces.parquet"
    content = bytearray(file.read_bytes())
    content[4:40] = b"\xff" * 36  # the footer stays as it is
    file.write_bytes(content)
    with pytest.raises(UserError, match="test/model/tiny: cannot be read"):
        submitting.budget_of(load(folders), pool.name)


def test_every_step_of_verification_is_explained() -> None:
    assert tuple(step for step, _, _ in submitting.CHECKS) == STEPS
    assert {badge for _, _, badge in submitting.CHECKS} <= set(BADGES)


@pytest.mark.parametrize(
    "word", ["gold", "synthetic", "rank", "token cost", "recomputed", "withdraw"]
)
def test_the_questions_are_answered(word: str) -> None:
    assert any(word in question for question, _ in submitting.FAQ)
