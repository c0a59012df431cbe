"""What a submission's policy comes to with a seed that nobody can have picked.

Those figures are the ones to rank by. The submitted ones differ by chance, as orders are drawn at
random, and how much that is the replays of each problem show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulator.pools.pool import Pool
from simulator.runs.summary import Totals, summarise
from simulator.submissions.run_record import RecordedRun
from simulator.verification.recompute import Recomputed, figures_of

LEAST_REPEATS, MOST_REPEATS = 16, 32
"""How many repeats the other seed is tried in: as many as the run has, within these."""

MOST_ERRORS = 3.0
"""How many standard errors of chance the submitted seed may be better than the other."""

Floats = npt.NDArray[np.float64]


def repeats_tried(repeats: int) -> int:
    """How many repeats the other seed is tried in, for a run of so many."""
    return min(max(repeats, LEAST_REPEATS), MOST_REPEATS)


@dataclass
class OtherSeed:
    """What another seed came to on a pool: sums, and each problem's replays."""

    repeats: int
    totals: Totals = field(default_factory=Totals)
    correct: list[Floats] = field(default_factory=list)
    tokens: list[Floats] = field(default_factory=list)

    def add(self, answers: pa.Table) -> None:
        """Add the answers of replays of a problem, problem by problem."""
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
    """The other seed's figures of each pool, and a line for each that tells of a seed picked.

    One that is better by more than `MOST_ERRORS` standard errors was picked.
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
                by = f"{ahead / error:.1f} standard errors" if error else "what chance cannot do"
                findings.append(
                    f"pool {pool.name}: {name} is {submitted:.6g} with the submitted seed and "
                    f"{here:.6g} with another, better by {by}: a seed that was picked"
                )
    return figures, findings


def standard_error(values: Floats, repeats: int, *, is_share: bool) -> float:
    """What chance adds to the difference of two means over problems.

    `values` has shape (problems, replays) and is one of the two; the other has `repeats` a problem.
    """
    number, replays = values.shape
    if is_share:  # a share of 0 or 1 in a few replays is not known to be that
        share = (values.sum(axis=1) + 1) / (replays + 2)
        variance = share * (1 - share)
    else:
        variance = values.var(axis=1, ddof=1)
    return float(math.sqrt(variance.sum() * (1 / repeats + 1 / replays)) / number)
