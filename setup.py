"""The parts of the build that `pyproject.toml` has no stable words for.

Compiled code is optional: where no C compiler works, it is left out, and numpy takes its place.
The package index shows the README, whose links within the repository lead nowhere there.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from setuptools import Extension, setup  # type: ignore[import-untyped]

HERE = Path(__file__).parent

OTHER_HERE = re.compile(
    r"^<!-- in a clone -->\n.*?^<!-- on the package index:\n(.*?)^-->\n", re.S | re.M
)
"""A part of the README, with what stands in its place on the package index."""

WITH_LINKS = re.compile(r"^<!-- with links -->\n.*?^<!-- end -->\n", re.S | re.M)
"""A part that says nothing without its links."""

COMMENT = re.compile(r"^<!--.*?-->\n", re.S | re.M)
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?://|#)([^)\s]+)\)")


def description(readme: str, repository: str, version: str) -> str:
    """Return the README for the package index: links are addresses in the repository.

    Without an address of the repository, of links only their texts stay, and no pictures or parts
    that consist of links.
    """

    def linked(match: re.Match[str]) -> str:
        picture, text, path = match.groups()
        if not repository:
            return "" if picture else text
        return f"{picture}[{text}]({repository}/{'raw' if picture else 'blob'}/v{version}/{path})"

    text = OTHER_HERE.sub(r"\1", readme)
    text = COMMENT.sub("", text if repository else WITH_LINKS.sub("", text))
    return re.sub(r"\n{3,}", "\n\n", LINK.sub(linked, text))


def addresses(repository: str) -> dict[str, str]:
    """Return the project's links on the package index; none without a repository."""
    if not repository:
        return {}
    return {
        "Repository": repository,
        "Documentation": f"{repository}/tree/main/docs",
        "Changelog": f"{repository}/blob/main/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }


def extension(name: str, optimised: str) -> Extension:
    """Return an extension for the limited API of Python 3.11, in the arithmetic of numpy."""
    return Extension(
        name,
        [name.replace(".", "/") + ".c"],
        extra_compile_args=[optimised, "-ffp-contract=off"],
        py_limited_api=True,
        optional=True,
    )


if __name__ == "__main__":
    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))
    address = project["tool"]["deepprune-sim"]["repository"]
    if address and not re.fullmatch(r"https://[^\s?#]+[^\s?#/]", address):
        raise SystemExit("pyproject.toml: repository: not an https:// address without / at its end")
    readme_file = HERE / "README.md"
    setup(
        long_description=description(
            readme_file.read_text(encoding="utf-8"), address, project["project"]["version"]
        ),
        long_description_content_type="text/markdown",
        project_urls=addresses(address),
        ext_modules=[
            extension("simulator.replay.clusters._greedy", "-O2"),
            extension("simulator.rules._group_steps", "-O3"),
        ],
        options={"bdist_wheel": {"py_limited_api": "cp311"}},
    )
