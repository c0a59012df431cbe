"""What each figure is called, in which unit it is shown, and what it means, for every page."""

from __future__ import annotations

import math
from dataclasses import dataclass

from simulator.runs.results import Metric

ABSURD = 1e15
"""Figures from here on, which nothing measured can have, are shown by their power of ten."""


@dataclass(frozen=True, slots=True)
class Figure:
    """How a metric of `run_reader.METRICS` is shown.

    `scale` takes the stored number to the unit in the heading; `lower_is_better` is None where
    neither end is better. `significant` figures are shown of a number too small for `digits`.
    """

    heading: str
    help: str
    scale: float = 1.0
    digits: int = 1
    signed: bool = False
    lower_is_better: bool | None = None
    significant: int = 0

    def text(self, value: float | None) -> str:
        """The number as it is shown; empty where there is none."""
        if value is None:
            return ""
        if abs(value * self.scale) >= ABSURD:
            return f"{value * self.scale:.3g}"
        shown = f"{value * self.scale:{'+' if self.signed else ''},.{self._digits(value)}f}"
        zero = f"{0:.{self.digits}f}"
        return zero if shown.lstrip("+-") == zero and not self.signed else shown

    def _digits(self, value: float) -> int:
        """Digits behind the point: more for what is small, so that it does not show as zero."""
        size = abs(value * self.scale)
        if not self.significant or not size or size >= 1 or not math.isfinite(size):
            return self.digits
        return max(self.digits, self.significant - 1 - math.floor(math.log10(size)))

    def interval(self, metric: Metric | None) -> str:
        """`95% interval 1.2 to 3.4`; empty where there is none."""
        if metric is None or metric.low is None or metric.high is None:
            return ""
        return f"95% interval {self.text(metric.low)} to {self.text(metric.high)}"


BOOTSTRAP = "The interval is a bootstrap over problems."

FIGURES = {
    "accuracy": Figure(
        "Accuracy, %",
        f"Share of problems answered right, averaged over repeats. {BOOTSTRAP}",
        scale=100,
        lower_is_better=False,
    ),
    "accuracy_difference": Figure(
        "To cons@N, points",
        "Accuracy minus that of majority voting over all N traces on the same traces, in "
        f"percentage points. {BOOTSTRAP} Paired: both answer the same problems.",
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
        "Tokens generated for the whole benchmark, used or not, in 10⁸ as the literature has it; "
        "averaged over repeats.",
        digits=2,
        significant=2,
        lower_is_better=True,
    ),
    "tokens_per_problem": Figure(
        "Tokens a problem",
        f"Tokens generated for a problem over all of its traces, used or not. {BOOTSTRAP}",
        digits=0,
        lower_is_better=True,
    ),
    "tokens_with_judge": Figure(
        "Tokens with judge",
        "Tokens a problem with what the judge reads, converted by the ratio of the two models' "
        "parameters.",
        digits=0,
        lower_is_better=True,
    ),
    "clock": Figure(
        "Clock",
        "How long a problem takes: decode steps of one token on every running trace, or seconds "
        "where the run has a serving model.",
        digits=0,
        lower_is_better=True,
    ),
    "baseline_accuracy": Figure(
        "cons@N, %", "Accuracy of majority voting over all N traces.", scale=100
    ),
    "baseline_tokens_per_problem": Figure(
        "cons@N tokens", "Tokens a problem of majority voting over all N traces.", digits=0
    ),
    "pass_at_k": Figure(
        "One is right, %",
        "How often one of the traces that finished is right. Not pass@k for a random k.",
        scale=100,
        lower_is_better=False,
    ),
    "distinct_answers": Figure(
        "Distinct answers", "Different answers that the finished traces of a problem give."
    ),
    "distinct_answers_share": Figure(
        "Of all answers, %",
        "Distinct answers that the finished traces give, of those that all N would have given.",
        scale=100,
    ),
    "gold_survived": Figure(
        "Right one kept, %",
        "How often a finished trace is right, where one of the N traces is.",
        scale=100,
        lower_is_better=False,
    ),
    "traces_started": Figure("Traces started", "Traces that were begun on a problem."),
    "probe_calls": Figure(
        "Probes", "How often a trace was asked for its answer early, a problem.", digits=0
    ),
    "judge_calls": Figure(
        "Judge calls", "Pairs that the judge was asked for, a problem.", digits=0
    ),
    "judge_tokens": Figure(
        "Judge tokens", "Tokens that the judge reads on a problem, each pair in full.", digits=0
    ),
    "judge_tokens_reused": Figure(
        "… prefixes once", "The same with a prefix read once for all of its partners.", digits=0
    ),
    "clusters": Figure("Clusters", "Clusters that the policy made of a problem's traces."),
    "purity": Figure(
        "Purity, %",
        "Share of the clustered traces whose answer is the commonest of their cluster.",
        scale=100,
        lower_is_better=False,
    ),
    "tokens_kept": Figure(
        "Tokens kept",
        "One full trace a cluster, pruned prefixes left out: how DeepPrune's clustering rows are "
        "counted.",
        digits=0,
    ),
    "clusters_classes": Figure(
        "Answers kept", "Different answers of the traces that represent the clusters."
    ),
    "clusters_correct": Figure(
        "Clusters right, %",
        "How often a trace that represents a cluster is right.",
        scale=100,
        lower_is_better=False,
    ),
    "tokens_total": Figure("Tokens", "Tokens generated for the whole benchmark.", digits=0),
}
"""Every metric of `run_reader.METRICS`."""

TOKEN_ACCURACY = {
    "exact": "Token counts are exact: every token's place in its trace is known.",
    "total": "Lengths are exact; places of tokens within a trace are in proportion.",
    "estimated": "Token counts are estimates.",
}
