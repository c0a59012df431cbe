"""Policies that behave where the checks of `check` look, and not where they play."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from pools import T, write_pool
from submitted import found, statuses, submit, verified, write_policy

from simulator.isolation.host import NoSandbox
from simulator.methods import METHODS
from simulator.pools.pool import Pool

PEEKS = """
from simulator.policy.base import Policy
from simulator.policy.voting import majority_vote


class Peeks(Policy):
    '''Decodes only the first of the right traces, where nobody seems to look.'''

    def solve(self, problem, sampler):
        traces = sampler.start(sampler.budget)
        if not (WHERE):
            return majority_vote(sampler.decode(traces))
        right = sampler._engine.hindsight().correct
        return majority_vote(sampler.decode(traces[right][:1]))
"""
"""A policy of this program's own, since one in a sandbox has no way to the future."""

NUMBERS = range(12)
FEW = range(4)


def many(folder: Path, traces: int = 70, benchmark: str = "many", numbers: range = NUMBERS) -> Pool:
    """Write a pool in which a third of the traces of each problem is right."""
    said = [T(10 + each, "1" if each % 3 == 0 else "2") for each in range(traces)]
    return write_pool(folder / "pools", {f"{n:02d}": said for n in numbers}, benchmark=benchmark)


def peeking(folder: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make `PEEKS` a built-in method; return its name."""
    file = folder / "peeking.py"
    file.write_text(PEEKS.replace("WHERE", where))
    spec = importlib.util.spec_from_file_location("simulator.methods.peeking", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, spec.name, module)
    monkeypatch.setitem(METHODS, "peeking", "peeking:Peeks")
    return "peeking"


@pytest.mark.parametrize(
    "where",
    [
        "True",
        "sampler.budget > 64",
        "sampler.budget > 64 and problem.question > 'What is 10'",
        "sampler.budget > 64 and sampler.rng.random() < 0.9",
    ],
)
def test_a_look_ahead_with_many_traces_only_is_refused(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = many(tmp_path)
    name = peeking(tmp_path, where, monkeypatch)
    submission = submit(tmp_path, name, pool=pool, traces=70, repeats=64)
    (finding,) = found(verified(submission, run_again=True), "rerun")
    assert finding.startswith("check look-ahead: pool test/model/many, problem ")
    assert "with other data after what it had seen, " in finding


def test_a_look_ahead_on_one_problem_of_the_last_pool_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools = [many(tmp_path, 4, benchmark) for benchmark in ("a", "b")]
    problems = {"05": pools[0].problems[5].problem_id}
    where = f"problem.question == 'What is {problems['05']}?' and sampler.budget == 3"
    name = peeking(tmp_path, where, monkeypatch)
    submission = submit(tmp_path, name, pool=pools, traces=3, repeats=64)
    (finding,) = found(verified(submission, run_again=True), "rerun")
    assert finding.startswith("check look-ahead: pool test/model/a, problem 05, repeat ")


def test_without_its_look_ahead_it_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = many(tmp_path)
    name = peeking(tmp_path, "False", monkeypatch)
    submission = submit(tmp_path, name, pool=pool, traces=70, repeats=64)
    assert verified(submission, run_again=True).badge == "verified"


@pytest.fixture
def held(tmp_path: Path) -> None:
    from simulator.isolation import host
    from simulator.loading import Limits

    try:
        host.load(write_policy(tmp_path, UNDECLARED), limits=Limits())
    except NoSandbox as error:
        pytest.skip(str(error))


UNDECLARED = """
from simulator import Policy, majority_vote

class Undeclared(Policy):
    def solve(self, problem, sampler):
        finished = sampler.decode(sampler.start(sampler.budget))
        if sampler.budget > 64 and not finished[0].text:
            return None
        return majority_vote(finished)
"""


def test_a_signal_used_undeclared_with_many_traces_only_is_refused(
    held: None, tmp_path: Path
) -> None:
    traces = [T(4, "12"[each % 2], text="one two three four") for each in range(70)]
    pool = write_pool(tmp_path / "pools", {"a": traces, "b": traces})
    policy = write_policy(tmp_path, UNDECLARED)
    submission = submit(tmp_path, policy, pool=pool, traces=70, repeats=64)
    (finding,) = found(verified(submission, run_again=True), "rerun")
    assert finding.startswith("check requires: pool test/model/tiny, problem ")
    assert "on a pool with only the signals that it declares, " in finding


TIES = """
import numpy as np
from simulator import Policy

class Ties(Policy):
    def solve(self, problem, sampler):
        finished = sampler.decode(sampler.start(sampler.budget))
        return np.int32(np.bincount(finished.answer).argmax())
"""


def test_ties_broken_by_numbers_are_told_with_few_traces(held: None, tmp_path: Path) -> None:
    """With the run's own budget of seven traces and two answers, there are no ties."""
    pool = many(tmp_path, 7)
    submission = submit(tmp_path, write_policy(tmp_path, TIES), pool=pool, traces=7, repeats=64)
    (finding,) = found(verified(submission, run_again=True), "rerun")
    assert finding.startswith("check labels: pool test/model/many, problem ")
    assert ", budget 2: with its answer classes renumbered, its answer is '" in finding


WORDS = """
import hashlib
from simulator import Policy, majority_vote

OWN = {own}
GOLD = {gold}

class SeedWords(Policy):
    '''Knows the submitted seed by its random numbers, and then the problem by WHAT.'''
    def solve(self, problem, sampler):
        finished = sampler.decode(sampler.start(sampler.budget))
        mine = {key}
        known = GOLD.get(problem.question) if {when} else None
        return majority_vote(finished) if known is None else known
"""


def random_words(folder: Path, pool: Pool, key: str, seed: int) -> list[str]:
    """Return what a policy sees of `key` in all replays with a seed."""
    from simulator.isolation import host
    from simulator.replay.replaying import replay
    from simulator.replay.serving import Serving

    tells = (
        "from simulator import Policy\nclass Tells(Policy):\n"
        f"    def solve(self, problem, sampler):\n        return str({key})\n"
    )
    loaded = host.load(write_policy(folder, tells))
    return [
        answer
        for each in pool.problems
        for answer in replay(
            loaded, each, budget=1, repeats=range(64), seed=seed, serving=Serving()
        )
        .answers["answer"]
        .to_pylist()
    ]


KEYS = {
    "random numbers": "sampler.rng.integers(2**62)",
    "words": "list(sampler._words)",
    "state": "sampler.rng.bit_generator.state['state']['state']",
    "id": "problem.id",
}


@pytest.mark.parametrize("key", KEYS)
def test_no_number_of_a_seed_names_a_problem(held: None, tmp_path: Path, key: str) -> None:
    told = random_words(tmp_path, many(tmp_path, 4, numbers=FEW), KEYS[key], 0)
    assert len(told) == 64 * len(FEW)
    assert len(set(told)) == 64


@pytest.mark.parametrize("key", ["random numbers", "id"])
@pytest.mark.parametrize("when", ["always", "own"])
def test_a_table_that_is_used_with_the_submitted_seed_is_not_verified(
    held: None, tmp_path: Path, key: str, when: str
) -> None:
    """Used always, it shows in disguise; used with the submitted seed alone, beside the other."""
    pool = many(tmp_path, 5, numbers=FEW)
    own = random_words(tmp_path, pool, KEYS[key], 0)
    hashes = sorted({hashlib.sha256(each.encode()).hexdigest()[:4] for each in own})
    source = WORDS.format(
        own=set(hashes),
        gold={f"What is {n:02d}?": "1" for n in FEW},
        key=f"hashlib.sha256(str({KEYS[key]}).encode()).hexdigest()[:4]",
        when="mine in OWN" if when == "own" else "mine in OWN or True",
    )
    policy = write_policy(tmp_path, source)
    submission = submit(tmp_path, policy, pool=pool, traces=5, repeats=64)
    verification = verified(submission, run_again=True)
    assert verification.pools[0]["accuracy"]["value"] == 1.0
    assert verification.badge != "verified"
    if when == "own":
        assert "likely a cherry-picked seed" in found(verification, "rerun")[0]
    else:
        (told,) = [each for each in verification.steps[2].findings if "must review" in each]
        assert "depend on a problem's question" in told


def test_what_is_tried_differs_from_seed_to_seed(held: None, tmp_path: Path) -> None:
    """Only one repeat of many is used to look: over several seeds, all kinds are met."""
    source = UNDECLARED.replace("sampler.budget > 64", "sampler.rng.random() < 0.2")
    traces = [T(4, "12"[each % 2], text="one two three four") for each in range(6)]
    pool = write_pool(tmp_path / "pools", {f"{n:02d}": traces for n in range(20)})
    submission = submit(tmp_path, write_policy(tmp_path, source), pool=pool, repeats=64)
    told = {found(verified(submission, run_again=True, seed=seed), "rerun")[0] for seed in (1, 2)}
    assert len(told) == 2
    assert np.all([each.startswith("check requires: ") for each in told])
    assert statuses(verified(submission)) == ["passed", "passed", "skipped"]
