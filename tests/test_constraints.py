"""constraints.txt pins what the tests are installed with, and the commands install from it."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

import pytest
from checkout import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
FILES = ["constraints.txt", ".ci/constraints-vllm.txt"]
OTHER_ENVIRONMENTS = {"vllm"}
"""Extras that the tests are not installed with."""


def pins(file: str) -> list[tuple[str, str]]:
    """Name and release of every line; a line that is anything but a pin fails."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    matches = [
        (line, re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][0-9a-z.]*)", line))
        for line in lines
        if not line.startswith("#")
    ]
    assert [line for line, match in matches if match is None] == []
    return [(canonicalize_name(match[1]), match[2]) for _, match in matches if match]


def direct_dependencies() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    written = list(project["dependencies"])
    for extra, requirements in project["optional-dependencies"].items():
        if extra not in OTHER_ENVIRONMENTS:
            written += requirements
    requirements = [Requirement(each) for each in written]
    return [each for each in requirements if each.name != project["name"]]


@pytest.mark.parametrize("file", FILES)
def test_every_line_pins_one_release_that_any_package_index_can_serve(file: str) -> None:
    names = [name for name, _ in pins(file)]
    assert len(names) == len(set(names)) > 100


def test_every_direct_dependency_is_pinned_within_its_bounds() -> None:
    pinned = dict(pins("constraints.txt"))
    dependencies = direct_dependencies()
    assert len(dependencies) > 30
    missing = [each.name for each in dependencies if canonicalize_name(each.name) not in pinned]
    assert missing == []
    outside = [
        f"{each} but {pinned[canonicalize_name(each.name)]}"
        for each in dependencies
        if not each.specifier.contains(pinned[canonicalize_name(each.name)], prereleases=True)
    ]
    assert outside == []


def test_ci_runs_the_readmes_command_which_installs_from_the_constraints() -> None:
    program = re.search(r"python3 -c '(.*?)'", CI, re.S)
    assert program
    command = subprocess.run(
        [sys.executable, "-c", program[1]], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "pip install -q -e '.[test]' -c constraints.txt && " in command
    assert command.strip().endswith("-m pytest -q")


def test_ci_installs_nothing_without_constraints() -> None:
    installs = [line for line in CI.splitlines() if "/bin/pip install" in line]
    assert len(installs) == 3
    alone = re.compile(r" --no-deps .*\S==[0-9.]+$")
    free = [line for line in installs if "-c .ci/constraints-vllm.txt" not in line]
    assert [line for line in free if not alone.search(line)] == []
