"""Slim-SC on traces and similarities worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pools import T, write_problem

from simulator.errors import UserError
from simulator.loading import load_policy
from simulator.policy.base import Problem
from simulator.policy.sampler import Sampler
from simulator.pools.pool import StoredProblem
from simulator.replay.engine import Engine
from simulator.replay.judging import TokensRead
from simulator.replay.serving import Serving

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Alike:
    """A judge by a table of similarities above its diagonal."""

    def __init__(self, pairs: dict[tuple[int, int], float]) -> None:
        self.pairs = pairs

    def score(self, problem: StoredProblem, pairs: Ints, num_tokens: Ints) -> Floats:
        return np.array([self.pairs.get((min(p), max(p)), 0.0) for p in pairs.tolist()])

    def tokens_read(self, problem: StoredProblem, pairs: Ints, call: Ints) -> TokensRead:
        return TokensRead(len(pairs), len(pairs), len(pairs))


def solve(
    folder: Path, pairs: dict[tuple[int, int], float], answers: str, seed: int = 0, **settings: Any
) -> tuple[str | None, list[int], int]:
    """Return the answer, the tokens of each trace, of 30, and the number of judged pairs."""
    problem = write_problem(folder, [T(30, answer) for answer in answers])
    typed = {name: str(value) for name, value in settings.items()}
    loaded = load_policy("slim-sc", {"truncation": "tokens=10"} | typed)
    engine = Engine(problem, np.arange(len(answers)), Serving(), Alike(pairs))
    sampler = Sampler(engine, (seed,))
    answer = loaded.policy.solve(Problem("opaque", None, "math"), sampler)
    assert answer is None or isinstance(answer, np.int32)
    text = None if answer is None else problem.class_texts[int(answer)]
    return text, engine.num_tokens.tolist(), sampler.judge_calls


def test_one_of_two_that_are_alike_is_dropped_at_random(tmp_path: Path) -> None:
    seen = {
        tuple(solve(tmp_path / str(seed), {(0, 2): 0.96}, "121", seed)[1]) for seed in range(20)
    }
    assert seen == {(10, 30, 30), (30, 30, 10)}


def test_only_those_above_the_threshold_are_alike(tmp_path: Path) -> None:
    answer, tokens, calls = solve(tmp_path / "a", {(0, 1): 0.95, (1, 2): 0.5}, "112")
    assert (answer, tokens, calls) == ("1", [30, 30, 30], 3)
    _, tokens, _ = solve(tmp_path / "b", {(0, 1): 0.95, (1, 2): 0.5}, "112", threshold=0.9)
    assert sorted(tokens) == [10, 30, 30]
    assert tokens[2] == 30


def test_who_was_dropped_drops_no_other(tmp_path: Path) -> None:
    chain = {(0, 1): 0.99, (1, 2): 0.99}
    seen = set()
    for seed in range(20):
        seen.add(tuple(solve(tmp_path / str(seed), chain, "123", seed)[1]))
    assert seen == {(30, 10, 30), (10, 30, 10), (10, 10, 30)}


def test_the_more_diverse_stays(tmp_path: Path) -> None:
    # Beside the pair, 0 is like 2 and 3 by 0.5 each, 1 by 0.4.
    pairs = {(0, 1): 0.99, (0, 2): 0.5, (0, 3): 0.5, (1, 2): 0.4, (1, 3): 0.4}
    answer, tokens, _ = solve(tmp_path / "a", pairs, "1222", keep="diverse")
    assert (answer, tokens) == ("2", [10, 30, 30, 30])
    turned = {(0, 1): 0.99, (0, 2): 0.4, (0, 3): 0.4, (1, 2): 0.5, (1, 3): 0.5}
    assert solve(tmp_path / "b", turned, "1222", keep="diverse")[1] == [30, 10, 30, 30]


def test_the_vote_is_over_those_that_stay(tmp_path: Path) -> None:
    alike = {(0, 1): 1.0, (0, 2): 1.0, (1, 2): 1.0}
    answer, tokens, _ = solve(tmp_path, alike, "11122")
    assert answer == "2"
    assert sorted(tokens[:3]) == [10, 10, 30]


def test_a_single_trace_needs_no_judge(tmp_path: Path) -> None:
    assert solve(tmp_path, {}, "1") == ("1", [30], 0)


@pytest.mark.parametrize(
    "settings", [{"truncation": "10"}, {"threshold": 1.1}, {"keep": "the best"}]
)
def test_parameters_that_make_no_sense_are_refused(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match="must be"):
        solve(tmp_path, {}, "1", **settings)
