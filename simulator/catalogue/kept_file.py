"""Files that keep what is slow to compute, in the folder `.figures` of the pools.

What is kept counts for this program alone, by a hash of its sources: one that was edited or pulled
computes all again. A file holds its content after a hash of it, so that one that is damaged counts
as none. It is written whole or not at all; where it cannot be written, all is computed again the
next time.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

import simulator
from simulator.errors import UserError
from simulator.storage import replace_file

_MARK = b"deepprune-sim kept 1\n"

_CODE = (".py", ".so", ".pyd")

NO_SOURCES = frozenset({"commands", "importers", "live", "studies"})
"""Packages of this program that nothing kept follows from."""


def kept_place(folder: Path | None, what: str, of: Path) -> Path | None:
    """Return the file in a folder for what is known of the folder `of`; None without a folder."""
    return None if folder is None else folder / f"{what}-{digest(str(of))[:16]}.kept"


def digest(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def read_kept(place: Path | None, of: str) -> memoryview | None:
    """Return the content of a file that was kept for `of`; None if there is none."""
    if place is None:
        return None
    with suppress(OSError):
        content = place.read_bytes()
        start = _start(of)
        end = len(start) + 32
        rest = memoryview(content)[end:]
        if content[:end] == start + hashlib.sha256(rest).digest():
            return rest
    return None


def keep(place: Path | None, of: str, content: bytes | memoryview) -> None:
    """Keep content in a file, with all that it follows from as `of`; without a place, nowhere."""
    if place is not None:
        with suppress(OSError, UserError):
            place.parent.mkdir(exist_ok=True)
            replace_file(place, _start(of) + hashlib.sha256(content).digest() + content)


def _start(of: str) -> bytes:
    return _MARK + digest(f"{program()}\0{of}").encode()


@cache
def program() -> str:
    """Return a hash of this program's sources, with which all that is kept counts."""
    found = hashlib.sha256(version("deepprune-sim").encode())
    folder = Path(simulator.__path__[0])
    for file in sorted(each for each in folder.rglob("*") if each.suffix in _CODE):
        name = file.relative_to(folder)
        if name.parts[0] not in NO_SOURCES and file.is_file():  # editors make broken links
            found.update(name.as_posix().encode() + b"\0")
            found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()
