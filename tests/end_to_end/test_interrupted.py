"""Runs that are cut off: what stays behind, and what resuming them gives."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from programs import (
    RESULTS,
    beside_a_pool,
    needs_proc,
    results,
    run,
    start,
    wait_for,
    wait_for_files,
    working_in,
)

from simulator.loading import load_policy
from simulator.pools.pool import Pool
from simulator.replay.serving import Serving
from simulator.runs.format import IDENTITY_FILE
from simulator.runs.making import make_run, partial_folder
from simulator.runs.spec import RunSpec

SLOW = """
import time
from simulator import Policy, majority_vote

class Slow(Policy):
    def solve(self, problem, sampler):
        time.sleep(0.002)
        traces = sampler.start(sampler.budget)
        sampler.decode(traces, first=2)
        return majority_vote(traces)
"""

ENDLESS = """
import sys
from simulator import Policy

class Endless(Policy):
    def solve(self, problem, sampler):
        sys.stdout.write("began\\n")  # at once, however many processes write there
        sys.stdout.flush()
        while True:
            pass
"""

HALF_ENDLESS = """
import time
from simulator import Policy

class HalfEndless(Policy):
    def solve(self, problem, sampler):
        while problem.question != "What is 00?":
            pass
        time.sleep(0.5)
        raise RuntimeError("enough")
"""


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    with beside_a_pool(tmp_path, {"slow": SLOW, "endless": ENDLESS, "half": HALF_ENDLESS}) as pools:
        yield pools


def wait_until_alone(folder: Path) -> None:
    wait_for("no process left", iter(lambda: not working_in(folder), None))


@needs_proc
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_killed_run_leaves_no_worker_and_resumes_to_the_same_bytes(
    cache: Path, jobs: str
) -> None:
    arguments = ("run", "slow.py", "--repeats", "20")
    assert run(cache, *arguments, "-o", "whole") == (0, "")
    folder = cache.parent / "cut"
    process = start(cache, *arguments, "-o", "cut", "-j", jobs)
    wait_for_files(partial_folder(folder) / "parts", "*.answers", 3)
    process.kill()
    process.communicate(timeout=30)
    wait_until_alone(cache.parent)
    assert not folder.exists()
    code, errors = run(cache, *arguments, "-o", "cut", "-j", jobs, "--resume")
    assert (code, errors) == (0, "")
    assert results(folder) == results(cache.parent / "whole")
    assert sorted(path.name for path in folder.iterdir()) == sorted([*RESULTS, "run.json"])
    assert not partial_folder(folder).exists()
    assert list(cache.parent.glob(".*")) == []  # nor a lock


@needs_proc
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize(
    ("number", "whole_group"),
    [(signal.SIGINT, False), (signal.SIGINT, True), (signal.SIGTERM, False)],
)
def test_a_policy_that_never_returns_can_be_ended(
    cache: Path, jobs: str, number: signal.Signals, whole_group: bool
) -> None:
    process = start(cache, "run", "endless.py", "-o", "out", "-j", jobs)
    assert process.stderr is not None
    assert [process.stderr.readline() for _ in range(int(jobs))] == ["began\n"] * int(jobs)
    # Each job is a process, and so is its policy; several have multiprocessing's own beside them.
    assert len(working_in(cache.parent)) >= 2 * int(jobs)
    began = time.monotonic()
    (os.killpg if whole_group else os.kill)(process.pid, number)
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - began < 5
    assert process.returncode == 128 + number
    assert errors.splitlines() == [
        line for line in errors.splitlines() if "--resume -o out" in line
    ]
    assert len(errors.splitlines()) == 1
    wait_until_alone(cache.parent)
    assert partial_folder(cache.parent / "out").is_dir()


@needs_proc
def test_a_policy_that_fails_ends_workers_that_would_not(cache: Path) -> None:
    process = start(cache, "run", "half.py", "-o", "out", "-j", "2")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert len(errors.splitlines()) == 1
    assert "half.py:" in errors
    assert "enough" in errors
    wait_until_alone(cache.parent)
    assert not list(cache.parent.glob("out*"))


def test_an_import_that_is_ended_leaves_nothing(cache: Path) -> None:
    traces = cache.parent / "traces.jsonl"
    row = '{"problem_id": "%d", "gold_answer": "1", "answer": "x^2+%d", "num_tokens": 5}\n'
    traces.write_text("".join(row % (number % 7, number) for number in range(20_000)))
    before = sorted(path for path in cache.parent.rglob("*"))
    names = ("--dataset", "a", "--model", "b", "--benchmark", "c")
    process = start(cache, "import", "jsonl", "traces.jsonl", *names)
    wait_for_files(cache, "a/b/.c.*", 1)
    process.terminate()
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (143, "error: ended by a signal\n")
    assert sorted(path for path in cache.parent.rglob("*")) == before


def spec_of(cache: Path, *, repeats: int = 10) -> RunSpec:
    pool = Pool(cache / "test" / "model" / "tiny")
    return RunSpec(load_policy("short-2@5"), [pool], None, repeats, 0, Serving())


def cut_off(spec: RunSpec, folder: Path, problems: int = 4) -> Path:
    """Return the parts of a run that was interrupted after so many problems."""

    def stop(done: int, total: int) -> None:
        if done >= problems * spec.repeats:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_run(spec, folder, progress=stop)
    return partial_folder(folder) / "parts"


@pytest.mark.parametrize("damage", ["cut in half", "emptied", "another's", "missing", "unfinished"])
@pytest.mark.parametrize("kind", ["decisions", "answers"])
def test_damaged_parts_are_made_again(cache: Path, tmp_path: Path, kind: str, damage: str) -> None:
    spec = spec_of(cache)
    make_run(spec, tmp_path / "whole")
    parts = cut_off(spec, tmp_path / "cut")
    part, other = parts / f"000-000001-00000000.{kind}", parts / f"000-000002-00000000.{kind}"
    if damage == "cut in half":
        part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])
    elif damage == "emptied":
        part.write_bytes(b"")
    elif damage == "another's":
        wrong = "answers" if kind == "decisions" else "decisions"
        part.write_bytes(other.with_suffix(f".{wrong}").read_bytes())
    elif damage == "missing":
        part.unlink()
    else:
        part.rename(part.with_suffix(f".{kind}.tmp"))
    make_run(spec, tmp_path / "cut", resume=True)
    assert results(tmp_path / "cut") == results(tmp_path / "whole")


@pytest.mark.parametrize("reached", ["summary.json", "run.json", "no parts"])
def test_a_run_that_was_cut_off_at_the_very_end_is_taken_up(
    cache: Path, tmp_path: Path, reached: str
) -> None:
    spec = spec_of(cache)
    make_run(spec, tmp_path / "whole")
    parts = cut_off(spec, tmp_path / "cut", problems=12)
    for name in RESULTS:
        shutil.copy(tmp_path / "whole" / name, parts.parent)
    if reached != "summary.json":
        shutil.copy(tmp_path / "whole" / "run.json", parts.parent)
    if reached == "no parts":
        shutil.rmtree(parts)
    make_run(spec, tmp_path / "cut", resume=True)
    assert results(tmp_path / "cut") == results(tmp_path / "whole")
    assert not (tmp_path / "cut" / IDENTITY_FILE).exists()


@needs_proc
def test_a_killed_run_leaves_no_worker_that_searches_on(cache: Path) -> None:
    """Python's regular expressions let no other thread run meanwhile, one that would end it."""
    (cache.parent / "search.py").write_text(
        "import re, sys\nfrom simulator import Policy\n\nclass Search(Policy):\n"
        "    def solve(self, problem, sampler):\n"
        "        sys.stderr.write('began\\n')\n"
        "        re.search('(a|aa)+$', 'a' * 90 + 'b')\n"
    )
    process = start(cache, "run", "search.py", "-o", "out", "-j", "2", "--in-process")
    assert process.stderr is not None
    assert process.stderr.readline() == "began\n"
    process.kill()
    process.communicate(timeout=30)
    wait_until_alone(cache.parent)


