"""Strict reading of a stranger's JSON: nothing that two parsers could understand differently."""

from __future__ import annotations

import json
import math
from typing import Any

from simulator.errors import UserError
from simulator.storage import distinct_keys

MAX_DEPTH = 32
MAX_INTEGER = 2**63


class Refused(UserError):  # noqa: N818  (nothing went wrong here)
    """An error in a submission: one line that says what is wrong and where."""


def shown(value: object, limit: int = 60) -> str:
    """Format a stranger's value for a terminal: ASCII, on one line, of bounded length."""
    try:
        text = ascii(value)
    except (ValueError, RecursionError):  # an integer with too many digits, or nested too deep
        text = f"<{type(value).__name__} too large to be shown>"
    return text if len(text) <= limit else f"{text[:limit]}..."


def parse_object(content: bytes, name: str) -> dict[str, Any]:
    """Parse a JSON object without duplicate keys, NaN, infinities, huge numbers or lone surrogates.

    `name` is the file's name, for errors.

    Raises
    ------
    Refused
        The content is anything else, is not UTF-8, or is nested more than `MAX_DEPTH` deep.
    """
    try:
        value = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=distinct_keys,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_bounded,
        )
    except UnicodeDecodeError as error:
        raise Refused(f"{name}: not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise Refused(f"{name}: nested too deep") from None
    except ValueError as error:
        raise Refused(f"{name}: not valid JSON ({' '.join(str(error).split())})") from None
    if not isinstance(value, dict):
        raise Refused(f"{name}: not a JSON object")
    _check_depth(value, name)
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise Refused(f"{name}: has a text with a lone surrogate") from None
    return value


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {shown(text)} is too large")
    return value


def _bounded(text: str) -> int:
    if len(text) > 20 or abs(int(text)) >= MAX_INTEGER:
        raise ValueError(f"the number {shown(text)} is too large")
    return int(text)


def _check_depth(value: object, name: str) -> None:
    waiting = [(value, 1)]
    while waiting:
        each, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise Refused(f"{name}: nested more than {MAX_DEPTH} deep")
        if isinstance(each, dict | list):
            below = each.values() if isinstance(each, dict) else each
            waiting.extend((item, depth + 1) for item in below)


def finite(value: object) -> bool:
    """Check whether a value is a finite number and not a bool."""
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
