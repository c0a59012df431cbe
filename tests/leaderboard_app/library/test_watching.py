"""Files are looked at for a twentieth of the time, and nobody waits long for a look."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import pytest
from made_entries import made_library

from leaderboard_app.library.folders import Folders
from leaderboard_app.library.watching import OLD, Reader, Watch

FOLDERS = Folders(Path("pools"), Path("runs"), Path("submissions"))


class Files:
    """Files whose state is the number of looks so far; each look takes some seconds."""

    def __init__(self, seconds: float) -> None:
        self.now, self.looks, self.seconds = 0.0, 0, seconds
        self.looked, self.go = Event(), Event()
        self.go.set()

    def look(self, folders: Folders) -> int:
        self.go.wait(10)
        self.looks += 1
        self.now += self.seconds
        self.looked.set()
        return self.looks

    def watch(self) -> Watch:
        return Watch(self.look, lambda: self.now)


def test_a_quick_look_is_repeated_after_twenty_times_its_duration() -> None:
    files = Files(0.01)
    watch = files.watch()
    assert [watch.state(FOLDERS), watch.state(FOLDERS)] == [1, 1]
    files.now += 0.19
    assert watch.state(FOLDERS) == 1
    files.now += 0.02
    assert watch.state(FOLDERS) == 2


def test_nobody_waits_for_a_slow_look_unless_the_last_one_is_old() -> None:
    files = Files(0.5)
    watch = files.watch()
    assert watch.state(FOLDERS) == 1
    files.now += 11
    files.looked.clear()
    files.go.clear()
    assert watch.state(FOLDERS) == 1  # a thread looks meanwhile
    assert watch.state(FOLDERS) == 1  # and no second one
    files.go.set()
    assert files.looked.wait(10)
    assert files.looks == 2
    while watch.state(FOLDERS) == 1:  # the thread has yet to note what it saw
        pass
    assert watch.state(FOLDERS) == 2
    files.now += OLD + 1
    assert watch.state(FOLDERS) == 3


def test_each_folder_has_its_own_state() -> None:
    files = Files(0.01)
    watch = files.watch()
    other = Folders(Path("pools"), Path("runs"), Path("others"))
    assert [watch.state(FOLDERS), watch.state(other), watch.state(FOLDERS)] == [1, 2, 1]


class Read:
    """A reading of the folders that says how far it is, and goes on when it may."""

    def __init__(self) -> None:
        self.states: list[int] = []
        self.half, self.go = Event(), Event()
        self.fault: Exception | None = None

    def __call__(self, folders: Folders, progress: Any, state: int) -> Any:
        self.states.append(state)
        progress(0.5)
        self.half.set()
        assert self.go.wait(10)
        if self.fault is not None:
            raise self.fault
        return made_library([], {})


def test_a_library_is_read_once_for_all_who_wait_and_again_when_files_change() -> None:
    files, read = Files(0.01), Read()
    reader = Reader(files.watch(), read)
    first = reader.begin(FOLDERS)
    assert read.half.wait(10)
    assert (first.share, first.is_done()) == (0.5, False)
    assert reader.begin(FOLDERS) is first
    read.go.set()
    assert first.is_done(10)
    assert reader.begin(FOLDERS) is first
    files.now += 0.21
    second = reader.begin(FOLDERS)
    assert second.is_done(10)
    assert second.library.result() is not first.library.result()
    assert read.states == [1, 2]


def test_a_reading_that_failed_tells_why_and_is_tried_again() -> None:
    read = Read()
    read.go.set()
    read.fault = OSError("the disk is away")
    reader = Reader(Files(0.01).watch(), read)
    failed = reader.begin(FOLDERS)
    assert failed.is_done(10)
    with pytest.raises(OSError, match="the disk is away"):
        failed.library.result()
    read.fault = None
    assert reader.begin(FOLDERS).library.result() is not None
    assert read.states == [1, 1]