@needs_proc
def test_a_run_has_one_maker_at_a_time(cache: Path) -> None:
    process = start(cache, "run", "endless.py", "-o", "out")
    assert process.stderr is not None
    assert process.stderr.readline() == "began\n"
    for resume in ([], ["--resume"]):
        code, errors = run(cache, "run", "endless.py", "-o", "out", *resume)
        assert code == 2
        assert errors.startswith(
            f"error: out.partial: another process (pid {process.pid}) is making this run"
        )
        assert len(errors.splitlines()) == 1
    process.kill()
    process.communicate(timeout=30)
    code, errors = run(cache, "run", "endless.py", "-o", "out")
    assert "out.partial: an interrupted run; add --resume" in errors


@pytest.mark.parametrize("how", [[], ["-j", "2"], ["--in-process"]])
def test_a_policy_that_takes_too_long_is_ended_and_its_run_can_be_resumed(
    cache: Path, how: list[str]
) -> None:
    quick = "class Quick(Policy):\n    n = 0\n    def solve(self, problem, sampler):\n        "
    (cache.parent / "sometimes.py").write_text(
        f"from simulator import Policy\n{quick}while problem.question == 'What is 01?': pass"
    )
    words = ["run", "sometimes.py", "--repeats", "2", "-o", "out", "--timeout", "1", *how]
    for resume in ([], ["--resume"]):
        code, errors = run(cache, *words, "-p", "n=4", *resume)
        assert code == 2
        assert errors == (
            "error: sometimes.py: took longer than 1 s (--timeout) for problem 01, repeat 0, n=4; "
            "to continue, repeat the command with: --resume -o out\n"
        )
    parts = [path.name for path in (cache.parent / "out.partial" / "parts").glob("*.answers")]
    assert "000-000000-00000000.answers" in parts


def test_two_processes_copy_the_first_pool_at_once(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    both = [start(cache, "run", "cons@8", "--repeats", "2", "-o", name) for name in ("a", "b")]
    assert [process.communicate(timeout=60) and process.returncode for process in both] == [0, 0]
    assert results(tmp_path / "a") == results(tmp_path / "b")
    assert [path.name for path in cache.iterdir()] == ["shipped"]
