"""Helpers shared by all file formats: plain files, locks, checked JSON, hashes, Parquet."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import shutil
import stat
import typing
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeVar

from simulator.errors import WRITE_FAULTS, UserError, one_line
from simulator.remote import RemotePath

if TYPE_CHECKING:  # slow to import, not always needed
    import pyarrow as pa
    import pyarrow.parquet as pq

T = TypeVar("T")

_KINDS: dict[Callable[[int], bool], str] = {
    stat.S_ISFIFO: "a pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}
_OPEN = os.O_RDONLY
for _name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY", "O_NOCTTY"):  # those of this system
    _OPEN |= getattr(os, _name, 0)

_PLAIN = (str, int, float, bool)

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:]|NaN|-?Infinity', re.DOTALL)


@dataclass(frozen=True, slots=True)
class JsonObject:
    """A JSON or TOML object, whose fields are checked when they are read.

    `error` makes the error of a field that is missing, of another type or out of bounds, from its
    key, the type that it should have, and all fields. Bounds are those of a number, or of the
    length of a text or list.
    """

    fields: Mapping[str, Any]
    error: Callable[[str, Any, Mapping[str, Any]], UserError]

    def get(self, key: str, kind: type[T], least: float = -math.inf, most: float = math.inf) -> T:
        """Return a field of type `kind`, such as `list[str]`; an integer is also a float."""
        value = self.fields.get(key)
        if not _has_type(value, kind) or not _is_within(value, least, most):
            raise self.error(key, kind, self.fields)
        return float(value) if kind is float else value  # type: ignore[return-value,arg-type]

    def optional(
        self, key: str, kind: type[T], least: float = -math.inf, most: float = math.inf
    ) -> T | None:
        """Return a field as `get` does; None if it is null or not there."""
        return None if self.fields.get(key) is None else self.get(key, kind, least, most)

    def object(self, key: str) -> JsonObject:
        """Return a field that is an object."""
        return JsonObject(self.get(key, dict[str, Any]), self.error)

    def objects(self, key: str, most: float = math.inf) -> list[JsonObject]:
        """Return a field that is a list of at most `most` objects."""
        found = self.get(key, list[dict[str, Any]], most=most)
        return [JsonObject(each, self.error) for each in found]


def check_plain(path: Path) -> os.stat_result:
    """Return the facts of a plain file, or of the one that a link leads to.

    Raises
    ------
    OSError
        There is no such file, or it is a folder, pipe, socket or device, which may have no end.
    """
    facts = path.stat()
    _check_kind(facts, path)
    return facts


def _check_kind(facts: os.stat_result, path: Path) -> None:
    if stat.S_ISDIR(facts.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    for is_kind, words in _KINDS.items():
        if is_kind(facts.st_mode):
            reason = f"it is {words}; save its content to a file"
            raise OSError(errno.EINVAL, reason, str(path))


@contextmanager
def open_plain(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Open a plain file for reading; yield it with its size. Nothing here waits for data.

    Raises
    ------
    OSError
        As `check_plain`, or the file could not be opened. Also at the end, if the file has changed
        since it was opened.
    """
    check_plain(path)  # before it is opened, as opening a device can do something
    with open(os.open(path, _OPEN), "rb") as file:  # noqa: PTH123  (a descriptor)
        before = os.fstat(file.fileno())
        _check_kind(before, path)
        yield file, before.st_size
        after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise changed(path)


def changed(path: Path) -> OSError:
    """Return the error of a file that is written to while it is read."""
    return OSError(
        errno.EBUSY, "it changed while it was read; wait until it is complete", str(path)
    )


def read_plain(path: Path) -> bytes:
    """Read a plain file, or a remote one; raise `OSError` as `open_plain` does."""
    if isinstance(path, RemotePath):
        return path.read_bytes()
    with open_plain(path) as (file, size):
        content = file.read(size + 1) or b""
        if len(content) > size:
            raise changed(path)
    return content


def read_plain_text(path: Path) -> str:
    """Read a plain UTF-8 file as `Path.read_text` does; raise `OSError` as `open_plain` does."""
    return read_plain(path).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


class AmbiguousJsonError(ValueError):
    """Error for JSON that two readers may understand differently: a key twice, NaN, Infinity."""


def parse_json(text: str, *, nan: bool = False, masked: bool = False) -> Any:
    """Parse JSON strictly; `nan` admits NaN and Infinity, `masked` admits −Infinity.

    Raises `AmbiguousJsonError` with the place, and what `json.loads` raises.
    """
    try:
        if nan:
            return json.loads(text, object_pairs_hook=distinct_keys)
        return (MASKED_DECODER if masked else DECODER).decode(text)
    except AmbiguousJsonError as fault:
        raise AmbiguousJsonError(_with_place(text, str(fault), masked=masked)) from None


def distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of these pairs; raise `AmbiguousJsonError` for a key that occurs twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise AmbiguousJsonError(f"the key {ascii(twice)[:60]} occurs twice in an object; keep one")
    return found


