"""Writing a pool: one writer at a time, all of it or nothing, whenever it is killed."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killed_imports import import_rows, import_until

from simulator.errors import UserError
from simulator.pools import writer as writing
from simulator.pools.check import check_pool
from simulator.pools.folders import unfinished_pools
from simulator.pools.pool import Pool, PoolInfo
from simulator.pools.records import ProblemRecord, TraceRecord
from simulator.pools.writer import PoolWriter


def problem(*confidence: float, answer: str = "1") -> ProblemRecord:
    signals = {"confidence": np.array(confidence)} if confidence else {}
    trace = TraceRecord(0, len(confidence) or 3, answer, token_signals=signals)
    return ProblemRecord("p", None, "1", "math", [trace])


def open_writer(cache: Path, **how: Any) -> PoolWriter:
    return PoolWriter(cache, PoolInfo("d", "m", "b", "test", "1", "total"), **how)


def names_in(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "d" / "m").iterdir())


@pytest.mark.parametrize("replace", [False, True])
def test_one_of_two_writers_at_once_is_refused_with_the_others_process(
    tmp_path: Path, replace: bool
) -> None:
    with open_writer(tmp_path) as first:
        first.add(problem(answer="1"))
        second = open_writer(tmp_path, replace=replace)
        told = rf"d/m/b is being imported by another process \(pid {os.getpid()}\); wait"
        with pytest.raises(UserError, match=told), second:
            raise AssertionError
        assert first.folder.is_dir()
    assert Pool(first.path).problems[0].class_texts == ["1"]
    assert names_in(tmp_path) == ["b"]


def test_a_pool_made_before_the_lock_was_free_is_kept(tmp_path: Path) -> None:
    late = open_writer(tmp_path)  # when there was no such pool
    with open_writer(tmp_path) as first:
        first.add(problem(answer="1"))
    with pytest.raises(UserError, match="a pool named d/m/b exists"), late:
        raise AssertionError
    assert check_pool(first.path) == []
    assert names_in(tmp_path) == ["b"]


def test_without_locks_the_first_to_end_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def none(*_: Any, **__: Any) -> Iterator[bool]:
        yield False

    monkeypatch.setattr(writing, "locked", none)
    late = open_writer(tmp_path).__enter__()
    late.add(problem(answer="2"))
    with open_writer(tmp_path) as first:
        first.add(problem(answer="1"))
    with pytest.raises(UserError, match="it was created in the meantime"):
        late.__exit__(None, None, None)
    assert Pool(first.path).problems[0].class_texts == ["1"]
    assert names_in(tmp_path) == ["b"]


def test_leftovers_of_this_name_alone_are_cleared_and_the_others_told(tmp_path: Path) -> None:
    folder = tmp_path / "d" / "m"
    for name in (".b.01234567.tmp", ".b.c.01234567.tmp", ".b.01234567.tmp.d.01234567.tmp"):
        (folder / name).mkdir(parents=True)
        (folder / name / "text.parquet").write_text("half")
    assert unfinished_pools(tmp_path) == {
        "d/m/b": "left by an import that was killed",
        "d/m/b.01234567.tmp.d": "left by an import that was killed",
        "d/m/b.c": "left by an import that was killed",
    }
    with open_writer(tmp_path) as writer:
        writer.add(problem())
        assert unfinished_pools(tmp_path)["d/m/b"] == "being imported"
    assert names_in(tmp_path) == [".b.01234567.tmp.d.01234567.tmp", ".b.c.01234567.tmp", "b"]


def test_a_pool_whose_replacement_was_killed_between_two_renames_comes_back(
    tmp_path: Path,
) -> None:
    with open_writer(tmp_path) as writer:
        writer.add(problem())
    writer.path.rename(writer.path.with_name(".b.01234567.old"))
    with pytest.raises(UserError, match="exists"), open_writer(tmp_path):
        raise AssertionError
    assert check_pool(writer.path) == []
    assert names_in(tmp_path) == ["b"]


@pytest.mark.parametrize("failing", [1, 2])
def test_a_replacement_that_fails_at_the_end_leaves_the_old_pool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    with open_writer(tmp_path) as writer:
        writer.add(problem(answer="1"))
    calls = 0
    rename = Path.rename

    def fail(path: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with (
        pytest.raises(UserError, match=r"No space left on device.*free space and retry"),
        open_writer(tmp_path, replace=True) as second,
    ):
        second.add(problem(answer="2"))
    assert Pool(writer.path).problems[0].class_texts == ["1"]
    assert names_in(tmp_path) == ["b"]


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 3.5e38, -1e300])
def test_values_that_float32_cannot_hold_are_refused(tmp_path: Path, value: float) -> None:
    with (
        pytest.raises(UserError, match=r"confidence of problem 'p', trace 0 is .* at token 1\)"),
        open_writer(tmp_path) as writer,
    ):
        writer.add(problem(1.0, value))
    assert list(tmp_path.iterdir()) == []


def test_the_largest_float32_is_kept(tmp_path: Path) -> None:
    largest = float(np.finfo(np.float32).max)
    with open_writer(tmp_path) as writer:
        writer.add(problem(largest, -largest))
    assert check_pool(writer.path) == []


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "rows.jsonl"
    lines = [
        {"problem_id": p, "gold_answer": "1", "answer": "1", "confidence": [1.0, value]}
        for p in "abc"
        for value in (2.0, 1 / 3)
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def in_process(target: Callable[..., None], *given: Any, **named: Any) -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["killed_imports"])
    process = context.Process(target=target, args=given, kwargs=named)
    process.start()
    return process


needs_forkserver = pytest.mark.skipif(
    "forkserver" not in multiprocessing.get_all_start_methods(), reason="needs forkserver"
)


@pytest.mark.parametrize("kind", ["file", "loop"])
def test_a_file_or_a_link_in_the_place_of_a_pool_is_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "d/m/b"
    path.parent.mkdir(parents=True)
    path.symlink_to("b") if kind == "loop" else path.touch()
    with pytest.raises(UserError, match="a file or a link is in the place of the pool"):
        open_writer(tmp_path, replace=True)
    assert names_in(tmp_path) == ["b"]


@needs_forkserver
@pytest.mark.parametrize("replace", [False, True])
def test_an_import_killed_at_any_step_leaves_no_half_pool(
    tmp_path: Path, rows: Path, replace: bool
) -> None:
    whole = tmp_path / "whole"
    import_rows(whole, rows)
    wanted = Pool(whole / "d/m/b").info.fingerprint
    for step in range(100):
        cache = tmp_path / f"cache{step}"
        if replace:
            shutil.copytree(whole, cache)
        process = in_process(import_until, step, cache, rows, replace=replace)
        process.join()
        path = cache / "d/m/b"
        assert not path.exists() or check_pool(path) == []
        import_rows(cache, rows, replace=True)
        assert Pool(path).info.fingerprint == wanted
        assert names_in(cache) == ["b"]
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
    assert step > 8  # that many steps were reached


@needs_forkserver
def test_imports_killed_at_any_moment_leave_no_half_pool(tmp_path: Path, rows: Path) -> None:
    rng = random.Random(9)
    cache = tmp_path / "cache"
    path = cache / "d/m/b"
    for _ in range(10):
        process = in_process(import_rows, cache, rows, replace=True)
        time.sleep(rng.random() * 0.2)
        process.kill()
        process.join()
        assert not path.exists() or check_pool(path) == []
    import_rows(cache, rows, replace=True)
    assert check_pool(path) == []
    assert names_in(cache) == ["b"]
