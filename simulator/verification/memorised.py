"""Size of the constants in a policy's source and settings, which could encode a public pool.

A policy could memorize a public pool: with a table of the lengths of its correct traces, it can
stop at the first correct one. No look-ahead check finds this, because the policy reads only what a
replay may show it, and its decisions are the same in every rerun. But the table has to be stored
in the policy's source or settings, where its size can be measured.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from simulator.verification.python_source import parse

MOST_CARRIED = 1_000
"""Most characters of numbers and texts in a policy that nobody has reviewed.

No built-in method has 300; the lengths of 200 traces take about this many.
"""


def carried(source: str, settings: Mapping[str, str]) -> int:
    """Count the characters of numbers and texts in a policy's source and settings.

    They are counted as in the source, but integers in hexadecimal, which has no length limit.
    Docstrings are not counted. If the source cannot be parsed, for example because it is nested too
    deep, all of its characters are counted.
    """
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return len(source)
    prose = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
    constants = (
        len(hex(each.value) if type(each.value) is int else repr(each.value))
        for each in ast.walk(tree)
        if isinstance(each, ast.Constant) and id(each) not in prose
    )
    return sum(constants) + sum(map(len, settings.values()))
