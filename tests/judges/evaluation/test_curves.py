"""ROC curves: points by hand, and areas equal to the AUROCs of the tables."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.evaluation.curves import roc, thinned, within_roc
from judges.evaluation.metrics import area, within_auroc
from simulator.statistics import Bootstrap

Pairs = list[tuple[bool, int, int]]
"""Label, score in tenths, and problem of each pair."""

PAIRS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 10), st.integers(0, 3)), min_size=1, max_size=60
)


def test_curves_of_two_problems_are_averaged_at_equal_false_positive_rates() -> None:
    # Problem 0 is ranked perfectly; of problem 1 one of two different pairs is above the same one.
    labels = np.array([True, False, True, False, False])
    scores = np.array([0.9, 0.1, 0.5, 0.8, 0.2])
    curve = within_roc(labels, scores, np.array([0, 0, 1, 1, 1]))
    assert curve is not None
    points = list(zip(*(each.tolist() for each in curve), strict=True))
    assert points == [(0, 0), (0, 0.5), (0.5, 0.5), (0.5, 1), (1, 1), (1, 1)]
    assert np.trapezoid(curve[1], curve[0]) == 0.75  # the mean of 1 and 0.5


@given(PAIRS)
def test_the_area_within_problems_is_the_auroc_within_problems(pairs: Pairs) -> None:
    labels = np.array([label for label, _, _ in pairs])
    scores = np.array([tenths / 10 for _, tenths, _ in pairs])
    cell = np.array([problem for _, _, problem in pairs])
    numbered = np.unique(cell, return_inverse=True)[1].astype(np.int64)
    sampler = Bootstrap(int(numbered.max()) + 1, resamples=2)
    known = within_auroc(labels, scores, numbered, cell, sampler)
    curve = within_roc(labels, scores, cell)
    assert (curve is None) == (known is None)
    if curve is not None and known is not None:
        assert np.trapezoid(curve[1], curve[0]) == pytest.approx(known.value, abs=1e-12)
        assert (np.diff(curve[0]) >= 0).all()
        assert (np.diff(curve[1]) >= -1e-12).all()


@given(PAIRS, st.integers(1, 50))
def test_a_thinned_curve_keeps_its_area_within_the_stated_bound(pairs: Pairs, steps: int) -> None:
    labels = np.array([label for label, _, _ in pairs])
    scores = np.array([tenths / 10 for _, tenths, _ in pairs])
    curve = roc(labels, scores)
    assert (curve is None) == (labels.all() or not labels.any())
    if curve is not None:
        false, true = thinned(curve, steps)
        assert (
            abs(float(np.trapezoid(true, false)) - area(labels, scores)) <= 1 / (2 * steps) + 1e-12
        )
        assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
        assert len(false) <= 2 * steps + 4
