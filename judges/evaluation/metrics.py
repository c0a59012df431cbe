"""Metrics of a judge: AUROC, TNR@0.2, AUROC within problems and calibration error.

Positive means same answer. Values equal those of scikit-learn, which is not imported. Intervals are
percentiles over resamples of the problems (`simulator.statistics.Bootstrap`); the pairs of a
problem stay together, over all models. The AUROC and TNR@0.2 of a resample weight each pair by the
number of times that its problem was drawn. They are computed from counts, without sorting every
resample again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from simulator.arrays import Bools, Floats, Ints
from simulator.statistics import Bootstrap, Estimate

FALSE_NEGATIVE_RATE = 0.2
"""False-negative rate at which the true-negative rate is taken, as in DeepPrune (arXiv
2510.08483)."""


@dataclass(frozen=True, slots=True)
class Quality:
    """A judge's metrics on a set of pairs; None if they are undefined for these pairs."""

    pairs: int
    problems: int
    same: float
    auroc: Estimate | None
    tnr: Estimate | None
    within: Estimate | None
    brier: float
    calibration_error: Estimate


def quality(labels: Bools, scores: Floats, problem: Ints, cell: Ints) -> Quality:
    """Compute all metrics of the scores of some pairs; all arrays have shape (pairs,).

    Parameters
    ----------
    labels
        True if a pair's answers are the same.
    scores
        P(same).
    problem
        Each pair's problem, numbered from 0 without gaps: the unit of resampling.
    cell
        Each pair's problem and model, numbered from 0 without gaps: the unit of AUROC within
        problems.
    """
    sampler = Bootstrap(int(problem.max()) + 1)
    return Quality(
        pairs=len(labels),
        problems=sampler.num_problems,
        same=float(labels.mean()),
        auroc=auroc(labels, scores, problem, sampler),
        tnr=true_negative_rate(labels, scores, problem, sampler),
        within=within_auroc(labels, scores, problem, cell, sampler),
        brier=float(np.mean((scores - labels) ** 2)),
        calibration_error=calibration_error(labels, scores, problem, sampler),
    )


def auroc(labels: Bools, scores: Floats, problem: Ints, sampler: Bootstrap) -> Estimate | None:
    """Compute the AUROC: P(a same-answer pair scores above a different-answer one), ties half.

    None if all pairs have one label. Resamples without both labels are left out of the interval.
    """
    if labels.all() or not labels.any():
        return None
    positives, negatives = _by_problem(labels, scores, problem, sampler.num_problems)
    counts = sampler.counts.T.astype(np.float64)
    wins = np.zeros(len(counts))
    every = np.concatenate(positives)
    owner = np.repeat(np.arange(len(positives)), [len(each) for each in positives])
    for index, rejected in enumerate(negatives):
        # Twice the wins of each problem's positives over this problem's negatives: integers, so
        # that sums do not depend on their order.
        twice = np.searchsorted(rejected, every, "left") + np.searchsorted(rejected, every, "right")
        won = np.bincount(owner, weights=twice, minlength=len(positives))
        wins += counts[:, index] * (counts @ won)
    chances = _sums(counts, positives) * _sums(counts, negatives)
    resampled = wins[chances > 0] / (2.0 * chances[chances > 0])
    return sampler.estimate(area(labels, scores), resampled)


def true_negative_rate(
    labels: Bools,
    scores: Floats,
    problem: Ints,
    sampler: Bootstrap,
    false_negative_rate: float = FALSE_NEGATIVE_RATE,
) -> Estimate | None:
    """Compute TNR@FNR: the share of different-answer pairs that are rejected at this FNR.

    It is taken from the ROC curve at TPR = 1 − FNR, with linear interpolation between its points;
    if the curve is vertical there, at the least false-positive rate. None if all pairs have one
    label.
    """
    if labels.all() or not labels.any():
        return None
    positives, negatives = _by_problem(labels, scores, problem, sampler.num_problems)
    counts = sampler.counts.T.astype(np.float64)
    ones = np.ones((1, sampler.num_problems))
    (value,) = _rejected(positives, negatives, ones, 1.0 - false_negative_rate)
    usable = (_sums(counts, positives) > 0) & (_sums(counts, negatives) > 0)
    resampled = _rejected(positives, negatives, counts[usable], 1.0 - false_negative_rate)
    return sampler.estimate(float(value), resampled)


