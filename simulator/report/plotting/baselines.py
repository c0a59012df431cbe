"""Points of cons@N in a plot: the plain vote over the traces that a panel's methods were given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simulator.report.rows import Row
from simulator.runs.results import Metric


@dataclass(frozen=True, slots=True)
class Baseline:
    """Tokens per problem and accuracy, as a fraction, of `name`, such as `cons@16`, of a `budget`.

    `row` is the panel's own row of this vote, None if it has none.
    """

    name: str
    tokens: Metric
    accuracy: Metric
    budget: int
    row: Row | None = None


def find_baselines(rows: Sequence[Row]) -> list[Baseline]:
    """Find the cons@N of the rows of one pool, in the order of their budgets.

    Each run has the figures of cons@N on its own traces. Of several runs with the same N, those of
    the most repeats are taken. Where cons@N is a row itself, its figures are the row's. Runs of an
    older version have no such figures and give no baseline.
    """
    found: dict[int, Baseline] = {}
    for row in sorted(rows, key=lambda row: -row.result.repeats):  # stable: ties in order
        result = row.result
        accuracy = result.metrics.get("baseline_accuracy")
        tokens = result.metrics.get("baseline_tokens_per_problem")
        if accuracy is not None and tokens is not None:
            baseline = Baseline(result.baseline, tokens, accuracy, result.budget)
            found.setdefault(result.budget, baseline)
    for row in rows:
        if row.result.policy == row.result.baseline:
            budget = row.result.budget
            found[budget] = Baseline(row.method, row.spent, row.accuracy, budget, row)
    return [found[budget] for budget in sorted(found)]
