"""Words that a shell completes: methods, parameters, pools, runs, submissions, import formats.

Nothing heavy is imported and no policy file is executed here, so that the shell answers at once.
After an error nothing is completed.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from simulator import methods as built_in
from simulator.importers import FORMATS
from simulator.methods import METHODS, NUMBERS, example_name, match_name
from simulator.pools.folders import cache_folder, runs_folder

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]

NO_PARAMETERS = {"budget", "optional", "requires", "source", "unranked"}
"""Class attributes of a policy that are not parameters."""


def _completer(find: Callable[[click.Context, str], Iterable[str]], other: str = "") -> Completer:
    """Return a function for click's `shell_complete` that offers the words that fit.

    `find` gets the context and the text typed so far. If no word fits, `other` tells the shell to
    complete a "file" or a "dir"; empty for neither.
    """

    def complete(
        context: click.Context, parameter: click.Parameter, typed: str
    ) -> list[CompletionItem[str]]:
        words: list[str] = []
        with suppress(Exception):
            words = list(dict.fromkeys(find(context, typed)))
        if words or not other:
            return [CompletionItem(word) for word in words]
        return [CompletionItem(typed, type=other)]

    return complete


def _policies(context: click.Context, typed: str) -> Iterable[str]:
    names = [example_name(template) for template in METHODS]
    return _starting(typed, [*names, *sorted(file.name for file in Path().glob("*.py"))])


def _parameters(context: click.Context, typed: str) -> Iterable[str]:
    """List the parameters of the policy typed before, with their defaults."""
    from simulator.storage import read_plain_text  # slow to import, not needed for other words

    policy = context.params["policy"] or context.args[0]  # there if an option lacks its value yet
    if found := match_name(policy, NUMBERS):
        module, wanted = METHODS[found[0]].split(":")
        file = Path(built_in.__path__[0], f"{module}.py")
    else:
        name, _, wanted = policy.partition(".py@")
        file = Path(name if not wanted else f"{name}.py")
    tree = ast.parse(read_plain_text(file))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    values: dict[str, str] = {}
    for node in [classes[wanted]] if wanted else classes.values():
        values |= _attributes(node, classes)
    in_name = found[1] if found else {}
    return _starting(typed, [f"{key}={values[key]}" for key in values if key not in in_name])


def _attributes(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> dict[str, str]:
    """Return the parameters' defaults, empty if computed, those of base classes first."""
    values: dict[str, str] = {}
    for base in node.bases:
        if isinstance(base, ast.Name) and base.id in classes:
            values |= _attributes(classes[base.id], classes)
    for line in node.body:
        target = line.targets[0] if isinstance(line, ast.Assign) else getattr(line, "target", None)
        value = getattr(line, "value", None)
        if isinstance(target, ast.Name) and value is not None:
            values[target.id] = str(value.value) if isinstance(value, ast.Constant) else ""
    return {
        name: value
        for name, value in values.items()
        if not name.startswith("_") and name not in NO_PARAMETERS
    }


def _pools(context: click.Context, typed: str) -> Iterable[str]:
    folder = cache_folder(context.params.get("cache"))
    files = folder.glob("[!.]*/[!.]*/[!.]*/pool.json")
    return _starting(typed, sorted("/".join(file.parts[-4:-1]) for file in files))


def _runs(context: click.Context, typed: str) -> Iterable[str]:
    """List the runs and sweeps, newest first, whose path or name begins with `typed`."""
    marks = ("run.json", "sweep.json")
    folders = {file.parent for mark in marks for file in runs_folder().glob(f"*/{mark}")}
    newest = [str(folder) for folder in sorted(folders, reverse=True)]
    return [path for path in newest if path.startswith(typed) or Path(path).name.startswith(typed)]


def _submissions(context: click.Context, typed: str) -> Iterable[str]:
    files = Path("submissions").glob("*/submission.toml")
    return _starting(typed, sorted(str(file.parent) for file in files))


def _formats(context: click.Context, typed: str) -> Iterable[str]:
    return _starting(typed, FORMATS)


def _starting(typed: str, words: Iterable[str]) -> Iterable[str]:
    return (word for word in words if word.startswith(typed))


policies = _completer(_policies, "file")
"""Built-in methods and the policy files in the working directory."""

parameters = _completer(_parameters)
pools = _completer(_pools)
runs = _completer(_runs, "dir")
submissions = _completer(_submissions, "file")
formats = _completer(_formats)
