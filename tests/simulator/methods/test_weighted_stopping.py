"""CGES and ReASC, which stop by the confidence of votes, against values worked out by hand."""

from __future__ import annotations

from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pools import T
from solved import solve

from simulator.errors import UserError
from simulator.methods.cges import posteriors
from simulator.methods.reasc import ReASC, two_largest

# CGES


def sure(*confidences: float, answers: str) -> list[T]:
    """Make traces of four tokens, each of one entropy: minus the log of its confidence."""
    return [
        T(4, None if answer == "-" else answer, signals={"entropy": [-log(confidence)] * 4})
        for confidence, answer in zip(confidences, answers, strict=True)
    ]


@pytest.mark.parametrize(
    ("answers", "confidence", "expected"),
    [
        ([0], [0.8], [0.8]),  # against any other
        ([0, 0], [0.8, 0.8], [0.64 / 0.68] * 2),
        # Two answers and any other: 0.8 · 0.4/2, 0.2/2 · 0.6 and 0.2/2 · 0.4/2.
        ([7, 3], [0.8, 0.6], [0.16 / 0.24, 0.06 / 0.24]),
        ([7, 3, 7], [0.5, 0.5, 0.5], [0.0625 / 0.109375, 0.03125 / 0.109375, 0.0625 / 0.109375]),
    ],
)
def test_posteriors_are_those_worked_out_by_hand(
    answers: list[int], confidence: list[float], expected: list[float]
) -> None:
    found = posteriors(np.array(answers, dtype=np.int32), np.array(confidence))
    assert found == pytest.approx(expected)


def test_cges_stops_when_an_answer_is_certain(tmp_path: Path) -> None:
    # 0.8, 0.64/0.68 = 0.941, 0.512/0.52 = 0.985.
    outcome = solve(tmp_path, "cges", sure(*[0.8] * 5, answers="11111"))
    assert (outcome.answer, outcome.started, outcome.clock) == ("1", 3, 12)
    assert solve(tmp_path / "one", "cges", sure(0.96, 0.5, answers="12")).started == 1


def test_one_sure_trace_outweighs_two_that_are_not(tmp_path: Path) -> None:
    traces = sure(0.4, 0.4, 0.9, answers="112")
    # 1: 0.4 · 0.4 · 0.05 = 0.008; 2: 0.3 · 0.3 · 0.9 = 0.081; any other: 0.3 · 0.3 · 0.05.
    assert solve(tmp_path, "cges", traces).answer == "2"


def test_any_other_answer_does_not_win(tmp_path: Path) -> None:
    traces = sure(0.1, 0.1, answers="12")  # the posterior of the rest is 0.45² of 0.45² + 2 · 0.045
    assert solve(tmp_path, "cges", traces).answer == "1"


def test_cges_passes_over_traces_without_an_answer(tmp_path: Path) -> None:
    outcome = solve(tmp_path, "cges", sure(0.9, 0.8, 0.9, 0.8, answers="-1-1"), gamma=0.94)
    assert (outcome.answer, outcome.started) == ("1", 4)
    assert solve(tmp_path / "none", "cges", sure(0.9, answers="-")).answer is None


def test_a_perplexity_of_one_is_no_certainty_for_all_time(tmp_path: Path) -> None:
    found = posteriors(np.array([0, 1], dtype=np.int32), np.array([1.0, 1.0]))
    assert found == pytest.approx([0.5, 0.5])


# ReASC


def constant(*confidences: float, answers: str) -> list[T]:
    """Make traces of four tokens, each of one confidence all through."""
    return [
        T(4, None if answer == "-" else answer, confidence=[confidence] * 4)
        for confidence, answer in zip(confidences, answers, strict=True)
    ]


def test_reasc_of_equal_scores_is_asc(tmp_path: Path) -> None:
    traces = constant(*[5] * 10, answers="1211111111")
    outcome = solve(tmp_path, "reasc", traces)
    assert (outcome.answer, outcome.started) == ("1", 7)  # as ASC does


def test_a_calibrated_score_weighs_exponentially(tmp_path: Path) -> None:
    # z = 1.5 and 2: e^1.05 = 2.86, then with e^1.4 = 4.06 the sum is 6.9. 1 − 2^-3.86 = 0.931.
    traces = constant(8, 9, 5, 5, answers="1111")
    calibrated: dict[str, Any] = {"mean": 5.0, "sd": 2.0}
    assert solve(tmp_path, "reasc", traces, **calibrated).started == 2
    # z = 1.75: e^1.225 = 3.404, and 1 − 2^-4.404 = 0.953: one is enough.
    assert solve(tmp_path / "b", "reasc", constant(8.5, 5, answers="12"), **calibrated).started == 1
    # z = 1.7: 3.287, and 1 − 2^-4.287 = 0.949.
    assert solve(tmp_path / "c", "reasc", constant(8.4, 5, answers="12"), **calibrated).started == 2


def test_scores_below_the_mean_weigh_one() -> None:
    policy = ReASC()
    policy.mean, policy.sd = 5.0, 2.0
    assert policy.weights(np.array([1.0, 5.0, 7.0])) == pytest.approx([1, 1, exp(0.7)])
    policy.sd = 0.0  # of these three: mean 13/3, deviation 2.494
    found = policy.weights(np.array([1.0, 5.0, 7.0]))
    assert found == pytest.approx([1, exp(0.7 * (2 / 3) / 2.49444), exp(0.7 * (8 / 3) / 2.49444)])


def test_the_heaviest_answer_wins(tmp_path: Path) -> None:
    traces = constant(5, 5, 9, answers="112")  # z = 2: 4.06 to 2
    assert solve(tmp_path, "reasc", traces, mean=5.0, sd=2.0).answer == "2"


def test_a_first_trace_that_scores_enough_answers_alone(tmp_path: Path) -> None:
    traces = constant(8, 9, 9, answers="211")
    assert solve(tmp_path, "reasc", traces, enough=8.0).started == 1
    assert solve(tmp_path / "b", "reasc", traces, enough=8.1).started == 3


def test_the_score_is_of_the_lowest_tenth_of_groups(tmp_path: Path) -> None:
    dips = T(20, "1", confidence=[9] * 10 + [1, 1] + [9] * 8)  # groups of two: the lowest is 1
    assert solve(tmp_path, "reasc", [dips, dips, dips], enough=2.0, window=2).started == 3
    assert solve(tmp_path / "b", "reasc", [dips, dips, dips], enough=2.0, window=20).started == 1


def test_two_largest_sums() -> None:
    answers = np.array([4, -1, 2, 4], dtype=np.int32)
    assert two_largest(answers, np.array([1.5, 9, 2, 1])) == (2.5, 2.0)
    assert two_largest(answers[:2], np.array([1.5, 9])) == (1.5, 0.0)
    assert two_largest(answers[:0], np.array([])) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("cges", {"gamma": 0}),
        ("reasc", {"window": 0}),
        ("reasc", {"sd": -1}),
        ("reasc", {"slope": 11}),
    ],
)
def test_parameters_that_make_no_sense_are_refused(
    tmp_path: Path, name: str, settings: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match=r"must be|needs"):
        solve(tmp_path, name, constant(1, answers="1"), **settings)
