"""Pools that come with the package: found, copied whole, and never in a policy's reach."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from simulator import PACKAGE
from simulator.errors import UserError
from simulator.pools.folders import find_pools
from simulator.pools.pool import Pool
from simulator.pools.shipped import copy_shipped, shipped_pools

(NAME,) = shipped_pools()


def test_it_lies_outside_the_package() -> None:
    original = shipped_pools()[NAME]
    assert not original.resolve().is_relative_to(Path(PACKAGE).resolve())
    assert Pool(original).name == NAME


def test_a_name_or_a_pattern_copies_it_and_no_name_does_not(tmp_path: Path) -> None:
    assert find_pools(tmp_path, []) == []
    (found,) = find_pools(tmp_path, ["shipped/*"])
    assert found == tmp_path / NAME
    assert Pool(found).info == Pool(shipped_pools()[NAME]).info
    assert find_pools(tmp_path, []) == [found]
    with pytest.raises(UserError, match="no pool 'other/\\*'"):
        find_pools(tmp_path, ["other/*"])


def test_one_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    copy = copy_shipped(tmp_path, NAME)
    (copy / "more").write_text("mine")
    assert copy_shipped(tmp_path, NAME) == copy
    assert (copy / "more").exists()


def test_processes_that_copy_at_once_leave_one_copy(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as processes:
        copies = processes.starmap(copy_shipped, [(tmp_path, NAME)] * 3)
    assert set(copies) == {tmp_path / NAME}
    assert [each.name for each in (tmp_path / NAME).parent.iterdir()] == [Path(NAME).name]
    assert Pool(tmp_path / NAME).problems


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "shipped").write_text("a file")
    with pytest.raises(UserError, match=r"cannot be written \(.*\); nothing was kept"):
        copy_shipped(tmp_path, NAME)
