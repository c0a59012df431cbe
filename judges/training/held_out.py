"""Held-out problems of a training: which they are, a judge's AUROC on them, and the best so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from judges.evaluation.metrics import area
from judges.pairs.pair_sets import Group
from judges.pairs.splitting import rank
from judges.training.recipe import Recipe
from simulator.arrays import Bools, Floats
from simulator.errors import UserError

Measured = dict[str, float | None]
"""Update, `auroc` over all held-out pairs, and `within`, that inside each problem of each pool,
averaged over those with both labels; None if there are none."""


def hold_out(groups: Sequence[Group], recipe: Recipe) -> tuple[list[Group], list[Group]]:
    """Divide groups into those to train on and those of held-out problems, drawn by the seed.

    Raises
    ------
    UserError
        Either side would have no pairs, or pairs of one label only.
    """
    if not recipe.held_out:
        return list(groups), []
    problems = sorted(
        {group.problem for group in groups}, key=lambda name: rank(recipe.seed, f"held/{name}")
    )
    chosen = set(problems[: max(1, round(recipe.held_out * len(problems)))])
    sides = (
        [group for group in groups if group.problem not in chosen],
        [group for group in groups if group.problem in chosen],
    )
    for side, what in zip(sides, ("other", "held-out"), strict=True):
        labels = labels_of(side)
        if not len(labels) or labels.all() or not labels.any():
            raise UserError(
                f"--held-out {recipe.held_out:g}: the pairs of the {what} problems have fewer than "
                f"two labels ({len(chosen)} of {len(problems)} problems are held out); give "
                "another share or --seed"
            )
    return sides


def labels_of(groups: Sequence[Group]) -> Bools:
    """Return the labels of all pairs of all groups."""
    return np.concatenate([group.same for group in groups] or [np.zeros(0, dtype=np.bool_)])


def measure(groups: Sequence[Group], chances: Sequence[Floats]) -> Measured:
    """Compute both AUROCs from P(same) of each group's pairs."""
    areas = [
        area(group.same, scores)
        for group, scores in zip(groups, chances, strict=True)
        if group.same.any() and not group.same.all()
    ]
    return {
        "auroc": area(labels_of(groups), np.concatenate(chances)),
        "within": float(np.mean(areas)) if areas else None,
    }


def best_of(measured: Sequence[Measured]) -> int:
    """Return the index of the best measurement, the first of equal ones.

    The highest AUROC within problems is best, because pruning compares traces of one problem; the
    pooled one decides if no problem has both labels.
    """
    return max(range(len(measured)), key=lambda at: (_value(measured[at]), -at))


def is_over(measured: Sequence[Measured], patience: int) -> bool:
    """Check whether the last `patience` measurements are no better than one before them."""
    return bool(patience and measured) and len(measured) - 1 - best_of(measured) >= patience


def _value(measured: Measured) -> float:
    within = measured["within"]
    value = measured["auroc"] if within is None else within
    assert value is not None
    return value
