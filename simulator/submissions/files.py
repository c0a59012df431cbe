"""The files of a submission, read into memory once, so that the checked bytes are the hashed ones.

A submission is a folder, or a bundle from `submit --bundle`, which is never unpacked to the disk.
"""

from __future__ import annotations

import os
import re
import stat
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from simulator.runs.format import ANSWERS_FILE, DECISIONS_FILE, RUN_FILE, SUMMARY_FILE
from simulator.submissions.strict_json import shown

MB = 1_000_000
LIMITS = {
    "submission.toml": 64_000,
    "policy.py": 1 * MB,
    RUN_FILE: 4 * MB,
    DECISIONS_FILE: 256 * MB,
    ANSWERS_FILE: 64 * MB,
    SUMMARY_FILE: 2 * MB,
    "verification.json": 1 * MB,
}
"""Every file that a submission may hold, with its maximum size in bytes."""

VERIFICATION = "verification.json"
"""File that a verifier writes beside the others; verifying ignores its content."""

VERIFIED = "verified"
"""Folder with the verifier's own run, beside the files of a submission and no part of it."""

METADATA = "submission.toml"
"""File with what is told about the method; figures do not depend on it."""

REQUIRED = tuple(name for name in LIMITS if name != VERIFICATION)

HAS_FOLDER_DESCRIPTORS = os.open in os.supports_dir_fd
"""True where files can be opened relative to an open folder: not on Windows."""

_FLAGS = os.O_RDONLY
for _name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):  # those of this system
    _FLAGS |= getattr(os, _name, 0)

NAME = re.compile(r"(20[0-9]{2}-[0-9]{2}-[0-9]{2})-([a-z0-9]+(?:-[a-z0-9]+)*)")
MAX_NAME = 100
MAX_FOUND = 20
"""Most findings about files that are listed."""


@dataclass(frozen=True)
class Files:
    """A submission's files: content by file name; `findings` list what is wrong with the files."""

    name: str
    content: Mapping[str, bytes]
    findings: tuple[str, ...]

    @cached_property
    def sha256(self) -> dict[str, str]:
        """SHA-256 of each file that figures depend on: all but the metadata."""
        return {
            name: sha256(self.content[name]).hexdigest()
            for name in REQUIRED
            if name in self.content and name != METADATA
        }


def combined_sha256(hashes: Mapping[str, str]) -> str:
    """Return the SHA-256 of a line `<hash>  <name>` for each name, sorted, as `sha256sum` prints.

    `hashes` are by name, in hexadecimal.
    """
    text = "".join(f"{digest}  {name}\n" for name, digest in sorted(hashes.items()))
    return sha256(text.encode()).hexdigest()


def read_files(path: Path) -> Files:
    """Read the valid files of a submission's folder or bundle; never raise for its content.

    Only regular files are opened, no links, and no more bytes are read than `LIMITS` allows.
    """
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            return Files(path.name, {}, ("the submission is a link; give the folder itself",))
        if stat.S_ISREG(mode):
            return _read_bundle(path)
        if not stat.S_ISDIR(mode):
            return Files(path.name, {}, ("neither a folder nor a bundle",))
        return _read_folder(path)
    except OSError as error:
        return Files(path.name, {}, (f"cannot be read ({error.strerror})",))


