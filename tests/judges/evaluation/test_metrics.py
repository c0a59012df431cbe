from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.evaluation.metrics import (
    auroc,
    calibration,
    calibration_error,
    quality,
    true_negative_rate,
    within_auroc,
)
from simulator.statistics import Bootstrap, Estimate

SAME = np.array([True, True, True, True, True, False, False, False, False])
SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.1, 0.85, 0.5, 0.3, 0.05])
ONE = np.zeros(9, dtype=np.int64)


def value(estimate: Estimate | None) -> float:
    assert estimate is not None
    return estimate.value


def test_auroc_by_hand() -> None:
    # Wins of .9: 4, .8: 3, .7: 3, .6: 3, .1: 1, of 5 x 4 comparisons.
    assert value(auroc(SAME, SCORES, ONE, Bootstrap(1))) == pytest.approx(14 / 20)
    tied = np.array([0.5, 0.5, 0.7, 0.2])
    labels = np.array([True, False, True, False])
    assert value(auroc(labels, tied, ONE[:4], Bootstrap(1))) == pytest.approx((0.5 + 1 + 2) / 4)


def test_true_negative_rate_by_hand() -> None:
    # Rejecting one of five positives (FNR .2) rejects what is below .6: .5, .3 and .05 of four.
    assert value(true_negative_rate(SAME, SCORES, ONE, Bootstrap(1))) == pytest.approx(3 / 4)
    # At FNR .4 (below .7) and .0 (below .1); at .3 no threshold lies, but the curve stands at .7.
    for rate, expected in [(0.4, 3 / 4), (0.0, 1 / 4), (0.3, 3 / 4), (0.7, 3 / 4), (0.8, 1.0)]:
        found = value(true_negative_rate(SAME, SCORES, ONE, Bootstrap(1), rate))
        assert found == pytest.approx(expected), rate


def test_ties_are_split_evenly_in_the_true_negative_rate() -> None:
    """A judge that always says the same rejects 20% of either, whichever it means."""
    constant = np.full(9, 0.5)
    assert value(true_negative_rate(SAME, constant, ONE, Bootstrap(1))) == pytest.approx(0.2)
    # Positives .9 and .5, .5; negatives .5 and .1: at TPR 2/3, half of the tied positives and half
    # of the tied negative are accepted.
    labels = np.array([True, True, True, False, False])
    scores = np.array([0.9, 0.5, 0.5, 0.5, 0.1])
    found = true_negative_rate(labels, scores, ONE[:5], Bootstrap(1), 1 / 3)
    assert value(found) == pytest.approx(1 - 0.5 / 2)


def test_within_auroc_is_averaged_over_problems_with_both_labels() -> None:
    # Problem 0: perfect; 1: reversed; 2: one label only. Pooled, problem 0 helps problem 1.
    labels = np.array([1, 0, 1, 0, 1, 1], dtype=bool)
    scores = np.array([0.9, 0.1, 0.2, 0.3, 0.5, 0.6])
    problem = np.array([0, 0, 1, 1, 2, 2])
    found = within_auroc(labels, scores, problem, problem, Bootstrap(3))
    assert value(found) == pytest.approx((1.0 + 0.0) / 2)
    assert within_auroc(labels[4:], scores[4:], ONE[:2], ONE[:2], Bootstrap(1)) is None


def test_knowing_which_problems_are_easy_helps_pooled_and_not_within() -> None:
    generator = np.random.default_rng(0)
    problem = np.repeat(np.arange(60), 50)
    easy = generator.uniform(size=60)[problem]
    labels = generator.uniform(size=3000) < easy
    assert value(auroc(labels, easy, problem, Bootstrap(60))) > 0.75
    assert value(within_auroc(labels, easy, problem, problem, Bootstrap(60))) == 0.5


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 5)), min_size=4, max_size=40
    ),
    st.integers(0, 9),
)
def test_resampled_values_are_those_of_the_pairs_a_resample_holds(
    rows: list[tuple[int, bool, int]], resample: int
) -> None:
    """Against scikit-learn, with the resample written out pair by pair."""
    from sklearn.metrics import roc_auc_score, roc_curve

    problem = np.array([row[0] for row in rows])
    labels = np.array([row[1] for row in rows])
    scores = np.array([row[2] / 5 for row in rows])
    sampler = Bootstrap(4, resamples=10)
    counts = sampler.counts[:, resample].copy()
    held = np.repeat(np.arange(len(rows)), counts[problem])
    if len(set(labels[held].tolist())) < 2:
        return
    sampler.counts = np.repeat(counts[:, None], 3, axis=1)  # every resample is this one
    found = auroc(labels, scores, problem, sampler)
    assert found is not None
    assert found.value == pytest.approx(roc_auc_score(labels, scores))
    assert found.low == pytest.approx(roc_auc_score(labels[held], scores[held]))
    found = true_negative_rate(labels, scores, problem, sampler)
    assert found is not None
    false, true, _ = roc_curve(labels[held], scores[held], drop_intermediate=False)
    at = int(np.argmax(true >= 0.8 - 1e-12))
    part = (0.8 - true[at - 1]) / (true[at] - true[at - 1])
    expected = 1 - (false[at - 1] + part * (false[at] - false[at - 1]))
    assert found.low == pytest.approx(expected)


def test_calibration_by_hand() -> None:
    labels = np.array([1, 0, 1, 1], dtype=bool)
    scores = np.array([0.02, 0.08, 0.75, 1.0])
    assert calibration(labels, scores) == [
        (pytest.approx(0.05), 0.5, 2),
        (0.75, 1.0, 1),
        (1.0, 1.0, 1),
    ]
    found = calibration_error(labels, scores, ONE[:4], Bootstrap(1))
    assert found.value == pytest.approx((2 * 0.45 + 0.25 + 0) / 4)
    assert (found.low, found.high) == (None, None)


def test_the_interval_of_the_calibration_error_is_that_of_the_resamples_by_hand() -> None:
    # Problem 0: scores .9 of two same-answer pairs; problem 1: .9 of two with different answers.
    # Together |.9 - .5|, the first alone .1, the second alone .9. Resamples: both, and each twice.
    labels = np.array([1, 1, 0, 0], dtype=bool)
    scores = np.full(4, 0.9)
    problem = np.array([0, 0, 1, 1])
    sampler = Bootstrap(2)
    sampler.counts = np.array([[1, 2, 0], [1, 0, 2]], dtype=np.int16)
    sampler.tail = 0.0
    found = calibration_error(labels, scores, problem, sampler)
    assert found.value == pytest.approx(0.4)
    assert found.high == pytest.approx(0.9)
    assert found.low == 0.0  # 2 × 0.4 - 0.9 is below zero
    sampler.counts = np.array([[1, 2], [1, 0]], dtype=np.int16)  # .4 and .1: never above the value
    found = calibration_error(labels, scores, problem, sampler)
    assert found.low == pytest.approx(0.4)
    assert found.high == pytest.approx(0.4)


def test_pairs_of_one_label_have_no_auroc() -> None:
    found = quality(np.ones(4, dtype=bool), SCORES[:4], ONE[:4], ONE[:4])
    assert (found.auroc, found.tnr, found.within) == (None, None, None)
    assert (found.same, found.pairs, found.problems) == (1.0, 4, 1)
