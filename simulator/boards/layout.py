"""Files of a board's repository that may lie on this machine, and those that are only named.

Everybody can open a pull request with any files, so their sizes are judged before they are
downloaded: a file that no submission may have is made empty, or as large as it is without content,
and verification tells it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from simulator.boards.address import SUBMISSIONS
from simulator.hub.download import RemoteFile
from simulator.runs.format import FILES
from simulator.storage import is_utf8
from simulator.submissions.files import LIMITS, VERIFICATION, VERIFIED

MOST_REFUSED = 50
"""Most files of a submission that are named without being downloaded."""

MOST_SHOWN = 2**40
"""Size in bytes that larger files are said to have."""

LARGEST = 4_000_000
"""Maximum size in bytes of a file beside the submissions, such as `published.toml`."""

LONGEST = 255
"""Most bytes of a file's or folder's name, on all disks in use."""


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
    """Return the place of a file by its path in the repository; None outside `submissions/`.

    None as well if it is not UTF-8, or no disk can hold a submission's folder of that name.
    """
    top, _, below = path.partition("/")
    parts = below.split("/")
    if top != SUBMISSIONS or not below or any(part in ("", ".", "..") for part in parts):
        return None
    if not is_utf8(path) or len(parts[0].encode()) > LONGEST:
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

    Verification opens no links, which the client's own folders consist of. The files are copies:
    whatever is written to them, those of the client stay as they are.
    """
    files = [*files]
    for file in files:
        if wanted(file):
            made = target / file.path
            made.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(snapshot / file.path, made)
    for file in refused(files):
        top, submission, *below = file.path.split("/")
        made = target.joinpath(top, submission, *map(_short, below[:2]))
        made.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError), made.open("xb") as opened:
            opened.truncate(min(file.size or 0, MOST_SHOWN) if made.name in LIMITS else 0)


def _short(part: str) -> str:
    """Return a part of a path that every disk can hold; those of different parts differ."""
    if len(part) <= 40:
        return part
    return f"{part[:40]}-{hashlib.sha256(part.encode()).hexdigest()[:16]}"
