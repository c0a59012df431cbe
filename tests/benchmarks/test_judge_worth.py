"""What judges are worth: equal total cost, and τ chosen on other problems, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from judge_worth import Played, at_cost, chosen_on_others, row


def played(accuracy: list[float], tokens: float, judge: float = 0.0) -> Played:
    """Make a run on four problems of the same cost each."""
    return Played(np.array(accuracy), np.full(4, tokens), np.full(4, judge))


VOTES = [played([0.2] * 4, 100), played([0.6] * 4, 300)]
"""A vote of 20% for 100 tokens, and one of 60% for 300."""

RUNS = {0.1: played([1, 0, 1, 0], 100, 50), 0.9: played([0, 1, 0, 1], 100, 50)}
"""Either τ is always right on one half of the problems, and never on the other."""


@pytest.mark.parametrize(
    ("cost", "accuracy"), [(100, 0.2), (150, 0.3), (250, 0.5), (300, 0.6), (50, 0.2), (999, 0.6)]
)
def test_accuracies_are_interpolated_at_the_same_cost(cost: float, accuracy: float) -> None:
    every = np.ones(4, dtype=bool)
    for curve in (VOTES, VOTES[::-1]):
        assert at_cost(curve, cost, every) == pytest.approx([accuracy] * 4)


def test_a_threshold_is_measured_on_problems_that_it_was_not_chosen_on() -> None:
    taus, half = chosen_on_others(RUNS, VOTES, free=False)
    assert half.tolist() == [True, False, True, False]
    assert taus == {True: 0.9, False: 0.1}  # chosen on their own halves, they would be right


def test_the_judge_counts_in_the_cost_unless_it_is_free() -> None:
    tau, accuracy, tokens, judge, difference = row(RUNS, {"cons": VOTES}, free=False)
    assert (tau, tokens, judge) == ("0.900 / 0.100", "100", "50")
    assert accuracy.startswith("0.0 [")
    assert difference.startswith("-30.0 [")  # the vote for 150 tokens
    assert row(RUNS, {"cons": VOTES}, free=True)[4].startswith("-20.0 [")
