"""Reading JSON files, plain or compressed; every error is one line that names the place."""

from __future__ import annotations

import difflib
import errno
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

from simulator.errors import UserError, one_line
from simulator.storage import AmbiguousJsonError, changed, open_plain, parse_json

AGAIN = "download or export it again"

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
"""First bytes of compressed files, whatever their names are."""

MAX_TEXT = 2**32
"""Most bytes of a file that is read as a whole, once decompressed."""

MAX_LINE = 2**30
"""Most bytes of a line."""


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, Callable[[], float]]]:
    """Open a plain file for reading, decompressed if it is gzip or zstd.

    Yields the file, and a function that returns the fraction that is read. It raises `OSError` if
    the file has grown.

    Raises
    ------
    OSError
        As `open_plain` does.
    UserError
        Inside the `with`: compressed data that is damaged or truncated.
    """
    with open_plain(path) as (file, size):

        def done() -> float:
            if file.tell() > size:
                raise changed(path)
            return file.tell() / max(size, 1)

        start = file.read(len(ZSTD))
        file.seek(0)
        name = "gzip" if start[:2] == GZIP else "zstd" if start == ZSTD else None
        if name is None:
            yield file, done
            return
        try:
            if name == "gzip":
                yield cast(BinaryIO, gzip.GzipFile(fileobj=file)), done
            else:
                source = pa.PythonFile(file, mode="r")
                yield io.BufferedReader(pa.CompressedInputStream(source, name)), done
        except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise UserError(
                f"{path}: not readable as {name} ({one_line(error, 80)}); it is damaged or "
                f"truncated, {AGAIN}"
            ) from None


def lines_of(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of an opened file; raise `UserError` for one of more than `MAX_LINE`."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise UserError(f"{path}: line {number} is longer than {MAX_LINE:,} bytes; split it")
        yield line


def read_json(path: Path, *, nan: bool = False) -> Any:
    """Read the value of a JSON file; raise `UserError` if it cannot be read.

    `nan` admits NaN and Infinity, which some programs write for figures that are not used here.
    """
    fault = json_fault(read_text(path), nan=nan)
    if isinstance(fault, str):
        raise UserError(f"{path}: {fault}; {AGAIN}")
    return fault[0]


def json_fault(text: str, *, nan: bool = False, masked: bool = False) -> str | tuple[Any]:
    """Parse JSON; return the value in a tuple, or a message with the error and its place."""
    try:
        return (parse_json(text, nan=nan, masked=masked),)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
            return f"{place}: the JSON is truncated"
        return f"{place}: not JSON ({error.msg})"
    except AmbiguousJsonError as error:
        return str(error)
    except RecursionError:
        return "JSON nested too deeply to be read"
    except ValueError:
        return "a number of thousands of digits"


def read_text(path: Path) -> str:
    """Read UTF-8 without its byte order mark; raise `UserError` if unreadable or empty."""
    try:
        with opened(path) as (file, done):
            data = file.read(MAX_TEXT + 1) or b""
            done()
    except OSError as error:
        raise unreadable(path, error) from None
    if len(data) > MAX_TEXT:
        raise UserError(f"{path}: more than {MAX_TEXT:,} bytes of JSON; split it, or give lines")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}: line {line}: not UTF-8; convert the file (iconv -t utf-8) or {AGAIN}"
        ) from None
    if not text.strip():
        raise UserError(f"{path}: the file is empty; {AGAIN}")
    return text


def unreadable(path: Path, error: OSError) -> UserError:
    """Make the error for a file that cannot be opened."""
    if str(path) in ("-", "/dev/stdin"):
        return UserError(f"{path}: files are read more than once; save the input to a file first")
    if isinstance(error, FileNotFoundError):
        if path.is_symlink():
            return UserError(
                f"{path}: a link to {path.readlink()}, which does not exist; correct it"
            )
        return UserError(f"{path}: no such file{_nearest(path)}; check the path")
    if isinstance(error, IsADirectoryError):
        return UserError(f"{path}: this is a folder; name a file in it")
    if isinstance(error, PermissionError):
        return UserError(f"{path}: permission denied; change its permissions (chmod u+r)")
    if error.errno == errno.ELOOP:
        return UserError(f"{path}: a link that leads to itself; give the file")
    reason = error.strerror or str(error)
    remedy = "" if ";" in reason else "; check the path"
    return UserError(f"{path}: cannot be read ({reason}){remedy}")


def _nearest(path: Path) -> str:
    try:
        names = [other.name for other in path.parent.iterdir()]
    except OSError:
        return ""
    near = difflib.get_close_matches(path.name, names, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
