"""Several policies at once: each is replayed as it is alone, held to its time, and ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pools import T, write_pool

from simulator.errors import PolicyError, UserError
from simulator.isolation.host import NoSandbox, fresh, load
from simulator.isolation.interleaved import side_by_side
from simulator.loading import Limits, LoadedPolicy
from simulator.pools.pool import Pool, StoredProblem
from simulator.replay.judging import TokensRead
from simulator.replay.recording import Replayed
from simulator.replay.replaying import Replaying, replay, replaying
from simulator.replay.serving import Serving

HONEST = """
from simulator import Policy, majority_vote
class P(Policy):
    def solve(self, problem, sampler):
        traces = sampler.start(4)
        while not traces.finished.all():
            sampler.decode(traces, tokens=5)
        return majority_vote(traces)
"""
JUDGED = """
from simulator import Policy
class P(Policy):
    requires = {"judge"}
    def solve(self, problem, sampler):
        sampler.decode(sampler.start(2))
        sampler.judge([[0, 1]])
        return "1"
"""


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    traces = [T(12, "7"), T(25, "1"), T(31, "1"), T(53, "7"), T(53, "1")]
    return write_pool(tmp_path_factory.mktemp("work") / "cache", {"p": traces, "q": traces[::-1]})


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, str], LoadedPolicy]:
    def loaded(source: str, name: str, seconds: float = 30.0) -> LoadedPolicy:
        (tmp_path / name).write_text(source)
        try:
            return load(str(tmp_path / name), limits=Limits(seconds=seconds, banked=0))
        except NoSandbox as error:
            pytest.skip(str(error))

    return loaded


class Judge:
    """Does something on the host whenever it is asked."""

    def __init__(self, does: Callable[[], None]) -> None:
        self._does = does

    def score(
        self, problem: StoredProblem, pairs: npt.NDArray[np.int64], tokens: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        self._does()
        return np.zeros(len(pairs))

    def tokens_read(
        self, problem: StoredProblem, pairs: npt.NDArray[np.int64], call: npt.NDArray[np.int64]
    ) -> TokensRead:
        return TokensRead(0, 0, 0)


def asked(
    loaded: LoadedPolicy,
    problem: StoredProblem,
    repeats: Sequence[int],
    judge: Judge | None = None,
) -> Replaying:
    return replaying(
        loaded, problem, budget=4, repeats=repeats, seed=3, serving=Serving(), judge=judge
    )


def alone(loaded: LoadedPolicy, problem: StoredProblem, repeats: Sequence[int]) -> Replayed:
    return replay(loaded, problem, budget=4, repeats=repeats, seed=3, serving=Serving())


def test_each_is_replayed_as_it_is_alone_and_told_in_order(
    written: Callable[..., LoadedPolicy], pool: Pool
) -> None:
    loaded = written(HONEST, "p.py")
    first, second = pool.problems
    assignments = [(first, [5, 2, 9]), (second, [1]), (first, [0, 7])]
    with ExitStack() as stack:
        runners = [stack.enter_context(fresh(loaded)) for _ in assignments]
        found = side_by_side(
            [(each, asked(each, *own)) for each, own in zip(runners, assignments, strict=True)]
        )
    for replayed, assignment in zip(found, assignments, strict=True):
        straight = alone(loaded, *assignment)
        assert replayed.answers["repeat"].to_pylist() == assignment[1]
        assert replayed.answers.to_pylist() == straight.answers.to_pylist()
        assert replayed.decisions.to_pylist() == straight.decisions.to_pylist()


def test_who_fails_is_named_and_the_others_go_on_afterwards(
    written: Callable[..., LoadedPolicy], pool: Pool
) -> None:
    honest = written(HONEST, "honest.py")
    source = HONEST.replace("traces = ", "1 / (problem.question is None)\n        traces = ")
    fails = written(source, "fails.py")
    problem = pool.problems[0]
    with pytest.raises(PolicyError) as error:
        side_by_side(
            [(honest, asked(honest, problem, range(64))), (fails, asked(fails, problem, [6]))]
        )
    assert "fails.py:5: ZeroDivisionError" in str(error.value)
    assert str(error.value).endswith("(problem p, repeat 6)")
    with pytest.raises(PolicyError) as same:
        alone(fails, problem, [6])
    assert str(error.value) == str(same.value)
    (again,) = side_by_side([(honest, asked(honest, problem, [0]))])
    assert again.answers.to_pylist() == alone(honest, problem, [0]).answers.to_pylist()


def test_an_error_of_the_host_is_as_when_alone(
    written: Callable[..., LoadedPolicy], pool: Pool
) -> None:
    loaded = written(JUDGED, "judged.py")

    def fails(error: Exception) -> Judge:
        def fail() -> None:
            raise error

        return Judge(fail)

    problem = pool.problems[0]
    with pytest.raises(PolicyError, match=r"judged.py: MemoryError.* \(problem p, repeat 0\)$"):
        side_by_side([(loaded, asked(loaded, problem, [0], fails(MemoryError())))])
    with pytest.raises(UserError, match=r"^no scores$"):
        side_by_side([(loaded, asked(loaded, problem, [0], fails(UserError("no scores"))))])


def test_the_time_that_others_take_is_not_its_own(
    written: Callable[..., LoadedPolicy], pool: Pool
) -> None:
    """The other has the host busy for longer than this one may take."""
    quick, slow = written(HONEST, "quick.py", 2.0), written(JUDGED, "slow.py")
    problem = pool.problems[0]
    sleeping = asked(slow, problem, [0], Judge(lambda: time.sleep(2.5)))
    found = side_by_side([(slow, sleeping), (quick, asked(quick, problem, range(8)))])
    assert [len(each.answers) for each in found] == [1, 8]