def read_file(path: Path, limit: int) -> bytes | None:
    """Read a plain file of at most `limit` bytes; None if it is anything else."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return None
        with open(os.open(path, _FLAGS), "rb") as file:  # noqa: PTH123  (a descriptor)
            content = file.read(limit + 1)
    except OSError:
        return None
    return content if len(content) <= limit else None


def verifiers_place(path: Path, name: str) -> Path:
    """Return the place of the verifier's file or folder `name` of a submission.

    It is inside a folder, or beside a bundle with the bundle's name before it.
    """
    if path.is_dir():
        return path / name
    return path.with_name(f"{path.name.removesuffix('.zip')}.{name}")


def _read_folder(path: Path) -> Files:
    content: dict[str, bytes] = {}
    findings: list[str] = []
    name = path.resolve().name
    folder = os.open(path, _FLAGS | os.O_DIRECTORY) if HAS_FOLDER_DESCRIPTORS else None
    try:
        with os.scandir(path if folder is None else folder) as entries:
            for number, entry in enumerate(entries):
                if number >= 10 * MAX_FOUND:
                    findings.append("holds too many files")
                    break
                if entry.name == VERIFIED and entry.is_dir(follow_symlinks=False):
                    continue
                found = _read_entry(path, folder, entry.name)
                if isinstance(found, bytes):
                    content[entry.name] = found
                else:
                    findings.append(found)
    finally:
        if folder is not None:
            os.close(folder)
    return _complete(name, content, sorted(findings))


def _read_entry(path: Path, folder: int | None, name: str) -> bytes | str:
    """Return the content of a file in an open folder, or a message that says what is wrong."""
    if name not in LIMITS:
        return f"{shown(name)}: not a file of a submission; remove it"
    where = path / name if folder is None else name
    try:
        if not stat.S_ISREG(os.stat(where, dir_fd=folder, follow_symlinks=False).st_mode):
            return f"{name}: a link, folder or device; a submission holds plain files"
        file = os.open(where, _FLAGS, dir_fd=folder)
    except OSError as error:
        return f"{name}: cannot be read ({error.strerror})"
    with open(file, "rb") as opened:  # noqa: PTH123  (a descriptor)
        facts = os.fstat(file)
        if not stat.S_ISREG(facts.st_mode):
            return f"{name}: a link, folder or device; a submission holds plain files"
        if facts.st_size > LIMITS[name]:
            return _too_large(name, facts.st_size)
        content = opened.read(LIMITS[name] + 1)
    return content if len(content) <= LIMITS[name] else _too_large(name, len(content))


def _read_bundle(path: Path) -> Files:
    findings: list[str] = []
    content: dict[str, bytes] = {}
    name = path.name.removesuffix(".zip")
    most = sum(LIMITS.values())
    with path.open("rb") as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        return Files(name, {}, (_too_large("the bundle", len(raw), most),))
    try:
        with zipfile.ZipFile(BytesIO(raw)) as bundle:
            entries = bundle.infolist()
            if len(entries) > 2 * len(LIMITS):
                return Files(name, {}, ("the bundle holds too many files",))
            for entry in entries:
                parent, _, file_name = entry.filename.rpartition("/")
                kind = stat.S_IFMT(entry.external_attr >> 16)
                if parent == f"{name}/{VERIFIED}":
                    continue
                if parent != name or file_name not in LIMITS or kind not in (0, stat.S_IFREG):
                    findings.append(f"{shown(entry.filename)}: not a file of a submission {name}")
                elif file_name in content:
                    findings.append(f"{file_name}: occurs twice")
                elif entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    findings.append(
                        f"{file_name}: unsupported compression method; use submit --bundle"
                    )
                elif entry.file_size > LIMITS[file_name]:
                    findings.append(_too_large(file_name, entry.file_size))
                else:
                    with bundle.open(entry) as packed:
                        unpacked = packed.read(LIMITS[file_name] + 1)
                    if len(unpacked) > LIMITS[file_name]:
                        findings.append(_too_large(file_name, len(unpacked)))
                    else:
                        content[file_name] = unpacked
    except (zipfile.BadZipFile, zlib.error, RuntimeError, ValueError, EOFError) as error:
        return Files(name, {}, (f"not a readable bundle ({shown(str(error))})",))
    return _complete(name, content, findings)


def _complete(name: str, content: Mapping[str, bytes], findings: list[str]) -> Files:
    """Add findings about the submission's name and about missing files."""
    if len(name) > MAX_NAME or not NAME.fullmatch(name):
        findings.insert(0, f"{shown(name)}: not a submission's name, such as 2026-01-31-my-method")
    told = {finding.partition(":")[0] for finding in findings}
    findings += [f"{each}: missing" for each in REQUIRED if each not in {*content, *told}]
    return Files(name, dict(content), tuple(findings[:MAX_FOUND]))


def _too_large(name: str, size: int, limit: int | None = None) -> str:
    return f"{name}: {size:,} bytes, more than the {limit or LIMITS[name]:,} allowed"
