"""Entry point of the command `deepprune-sim`.

`simulator` and `judges` are names of other packages on PyPI, too. Whichever is installed last
overwrites the other, so this module stands apart from them and looks before it imports.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("simulator", "judges", "leaderboard_app")

MARK = "Part of deepprune-sim."
"""Sentence in the `__init__.py` of each of our packages."""


def foreign_package() -> str | None:
    """Look for another package in the place of one of ours; return an error message, or None."""
    for name in PACKAGES:
        spec = find_spec(name)
        if spec is None:
            return f"the package {name} of deepprune-sim is missing; install deepprune-sim again"
        if spec.origin is None or MARK not in Path(spec.origin).read_text("utf-8", "replace"):
            places = [*(spec.submodule_search_locations or ()), spec.origin or name]
            return (
                f"{places[0]}: another package named {name}, in the place of deepprune-sim's; "
                "install deepprune-sim from a clone of it in an environment of its own (pipx, uv "
                "tool or python -m venv)"
            )
    return None


def main() -> None:
    """Run the command line, or name a foreign package in one line and end with exit code 2."""
    foreign = foreign_package()
    if foreign is not None:
        print(f"error: {foreign}", file=sys.stderr)
        sys.exit(2)
    from simulator import cli

    cli.main()
