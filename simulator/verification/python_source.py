"""Parsing of Python source."""

from __future__ import annotations

import ast
from threading import Lock

_ONE = Lock()


def parse(source: str) -> ast.Module:
    """Parse a source, one at a time.

    In Python 3.11, two threads that parse at once can end in a `SystemError` about the depth of
    recursion; one of them may be another package's, so that it is tried again.

    Raises
    ------
    SyntaxError, ValueError, RecursionError, MemoryError
        As `ast.parse` does.
    """
    with _ONE:
        for _ in range(3):
            try:
                return ast.parse(source)
            except SystemError:
                continue
        return ast.parse(source)
