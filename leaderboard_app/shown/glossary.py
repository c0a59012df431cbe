"""Heading, unit, format and definition of each metric, for every page."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from leaderboard_app.shown.table import Cell
from simulator.runs.format import METRICS
from simulator.runs.results import Metric

ABSURD = 1e15
"""Values from here on, which cannot be measurements, are shown in scientific notation."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Display of a metric of `simulator.runs.format.METRICS`.

    `scale` converts the stored number to the unit in the heading. `lower_is_better` is None if
    neither direction is better. `significant` is the number of significant digits of a value too
    small for `digits`.
    """

    heading: str
    help: str
    scale: float = 1.0
    digits: int = 1
    signed: bool = False
    lower_is_better: bool | None = None
    significant: int = 0

    def text(self, value: float | None) -> str:
        """Format a value; empty if there is none."""
        if value is None:
            return ""
        if abs(value * self.scale) >= ABSURD:
            return f"{value * self.scale:.3g}"
        sign = "+" if self.signed else ""
        return unsigned_zero(f"{value * self.scale:{sign},.{self._digits(value)}f}")

    def _digits(self, value: float) -> int:
        """Return the number of decimals; small values get more, so that they do not show as 0."""
        size = abs(value * self.scale)
        if not self.significant or not size or size >= 1 or not math.isfinite(size):
            return self.digits
        return max(self.digits, self.significant - 1 - math.floor(math.log10(size)))

    def interval(self, metric: Metric | None) -> str:
        """Return text such as `95% interval 1.2 to 3.4`; empty if there is no interval."""
        if metric is None or metric.low is None or metric.high is None:
            return ""
        return f"95% interval {self.text(metric.low)} to {self.text(metric.high)}"

    def cell(
        self, metric: Metric | None, *, missing: str = "", alone: str = "", brackets: bool = False
    ) -> Cell:
        """Build the cell of a metric, with its interval in `brackets` below it or as its note.

        The note of a cell without a value is `missing`, that of one without an interval `alone`.
        """
        if metric is None:
            return Cell(note=missing)
        interval, below = self.interval(metric), ""
        if brackets and interval:
            below = f"[{self.text(metric.low)}, {self.text(metric.high)}]"
        return Cell(
            self.text(metric.value),
            metric.value,
            "" if below else interval or alone,
            low=metric.low,
            high=metric.high,
            below=below,
        )


def unsigned_zero(number: str) -> str:
    """Return a formatted number, without its sign if it is rounded to zero."""
    signed = number.startswith(("+", "-"))
    return number[1:] if signed and not re.search("[1-9a-z]", number) else number


BOOTSTRAP = "The interval is a bootstrap over problems."

_FIGURES = {
    "accuracy": Figure(
        "Accuracy, %",
        f"Share of problems answered right, averaged over repeats. {BOOTSTRAP}",
        scale=100,
        lower_is_better=False,
    ),
    "accuracy_difference": Figure(
        "vs cons@N, points",
        "Accuracy minus that of majority voting over all N traces, on the same traces, in "
        "percentage points. Paired: both answer the same problems; the interval is about new ones.",
        scale=100,
        signed=True,
        lower_is_better=False,
    ),
    "reduction": Figure(
        "Fewer tokens, %",
        "Share of the tokens of majority voting over all N traces that the method does not "
        f"generate. {BOOTSTRAP}",
        scale=100,
        lower_is_better=False,
    ),
    "tokens_1e8": Figure(
        "Tokens, 10⁸",
        "Tokens generated for the whole benchmark, used or not, in units of 10⁸ as in the "
        "literature; averaged over repeats.",
        digits=2,
        significant=2,
        lower_is_better=True,
    ),
    "tokens_per_problem": Figure(
        "Tokens a problem",
        f"Mean tokens generated for a problem over all of its traces, used or not. {BOOTSTRAP}",
        digits=0,
        lower_is_better=True,
    ),
    "cost": Figure(
        "Cost",
        "Tokens a problem plus the tokens of its probes and those that the judge reads, at the "
        "run's cost of a judge token.",
        digits=0,
        lower_is_better=True,
    ),
    "cost_reduction": Figure(
        "Cost reduction, %",
        "Share of the tokens of majority voting over all N traces that the method saves, with "
        f"probes and judge counted. {BOOTSTRAP}",
        scale=100,
        lower_is_better=False,
    ),
    "clock": Figure(
        "Clock",
        "Time to answer a problem: decode steps (one token on every running trace), or seconds if "
        "the run has a serving model.",
        digits=0,
        lower_is_better=True,
    ),
    "baseline_accuracy": Figure(
        "cons@N, %", "Accuracy of majority voting over all N traces.", scale=100
    ),
    "baseline_tokens_per_problem": Figure(
        "cons@N tokens", "Tokens a problem for majority voting over all N traces.", digits=0
    ),
    "pass_at_k": Figure(
        "One is right, %",
        "How often at least one finished trace is right. Not pass@k over random traces.",
        scale=100,
        lower_is_better=False,
    ),
    "distinct_answers": Figure(
        "Distinct answers", "Different answers among the finished traces of a problem."
    ),
    "distinct_answers_share": Figure(
        "Answers kept, %",
        "Distinct answers of the finished traces, as a share of those of all N traces.",
        scale=100,
    ),
    "gold_survived": Figure(
        "Right answer kept, %",
        "How often a finished trace is right, given that one of the N traces is.",
        scale=100,
        lower_is_better=False,
    ),
    "traces_started": Figure("Traces started", "Traces started on a problem, on average."),
    "probe_calls": Figure(
        "Probes", "Early answers requested from unfinished traces, per problem.", digits=0
    ),
    "probe_tokens": Figure(
        "Probe tokens", "Tokens that probes read and generate, per problem.", digits=0
    ),
    "judge_calls": Figure(
        "Judge calls", "Pairs of traces that the judge scored, per problem.", digits=0
    ),
    "judge_tokens": Figure(
        "Judge tokens, no reuse",
        "Tokens the judge reads per problem: every pair in full; an encoder, each prefix once.",
        digits=0,
    ),
    "judge_tokens_reused": Figure(
        "Judge tokens, all reused", "Judge tokens if first prefixes are read only once.", digits=0
    ),
    "judge_tokens_charged": Figure(
        "Judge tokens", "Tokens the judge computes per problem, which it costs.", digits=0
    ),
    "clusters": Figure("Clusters", "Clusters of a problem's traces, as made by the policy."),
    "purity": Figure(
        "Purity, %",
        "Share of clustered traces whose answer is the most common one of their cluster.",
        scale=100,
        lower_is_better=False,
    ),
    "tokens_kept": Figure(
        "Tokens kept",
        "Tokens of one full trace per cluster, without pruned prefixes, as in the clustering rows "
        "of DeepPrune.",
        digits=0,
    ),
    "clusters_classes": Figure(
        "Clusters' answers", "Different answers among the clusters' representatives."
    ),
    "clusters_correct": Figure(
        "Clusters right, %",
        "How often at least one cluster's representative is right.",
        scale=100,
        lower_is_better=False,
    ),
    "completeness": Figure(
        "Completeness, %",
        "Share of the information about clusters that answers give: 100 if traces with the same "
        "answer are in one cluster.",
        scale=100,
        lower_is_better=False,
    ),
    "adjusted_rand": Figure(
        "Adjusted Rand index",
        "Agreement of clusters and answers: 1 if they are the same partition, 0 by chance.",
        digits=3,
        lower_is_better=False,
    ),
    "savable": Figure(
        "Savable, %",
        "Most that perfect clusters could save with every answer kept: the share of tokens that "
        "come after the judged prefixes, but for one trace of each answer.",
        scale=100,
        lower_is_better=False,
    ),
    "tokens_total": Figure("Tokens", "Tokens generated for the whole benchmark.", digits=0),
}

FIGURES = {name: figure for name, figure in _FIGURES.items() if name in METRICS}
"""Every metric of `simulator.runs.format.METRICS`."""

TOKEN_ACCURACY = {
    "exact": "Token counts are exact: every token's place in its trace is known.",
    "total": "Lengths are exact; token positions within a trace are interpolated.",
    "estimated": "Token counts are estimates.",
}
