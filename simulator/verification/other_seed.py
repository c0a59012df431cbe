"""Figures of a submission's policy with the verifier's seed, which the submitter cannot choose.

The board ranks by these figures. The submitted figures differ from them by chance, because trace
orders are random; the variance between replays of a problem gives the size of that difference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.arrays import Floats
from simulator.pools.pool import Pool
from simulator.runs.summary import Totals, summarise
from simulator.submissions.run_record import RecordedRun
from simulator.verification.recompute import Recomputed, figures_of

LEAST_REPEATS, MOST_REPEATS = 16, 32
"""Bounds on the number of repeats with the other seed, which otherwise is that of the run."""

MOST_ERRORS = 3.0
"""Most standard errors by which the submitted seed may be better than the other."""


def repeats_tried(repeats: int) -> int:
    """Return the number of repeats with the other seed, for a run of `repeats`."""
    return min(max(repeats, LEAST_REPEATS), MOST_REPEATS)


@dataclass
class OtherSeed:
    """Results of another seed on a pool: totals, and the values of each problem's replays."""

    repeats: int
    totals: Totals = field(default_factory=Totals)
    correct: list[Floats] = field(default_factory=list)
    tokens: list[Floats] = field(default_factory=list)

    def add(self, answers: pa.Table) -> None:
        """Add the answers of a problem's replays; call it problem by problem."""
        self.totals.add(answers)
        self.correct.append(answers["correct"].to_numpy().astype(np.float64))
        self.tokens.append(answers["tokens"].to_numpy().astype(np.float64))


def compare_seeds(
    recomputed: Recomputed,
    run: RecordedRun,
    pools: Sequence[Pool],
    others: Sequence[OtherSeed],
    seed: int,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Compare two seeds; return the other seed's figures by pool, and findings.

    A finding names a figure that is better with the submitted seed by more than `MOST_ERRORS`
    standard errors, which means that this seed is likely cherry-picked.
    """
    figures, findings = [], []
    for pool, entry, other in zip(pools, recomputed.summary["pools"], others, strict=True):
        unit, ratio = run.serving.clock_unit, entry["judge_ratio"]
        found = figures_of(summarise(pool, entry["budget"], other.totals, unit, ratio))
        figures.append({"seed": seed, "repeats": other.repeats, **found})
        replays = len(pool.problems), other.repeats
        for name, values, better in (
            ("accuracy", other.correct, 1),
            ("tokens_per_problem", other.tokens, -1),
        ):
            drawn = np.concatenate(values).reshape(replays)
            error = standard_error(drawn, run.repeats, is_share=name == "accuracy")
            submitted, here = entry["metrics"][name]["value"], found[name]["value"]
            ahead = better * (submitted - here)
            if ahead > MOST_ERRORS * error + 1e-9 * abs(here):
                by = f"{ahead / error:.1f} standard errors" if error else "more than chance allows"
                findings.append(
                    f"pool {pool.name}: {name} is {submitted:.6g} with the submitted seed and "
                    f"{here:.6g} with another, better by {by}: likely a cherry-picked seed"
                )
    return figures, findings


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
