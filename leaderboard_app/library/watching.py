"""Reading the library again when files have changed.

Every run of a page has to know whether a file has changed. Looking takes 20 ms for 200 submissions
and half a second for 5,000, so it is done for a twentieth of the time at most.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import Protocol

from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import Library, load, state_of
from simulator.catalogue.pool_rows import Progress

SHARE = 20.0
"""Time between two looks at the files, in times that one takes."""

SLOW = 0.1
"""Seconds that a look may take while a reader waits; a longer one is made in a thread."""

OLD = 60.0
"""Seconds after which a reader waits for a look, however long it takes."""


@dataclass(frozen=True)
class _Look:
    state: int
    ended: float
    seconds: float


class Watch:
    """The state of folders (`state_of`), as of a moment ago."""

    def __init__(
        self,
        look: Callable[[Folders], int] = state_of,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look, self._clock = look, clock
        self._last: dict[Folders, _Look] = {}
        self._busy = Lock()

    def state(self, folders: Folders) -> int:
        """Return the state of the folders, after a look at them if the last one is too old."""
        last = self._last.get(folders)
        if last is None:
            return self._looked(folders)
        age = self._clock() - last.ended
        if age <= SHARE * last.seconds:
            return last.state
        if last.seconds <= SLOW or age > OLD:
            return self._looked(folders)
        if self._busy.acquire(blocking=False):
            Thread(target=self._look_aside, args=[folders], daemon=True).start()
        return last.state

    def _look_aside(self, folders: Folders) -> None:
        try:
            self._looked(folders)
        finally:
            self._busy.release()

    def _looked(self, folders: Folders) -> int:
        began = self._clock()
        state = self._look(folders)
        ended = self._clock()
        self._last[folders] = _Look(state, ended, ended - began)
        return state


@dataclass(eq=False)
class Reading:
    """A library that a thread reads.

    `share` of its folders is read; `is_shown` is True once a page has shown it.
    """

    library: Future[Library] = field(default_factory=Future)
    share: float = 0.0
    is_shown: bool = False
    began: float = field(default_factory=time.monotonic)

    def is_done(self, seconds: float = 0.0) -> bool:
        """Wait so long at most; return True if the library or a failure is there."""
        return bool(wait([self.library], seconds).done)


class Load(Protocol):
    """Function that reads the folders in a state, as `leaderboard_app.library.library.load`."""

    def __call__(self, folders: Folders, progress: Progress, state: int) -> Library:
        """Return the library, and tell `progress` the share of the folders that is read."""


class Reader:
    """The libraries that were read last, in threads: nobody who stops waiting stops a reading."""

    def __init__(self, watch: Watch | None = None, read: Load = load, most: int = 2) -> None:
        self._watch = watch or Watch()
        self._read, self._most = read, most
        self._readings: dict[tuple[Folders, int], Reading] = {}
        self._lock = Lock()

    def begin(self, folders: Folders) -> Reading:
        """Return the reading of the folders as they are now; begin it if there is none.

        One that failed is begun again.
        """
        with self._lock:
            key = (folders, self._watch.state(folders))
            reading = self._readings.get(key)
            if reading is None or (reading.is_done() and reading.library.exception()):
                reading = self._readings[key] = Reading()
                Thread(target=self._fill, args=[reading, *key], daemon=True).start()
                for old in [*self._readings][: -self._most]:
                    del self._readings[old]
            return reading

    def _fill(self, reading: Reading, folders: Folders, state: int) -> None:
        def progress(share: float) -> None:
            reading.share = share

        try:
            found = self._read(folders, progress, state)
            gc.freeze()  # the collector would visit it after each run of a page
            reading.library.set_result(found)
        except BaseException as error:
            reading.library.set_exception(error)


READER = Reader()
"""The reader of this process."""
