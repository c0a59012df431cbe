"""Bayesian L=3 against values worked out by hand, and against all draws of few traces."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import permutations, product
from pathlib import Path
from typing import Any

import pytest
from pools import T
from solved import solve

from simulator.errors import UserError
from simulator.methods.bayes_3 import chance_of_first


def answered(*answers: str | None) -> list[T]:
    """Make traces of 10, 20, 30, … tokens."""
    return [T(10 * n, answer) for n, answer in enumerate(answers, start=1)]


@pytest.mark.parametrize(
    ("counts", "priors", "expected"),
    [
        ((1, 0, 0), "0.6+0.4", 0.6),
        ((2, 0, 0), "0.6+0.4", 0.36 / 0.52),
        ((2, 1, 0), "0.6+0.4", 0.36 * 0.4 / (0.36 * 0.4 + 0.16 * 0.6)),
        ((1, 1, 0), "0.6+0.4", 0.5),
        ((2, 1, 1), "0.5+0.3+0.2", 0.5),  # each has one vote, and the leader one more
        ((1, 1, 1), "0.5+0.3+0.2", 1 / 3),
        ((1, 0, 0), "0.6+0.4/0.9+0.1", 0.75),
        ((1, 1, 1), "0.6+0.4", 0.0),  # three answers, and the prior knows of two
    ],
)
def test_the_chance_is_the_one_worked_out_by_hand(
    counts: tuple[int, int, int], priors: str, expected: float
) -> None:
    assert chance_of_first(*counts, priors) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("traces", range(1, 7))
@pytest.mark.parametrize("priors", ["0.5+0.3+0.2", "0.4+0.3+0.2+0.1/0.7+0.3"])
def test_the_chance_is_that_among_all_draws(traces: int, priors: str) -> None:
    """Draw every sequence of answers; leader and second are drawn from those that tie."""
    seen: defaultdict[tuple[int, int, int], float] = defaultdict(float)
    right: defaultdict[tuple[int, int, int], float] = defaultdict(float)
    for prior in priors.split("/"):
        chances = [float(word) for word in prior.split("+")]
        for drawn in product(range(len(chances)), repeat=traces):
            likely = 1.0
            for rank in drawn:
                likely *= chances[rank]
            counts = Counter(drawn)
            pairs = [*permutations([*counts, -1], 2)]  # -1: there is no second
            best = max((counts[i], counts[j]) for i, j in pairs)
            tied = [(i, j) for i, j in pairs if (counts[i], counts[j]) == best]
            key = (*best, traces - sum(best))
            for leader, _ in tied:
                seen[key] += likely / len(tied)
                right[key] += (leader == 0) * likely / len(tied)
    assert seen
    for key, total in seen.items():
        assert chance_of_first(*key, priors) == pytest.approx(right[key] / total, abs=1e-12), key


def test_it_stops_once_the_leader_is_likely_enough_the_first(tmp_path: Path) -> None:
    # Of the prior 0.7, 0.3: 0.7, then 0.49/0.58 = 0.845, 0.343/0.37 = 0.927, 0.967.
    outcome = solve(tmp_path, "bayes-3", answered(*["1"] * 6), priors="0.7+0.3")
    assert (outcome.answer, outcome.started, outcome.clock) == ("1", 4, 100)
    less = solve(tmp_path / "less", "bayes-3", answered(*["1"] * 6), priors="0.7+0.3", delta=0.1)
    assert less.started == 3


def test_a_prior_that_is_sure_stops_after_one_trace(tmp_path: Path) -> None:
    outcome = solve(tmp_path, "bayes-3", answered("2", "1", "1"), priors="0.96+0.04")
    assert (outcome.answer, outcome.started) == ("2", 1)


def test_traces_without_an_answer_do_not_count(tmp_path: Path) -> None:
    outcome = solve(tmp_path, "bayes-3", answered(None, "1", None, "1", "2"), priors="0.7+0.3")
    assert (outcome.answer, outcome.started) == ("1", 5)
    assert solve(tmp_path / "none", "bayes-3", answered(None, None)).answer is None


def test_its_own_priors_are_sure_of_four_that_agree(tmp_path: Path) -> None:
    # Cubes of leaders, 0.9³ + 0.7³ + 0.5³ + 0.4³ = 1.261, of others 0.080: 0.940. Fourth powers:
    # 0.984 and 0.021, 0.979.
    assert solve(tmp_path, "bayes-3", answered(*["1"] * 6)).started == 4


@pytest.mark.parametrize(
    "settings",
    [{"delta": "0"}, {"delta": "1"}, {"priors": "0.5+0.4"}, {"priors": "1+0"}, {"priors": ""}],
)
def test_parameters_that_make_no_sense_are_refused(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match="needs"):
        solve(tmp_path, "bayes-3", answered("1"), **settings)
