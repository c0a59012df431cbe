"""Replaying and the board without modules and functions that only Linux or only POSIX has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT
from programs import results
from submitted import submit

from simulator.submissions import files, published

WITHOUT = """
import os, select, signal, sys
for name in ("fcntl", "resource", "grp", "pwd", "termios"):
    sys.modules[name] = None  # importing it raises
del select.poll, signal.pthread_sigmask, signal.setitimer, os.sched_getaffinity
"""
"""Runs at the start of every Python process, workers and policies included."""

POLICY = """
from simulator import Policy, majority_vote

class Three(Policy):
    def solve(self, problem, sampler):
        return majority_vote(sampler.decode(sampler.start(3)))
"""

OPEN_THE_BOARD = """
import sys
from pathlib import Path
from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import load
here = Path(sys.argv[1])
library = load(Folders(here / "pools", here / "runs", here / "none"))
print(*sorted(entry.id for entry in library.entries if entry.id.startswith("runs/")))
"""


@pytest.mark.parametrize("policy", ["cons@4", "three.py"])
def test_a_run_is_the_same_without_posix_and_the_board_shows_it(
    tmp_path: Path, policy: str
) -> None:
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "sitecustomize.py").write_text(WITHOUT)
    (tmp_path / "three.py").write_text(POLICY)

    def python(*arguments: str, without: bool) -> str:
        first = [str(tmp_path / "hidden")] if without else []
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([*first, str(ROOT)])}
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    with pytest.raises(AssertionError, match="fcntl"):
        python("-c", "import fcntl", without=True)
    for name, without in (("plain", False), ("without", True)):
        options = ("--cache", "pools", "--repeats", "4", "-j", "2", "-o", f"runs/{name}")
        python("-m", "simulator.cli", "run", policy, *options, without=without)
    assert results(tmp_path / "runs/without") == results(tmp_path / "runs/plain")
    names = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert names == ["plain", "without"]  # no lock is left
    shown = python("-c", OPEN_THE_BOARD, str(tmp_path), without=True)
    assert shown == "runs/plain runs/without\n"


def test_a_submission_is_read_the_same_without_folder_descriptors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission = submit(tmp_path, "cons@4")
    read = files.read_files(submission)
    (submission / "policy.py").rename(submission / "other.py")
    (submission / "policy.py").symlink_to("other.py")
    linked = files.read_files(submission)
    monkeypatch.setattr(files, "HAS_FOLDER_DESCRIPTORS", False)
    assert files.read_files(submission) == linked
    assert "policy.py: a link, folder or device" in " ".join(linked.findings)
    (submission / "policy.py").unlink()
    (submission / "other.py").rename(submission / "policy.py")
    assert files.read_files(submission) == read
    assert read.findings == ()


def test_data_files_in_the_package_are_copies_and_not_links() -> None:
    """Git for Windows writes the text of a link where links are not allowed."""
    packaged = published.PACKAGED / published.FILE_NAME
    assert packaged.read_bytes() == (ROOT / "submissions" / published.FILE_NAME).read_bytes()
    package = ROOT / "simulator"
    assert [path for path in package.rglob("*") if path.is_symlink()] == []
