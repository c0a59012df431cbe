"""Submissions that repeat another one, or whose name looks like another's: notes for the keeper."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from simulator.errors import UserError
from simulator.loading import is_builtin, load_policy
from simulator.methods import METHODS
from simulator.runs.format import RUN_FILE
from simulator.spelling import keys
from simulator.submissions.files import LIMITS, METADATA, read_file, read_files
from simulator.submissions.metadata import read_metadata
from simulator.submissions.published import FILE_NAME, PACKAGED, read_published
from simulator.submissions.strict_json import Refused, parse_object, shown

_PLACEHOLDER = re.compile(r"\{\w+\}")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Named:
    """A submission's name, and its policy.

    `policy` identifies source, parameters and number of traces, whatever the source's comments,
    layout and class name; `builtin` is the built-in method that it is, if any.
    """

    id: str
    method: str
    policy: str | None
    builtin: str | None
    supersedes: str | None = None


def beside(*paths: Path) -> dict[str, list[str]]:
    """Return the notes about the submissions in the folder that holds all `paths`, by name."""
    parent = paths[0].absolute().parent
    return in_folder(parent, [each.absolute() for each in paths])


def in_folder(parent: Path, more: Sequence[Path] = ()) -> dict[str, list[str]]:
    """Return the notes about the submissions in a folder, and those in bundles `more`, by name."""
    folders = [each for each in sorted(parent.iterdir()) if (each / METADATA).is_file()]
    found = [read_named(each) for each in dict.fromkeys([*folders, *more])]
    try:
        own = (parent / FILE_NAME).is_file()
        published = {each.method for each in read_published(parent if own else PACKAGED).figures}
    except UserError:
        published = set()
    return duplicates([each for each in found if each is not None], published)


def read_named(path: Path) -> Named | None:
    """Read the name and policy of the submission in `path`, a folder or a bundle; None without."""
    if path.is_dir():
        content = {
            name: read_file(path / name, LIMITS[name]) or b"" for name in (METADATA, RUN_FILE)
        }
    else:
        content = {**read_files(path).content}
    metadata, _ = read_metadata(content.get(METADATA, b""))
    if metadata is None:
        return None
    try:
        run = parse_object(content.get(RUN_FILE, b""), RUN_FILE)
    except Refused:
        run = {}
    recorded, traces = run.get("policy"), run.get("budget")
    policy, builtin = _identity(recorded, traces) if isinstance(recorded, dict) else (None, None)
    name = path.absolute().name.removesuffix(".zip")
    return Named(name, metadata.method, policy, builtin, metadata.supersedes)


def _identity(recorded: Mapping[str, Any], traces: object) -> tuple[str | None, str | None]:
    """Return a hash of a recorded policy and its number of traces, and the built-in that it is."""
    source, name = recorded.get("source"), recorded.get("name")
    if not isinstance(source, str):
        return None, None
    builtin = None
    if isinstance(name, str) and is_builtin(name):
        try:
            builtin = name if load_policy(name).source == source else None
        except UserError:
            builtin = None
    parameters = json.dumps(recorded.get("parameters"), sort_keys=True)
    plain = f"{_plain(source, str(recorded.get('class')))}\0{parameters}\0{traces!r}"
    return hashlib.sha256(plain.encode("utf-8", "replace")).hexdigest(), builtin


@lru_cache(maxsize=1024)
def _plain(source: str, class_name: str) -> str:
    """Return a source without comments, layout, docstrings and the policy's class name."""
    try:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.Module) and node.body:
                first = node.body[0]
                if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                    node.body = node.body[1:]
            if isinstance(node, ast.ClassDef) and node.name == class_name:
                node.name = "_"
        return ast.dump(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return source


def duplicates(entries: Sequence[Named], published: Iterable[str] = ()) -> dict[str, list[str]]:
    """Return notes about each submission that repeats or imitates something, by its id.

    A submission that supersedes another may have its name and policy. A built-in method may have
    its own name, and the name under which it was published.
    """
    notes: dict[str, list[str]] = {}
    alike = {entry.id: keys(entry.method) for entry in entries}
    same_policy: dict[str, list[int]] = {}
    same_key: dict[str, list[int]] = {}
    for number, entry in enumerate(entries):
        if entry.policy is not None:
            same_policy.setdefault(entry.policy, []).append(number)
        for key in alike[entry.id]:
            same_key.setdefault(key, []).append(number)
    known = {name: keys(_PLACEHOLDER.sub("", name)) for name in METHODS}
    written = {name: keys(name) for name in sorted(set(published))}
    for entry in entries:
        said = notes.setdefault(entry.id, [])
        near = {*same_policy.get(entry.policy or "", ())}
        near.update(number for key in alike[entry.id] for number in same_key[key])
        for other in (entries[number] for number in sorted(near)):
            if other is entry or entry.id == other.supersedes or other.id == entry.supersedes:
                continue
            if entry.policy is not None and entry.policy == other.policy:
                said.append(f"has the same policy, parameters and N as {other.id}")
            if alike[entry.id] & alike[other.id]:
                said.append(_looks(entry, f"that of {other.id}, {shown(other.method)}"))
        if entry.builtin is not None:
            continue
        without_numbers = keys(_NUMBER.sub("", entry.method))
        for name, theirs in known.items():
            ours = without_numbers if _PLACEHOLDER.search(name) else alike[entry.id]
            if ours & theirs:
                said.append(_looks(entry, f"the built-in method {_PLACEHOLDER.sub('N', name)}"))
        for name, theirs in written.items():
            if alike[entry.id] & theirs:
                said.append(_looks(entry, f"the published method {shown(name)}"))
    return {each: said for each, said in notes.items() if said}


def _looks(entry: Named, other: str) -> str:
    return f"its method's name, {shown(entry.method)}, looks like {other}"
