"""A board whose ranks take long is shown without them meanwhile; ranks are kept."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from made_entries import made_entry, made_library, made_result, made_sums
from shown_folders import folders_in, write_local_run, write_recorded
from verified_folders import add_verified

from leaderboard_app.library import standings
from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import Library, load
from leaderboard_app.library.ranking import Contender, Place, rank
from leaderboard_app.library.standings import groups, in_time
from simulator.runs.results import Metric
from simulator.submissions.packing import pack, write_folder


def three_methods(tmp_path: Path) -> Folders:
    """Make verified submissions of cons@8, esc and asc on one pool."""
    folders = folders_in(tmp_path)
    pool = write_recorded(folders.cache, "model", "bench")
    for policy in ("cons@8", "esc", "asc"):
        name = policy.replace("@", "-")
        write_local_run(folders, name, policy, [pool])
        fields: dict[str, Any] = {"method": policy, "authors": ["A"], "description": "Words."}
        fields["date"] = date(2026, 1, 31)
        folder = write_folder(pack(folders.runs / name, fields), folders.submissions)
        add_verified(folder, run=folders.runs / name)
    shutil.rmtree(folders.runs)
    return folders


@pytest.fixture
def ranked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the contenders of every ranking that is computed."""
    calls: list[int] = []

    def counted(contenders: Sequence[Contender]) -> dict[str, Place]:
        calls.append(len(contenders))
        return rank(contenders)

    monkeypatch.setattr(standings, "rank", counted)
    return calls


def shown(library: Library) -> list[tuple[str, Place, dict[str, Metric]]]:
    (group,) = groups(library, False)
    return [
        (row.entry.id, row.place, dict(row.metrics)) for row in standings.standings(library, group)
    ]


def test_ranks_are_computed_once_and_again_for_other_answers(
    tmp_path: Path, ranked: list[int]
) -> None:
    folders = three_methods(tmp_path)
    first = shown(load(folders))
    assert ranked == [3]
    assert all(place.rank is not None for _, place, _ in first)
    assert shown(load(folders)) == first
    assert ranked == [3]
    (gone,) = folders.submissions.glob("*-esc")
    shutil.rmtree(gone)
    assert len(shown(load(folders))) == 2
    assert ranked == [3, 2]
    for file in (folders.cache / ".figures").glob("board-*.kept"):
        file.write_bytes(file.read_bytes()[:-1])
    assert len(shown(load(folders))) == 2
    assert ranked == [3, 2, 2]


def test_a_reader_of_many_entries_sees_them_without_ranks_until_these_are_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = "data/model/bench"
    right = {"good": [2] * 8, "bad": [0] * 8}
    tokens = {"tokens_per_problem": 5.0, "accuracy": 0.5}
    entries = [made_entry(name, made_result(pool, **tokens)) for name in right]
    sums = {name: {pool: made_sums(each, [500] * 8)} for name, each in right.items()}
    library = made_library(entries, sums)
    go = Event()

    def held(contenders: Sequence[Contender]) -> dict[str, Place]:
        assert go.wait(20)
        return rank(contenders)

    monkeypatch.setattr(standings, "rank", held)
    monkeypatch.setattr(standings, "PATIENCE", 0.0)
    monkeypatch.setattr(standings, "replace", lambda old, **new: made_hasty(old, new))
    assert in_time(library, False) is library  # two are not many
    monkeypatch.setattr(standings, "MANY", 1)
    (group,) = groups(library, False)  # for which no ranks are needed
    meanwhile = in_time(library, False, group)
    assert meanwhile.hasty
    assert in_time(library, False, group) is meanwhile
    assert groups(meanwhile, False) == [group]
    rows = standings.standings(meanwhile, group)
    assert {row.entry.id: row.place.range for row in rows} == {"good": "", "bad": ""}
    assert {row.metrics["accuracy"].value for row in rows} == {0.5}
    go.set()
    monkeypatch.setattr(standings, "PATIENCE", 20.0)
    assert in_time(library, False) is library
    assert in_time(library, False, group) is library
    rows = standings.standings(library, group)
    assert {row.entry.id: row.place.range for row in rows} == {"good": "1", "bad": "2"}


def made_hasty(old: Any, new: dict[str, Any]) -> Any:
    """Replace fields of a library that is no data class, or else as `dataclasses.replace`."""
    from dataclasses import is_dataclass, replace

    if is_dataclass(old):
        return replace(old, **new)  # type: ignore[type-var]
    made = made_library(old.entries, old._sums)
    for name, value in new.items():
        setattr(made, name, value)
    return made