def _rejected(
    positives: list[Floats], negatives: list[Floats], counts: Floats, accepted: float
) -> Floats:
    """Compute the TNR at TPR = `accepted` of each resample.

    `counts` has shape (resamples, problems).
    """
    levels = np.unique(np.concatenate(positives + negatives))
    total = _sums(counts, positives)
    # Bisect for the highest level with enough positives at or above it: at `low` there are enough,
    # above `high` there are not.
    low = np.zeros(len(counts), dtype=np.int64)
    high = np.full(len(counts), len(levels) - 1)
    wanted = accepted * total * (1.0 - 1e-12)  # the product may round up past a whole number
    while (low < high).any():
        middle = (low + high + 1) // 2
        enough = _at_least(positives, counts, levels[middle]) >= wanted
        low = np.where(enough, middle, low)
        high = np.where(enough, high, middle - 1)
    above = np.append(levels, np.inf)[low + 1]
    here, before = (_at_least(positives, counts, level) for level in (levels[low], above))
    false_here, false_before = (
        _at_least(negatives, counts, level) for level in (levels[low], above)
    )
    part = np.clip((accepted * total - before) / (here - before), 0.0, 1.0)
    result: Floats = 1.0 - (false_before + part * (false_here - false_before)) / _sums(
        counts, negatives
    )
    return result


def _at_least(scores: list[Floats], counts: Floats, level: Floats) -> Floats:
    """Count the scores of each resample at or above its level, shape (resamples,)."""
    total = np.zeros(len(counts))
    for index, each in enumerate(scores):
        total += counts[:, index] * (len(each) - np.searchsorted(each, level, "left"))
    return total


def within_auroc(
    labels: Bools, scores: Floats, problem: Ints, cell: Ints, sampler: Bootstrap
) -> Estimate | None:
    """Compute the AUROC inside each problem of each model, averaged over those with both labels.

    It is the relevant metric for pruning, which only compares traces of one problem. None if no
    problem has both labels.
    """
    sums, cells = np.zeros(sampler.num_problems), np.zeros(sampler.num_problems)
    order = np.argsort(cell, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(cell[order])) + 1):
        here = labels[rows]
        if here.any() and not here.all():
            sums[problem[rows[0]]] += area(here, scores[rows])
            cells[problem[rows[0]]] += 1
    return sampler.ratio(sums, cells)


def area(labels: Bools, scores: Floats) -> float:
    """Compute the AUROC of pairs with both labels from integer sums, independent of their order."""
    positives, negatives = scores[labels], np.sort(scores[~labels])
    sides: tuple[Literal["left"], Literal["right"]] = ("left", "right")
    twice = sum(int(np.searchsorted(negatives, positives, side).sum()) for side in sides)
    return twice / (2 * len(positives) * len(negatives))


def bin_of(scores: Floats, bins: int = 10) -> Ints:
    """Return the index of each score's bin; `bins` equal bins divide [0, 1]."""
    index: Ints = np.minimum((scores * bins).astype(np.int64), bins - 1)
    return index


def calibration(labels: Bools, scores: Floats, bins: int = 10) -> list[tuple[float, float, int]]:
    """Return mean score, share of same-answer pairs and number of pairs in each bin.

    `bins` equal bins divide [0, 1]; empty ones are left out.
    """
    index = bin_of(scores, bins)
    return [
        (float(scores[index == each].mean()), float(labels[index == each].mean()), int(number))
        for each, number in enumerate(np.bincount(index, minlength=bins).tolist())
        if number
    ]


def calibration_error(
    labels: Bools, scores: Floats, problem: Ints, sampler: Bootstrap, bins: int = 10
) -> Estimate:
    """Compute the expected calibration error: |mean score − share of same|, averaged over pairs.

    Chance alone makes it larger than it is with more pairs, and larger again on a resample. So the
    lower end of the interval is reflected, twice the value minus the upper quantile of the
    resamples (Davison & Hinkley 1997, Bootstrap Methods and their Application, section 5.2), but
    not below zero; the upper end is that quantile.
    """
    index = bin_of(scores, bins)
    gaps = np.zeros((sampler.num_problems, bins))
    np.add.at(gaps, (problem, index), scores - labels)
    pairs = np.bincount(problem, minlength=sampler.num_problems).astype(np.float64)
    counts = sampler.counts.T.astype(np.float64)
    value = float(np.abs(gaps.sum(axis=0)).sum() / len(labels))
    found = sampler.estimate(value, np.abs(counts @ gaps).sum(axis=1) / (counts @ pairs))
    if found.high is None:
        return found
    return Estimate(value, max(0.0, 2.0 * value - found.high), max(value, found.high))


def _by_problem(
    labels: Bools, scores: Floats, problem: Ints, num_problems: int
) -> tuple[list[Floats], list[Floats]]:
    """Return the sorted scores of each problem's positives, and of its negatives."""
    sides = []
    for side in (labels, ~labels):
        chosen, owner = scores[side], problem[side]
        order = np.lexsort((chosen, owner))
        starts = np.searchsorted(owner[order], np.arange(1, num_problems))
        sides.append(np.split(chosen[order], starts))
    return sides[0], sides[1]


def _sums(counts: Floats, scores: list[Floats]) -> Floats:
    """Count the scores in each resample, shape (resamples,)."""
    lengths = np.array([len(each) for each in scores], dtype=np.float64)
    held: Floats = (counts * lengths).sum(axis=1)
    return held
