"""Rows that are derived where a pool is: the same for everybody, and only of this version."""

from __future__ import annotations

import hashlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from shown_folders import folders_in, write_recorded

from leaderboard_app.cli import leaderboard
from leaderboard_app.library.citation import entry_hash
from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import load, state_of
from leaderboard_app.library.standings import RANKED, groups, standings
from simulator.boards.derived import FOLDER, derive_rows
from simulator.loading import load_policy
from simulator.pools.pool import Pool
from simulator.pools.probe_cost import ProbeCost
from simulator.replay.serving import Serving
from simulator.runs.making import make_run
from simulator.runs.spec import RunSpec
from simulator.submissions.examples import REPEATS

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


@pytest.mark.parametrize(
    "changed",
    [
        {"repeats": 1},
        {"seed": 7},
        {"settings": {"threshold": "0.55"}},
        {"budget": 4},
        {"charging": "scout"},
        {"probe_cost": ProbeCost(0, 0)},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_run_that_is_not_made_as_derived_ones_are_is_not_ranked(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    """Put where a derived run of the same method would be."""
    folders = folders_in(tmp_path)
    pool = write_recorded(folders.cache, "model-a", "bench-1")
    made = derive_rows(folders.cache, pool).made
    method = "parallel-probe" if "probe_cost" in changed else "asc"
    (folder,) = [each for each in made if f"-{method}-" in each.name and "-0-" not in each.name]
    given = {"repeats": REPEATS, "seed": 0, "settings": {}, "budget": 8, **changed}
    shutil.rmtree(folder)
    loaded = load_policy(method, given.pop("settings"))
    repeats, seed, budget = (given.pop(name) for name in ("repeats", "seed", "budget"))
    make_run(RunSpec(loaded, [pool], budget, repeats, seed, Serving(), **given), folder, command=[])
    found = load(folders)
    assert folder.name not in {entry.id.removeprefix("derived/") for entry in found.entries}
    assert len(found.entries) == len(made) - 1


def test_an_interrupted_derivation_goes_on(tmp_path: Path) -> None:
    folders = folders_in(tmp_path)
    pool = write_recorded(folders.cache, "model-a", "bench-1")
    first = derive_rows(folders.cache, pool).made[0]
    first.rename(first.with_name(f"{first.name}.partial"))
    assert derive_rows(folders.cache, pool).made == (first,)
    assert not [*(folders.cache / FOLDER).glob("*.partial")]


def test_two_derivations_at_once_make_each_row_once(tmp_path: Path) -> None:
    folders = folders_in(tmp_path)
    pool = write_recorded(folders.cache, "model-a", "bench-1", problems=2)
    with ThreadPoolExecutor(2) as threads:
        found = [*threads.map(lambda _: derive_rows(folders.cache, pool).made, range(2))]
    assert len({*found[0], *found[1]}) == len(found[0]) + len(found[1]) > 0


def test_rows_of_a_pool_that_is_gone_or_another_one_are_not_shown(tmp_path: Path) -> None:
    folders = folders_in(tmp_path)
    pool = write_recorded(folders.cache, "model-a", "bench-1")
    derive_rows(folders.cache, pool)
    assert load(folders).entries
    shutil.rmtree(pool.path)
    write_recorded(folders.cache, "model-a", "bench-1", problems=5)
    assert not load(folders).entries


def test_everybody_cites_the_same_hash(derived: Folders, tmp_path: Path) -> None:
    derive_rows(tmp_path / "pools", write_recorded(tmp_path / "pools", "model-a", "bench-1"))
    one, other = load(derived), load(folders_in(tmp_path))
    hashes = {entry.id: entry_hash(entry) for entry in one.entries}
    assert hashes == {entry.id: entry_hash(entry) for entry in other.entries}
    assert len(hashes) >= len(ON_THE_POOL)
