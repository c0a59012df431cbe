"""The compiled part of the program, which an installation may lack. Imports nothing heavy."""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

COMPILED_VARIABLE = "DEEPPRUNE_SIM_COMPILED"
"""The environment variable that is 0 where numpy shall do all work."""

MODULES = ("simulator.replay.clusters._greedy", "simulator.rules._group_steps")
"""All compiled modules."""


@cache
def compiled(name: str) -> ModuleType | None:
    """Return a compiled module of ours; None if it was not built, or shall not be used."""
    if os.environ.get(COMPILED_VARIABLE) == "0":
        return None
    try:
        return import_module(name)
    except ImportError:
        return None


def group_steps() -> Callable[..., tuple[bytes, bytes]] | None:
    """Return `steps` of `_group_steps.c`, if it is compiled."""
    module = compiled("simulator.rules._group_steps")
    return module.steps if module else None
