"""Reading JSON files; every error is one line that names the place."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

from simulator.errors import UserError

AGAIN = "download or export it again"


def read_json(path: Path) -> Any:
    """Read the value of a JSON file; raise `UserError` if it cannot be read."""
    fault = json_fault(read_text(path))
    if isinstance(fault, str):
        raise UserError(f"{path}: {fault}; {AGAIN}")
    return fault[0]


def json_fault(text: str) -> str | tuple[Any]:
    """Parse JSON; return the value in a tuple, or a message with the error and its place."""
    try:
        return (json.loads(text),)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
            return f"{place}: the JSON is truncated"
        return f"{place}: not JSON ({error.msg})"
    except RecursionError:
        return "JSON nested too deeply to be read"
    except ValueError:
        return "a number of thousands of digits"


def read_text(path: Path) -> str:
    """Read UTF-8 without its byte order mark; raise `UserError` if unreadable or empty."""
    try:
        data = path.read_bytes()
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
    if isinstance(error, FileNotFoundError):
        return UserError(f"{path}: no such file{_nearest(path)}; check the path")
    if isinstance(error, IsADirectoryError):
        return UserError(f"{path}: this is a folder; name a file in it")
    if isinstance(error, PermissionError):
        return UserError(f"{path}: permission denied; change its permissions (chmod u+r)")
    return UserError(f"{path}: cannot be read ({error.strerror or error}); check the path")


def _nearest(path: Path) -> str:
    try:
        names = [other.name for other in path.parent.iterdir()]
    except OSError:
        return ""
    near = difflib.get_close_matches(path.name, names, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
