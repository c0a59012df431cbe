"""Policies that remember other replays: what that gains them in their run is not verified.

They pass `check`, which replays a problem in two repeats: what they do begins after more.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pools import T, write_pool
from submitted import found, statuses, submit, verified, write_policy

from simulator.conformance.checks import check_policy, choose_cases, fresh_runners
from simulator.isolation import host
from simulator.isolation.host import NoSandbox
from simulator.loading import Limits, LoadedPolicy
from simulator.pools.pool import StoredProblem
from simulator.replay.replaying import Replaying, answered, replay, replaying
from simulator.replay.serving import Serving
from simulator.verification.assigning import PROCESSES, Assigner, Replay, Wanted

PROBLEMS = {
    f"p{n}": [T(10 + 3 * i + n, answer) for i, answer in enumerate("1121314151")] for n in range(6)
}
"""Half of the traces are right; whoever knows the majority stops at the first that is."""

REPEATS = 24

SOURCE = """
import contextlib, json, sys
import numpy
from simulator import Policy, majority_vote

KEPT = {}

def kept_by_default(kept={}):
    return kept

class Remembers(Policy):
    '''Stops at the answer that most traces gave in other replays, once there were enough.'''
    own = {}

    def solve(self, problem, sampler):
        votes = WHERE.setdefault(problem.question, [])
        best = max(dict.fromkeys(votes), key=votes.count) if len(votes) > AFTER else None
        mine = []
        for _ in range(sampler.budget):
            trace = sampler.start(1)
            sampler.decode(trace)
            mine.append(trace.answer[0])
            if mine[-1] == best:
                break
        votes += mine
        return majority_vote(numpy.array(mine))
"""

WHERE = {
    "a module's variable": "KEPT",
    "a class's attribute": "type(self).own",
    "a default argument": "kept_by_default()",
    "an installed module": "vars(numpy).setdefault('kept', {})",
    "the modules": "sys.modules.setdefault('kept', {})",
    "this program's functions": "vars(type(sampler).start).setdefault('kept', {})",
    "what all start with": "vars(sys).setdefault('kept', {})",
}


@pytest.fixture(autouse=True)
def held(tmp_path: Path) -> None:
    file = tmp_path / "probe.py"
    file.write_text(
        "from simulator import Policy\nclass P(Policy):\n    def solve(self, p, s): ..."
    )
    try:
        host.load(str(file), limits=Limits())
    except NoSandbox as error:
        pytest.skip(str(error))


def policy(folder: Path, where: str, after: int = 20) -> str:
    return write_policy(folder, SOURCE.replace("WHERE", where).replace("AFTER", str(after)))


@pytest.mark.parametrize("where", WHERE)
def test_votes_kept_from_other_replays_are_told_with_the_row(tmp_path: Path, where: str) -> None:
    pool = write_pool(tmp_path / "pools", PROBLEMS)
    submission = submit(tmp_path, policy(tmp_path, WHERE[where]), pool=pool, repeats=REPEATS)
    tokens = pq.read_table(submission / "answers.parquet")["tokens"].to_numpy()
    forgetful = submit(
        tmp_path / "forgetful", policy(tmp_path, "dict()"), pool=pool, repeats=REPEATS
    )
    honest = pq.read_table(forgetful / "answers.parquet")["tokens"].to_numpy()
    assert tokens.sum() < honest.sum()  # there is something to gain
    verification = verified(submission, run_again=True)
    (finding,) = found(verification, "rerun")
    assert finding.startswith("decisions.parquet row ")
    assert "(pool test/model/tiny, problem p0, repeat " in finding
    assert "rerun" in finding
    assert verification.badge is None


@pytest.mark.parametrize("after", [1, 120])
def test_however_late_it_begins(tmp_path: Path, after: int) -> None:
    """A repeat has at most 4 traces: after 120, thirty others have been replayed."""
    pool = write_pool(tmp_path / "pools", PROBLEMS)
    submission = submit(tmp_path, policy(tmp_path, "KEPT", after), pool=pool, repeats=48)
    (finding,) = found(verified(submission, run_again=True), "rerun")
    assert finding.startswith("decisions.parquet row ")


def test_check_alone_does_not_see_it(tmp_path: Path) -> None:
    pool = write_pool(tmp_path / "pools", PROBLEMS)
    loaded = host.load(policy(tmp_path, "KEPT", 120))
    cases = choose_cases(pool.problems, 4, problem_count=4, repeats=range(2))
    findings = check_policy(fresh_runners(loaded, seed=1), frozenset(), cases)
    assert all(finding.passed for finding in findings)


def test_what_it_learns_on_one_problem_is_told_at_the_next(tmp_path: Path) -> None:
    """It learns from the first problem alone, so that the order of repeats makes no difference."""
    source = """
from simulator import Policy, majority_vote

SEEN = {}

class Learns(Policy):
    '''Two traces on the first problem that it meets, one on all others.'''
    def solve(self, problem, sampler):
        SEEN.setdefault(problem.question)
        count = 2 if next(iter(SEEN)) == problem.question else 1
        return majority_vote(sampler.decode(sampler.start(count)))
