"""Files of a board's repository that may lie on this machine, and those that are only named.

Everybody can open a pull request with any files, so their sizes are judged before they are
downloaded: a file that no submission may have is made empty, or as large as it is without content,
and verification tells it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from simulator.boards.address import SUBMISSIONS
from simulator.hub.download import RemoteFile
from simulator.runs.format import FILES
from simulator.storage import link_or_copy
from simulator.submissions.files import LIMITS, VERIFICATION, VERIFIED

MOST_REFUSED = 50
"""Most files of a submission that are named without being downloaded."""

MOST_SHOWN = 2**40
"""Size in bytes that larger files are said to have."""

LARGEST = 4_000_000
"""Maximum size in bytes of a file beside the submissions, such as `published.toml`."""


@dataclass(frozen=True)
class Place:
    """Place of a file below `submissions/`: its submission, empty for none, and the rest."""

    submission: str
    name: str

    @property
    def verifiers(self) -> bool:
        """True for files that only the keeper of a board writes."""
        return self.name == VERIFICATION or self.name.partition("/")[0] == VERIFIED

    @property
    def limit(self) -> int | None:
        """Maximum size in bytes; None for a file that a board has no use for."""
        if not self.submission:
            return LARGEST if self.name.endswith(".toml") else None
        folder, _, name = self.name.rpartition("/")
        if folder == VERIFIED:
            return LIMITS[name] if name in FILES else None
        return None if folder else LIMITS.get(name)


def place_of(path: str) -> Place | None:
    """Return the place of a file by its path in the repository; None outside `submissions/`."""
    top, _, below = path.partition("/")
    parts = below.split("/")
    if top != SUBMISSIONS or not below or any(part in ("", ".", "..") for part in parts):
        return None
    if os.sep != "/" and any(os.sep in part or ":" in part for part in parts):
        return None
    return Place(parts[0], "/".join(parts[1:])) if len(parts) > 1 else Place("", parts[0])


def wanted(file: RemoteFile) -> bool:
    """Check that a board has use for a file, and that it is not too large."""
    place = place_of(file.path)
    return place is not None and place.limit is not None and (file.size or 0) <= place.limit


def refused(files: Iterable[RemoteFile]) -> Iterator[RemoteFile]:
    """List files in submissions' folders that none may have; a bounded number of each."""
    found: dict[str, int] = {}
    for file in files:
        place = place_of(file.path)
        if place is not None and place.submission and not wanted(file):
            found[place.submission] = found.get(place.submission, 0) + 1
            if found[place.submission] <= MOST_REFUSED:
                yield file


def lay_out(files: Iterable[RemoteFile], snapshot: Path, target: Path) -> None:
    """Give the files of a download that are wanted their names below `target`, as plain files.

    Verification opens no links, which the client's own folders consist of.
    """
    files = [*files]
    for file in files:
        if wanted(file):
            made = target / file.path
            made.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy((snapshot / file.path).resolve(), made)
    for file in refused(files):
        parts = [part[:60] for part in file.path.split("/")[:4]]  # 240 bytes at most
        made = target.joinpath(*parts)
        made.parent.mkdir(parents=True, exist_ok=True)
        with made.open("wb") as opened:
            opened.truncate(min(file.size or 0, MOST_SHOWN) if parts[-1] in LIMITS else 0)
