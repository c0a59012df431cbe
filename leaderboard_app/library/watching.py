"""Looking for changed files, which takes a twentieth of the time at most.

Every run of a page has to know whether a file has changed. Looking takes 20 ms for 200 submissions
and half a second for 5,000.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock, Thread

from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import state_of

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
