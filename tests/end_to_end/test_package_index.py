"""The project's page on a package index: a README without dead links, addresses from one place."""

from __future__ import annotations

import email.message
import email.parser
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from checkout import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
ADDRESS = "https://git.example.org/owner/name"
LINKS = re.compile(r"\]\(([^)\s]+)\)")


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("setup_of_this_project", ROOT / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def metadata(folder: Path, repository: str) -> email.message.Message:
    """Return the metadata of a build from a copy with this address of its repository."""
    for name in ("README.md", "LICENSE", "setup.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    file = folder / "pyproject.toml"
    text = file.read_text(encoding="utf-8")
    assert text.count('\nrepository = ""\n') == 1
    file.write_text(text.replace('repository = ""', f'repository = "{repository}"'))
    made = "from setuptools import build_meta; build_meta.prepare_metadata_for_build_wheel('out')"
    (folder / "out").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", made], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (found,) = (folder / "out").glob("*.dist-info/METADATA")
    return email.parser.Parser().parsestr(found.read_text(encoding="utf-8"))


def test_without_a_repository_there_is_no_link_that_leads_nowhere(tmp_path: Path) -> None:
    made = metadata(tmp_path, "")
    assert made.get_all("Project-URL") is None
    assert made["Description-Content-Type"] == "text/markdown"
    text = str(made.get_payload())
    assert LINKS.findall(text) == []
    assert "small pool of real ones" in text
    assert "OWNER" not in text
    assert "## Where to go on" not in text
    assert "## Does it agree" in text


def test_one_address_makes_all_links(tmp_path: Path) -> None:
    made = metadata(tmp_path, ADDRESS)
    assert made.get_all("Project-URL") == [
        f"Repository, {ADDRESS}",
        f"Documentation, {ADDRESS}/tree/main/docs",
        f"Changelog, {ADDRESS}/blob/main/CHANGELOG.md",
        f"Issues, {ADDRESS}/issues",
    ]
    text = str(made.get_payload())
    links = LINKS.findall(text)
    assert "## Where to go on" in text
    assert len(links) == len([each for each in LINKS.findall(README) if ":" not in each])
    for link in links:
        kind, path = re.fullmatch(rf"{ADDRESS}/(blob|raw)/v0\.1\.0/(.+)", link).groups()  # type: ignore[union-attr]
        assert (ROOT / path).exists()
        assert (kind == "raw") == path.endswith(".png")


def test_an_address_that_is_none_stops_the_build(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="not an https:// address"):
        metadata(tmp_path, "https://git.example.org/")


def test_what_is_said_of_a_clone_is_said_of_the_index_there(build: ModuleType) -> None:
    text = build.description(README, ADDRESS, "0.1.0")
    assert "pip install -q deepprune-sim\n" in text
    assert "pipx install deepprune-sim" in text
    for said in ("not on PyPI", "pip install -q .", "pipx install .", "[test]", "<!--", "-->"):
        assert said in README
        assert said not in text
    assert "docs/examples/short_m.py" not in re.sub(r"\]\([^)]*\)", "", text)


def test_texts_that_only_look_like_links_stay(build: ModuleType) -> None:
    text = "[a](https://x.org/b) [c](#d) `[e]` [f [g]](h.md) ![i](j.png)\n"
    assert build.description(text, "", "1") == "[a](https://x.org/b) [c](#d) `[e]` f [g] \n"
    assert build.description(text, "https://r", "1") == (
        "[a](https://x.org/b) [c](#d) `[e]` [f [g]](https://r/blob/v1/h.md) "
        "![i](https://r/raw/v1/j.png)\n"
    )