def _no_constant(text: str) -> float:
    raise AmbiguousJsonError(f"{text} is not JSON; write null where there is no value")


DECODER = json.JSONDecoder(object_pairs_hook=distinct_keys, parse_constant=_no_constant)
"""Strict decoder, for parts of a text; its errors name no place."""

MASKED_DECODER = json.JSONDecoder(
    object_pairs_hook=distinct_keys,
    parse_constant=lambda text: -math.inf if text == "-Infinity" else _no_constant(text),
)
"""Strict decoder that admits −Infinity, which Python writes for a masked token's log-probability.

Whoever reads other numbers with it has to refuse infinite ones."""


def _with_place(text: str, fault: str, *, masked: bool = False) -> str:
    """Add line and column of the first repeated key or constant that is not JSON to an error."""
    keys: list[set[str]] = []
    last, start = "", 0
    for token in _TOKEN.finditer(text):
        if token[0] in "{[":
            keys.append(set())
        elif token[0] in "}]" and keys:
            keys.pop()
        elif token[0] == ":" and keys:
            key = json.loads(last)
            if key in keys[-1]:
                break
            keys[-1].add(key)
        elif token[0][0] != '"' and not (masked and token[0] == "-Infinity"):
            start = token.start()
            break
        last, start = token[0], token.start()
    line = text.count("\n", 0, start) + 1
    column = start - text.rfind("\n", 0, start)
    return f"line {line}, column {column}: {fault}"


def read_versioned(
    file: Path,
    what: str,
    newest: int,
    remedy: str,
    *,
    kind: str = "format",
    unreadable: str = "cannot be read",
) -> JsonObject:
    """Read a JSON object that describes `what` and has the number of its `kind` of format.

    Raises
    ------
    UserError
        The file cannot be read, is not JSON or describes something else, or its format is newer
        than `newest`. Also when a field is read later that is missing or has the wrong type.
    FileNotFoundError
        There is no such file.
    """
    try:
        fields = parse_json(read_plain_text(file))
    except FileNotFoundError:
        raise
    except OSError as fault:
        raise UserError(f"{file}: cannot be read ({fault.strerror}); check the path") from None
    except (ValueError, RecursionError) as fault:
        raise UserError(f"{file}: {unreadable} ({one_line(fault)}); {remedy}") from None
    if not isinstance(fields, dict) or type(fields.get("format")) is not int:
        raise UserError(f"{file}: not {what}; {remedy}")
    if fields["format"] > newest:
        raise UserError(
            f"{file}: {kind} {fields['format']} is newer than this program's {newest}; upgrade "
            "deepprune-sim"
        )

    def wrong(key: str, kind: object, fields: object) -> UserError:
        return UserError(f"{file}: {key!r} is missing or has the wrong type; {remedy}")

    return JsonObject(fields, wrong)


def _has_type(value: object, kind: Any) -> bool:
    """Check that a value from JSON has the type of an annotation."""
    if isinstance(kind, type) and kind in _PLAIN:
        return type(value) is kind or (kind is float and type(value) is int)
    origin, parts = _parts(kind)
    if kind is Any:
        return True
    if origin is list:
        return type(value) is list and all(_has_type(each, parts[0]) for each in value)
    if origin is dict:
        return type(value) is dict and all(_has_type(each, parts[1]) for each in value.values())
    if origin is Literal:
        return value in parts
    if parts:
        return any(_has_type(value, part) for part in parts)
    return type(value) is kind or (kind is float and type(value) is int)


