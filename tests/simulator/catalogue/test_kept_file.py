"""What is kept counts for the sources of one program alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pools
import pytest
from checkout import ROOT
from submitted import PROBLEMS, submit

import simulator
from simulator.catalogue import kept_file

READ_A_BOARD = """
import json, sys
from pathlib import Path
from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import load
root = Path(sys.argv[1])
library = load(Folders(root / "pools", root / "runs", root / "submissions"))
assert [entry.basis for entry in library.entries] == ["recomputed"], library.broken
library.notes()
print(json.dumps([*sys.modules]))
"""


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Copy the sources of a few packages to a folder that counts as this program."""
    there = Path(simulator.__path__[0])
    for name in ("statistics.py", "answers", "replay/clusters", "commands/data"):
        take = shutil.copytree if (there / name).is_dir() else shutil.copyfile
        (tmp_path / name).parent.mkdir(exist_ok=True)
        take(there / name, tmp_path / name)
    monkeypatch.setattr(simulator, "__path__", [str(tmp_path)])
    kept_file.program.cache_clear()
    yield tmp_path
    kept_file.program.cache_clear()


def program() -> str:
    """Return the program's hash as another process finds it."""
    kept_file.program.cache_clear()
    return kept_file.program()


def test_the_program_is_the_content_of_its_sources(copied: Path) -> None:
    before = program()
    assert program() == before
    for each in copied.rglob("*"):
        each.touch()
    (copied / "answers" / "__pycache__").mkdir(exist_ok=True)
    (copied / "answers" / "__pycache__" / "x.pyc").write_bytes(b"x")
    (copied / "commands" / "data" / "another.py").write_text("")
    (copied / "answers" / ".#edited.py").symlink_to("nobody@nowhere")
    assert program() == before
    seen = {before}
    for name in ("statistics.py", "answers/__init__.py", "replay/clusters/another.py"):
        with (copied / name).open("a") as file:
            file.write("# edited\n")
        seen.add(program())
    (copied / "statistics.py").rename(copied / "renamed.py")
    seen.add(program())
    assert len(seen) == 5


def test_reading_a_board_loads_no_package_that_does_not_count(tmp_path: Path) -> None:
    pool = pools.write_pool(tmp_path / "pools", PROBLEMS)
    submit(tmp_path, pool=pool)
    done = subprocess.run(
        [sys.executable, "-c", READ_A_BOARD, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    loaded = {name.split(".")[1] for name in json.loads(done.stdout) if name[:10] == "simulator."}
    assert {"answers", "statistics", "verification"} <= loaded
    assert not loaded & kept_file.NO_SOURCES
