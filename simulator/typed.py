"""What a user typed, as a value of the type that its default has."""

from __future__ import annotations

import math
from typing import Any

from simulator.errors import UserError

_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def as_type_of(default: Any, text: str, what: str) -> Any:
    """Convert a text to the type of `default`, a truth value, a number or a text.

    Raises
    ------
    UserError
        It does not fit, or is no finite number; `what` says what was typed.
    TypeError
        A default of another type.
    """
    try:
        if isinstance(default, bool):
            return _TRUTH[text.lower()]
        if isinstance(default, int):
            return int(text)
        if isinstance(default, float):
            value = float(text)
            if not math.isfinite(value):
                raise ValueError  # JSON could not hold it
            return value
        if isinstance(default, str):
            return text
    except (KeyError, ValueError):
        raise UserError(
            f"{what}: expected {type(default).__name__}, as its default {default!r}"
        ) from None
    raise TypeError(type(default).__name__)
