"""The rule of the choice, on figures worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simulator.errors import UserError
from simulator.studies.choosing import (
    ACCURACY,
    CHEAPEST_NOT_WORSE,
    CHEAPEST_TIED,
    Target,
    Tried,
    choose,
    judge_settings,
    target_of,
)
from simulator.studies.measuring import Bootstraps, Measured, OnPool

COUNT = 10


def run(
    right: list[float], cost: float = 100.0, clock: float = 10.0, baseline: float = 1.0
) -> list[OnPool]:
    """Return a run on a pool of ten problems, on all of which cons@4 is right to `baseline`."""

    def all_alike(value: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.full(COUNT, value)

    ids = tuple(f"{number}" for number in range(COUNT))
    return [
        OnPool(
            *("a/b/c", ids, 4, 4, "steps"),
            correct=np.array(right),
            cost=all_alike(cost),
            clock=all_alike(clock),
            baseline_correct=all_alike(baseline),
            baseline_tokens=all_alike(1000.0),
        )
    ]


def tried(target: Target, *runs: list[OnPool]) -> list[Tried]:
    names = [f"run {number}" for number in range(len(runs))]
    measured = Measured(runs, runs[0])
    return judge_settings(measured, names, [{"x": name} for name in names], target)


ALL = [1.0] * COUNT
SIX_LOST = [0.0] * 6 + [1.0] * 4  # p = 2/2^6 = 3.1%
FIVE_LOST = [0.0] * 5 + [1.0] * 5  # p = 2/2^5 = 6.3%


def test_the_cheapest_that_is_not_significantly_less_accurate_is_chosen() -> None:
    target = Target()
    found = tried(target, run(ALL, 100), run(SIX_LOST, 10), run(FIVE_LOST, 50))
    assert [each.p for each in found] == [1, pytest.approx(2 / 64), pytest.approx(2 / 32)]
    # The least p-value of three is significant up to 5%/3 = 1.7% (Benjamini-Hochberg): none is.
    assert [each.tied for each in found] == [True, True, True]
    assert choose(found, target) == 1
    found = tried(target, run(ALL, 100), run(SIX_LOST[::-1], 10))  # up to 2.5%
    assert [each.tied for each in found] == [True, True]
    alone = tried(target, run(SIX_LOST, 10))
    assert [each.tied for each in alone] == [False]
    with pytest.raises(UserError, match=r"no setting fits .*; the nearest is run 0 with -60.0 \["):
        choose(alone, target)


def test_a_setting_that_is_significantly_more_accurate_is_admissible() -> None:
    target = Target()
    (found,) = tried(target, run(ALL, baseline=0.0))
    assert found.p == pytest.approx(2 / 2**COUNT)
    assert found.tied
    assert choose([found], target) == 0


def test_a_margin_looks_at_the_interval() -> None:
    narrow, wide = (Target("cheapest-not-worse", margin) for margin in (0.01, 0.99))
    runs = run(ALL, 100), run(FIVE_LOST, 50)
    for target, admissible in ((narrow, [False, False]), (wide, [True, True])):
        found = tried(target, *runs)
        assert [each.admissible for each in found] == admissible  # of ten equal ones, too
    assert choose(tried(wide, *runs), wide) == 1


def test_the_most_accurate_within_a_budget_is_chosen() -> None:
    runs = run(ALL, 100, 10), run(FIVE_LOST, 50, 40), run(FIVE_LOST, 50, 30), run(SIX_LOST, 10, 5)

    def choice(tokens: float | None, steps: float | None) -> int:
        target = Target("accuracy", tokens=tokens, steps=steps)
        return choose(tried(target, *runs), target)

    assert choice(100, None) == 0
    assert choice(99, None) == 2  # equal in accuracy and cost, and shorter
    assert choice(None, 9) == 3
    with pytest.raises(UserError) as raised:
        choice(9, 40)
    assert str(raised.value) == (
        "no setting has at most 9 tokens and at most 40 of the clock a problem; the cheapest takes "
        "10 tokens and 5 of the clock"
    )


def test_figures_by_hand() -> None:
    (found,) = tried(Target(), run(FIVE_LOST, cost=250.0, clock=7.0))
    assert (found.accuracy, found.cost, found.clock) == (0.5, 250, 7)
    assert found.reduction == 0.75
    assert found.to_baseline.difference.value == -0.5
    measured = Measured([run(FIVE_LOST, 250), run(SIX_LOST)], run(ALL))
    contrast, p = measured.against(0, 1)
    assert contrast.difference.value == pytest.approx(0.1)
    assert (contrast.differing, p) == (1, 1)
    bootstraps = Bootstraps()
    (saved,) = measured.resampled(0, "reduction", bootstraps).estimates()
    assert (saved.value, saved.low, saved.high) == (0.75, 0.75, 0.75)  # alike on every problem


def test_a_problem_of_two_models_is_flipped_in_both_together() -> None:
    one, other = run(FIVE_LOST)[0], run(FIVE_LOST)[0]
    measured = Measured([[one, other]], [one, other])
    _, p = measured.to_baseline()
    assert p.tolist() == [pytest.approx(2 / 32)]  # five differ, not ten


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((CHEAPEST_NOT_WORSE, "1", None, None), "--margin '1': give a number from 0 to 100"),
        ((CHEAPEST_NOT_WORSE, -5, None, None), "--margin -5: give a number from 0 to 100"),
        ((CHEAPEST_NOT_WORSE, float("nan"), None, None), "--margin nan: give"),
        ((CHEAPEST_TIED, 1.0, None, None), "--margin is for --target cheapest-not-worse"),
        ((ACCURACY, None, "5", None), "--budget-tokens '5': give a number above 0"),
        ((ACCURACY, None, None, 0), "--budget-steps 0: give a number above 0"),
    ],
)
def test_a_margin_or_limit_that_is_none_is_refused(given: Any, message: str) -> None:
    with pytest.raises(UserError) as raised:
        target_of(*given)
    assert str(raised.value).startswith(message)
