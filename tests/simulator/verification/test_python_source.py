"""Parsing of sources: what `ast.parse` says, also where another thread has got in its way."""

from __future__ import annotations

import ast
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from simulator.verification.python_source import parse


def test_it_parses_as_python_does() -> None:
    source = "class A:\n    def f(self):\n        return [1, (2, 3)]\n"
    assert ast.dump(parse(source)) == ast.dump(ast.parse(source))
    with pytest.raises(SyntaxError):
        parse("def")


@pytest.mark.parametrize(("failures", "succeeds"), [(1, True), (3, True), (4, False)])
def test_a_system_error_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, failures: int, succeeds: bool
) -> None:
    left = [failures]
    real: Callable[[str], Any] = ast.parse

    def failing(source: str) -> Any:
        if left[0]:
            left[0] -= 1
            raise SystemError("AST constructor recursion depth mismatch (before=48, after=49)")
        return real(source)

    monkeypatch.setattr(ast, "parse", failing)
    if succeeds:
        assert isinstance(parse("x = 1"), ast.Module)
    else:
        with pytest.raises(SystemError):
            parse("x = 1")


def test_many_threads_parse_at_once() -> None:
    source = "x = " + "[" * 60 + "]" * 60 + "\n" + "y = (1 + 2) * 3\n" * 200
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: len(parse(source).body), range(64)))
    assert found == [201] * 64
