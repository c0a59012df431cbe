"""The source of a policy class, as a file of its own: a class of a notebook has no file.

A class is replayed from source, in a process of its own or in several, and recorded with it. So a
class defined in a notebook is written out as the file that its author would have written: with the
imports, constants, functions and classes of the notebook that it uses.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import linecache
import symtable
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from types import CodeType, FunctionType, ModuleType
from typing import Any

import simulator
from simulator.errors import PolicyError
from simulator.loading import read_source

FRONT = "deepprune_sim"
"""The package that people import the public names from."""


def source_of(kind: type) -> tuple[str, str]:
    """Return what names a policy class on the command line, `file.py@Class`, and its source.

    A class of a module is taken from the module's file. A class of a notebook, of the main program
    or of a function is written out together with everything that it uses.

    Raises
    ------
    PolicyError
        The class was typed into a prompt that keeps no source, or it uses an object that cannot be
        written out.
    """
    name = kind.__name__
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    if file and kind.__module__ != "__main__" and getattr(module, name, None) is kind:
        return f"{file}@{name}", read_source(file)
    return f"{name}.py@{name}", _Written(kind).text()


class _Written:
    """A file in the making: imports, and definitions in an order that can be executed."""

    def __init__(self, kind: type) -> None:
        self.kind = kind
        self.home = kind.__module__
        self.visible = dict(vars(sys.modules[self.home]))
        for each in kind.__mro__:
            if each.__module__ == self.home:
                self._see_around(each)
        self.imports: dict[str, str] = {}
        self.definitions: dict[str, str] = {}
        self.seen = {kind.__name__}
        self._define(kind)

    def _see_around(self, kind: type) -> None:
        """Add the names that a class within a function takes from that function."""
        self.visible.setdefault(kind.__name__, kind)
        for function in _functions(kind):
            cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
            for name, cell in cells:
                with suppress(ValueError):  # not assigned yet
                    self.visible.setdefault(name, cell.cell_contents)

    def text(self) -> str:
        imports = sorted(self.imports.values(), key=lambda line: "__future__" not in line)
        return "\n\n\n".join(["\n".join(imports), *self.definitions.values()]) + "\n"

    def _define(self, thing: Any) -> None:
        """Add a class or a function, after everything that it uses."""
        text, code = _definition(thing), _code(thing)
        if code is not None and code.co_flags & __future__.annotations.compiler_flag:
            self.imports["annotations"] = "from __future__ import annotations"
        for name in _global_names(text):
            if name not in self.seen and name in self.visible:
                self.seen.add(name)
                self._use(name, self.visible[name])
        self.definitions[thing.__name__] = text

    def _use(self, name: str, value: Any) -> None:
        """Add a name that a definition uses: an import, a definition or a constant."""
        if vars(builtins).get(name) is value:
            return
        called = getattr(value, "__name__", name)
        module = getattr(value, "__module__", None)
        if isinstance(value, ModuleType):
            self.imports[name] = f"import {called}" + ("" if called == name else f" as {name}")
        elif called in simulator.__all__ and getattr(simulator, called) is value:
            self.imports[name] = _import(FRONT, called, name)
        elif module not in (None, self.home) and _holds(module, called, value):
            self.imports[name] = _import(module, called, name)
        elif isinstance(value, type | FunctionType) and module == self.home and called == name:
            self._define(value)
        elif _is_literal(value):
            self.definitions[name] = f"{name} = {value!r}"
        else:
            raise PolicyError(
                f"{self.kind.__name__} uses {name}, of type {type(value).__name__}, which its "
                "source cannot hold; make it within the class, or write the policy to a file"
            )


_REMEDY = "write the policy to a file, or define it in a notebook"


def _import(module: str, name: str, alias: str) -> str:
    return f"from {module} import {name}" + ("" if name == alias else f" as {alias}")


def _holds(module: str | None, name: str, value: object) -> bool:
    return getattr(sys.modules.get(module or ""), name, None) is value


def _is_literal(value: object) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False


def _functions(kind: type) -> Iterator[FunctionType]:
    """Yield the functions that were written within a class, not made by a decorator of it."""
    for value in vars(kind).values():
        for function in (value, getattr(value, "__func__", None), getattr(value, "fget", None)):
            if (
                isinstance(function, FunctionType)
                and function.__globals__.get("__name__") == kind.__module__
                and function.__qualname__.startswith(f"{kind.__qualname__}.")
                and function.__code__.co_filename != "<string>"
            ):
                yield function


def _code(thing: Any) -> CodeType | None:
    """Return code of a function, or of a function of a class; None for a class without one."""
    found = [thing] if isinstance(thing, FunctionType) else list(_functions(thing))
    return found[0].__code__ if found else None


def _definition(thing: Any) -> str:
    """Return the lines that define a class or a function, with its decorators."""
    code = _code(thing)
    for file in [code.co_filename] if code else _files(thing):
        lines = linecache.getlines(file)
        with suppress(SyntaxError, ValueError):
            for node in reversed(list(ast.walk(ast.parse("".join(lines))))):
                if (
                    isinstance(node, ast.ClassDef | ast.FunctionDef)
                    and node.name == thing.__name__
                    and (
                        not code
                        or _first_line(node) <= code.co_firstlineno <= (node.end_lineno or 0)
                    )
                ):
                    found = lines[_first_line(node) - 1 : node.end_lineno]
                    return textwrap.dedent("".join(found)).rstrip()
    raise PolicyError(f"{thing.__name__}: its source is not known; {_REMEDY}")


def _files(thing: Any) -> list[str]:
    """List the texts where a class without functions may be defined, the newest first."""
    file = getattr(sys.modules[thing.__module__], "__file__", None)
    cells = [name for name, entry in linecache.cache.items() if len(entry) > 1 and not entry[1]]
    return [file] if file else cells[::-1]


def _first_line(node: ast.ClassDef | ast.FunctionDef) -> int:
    return min([node.lineno, *(each.lineno for each in node.decorator_list)])


def _global_names(text: str) -> list[str]:
    """List the names that a definition takes from outside of it."""
    names: dict[str, None] = {}
    waiting = [symtable.symtable(text, "<policy>", "exec")]
    while waiting:
        table = waiting.pop()
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (symbol.is_global() or table.get_type() == "module"):
                names[symbol.get_name()] = None
        waiting += table.get_children()
    return sorted(names)