"""
    problems = {f"p{n:02d}": PROBLEMS["p0"] for n in range(30)}
    pool = write_pool(tmp_path / "pools", problems)
    submission = submit(tmp_path, write_policy(tmp_path, source), pool=pool, repeats=REPEATS)
    (finding,) = found(verified(submission, run_again=True), "rerun")
    assert "decisions.parquet row " in finding


def test_who_remembers_only_with_seeds_that_are_not_its_own_is_told(tmp_path: Path) -> None:
    """With the seed it was submitted with it is honest: the other's figures are to be better."""
    pool = write_pool(tmp_path / "pools", PROBLEMS)
    where = "(dict() if problem.id in OWN else KEPT)"
    source = policy(tmp_path, where, 4)
    asked = write_policy(
        tmp_path / "pools",
        "from simulator import Policy\n"
        "class Asked(Policy):\n    def solve(self, problem, sampler): return problem.id",
    )
    loaded = host.load(asked)
    made = replay(
        loaded, pool.problems[0], budget=1, repeats=range(REPEATS), seed=0, serving=Serving()
    )
    own = made.answers["answer"].to_pylist()
    Path(source).write_text(f"OWN = {json.dumps(own)}\n{Path(source).read_text()}")
    submission = submit(tmp_path, source, pool=pool, repeats=REPEATS)
    (finding,) = found(verified(submission, run_again=True), "rerun")
    assert "when replayed in another process: the policy carries state between replays" in finding
    assert "pool test/model/tiny, problem p0, repeat " in finding


IN_FILES = """
with contextlib.suppress(OSError):
    KEPT = json.load(open('/tmp/kept-by-a-policy'))
"""


def test_files_keep_nothing(tmp_path: Path) -> None:
    source = SOURCE.replace("WHERE", "dict()").replace("AFTER", "20")
    source = source.replace(
        "        votes += mine\n",
        "        votes += mine\n"
        "        with contextlib.suppress(OSError):\n"
        "            json.dump(votes, open('/tmp/kept-by-a-policy', 'w'))\n",
    ).replace("KEPT = {}\n", f"KEPT = {{}}\n{IN_FILES}")
    pool = write_pool(tmp_path / "pools", PROBLEMS)
    submission = submit(tmp_path, write_policy(tmp_path, source), pool=pool, repeats=64)
    assert statuses(verified(submission, run_again=True)) == ["passed", "passed", "passed"]
    assert not Path("/tmp/kept-by-a-policy").exists()


FORGETS = SOURCE.replace("WHERE", "dict()").replace("AFTER", "20")


def replay_of(problem: StoredProblem, seed: int) -> Replay:
    def play(loaded: LoadedPolicy, repeats: Sequence[int]) -> Replaying:
        return replaying(loaded, problem, budget=4, repeats=repeats, seed=seed, serving=Serving())

    return play


def test_who_remembers_nothing_is_assigned_to_the_same_rows(tmp_path: Path) -> None:
    pool = write_pool(tmp_path / "pools", PROBLEMS)
    loaded = host.load(write_policy(tmp_path, FORGETS), limits=Limits())
    asked = [(5, range(70)), (6, range(64, 66)), (7, range(1))]
    for seed in range(2):
        with Assigner(loaded, seed, len(pool.problems)) as assigner:
            for problem in pool.problems[:3]:
                wanted = [Wanted(repeats, replay_of(problem, seed)) for seed, repeats in asked]
                for gathered, one in zip(assigner.replay(wanted), wanted, strict=True):
                    straight = answered(one.replay(loaded, one.repeats), loaded)
                    assert gathered.remembered == ""
                    assert gathered.replayed.answers.to_pylist() == straight.answers.to_pylist()
                    assert gathered.replayed.decisions.to_pylist() == straight.decisions.to_pylist()


def noting(play: Replay, assignments: list[list[int]]) -> Replay:
    """As `play`, which repeats each process is given being added to `assignments`."""

    def noted(loaded: LoadedPolicy, repeats: Sequence[int]) -> Replaying:
        assignments.append([*repeats])
        return play(loaded, repeats)

    return noted


def test_every_process_begins_with_what_another_makes_too(tmp_path: Path) -> None:
    pool = write_pool(tmp_path / "pools", PROBLEMS)
    play = replay_of(pool.problems[0], 0)
    assignments: list[list[int]] = []
    loaded = host.load(write_policy(tmp_path, FORGETS), limits=Limits())
    with Assigner(loaded, 1, 1) as assigner:
        assigner.replay([Wanted(range(64), noting(play, assignments))])
    assert len(assignments) == PROCESSES
    assert sorted(repeat for assignment in assignments for repeat in assignment[1:]) == [*range(64)]
    assert all(assignment[0] not in assignment[1:] for assignment in assignments)
    assert all(assignment[1:] != sorted(assignment[1:]) for assignment in assignments)


def test_a_process_apart_makes_no_other_replays(tmp_path: Path) -> None:
    """It names its process: those of the others' replays and the one apart share none."""
    source = (
        "import os\nfrom simulator import Policy\nclass Names(Policy):\n"
        "    def solve(self, problem, sampler):\n        return NAME\n"
        "NAME = str(os.urandom(8))\n"
    )
    pool = write_pool(tmp_path / "pools", PROBLEMS)
    loaded = host.load(write_policy(tmp_path, source), limits=Limits())
    apart: set[str] = set()
    others: set[str] = set()
    with Assigner(loaded, 1, len(pool.problems)) as assigner:
        for problem in pool.problems:
            play = replay_of(problem, 0)
            (gathered,) = assigner.replay([Wanted(range(64), play)])
            others |= {*gathered.replayed.answers["answer"].to_pylist()}
            for repeat in (3, 63):
                made = assigner.replay_apart(Wanted([repeat], play))
                assert made.answers["repeat"].to_pylist() == [repeat]
                apart |= {*made.answers["answer"].to_pylist()}
    assert len(apart) == 1
    assert len(others) >= PROCESSES
    assert apart.isdisjoint(others)
