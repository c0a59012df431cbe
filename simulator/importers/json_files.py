"""Reading JSON files; every error is one line that names the place."""

from __future__ import annotations

import difflib
import errno
import json
from pathlib import Path
from typing import Any

from simulator.errors import UserError
from simulator.storage import AmbiguousJsonError, parse_json, read_plain

AGAIN = "download or export it again"


def read_json(path: Path, *, nan: bool = False) -> Any:
    """Read the value of a JSON file; raise `UserError` if it cannot be read.

    `nan` admits NaN and Infinity, which some programs write for figures that are not used here.
    """
    fault = json_fault(read_text(path), nan=nan)
    if isinstance(fault, str):
        raise UserError(f"{path}: {fault}; {AGAIN}")
    return fault[0]


def json_fault(text: str, *, nan: bool = False) -> str | tuple[Any]:
    """Parse JSON; return the value in a tuple, or a message with the error and its place."""
    try:
        return (parse_json(text, nan=nan),)
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
        data = read_plain(path)
    except OSError as error:
        raise unreadable(path, error) from None
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
