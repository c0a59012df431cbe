"""The command line as a program that tests start and end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from checkout import ROOT
from pools import T, write_pool

from simulator.cli import main

RESULTS = ("decisions.parquet", "answers.parquet", "summary.json")


def start(cache: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the command line in a session of its own, in the folder that holds the cache."""
    return subprocess.Popen(
        [sys.executable, "-m", "simulator.cli", *arguments, "--cache", str(cache)],
        cwd=cache.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(cache: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and standard error of a whole call."""
    process = start(cache, *arguments)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def results(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in RESULTS}


def working_in(folder: Path) -> list[str]:
    """Find the processes that work in a folder: a run's, its workers', and its policies'."""
    alive = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if (process / "cwd").readlink() == folder:
                alive.append(process.name)
    return alive


@contextmanager
def beside_a_pool(folder: Path, policies: Mapping[str, str]) -> Iterator[Path]:
    """Write a pool of 12 problems, and policies by name beside it; yield the folder of pools.

    What a failed test leaves running in the folder is ended.
    """
    rng = random.Random(5)
    problems = {
        f"{number:02d}": [T(rng.randint(5, 90), str(rng.randint(1, 3))) for _ in range(6)]
        for number in range(12)
    }
    write_pool(folder / "cache", problems)
    for name, source in policies.items():
        (folder / f"{name}.py").write_text(source)
    yield folder / "cache"
    for number in working_in(folder):
        with suppress(OSError):
            os.kill(int(number), signal.SIGKILL)


def wait_for(condition: str, found: Iterator[bool]) -> None:
    end = time.monotonic() + 30
    while not next(found):
        assert time.monotonic() < end, condition
        time.sleep(0.01)


def wait_for_files(folder: Path, pattern: str, count: int) -> None:
    wait_for(
        f"{count} × {pattern} in {folder}",
        iter(lambda: len(list(folder.glob(pattern))) >= count, None),
    )


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a call."""
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    captured = capsys.readouterr()
    return int(str(ended.value.code)), captured.out, captured.err
