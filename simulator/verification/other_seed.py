"""Comparison of the submitted figures with those of the verifier's own run.

Their seeds differ, and trace orders are random, so they differ by chance; the variance between
replays of a problem gives the size of that difference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simulator.arrays import Floats
from simulator.verification.own_run import OwnRun

MOST_ERRORS = 5.0
"""Most standard errors by which the submitted seed may be better than the verifier's.

A submission has tens of figures, so that three would refuse one honest submission in forty.
"""


def compare_seeds(
    submitted: Sequence[Mapping[str, Any]],
    own_entries: Sequence[Mapping[str, Any]],
    own: OwnRun,
    repeats: int,
) -> list[str]:
    """Compare the entries of two summaries, pool by pool, and return findings.

    A finding names a figure that is better with the submitted seed by more than `MOST_ERRORS`
    standard errors, which means that this seed is likely cherry-picked. `repeats` are those of the
    submitted run. A single replay of each problem says nothing about their variance.
    """
    if own.repeats < 2:
        return []
    findings = []
    for number, (entry, here) in enumerate(zip(submitted, own_entries, strict=True)):
        for name, values, better in (
            ("accuracy", own.correct[number], 1),
            ("tokens_per_problem", own.tokens[number], -1),
        ):
            error = standard_error(np.array(values), repeats, is_share=name == "accuracy")
            theirs, ours = (each["metrics"][name]["value"] for each in (entry, here))
            ahead = better * (theirs - ours)
            if ahead > MOST_ERRORS * error + 1e-9 * abs(ours):
                by = f"{ahead / error:.1f} standard errors" if error else "more than chance allows"
                findings.append(
                    f"pool {entry['pool']}: {name} is {theirs:.6g} with the submitted seed and "
                    f"{ours:.6g} with another, better by {by}: likely a cherry-picked seed"
                )
    return findings


def standard_error(values: Floats, repeats: int, *, is_share: bool) -> float:
    """Return the standard error of the difference between two seeds' means over problems.

    `values`, shape (problems, replays), are those of one seed; the other has `repeats` per problem.
    `is_share` says that the values are 0 or 1.
    """
    number, replays = values.shape
    if is_share:  # Laplace smoothing: a share of 0 or 1 in a few replays is uncertain
        share = (values.sum(axis=1) + 1) / (replays + 2)
        variance = share * (1 - share)
    else:
        variance = values.var(axis=1, ddof=1)
    return float(math.sqrt(variance.sum() * (1 / repeats + 1 / replays)) / number)
