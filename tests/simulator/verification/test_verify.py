"""Several submissions verified at once: the same outcome in the same order, and nothing left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from checkout import ROOT
from pools import write_pool
from submitted import FIRST_TWO, PROBLEMS, edit_json, submit, write_policy

from simulator.submissions.badges import Verification
from simulator.verification import verify as verifying
from simulator.verification.options import Options
from simulator.verification.verify import verify_all

SLEEPER = """
import os, time
from simulator import Policy

class Sleeper(Policy):
    def solve(self, problem, sampler):
        if "HOME" not in os.environ:  # as where a stranger's policy runs
            time.sleep(1000)
        return sampler.decode(sampler.start(1)).answer[0]
"""


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """`deepprune-sim` in a session of its own, with the pools in `folder`."""
    return subprocess.Popen(
        [sys.executable, "-m", "simulator.cli", *arguments],
        cwd=folder,
        env=os.environ
        | {
            "PYTHONPATH": str(ROOT),
            "DEEPPRUNE_SIM_CACHE": str(folder / "pools"),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def copies(folder: Path, source: str) -> list[str]:
    """Four submissions: of a file, of a built-in method, one that is wrong, and a file's again."""
    pool = write_pool(folder / "pools", {"p": PROBLEMS["p"]})
    made = submit(folder, write_policy(folder, source), pool=pool, repeats=64)
    names = [f"submissions/2026-01-31-{name}" for name in ("d", "c", "b", "a")]
    for name in (names[0], names[2], names[3]):
        shutil.copytree(made, folder / name)
    shutil.rmtree(made)
    shutil.move(submit(folder / "built-in", pool=pool, repeats=64), folder / names[1])
    edit_json(
        folder / names[2] / "summary.json",
        lambda each: each["pools"][0]["metrics"]["accuracy"].update(value=0.123),
    )
    return names


def test_the_outcome_is_that_of_one_at_a_time(tmp_path: Path) -> None:
    names = copies(tmp_path, FIRST_TWO)
    outcomes: list[tuple[Any, ...]] = []
    for jobs in ("1", "3"):
        process = start(tmp_path, "verify", *names, "--seed", "7", "-j", jobs)
        out, err = process.communicate(timeout=120)
        written = [
            json.loads((tmp_path / each / "verification.json").read_text()) for each in names
        ]
        for each in written:
            del each["seconds"], each["verified_at"]
            for step in each["steps"]:
                step["notes"] = [note for note in step["notes"] if "came with" not in note]
            folder = tmp_path / "submissions" / each["submission"]
            (folder / "verification.json").unlink()
            shutil.rmtree(folder / "verified", ignore_errors=True)
        assert all(": check" in line or ": r" in line for line in err.splitlines())  # progress
        outcomes.append((process.returncode, out, written))
    assert outcomes[0] == outcomes[1]
    code, out, _ = outcomes[0]
    assert code == 1
    heads = [line.partition(": ") for line in out.splitlines() if not line.startswith(" ")]
    assert [name for name, _, _ in heads] == [Path(name).name for name in names]
    assert [badge for _, _, badge in heads] == ["verified", "verified", "no badge", "verified"]


def tree(root: int) -> set[int]:
    """Find a process and all its descendants, from /proc alone."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if fields[0] != "Z":
                parents[int(stat.parent.name)] = int(fields[1])
    found = {root}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found & set(parents)


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, jobs: str) -> None:
    names = copies(tmp_path, SLEEPER)
    process = start(tmp_path, "verify", names[0], names[3], "-j", jobs)
    seen: set[int] = set()

    def policies_run() -> bool:
        seen.update(tree(process.pid))
        commands = []
        for each in seen:
            with suppress(OSError):
                commands.append(Path(f"/proc/{each}/cmdline").read_text())
        # bubblewrap stands between, or not: what counts are those that serve policies
        workers = [each for each in commands if "isolation.worker" in each and "bwrap" not in each]
        return len(workers) >= 4 * int(jobs)

    wait_until(policies_run)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert len(err.splitlines()) <= 1
    assert out == ""
    wait_until(lambda: not any(Path(f"/proc/{each}").exists() for each in seen))
    assert not [*tmp_path.rglob("verification.json")]


def test_who_stops_asking_ends_what_is_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second never ends: its process is ended when nobody waits for it any more."""
    names = copies(tmp_path, FIRST_TWO)
    monkeypatch.setattr(verifying, "_work", first_only)
    paths = [tmp_path / names[1], tmp_path / names[0]]
    verified = verify_all(paths, Options(tmp_path / "pools"), 2)
    assert next(verified).submission == "2026-01-31-c"
    assert len(tree(os.getpid())) > 1
    verified.close()
    assert not (tmp_path / "ended by itself").exists()


def first_only(connection: Any, parent: int, path: Path, *rest: Any) -> None:
    if path.name == "2026-01-31-c":
        found = Verification(path.name, None, [], {})
        connection.send(("done", found))
    else:
        time.sleep(1000)
        (path.parent.parent / "ended by itself").touch()
