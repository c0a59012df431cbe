"""How much a policy's source could know of a pool before it sees any of it.

A public pool can be learned by heart: a policy that carries a table of the lengths of right traces
stops at the first. All that a replay reveals it may see, so no look ahead is found, and it decides
the same whenever it is run. But it has nowhere to carry a table except in its source and settings.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

MOST_CARRIED = 1_000
"""How many characters of numbers and texts a policy may have that nobody has read.

No built-in method has 300; the lengths of 200 traces are about this many.
"""


def carried(source: str, settings: Mapping[str, str]) -> int:
    """Characters of the numbers and texts in a policy's source and settings; docstrings are none.

    All of a source that cannot be parsed here, as Python has too little room for its nesting.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return len(source)
    prose = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
    constants = (
        len(_written(each.value))
        for each in ast.walk(tree)
        if isinstance(each, ast.Constant) and id(each) not in prose
    )
    return sum(constants) + sum(map(len, settings.values()))


def _written(value: object) -> str:
    """As in the source; numbers in hexadecimal, as Python refuses to write long ones otherwise."""
    return hex(value) if type(value) is int else repr(value)
