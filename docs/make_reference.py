"""Write the references from the program: docs/reference-python.md and docs/reference-commands.md.

python docs/make_reference.py            # writes them
python docs/make_reference.py --check    # names those that are not current; exit code 1
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click

import deepprune_sim
from simulator.cli import cli

DOCS = Path(__file__).parent

API = ("run", "read_run", "compare", "tune", "open_pool", "pools")
RESULTS = (
    *("results.Run", "results.Runs", "results.RunComparison", "tuned.Tuned", "pools.OpenPool"),
)
"""Classes that the functions return, by their place in `simulator.api`."""

WIDTH = 92


def python_reference() -> Iterator[str]:
    """Yield the lines of the Python reference."""
    yield from heading("Python reference", "`deepprune_sim`")
    yield "[From Python](from-python.md) shows how the functions are used,"
    yield "[Writing a policy](writing-a-policy.md) how a policy is written."
    yield ""
    yield "## Functions"
    for name in API:
        yield from described(f"deepprune_sim.{name}", getattr(deepprune_sim, name))
    yield "## Results"
    for place in RESULTS:
        module, name = place.split(".")
        kind = getattr(import_module(f"simulator.api.{module}"), name)
        yield from described(name, kind, made_here=False)
    yield "## Policies"
    for name in sorted(set(deepprune_sim.__all__) - {*API, "__version__"}):
        value = getattr(deepprune_sim, name)
        if callable(value):
            yield from described(f"deepprune_sim.{name}", value)
        else:
            yield from (f"### `deepprune_sim.{name}`", "", f"`{value!r}`", "")


def described(name: str, value: Any, *, made_here: bool = True) -> Iterator[str]:
    """Yield the reference of a function, or of a class with its public members."""
    yield from (f"### `{name}`", "")
    is_class = inspect.isclass(value)
    if not is_class or (made_here and not issubclass(value, Exception)):
        yield from ("```python", signature(name.rpartition(".")[2], value), "```", "")
    yield from documented(value)
    if is_class:
        found = list(members(value))
        for member, inner in found:
            if isinstance(inner, property):
                yield f"- `{member}`: {' '.join(inspect.cleandoc(inner.__doc__ or '').split())}"
        yield ""
        for member, inner in found:
            if not isinstance(inner, property):
                yield from (f"#### `{member}`", "")
                yield from ("```python", signature(member, inner), "```", "")
                yield from documented(inner)


def members(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield the documented public methods and properties, inherited ones of ours included."""
    for name, value in inspect.getmembers_static(kind):
        inner = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        documented = getattr(inner, "__doc__", None)
        module = getattr(getattr(inner, "fget", inner), "__module__", "") or ""
        if not name.startswith("_") and documented and module.startswith("simulator"):
            yield name, inner


def documented(value: Any) -> Iterator[str]:
    """Yield a docstring in Markdown: sections become lists of names."""
    lines = inspect.cleandoc(value.__doc__ or "").splitlines()
    is_list = False
    for number, line in enumerate(lines):
        underlined = number + 1 < len(lines) and re.fullmatch("-{3,}", lines[number + 1])
        if re.fullmatch("-{3,}", line):
            continue
        if underlined:
            is_list = line not in ("Returns", "Yields")
            yield from (f"**{line}**", "")
        elif is_list and line and not line.startswith(" "):
            yield f"- `{line}`:"
        else:
            yield line
    yield ""


def signature(name: str, value: Any) -> str:
    """Return a call with its annotations as they are written; long ones take a line each."""
    try:
        found = inspect.signature(value)
    except ValueError:
        return f"{name}(…)"
    parameters = [p for p in found.parameters.values() if p.name not in ("self", "cls")]
    bare = [_parameter(each) for each in parameters]
    first_keyword = next((i for i, p in enumerate(parameters) if p.kind is p.KEYWORD_ONLY), None)
    if first_keyword is not None:
        bare.insert(first_keyword, "*")
    returned = found.return_annotation
    arrow = f" -> {returned}" if isinstance(returned, str) and returned != "None" else ""
    line = f"{name}({', '.join(bare)}){arrow}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{name}(", *(f"    {each}," for each in bare), f"){arrow}"])


def _parameter(parameter: inspect.Parameter) -> str:
    """Return a parameter as it is written: annotations are texts."""
    stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
    text = f"{stars}{parameter.name}"
    if parameter.annotation is not parameter.empty:
        text += f": {parameter.annotation}"
    if parameter.default is not parameter.empty:
        text += f" = {parameter.default!r}"
    return text


def command_reference() -> Iterator[str]:
    """Yield the lines of the command reference: the help of every command."""
    yield from heading("Command reference", "the help texts of the commands")
    settings: dict[str, Any] = {**cli.context_settings, "terminal_width": WIDTH}
    yield from helped(click.Context(cli, info_name="deepprune-sim", **settings), cli)


def helped(context: click.Context, command: click.Command) -> Iterator[str]:
    """Yield the help of a command and of those below it."""
    yield from (f"## `{context.command_path}`", "", "```text")
    yield from command.get_help(context).rstrip().splitlines()
    yield from ("```", "")
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from helped(click.Context(below, parent=context, info_name=name), below)


def heading(title: str, source: str) -> Iterator[str]:
    """Yield the title of a page, with what writes it."""
    yield from (f"# {title}", "")
    yield from (f"<!-- written by docs/make_reference.py from {source}; do not edit -->", "")


PAGES = {"reference-python.md": python_reference, "reference-commands.md": command_reference}


def main() -> int:
    """Write or check the pages; return the exit code."""
    stale = 0
    for name, lines in PAGES.items():
        text = "\n".join(line.rstrip() for line in lines()).rstrip() + "\n"
        text = re.sub(r"\n{3,}", "\n\n", text)
        file = DOCS / name
        if file.exists() and file.read_text(encoding="utf-8") == text:
            continue
        if "--check" in sys.argv[1:]:
            print(f"{file}: not current; write it with: python docs/make_reference.py")
            stale = 1
        else:
            file.write_text(text, encoding="utf-8")
            print(f"wrote {file}")
    return stale


if __name__ == "__main__":
    sys.exit(main())
