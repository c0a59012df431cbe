"""Hashes that tell one version of an entry, or of a board, from another.

That of an entry is what a shell prints in its folder, with the files of `hashed_files`:

    sha256sum answers.parquet decisions.parquet … | sha256sum

That of a board is the same over a line `<hash>  <id>` for each of its `submitted` entries.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from leaderboard_app.library.library import LOCAL, Entry, Library
from simulator.catalogue.figures import VERIFIED
from simulator.catalogue.pool_rows import Stamp, stamp
from simulator.errors import UserError
from simulator.runs.format import FILES
from simulator.storage import file_sha256
from simulator.submissions.files import REQUIRED
from simulator.submissions.files import VERIFIED as VERIFIED_FOLDER


def hashed_files(entry: Entry) -> tuple[str, ...]:
    """Return the names of the files that define an entry, in the order in which they are hashed.

    For a run, its own files; for a submission also its policy and metadata, and the verifier's own
    replays if the figures are theirs.
    """
    if entry.badge == LOCAL:
        return tuple(sorted(FILES))
    own = (f"{VERIFIED_FOLDER}/{name}" for name in FILES if entry.basis == VERIFIED)
    return tuple(sorted([*REQUIRED, *own]))


def entry_hash(entry: Entry) -> str:
    """Return the SHA-256 that identifies all that an entry consists of, in 64 hexadecimal digits.

    Raises
    ------
    UserError
        A file cannot be read.
    """
    return _hash_of(entry.path, hashed_files(entry), stamp(entry.path))


def hash_command(entry: Entry) -> str:
    """Return the command that prints the hash, to be run in the entry's folder."""
    return f"sha256sum {shlex.join(hashed_files(entry))} | sha256sum"


def board_hash(library: Library) -> str:
    """Return the SHA-256 over the hashes of all entries of a board, whose files are all read once.

    Raises
    ------
    UserError
        A file cannot be read.
    """
    lines = ((entry_hash(entry), entry.id) for entry in submitted(library))
    return library.once("board hash", lambda: _of_lines(lines))


def submitted(library: Library) -> list[Entry]:
    """Return the submissions of a board that are not broken, sorted by id."""
    found = (entry for entry in library.entries if entry.badge not in (LOCAL, None))
    return sorted(found, key=lambda each: each.id)


@lru_cache(maxsize=8192)
def _hash_of(path: Path, names: tuple[str, ...], of: Stamp) -> str:
    try:
        return _of_lines((file_sha256(path / name), name) for name in names)
    except OSError as error:
        raise UserError(f"{path}: a file cannot be read for its hash ({error.strerror})") from None


def _of_lines(lines: Iterable[tuple[str, str]]) -> str:
    """Return the SHA-256 of lines such as those that `sha256sum` prints."""
    text = "".join(f"{digest}  {name}\n" for digest, name in lines)
    return hashlib.sha256(text.encode()).hexdigest()
