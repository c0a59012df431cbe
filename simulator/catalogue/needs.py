"""Signals that a recorded policy reads."""

from __future__ import annotations

import ast
import json
from pathlib import Path

from simulator.errors import UserError
from simulator.loading import is_builtin, load_policy
from simulator.runs.format import RUN_FILE
from simulator.signals import NEEDS
from simulator.verification.python_source import parse


def needs_of(path: Path) -> tuple[str, ...]:
    """Return the signals that the policy of the run or submission in `path` reads.

    Those of a built-in policy are known; else they are read from its source, which is parsed and
    never run: strangers wrote it.
    """
    try:
        policy = json.loads((path / RUN_FILE).read_text(encoding="utf-8"))["policy"]
        if policy.get("builtin") and is_builtin(policy["name"]):
            return tuple(sorted(load_policy(policy["name"]).policy.requires))
        named = _named_in(parse(policy["source"]), policy["class"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, UserError):
        return ()  # not a run.json of this program
    except (SyntaxError, RecursionError, MemoryError):
        return ()  # not Python, or nested too deep
    return tuple(name for name in NEEDS if name in named)


def _named_in(module: ast.Module, class_name: str) -> set[str]:
    """Return the texts in `requires = …` in the body of a class."""
    found: set[str] = set()
    classes = (each for each in ast.walk(module) if isinstance(each, ast.ClassDef))
    for line in (line for each in classes if each.name == class_name for line in each.body):
        targets = line.targets if isinstance(line, ast.Assign) else [getattr(line, "target", None)]
        if any(isinstance(each, ast.Name) and each.id == "requires" for each in targets):
            constants = (part for part in ast.walk(line) if isinstance(part, ast.Constant))
            found |= {part.value for part in constants if isinstance(part.value, str)}
    return found
