"""The compiled part of the program, which an installation may lack. Imports nothing heavy."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

COMPILED_VARIABLE = "DEEPPRUNE_SIM_COMPILED"
"""The environment variable that is 0 where numpy shall do all work."""


@cache
def group_steps() -> Callable[..., tuple[bytes, bytes]] | None:
    """Return `steps` of `_group_steps.c`; None if it was not built, or shall not be used."""
    if os.environ.get(COMPILED_VARIABLE) == "0":
        return None
    try:
        from simulator.rules._group_steps import steps
    except ImportError:
        return None
    return steps
