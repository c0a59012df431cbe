"""Files are looked at for a twentieth of the time, and nobody waits long for a look."""

from __future__ import annotations

from pathlib import Path
from threading import Event

from leaderboard_app.library.folders import Folders
from leaderboard_app.library.watching import OLD, Watch

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