@lru_cache(maxsize=256)
def _parts(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    return typing.get_origin(kind), typing.get_args(kind)


def _is_within(value: object, least: float, most: float) -> bool:
    if isinstance(value, str | list | dict):
        return least <= len(value) <= most
    return type(value) is not int or least <= value <= most


def parquet_writer(
    path: Path | BytesIO, schema: pa.Schema, encodings: Mapping[str, str] | None = None
) -> pq.ParquetWriter:
    """Open a Parquet writer with this project's settings, which are the same on every machine.

    `encodings` are Parquet encodings by column; other columns are dictionary-encoded if that makes
    them smaller. Bytes have no statistics, which would repeat two cells in each row group.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    encodings = dict(encodings or {})
    plain = {name.partition(".")[0] for name in encodings}
    return pq.ParquetWriter(
        # Otherwise pyarrow takes text before a colon as a scheme.
        path.absolute() if isinstance(path, Path) else path,
        schema,
        compression="zstd",
        store_schema=True,
        write_page_checksum=True,
        use_dictionary=[name for name in schema.names if name not in plain],
        column_encoding=encodings or None,
        write_statistics=[each.name for each in schema if not pa.types.is_binary(each.type)]
        if any(pa.types.is_binary(each.type) for each in schema)
        else True,
    )


@contextmanager
def reading(path: Path) -> Iterator[Path]:
    """Turn pyarrow's errors about an unreadable file into one-line `UserError`s."""
    import pyarrow as pa

    try:
        if not isinstance(path, RemotePath):
            check_plain(path)
        yield path
    except (pa.ArrowException, OSError, IndexError) as error:
        raise UserError(
            f"{path}: cannot be read ({one_line(error)}); the file is damaged or truncated, "
            "make or import it again"
        ) from error


def link_or_copy(file: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the disk has no links."""
    try:
        target.hardlink_to(file)
    except (OSError, NotImplementedError):
        shutil.copyfile(file, target)


def is_utf8(text: str) -> bool:
    """Check that a text, such as a file's name, has no bytes or halves of characters in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def file_sha256(path: Path) -> str:
    """Compute the SHA-256 of a file, in hexadecimal."""
    with open_plain(path) as (file, _):
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def disk_error(error: OSError, path: Path) -> UserError:
    """Return the error for a disk that is full or not writable."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    remedy = WRITE_FAULTS.get(error.errno or 0, "choose another place")
    return UserError(f"{path}: cannot be written ({reason}); nothing was kept, {remedy}")


def replace_file(file: Path, content: bytes, shown: Path | None = None) -> None:
    """Write a file whole or not at all, in place of one that exists; errors name `shown`."""
    temporary = temporary_beside(file)
    try:
        temporary.write_bytes(content)
        temporary.replace(file)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise disk_error(error, shown or file) from error


def replace_folder(folder: Path, content: Mapping[str, bytes], staging: Path) -> None:
    """Write a folder's files whole or not at all, in place of anything that exists.

    It is prepared in the folder `staging`, on the same disk. Without content, it is removed.
    """
    before = staging.with_name(f"{staging.name}.before")
    try:
        if content:
            staging.mkdir()
            for name, each in content.items():
                (staging / name).write_bytes(each)
        if folder.is_symlink() or folder.exists():
            folder.rename(before)
        if content:
            staging.rename(folder)
    except OSError as error:
        raise disk_error(error, folder) from error
    finally:
        for left in (staging, before):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def make_folders(path: Path) -> list[Path]:
    """Make a folder and its parents; return those that were missing, the innermost first."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        remove_empty([folder for folder in missing if folder.exists()])
        raise
    return missing


def remove_empty(folders: list[Path]) -> None:
    """Remove empty folders, the innermost first, up to one that is not empty."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


GRACE = 0.5
"""Seconds to wait for a lock, which may be held for a moment by one who asks whether it is held."""


@contextmanager
def locked(
    target: Path, taken: Callable[[str], UserError], *, wait: bool = False
) -> Iterator[bool]:
    """Lock a file or folder that is to be written, against other processes and threads.

    Yields False on a file system without locks. The lock ends with the process at the latest. It is
    a file beside the target, because Windows renames no folder with an open file in it. The folder
    that will hold the target has to exist.

    Parameters
    ----------
    target
        The file or folder.
    taken
        Returns the error for a target that is locked, from ` (pid …)`, or an empty text.
    wait
        Wait for the lock.
    """
    from filelock import FileLock, Timeout

    file = target.with_name(f".{target.name}.lock")
    lock = FileLock(file, timeout=-1 if wait else GRACE)
    try:
        lock.acquire()
    except Timeout:
        raise taken(_holder(file)) from None
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno in WRITE_FAULTS:
            raise
    try:
        if lock.is_locked:
            with suppress(OSError):  # on Windows, a locked file may not be written to
                file.write_text(str(os.getpid()), encoding="ascii")
        yield lock.is_locked
    finally:
        if lock.is_locked:
            with suppress(OSError):  # on Windows, releasing removes it
                file.unlink()
            lock.release()


def _holder(lock: Path) -> str:
    """Return ` (pid …)`, the process that holds a lock, if the file says it."""
    with suppress(OSError, ValueError):
        return f" (pid {int(lock.read_text(encoding='ascii'))})"
    return ""


def temporary_beside(target: Path) -> Path:
    """Return an unused name beside a file or folder, to write it under before it is renamed."""
    return target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")


def is_locked(target: Path) -> bool:
    """Check whether another process holds the lock of a file or folder; change nothing."""
    from filelock import FileLock, Timeout

    file = target.with_name(f".{target.name}.lock")
    if not file.exists():
        return False
    lock = FileLock(file, timeout=0)
    try:
        lock.acquire()
    except (OSError, NotImplementedError) as error:
        return isinstance(error, Timeout)
    lock.release()
    return False


LEFTOVER = re.compile(r"\.(.+)\.[0-9a-f]{8}\.(tmp|old)")
"""Names of `temporary_beside`, and of former versions that are being replaced."""


def leftovers(target: Path) -> list[Path]:
    """List what processes that were killed have left of a target: `.old` is a former version."""
    found = []
    for path in target.parent.iterdir():
        name = LEFTOVER.fullmatch(path.name)
        if name and name[1] == target.name:
            found.append(path)
    return sorted(found)


def clear_leftovers(target: Path) -> None:
    """Remove leftovers of a target, whose lock is held; put a former version in a missing place."""
    for path in leftovers(target):
        if path.suffix == ".old" and not target.exists():
            path.rename(target)
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
