"""ROC curves of a judge: over all pairs, and within problems."""

from __future__ import annotations

import numpy as np

from simulator.arrays import Bools, Floats, Ints

Curve = tuple[Floats, Floats]
"""False-positive and true-positive rates from (0, 0) to (1, 1), both of shape (points,)."""


def roc(labels: Bools, scores: Floats) -> Curve | None:
    """Return the ROC curve of pairs, of shape (pairs,); None if all have one label."""
    from sklearn.metrics import roc_curve

    if labels.all() or not labels.any():
        return None
    false, true, _ = roc_curve(labels, scores)
    return false, true


def within_roc(labels: Bools, scores: Floats, cell: Ints) -> Curve | None:
    """Average the ROC curves of the problems of each model, at equal false-positive rates.

    This is vertical averaging (Fawcett 2006, An introduction to ROC analysis). Each problem of a
    model that has both labels has the same weight, so the curve's area is the mean of their areas,
    which is `judges.evaluation.metrics.within_auroc`. None if no problem has both labels.

    Parameters
    ----------
    labels, scores
        Same answer or not, and P(same), shape (pairs,).
    cell
        Each pair's problem and model, shape (pairs,).
    """
    order = np.argsort(cell, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(cell[order])) + 1)
    curves = [curve for rows in parts if (curve := roc(labels[rows], scores[rows])) is not None]
    if not curves:
        return None
    grid = np.unique(np.concatenate([false for false, _ in curves]))
    low, high = np.zeros(len(grid)), np.zeros(len(grid))
    for false, true in curves:
        for total, side in ((low, "left"), (high, "right")):
            total += _rates(false, true, grid, side)
    return np.repeat(grid, 2), np.stack([low, high], axis=1).reshape(-1) / len(curves)


def _rates(false: Floats, true: Floats, grid: Floats, side: str) -> Floats:
    """Return a curve's lower (`left`) or upper true-positive rates, where it is vertical."""
    if side == "left":
        after = np.searchsorted(false, grid, "left")
        before = np.where(false[after] == grid, after, after - 1)
    else:
        before = np.searchsorted(false, grid, "right") - 1
        after = np.where(false[before] == grid, before, np.minimum(before + 1, len(false) - 1))
    width = false[after] - false[before]
    part = np.divide(grid - false[before], width, out=np.zeros(len(grid)), where=width > 0)
    rates: Floats = true[before] + part * (true[after] - true[before])
    return rates


def thinned(curve: Curve, steps: int) -> Curve:
    """Drop points of a curve that a picture does not need.

    The way along the curve, across plus up, is divided into equal `steps`; the first and the last
    point of each stay. The area changes by at most 1 / (2 · steps).
    """
    false, true = curve
    way = false + true
    marks = np.linspace(0.0, way[-1], steps + 1)
    first = np.minimum(np.searchsorted(way, marks, "left"), len(way) - 1)
    last = np.searchsorted(way, marks, "right") - 1
    kept = np.unique(np.concatenate([[0, len(way) - 1], first, np.maximum(last, 0)]))
    return false[kept], true[kept]
