"""Commands with `--ray`: the bytes of one process, whatever is lost; nothing is left behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import programs
import pytest
from pools import T, write_pool
from programs import beside_a_pool, needs_proc, results, start, wait_for, wait_for_files, working_in
from range_server import serving
from ray_nodes import NODE, cluster_of, kill_node
from submitted import FIRST_TWO, submit, write_policy

from simulator.runs.making import partial_folder

SLOW = """
import time
from simulator import Policy, majority_vote

class Slow(Policy):
    m = 2

    def solve(self, problem, sampler):
        time.sleep(0.004)
        traces = sampler.start(sampler.budget)
        sampler.decode(traces, first=self.m)
        return majority_vote(traces)
"""

ENDLESS = """
from simulator import Policy

class Endless(Policy):
    def solve(self, problem, sampler):
        while True:
            pass
"""

WRONG = """
from simulator import Policy

class Wrong(Policy):
    def solve(self, problem, sampler):
        print("to standard output")
        if problem.question == "What is 05?":
            raise RuntimeError("enough")
        return sampler.start(1)[0].answer
"""

pytestmark = needs_proc


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with cluster_of(2) as started:
        yield started


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    with beside_a_pool(tmp_path, {"slow": SLOW, "endless": ENDLESS, "wrong": WRONG}) as pools:
        yield pools


def run(cache: Path, *arguments: str) -> tuple[int, list[str]]:
    """Exit code and standard error of a whole call, without the progress that a slow one tells."""
    code, errors = programs.run(cache, *arguments)
    return code, told(errors)


def told(errors: str) -> list[str]:
    return [line for line in errors.splitlines() if not re.search(r": \d+%$", line)]


def wait_until_alone(folder: Path) -> None:
    wait_for("no process left", iter(lambda: not working_in(folder), None))


def test_a_sweep_that_loses_a_node_and_its_driver_has_the_bytes_of_one_process(
    cluster: Any, cache: Path
) -> None:
    arguments = ("run", "slow.py", "-p", "m=2,3", "--repeats", "16")
    assert run(cache, *arguments, "-o", "whole") == (0, [])
    node = cluster.add_node(**NODE)
    ray = ("--ray", cluster.address)
    process = start(cache, *arguments, "-o", "cut", *ray)
    cut, other = (partial_folder(cache.parent / name) for name in ("cut", "other"))
    wait_for_files(cut / "m=2.partial" / "parts", "*.answers", 3)
    kill_node(cluster, node)
    wait_for_files(cut / "m=2.partial" / "parts", "*.answers", 8)
    process.kill()
    output, errors = process.communicate(timeout=30)
    assert (output, told(errors)) == ("", [])
    wait_until_alone(cache.parent)
    shutil.copytree(cut, other)
    assert run(cache, *arguments, "-o", "cut", *ray, "--resume") == (0, [])
    assert run(cache, *arguments, "-o", "other", "-j", "2", "--resume") == (0, [])
    for name in ("m=2", "m=3"):
        whole = results(cache.parent / "whole" / name)
        assert results(cache.parent / "cut" / name) == whole
        assert results(cache.parent / "other" / name) == whole
    wait_until_alone(cache.parent)


def test_ctrl_c_ends_a_policy_that_never_returns_and_leaves_the_cluster(
    cluster: Any, cache: Path
) -> None:
    process = start(cache, "run", "endless.py", "-o", "out", "--ray", cluster.address)
    # The driver, and a worker with its policy's process on each node.
    wait_for("policies run", iter(lambda: len(working_in(cache.parent)) >= 5, None))
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (130, "")
    assert told(errors) == [
        "error: interrupted; to continue, repeat the command with: --resume -o out"
    ]
    wait_until_alone(cache.parent)
    assert run(cache, "run", "cons@2", "-o", "here") == (0, [])
    with serving(cache) as served:  # the cluster works on, also on what is elsewhere
        pool = f"http://{served.address}/test/model/tiny"
        words = ("run", "cons@2", "-d", pool, "-o", "there", "--ray", cluster.address)
        assert run(cache.parent / "none", *words) == (0, [])
    assert results(cache.parent / "there") == results(cache.parent / "here")


def test_a_cluster_of_its_own_ends_with_a_policys_error_which_is_one_line(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # which would write a token to the home folder
    process = start(cache, "run", "wrong.py", "-o", "out", "--ray", "local", "-j", "2")
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (2, "")
    assert told(errors) == ["error: wrong.py:8: RuntimeError: enough (problem 05, repeat 0)"]
    wait_until_alone(cache.parent)
    assert not list(cache.parent.glob("out*"))


def test_a_word_after_ray_that_is_no_address_is_told(cache: Path) -> None:
    code, errors = run(cache, "run", "--ray", "cons@64", "-o", "out")
    assert code == 2
    assert "'--ray': cons@64 is no address of a cluster" in errors[0]
    assert "put --ray last, or before another option" in errors[0]


def test_nodes_verify_submissions_as_this_machine_does(cluster: Any, cache: Path) -> None:
    folder = cache.parent
    strangers = submit(folder, write_policy(folder, FIRST_TWO))
    damaged = strangers.with_name("2026-01-31-damaged")
    shutil.copytree(strangers, damaged)
    (damaged / "answers.parquet").write_bytes(b"")
    names = [f"submissions/{each.name}" for each in (damaged, strangers)]
    found = []
    for how in ((), ("--ray", cluster.address)):
        words = ("verify", *names, "--seed", "7", "--json", "--dry-run", *how)
        process = start(folder / "pools", *words)
        output, errors = process.communicate(timeout=120)
        assert (process.returncode, told(errors)) == (1, [])
        found.append([each | {"verified_at": 0, "seconds": 0} for each in json.loads(output)])
    assert found[0] == found[1]
    assert [each["badge"] for each in found[1]] == [None, "recomputed"]  # too few repeats for more
    assert found[1][1]["layers"]  # of the sandbox of a stranger's policy
    wait_until_alone(folder)


def test_nodes_grade_the_answers_of_an_import_as_this_process_does(
    cluster: Any, cache: Path
) -> None:
    answers = ["1/2", "0.5", "x+1", "1+x", "\\frac{1}{2}", "", "50%", "3"]
    rows = [
        {"problem_id": f"{number % 9}", "gold_answer": "0.5", "num_tokens": 5 + number}
        | {"answer": answers[number * 7 % len(answers)]}
        for number in range(90)
    ]
    traces = cache.parent / "traces.jsonl"
    traces.write_text("".join(json.dumps(row) + "\n" for row in rows))
    names = ("--dataset", "a", "--model", "b", "--benchmark", "c", "--unparsed", "vote")
    for name, how in (("here", ()), ("two", ("-j", "2")), ("ray", ("--ray", cluster.address))):
        there = cache.parent / name
        assert run(there, "import", "jsonl", "traces.jsonl", *names, *how)[0] == 0
    whole = contents(cache.parent / "here" / "a" / "b" / "c")
    assert len(whole) >= 4
    assert contents(cache.parent / "two" / "a" / "b" / "c") == whole
    assert contents(cache.parent / "ray" / "a" / "b" / "c") == whole


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_nodes_store_the_scores_that_this_machine_does(cluster: Any, cache: Path) -> None:
    texts = ["so we add two", "so we add three", "let us multiply", "we add two and two"]
    problems = {
        name: [T(20, "1", text=text) for text in texts[:size]]
        for name, size in (("p", 4), ("q", 3), ("r", 1))
    }
    parts = []
    for name, how in (("here", ()), ("there", ("--ray", cluster.address))):
        write_pool(cache.parent / name, problems)
        words = ("judge", "score", "lexical", "-d", "test/model/tiny", "-t", "tokens=10", *how)
        assert run(cache.parent / name, *words) == (0, [])
        files = sorted((cache.parent / name).glob(".judges/*/test/model/tiny/*/part-*.parquet"))
        parts.append({file.parent.name: file.read_bytes() for file in files})
    assert sorted(parts[0]) == ["0000", "0001"]
    assert parts[0] == parts[1]
