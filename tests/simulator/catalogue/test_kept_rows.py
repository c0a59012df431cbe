"""Rows that are kept between processes are those of the files as they are."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pools
import pytest
from submitted import PROBLEMS, edit_json, submit

from simulator.catalogue import kept_rows, rows
from simulator.catalogue.pool_rows import Row, stamp
from simulator.catalogue.views import connect


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the submissions and runs that were read; files count as settled at once."""
    names: list[str] = []

    def counted(reader: Any) -> Any:
        def reading(*given: Any) -> Any:
            names.append(given[-2].name)
            return reader(*given)

        return reading

    for reader in ("_read_submission", "_read_run"):
        monkeypatch.setattr(rows, reader, counted(getattr(rows, reader)))
    monkeypatch.setattr(kept_rows, "SETTLED", 0.0)
    another_process()
    yield names
    another_process()


def another_process() -> None:
    """Forget what this process has read."""
    kept_rows._STORES.clear()


def board(root: Path) -> list[Row]:
    """Return the rows of the submissions below a folder."""
    with connect(root / "pools", root / "runs", root / "submissions") as catalogue:
        found = catalogue.rows("FROM submissions ORDER BY submission")
        runs = catalogue.rows("FROM runs ORDER BY run")
        assert catalogue.submissions.select(list(found[0])).to_pylist() == found if found else True
        return [*found, *runs]


def kept(root: Path, view: str = "submissions") -> Path:
    (file,) = (root / "pools" / ".figures").glob(f"{view}-*.kept")
    return file


def test_rows_are_read_once_and_again_after_a_change(tmp_path: Path, read: list[str]) -> None:
    pool = pools.write_pool(tmp_path / "pools", PROBLEMS)
    one = submit(tmp_path, pool=pool, seed=1, fields={"method": "One"})
    two = submit(tmp_path, pool=pool, seed=2, fields={"method": "Two"})
    shutil.copytree(tmp_path / "run-1", tmp_path / "runs" / "run-1")
    first = board(tmp_path)
    assert sorted(read) == sorted([one.name, two.name, "run-1"])
    assert board(tmp_path) == first
    another_process()
    assert board(tmp_path) == first
    assert len(read) == 3
    with (two / "submission.toml").open("a", encoding="utf-8") as file:
        file.write('organisation = "Here"\n')
    changed = board(tmp_path)
    assert read[3:] == [two.name]
    assert [row.get("organisation") for row in changed] == [None, "Here", None]
    shutil.rmtree(one)
    another_process()
    assert board(tmp_path) == changed[1:]
    assert read[4:] == []


def test_a_changed_figure_is_found_though_size_and_time_are_as_before(
    tmp_path: Path, read: list[str]
) -> None:
    folder = submit(tmp_path)
    (row,) = board(tmp_path)
    file = folder / "summary.json"
    times = file.stat()
    text = file.read_text(encoding="utf-8")
    forged = text.replace('"budget": 4', '"budget": 5', 1)
    assert forged != text
    file.write_text(forged, encoding="utf-8")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    another_process()
    with connect(tmp_path / "pools", None, tmp_path / "submissions") as catalogue:
        assert catalogue.rows("FROM submissions") == []
        assert "budget" in catalogue.broken[0].reason
    file.write_text(text, encoding="utf-8")
    assert board(tmp_path) == [row]


@pytest.mark.parametrize("how", ["cut", "flipped", "empty", "of another program"])
def test_a_damaged_file_is_made_again(
    tmp_path: Path, read: list[str], how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(tmp_path)
    first = board(tmp_path)
    file = kept(tmp_path)
    content = bytearray(file.read_bytes())
    if how == "cut":
        content = content[: len(content) // 2]
    elif how == "flipped":
        content[-len(content) // 3] ^= 1
    elif how == "empty":
        content.clear()
    else:
        monkeypatch.setattr("simulator.catalogue.kept_file.program", lambda: "another")
    file.write_bytes(content)
    another_process()
    assert board(tmp_path) == first
    assert len(read) == 2
    another_process()
    assert board(tmp_path) == first
    assert len(read) == 2


def test_a_pool_that_comes_or_goes_changes_the_rows_that_name_it_and_no_others(
    tmp_path: Path, read: list[str]
) -> None:
    here = pools.write_pool(tmp_path / "pools", PROBLEMS)
    there = pools.write_pool(tmp_path / "pools", PROBLEMS, benchmark="other")
    submit(tmp_path, pool=here, seed=1, fields={"method": "One"})
    two = submit(tmp_path, pool=there, seed=2, fields={"method": "Two"})
    assert {row["basis"] for row in board(tmp_path)} == {"recomputed"}
    read.clear()
    there.path.rename(tmp_path / "aside")
    another_process()
    assert [row["basis"] for row in board(tmp_path)] == ["recomputed", "answers"]
    (tmp_path / "aside").rename(there.path)
    assert [row["basis"] for row in board(tmp_path)] == ["recomputed", "recomputed"]
    assert read == [two.name] * 2


def test_what_was_just_written_is_not_kept_and_read_again_once_it_has_settled(
    tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(tmp_path)
    monkeypatch.setattr(kept_rows, "SETTLED", 1000.0)
    first = board(tmp_path)
    assert not [*(tmp_path / "pools" / ".figures").glob("submissions-*")]
    assert board(tmp_path) == first
    assert len(read) == 1
    monkeypatch.setattr(kept_rows, "SETTLED", 0.0)
    assert board(tmp_path) == first
    assert len(read) == 2
    another_process()
    assert board(tmp_path) == first
    assert len(read) == 2


def test_where_nothing_can_be_kept_all_is_read(tmp_path: Path, read: list[str]) -> None:
    submit(tmp_path)
    (tmp_path / "pools" / ".figures").write_text("in the way", encoding="utf-8")
    first = board(tmp_path)
    another_process()
    assert board(tmp_path) == first
    assert len(read) == 2


def test_two_that_write_at_once_leave_a_whole_file(tmp_path: Path, read: list[str]) -> None:
    pool = pools.write_pool(tmp_path / "pools", PROBLEMS)
    for seed in range(3):
        submit(tmp_path, pool=pool, seed=seed, fields={"method": f"M{seed}"})
    with ThreadPoolExecutor(2) as threads:
        for _ in range(5):
            kept(tmp_path).unlink() if read else None
            another_process()
            first, second = threads.map(board, [tmp_path, tmp_path])
            assert first == second
            read.clear()
            another_process()
            assert board(tmp_path) == first
            assert read == []
            read.append("next")


def test_a_broken_one_stays_listed_with_its_reason(tmp_path: Path, read: list[str]) -> None:
    folder = submit(tmp_path)
    edit_json(folder / "summary.json", lambda value: value.update(seed="x"))
    reasons = []
    for _ in range(2):
        another_process()
        with connect(tmp_path / "pools", None, tmp_path / "submissions") as catalogue:
            reasons += [(each.path.name, each.reason) for each in catalogue.broken]
    assert reasons[0] == reasons[1]
    assert "seed" in reasons[0][1]
    assert len(read) == 1


def test_the_stamp_of_a_link_is_that_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target = tmp_path / "target"
    target.write_text("a", encoding="utf-8")
    (tmp_path / "folder" / "link").symlink_to(target)
    before = stamp(tmp_path / "folder")
    target.write_text("ab", encoding="utf-8")
    assert stamp(tmp_path / "folder") != before
