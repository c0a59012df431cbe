"""The content of `summary.json`: metrics of a run on each pool, with 95% intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from simulator.arrays import Floats, Ints
from simulator.arrow import null_mask, numbered, numbers_in, numpy_array
from simulator.pools.pool import Pool
from simulator.replay.recording import AGREEMENT, CLUSTERED
from simulator.significance import Problems, contrasts
from simulator.statistics import Bootstrap, Estimate, bootstrap

AVERAGED = (
    "correct",
    "tokens",
    "probe_calls",
    "judge_calls",
    "judge_tokens",
    "clock",
    "traces_started",
    "kept_classes",
    "kept_correct",
    "baseline_correct",
    "baseline_tokens",
    "budget_classes",
    "budget_correct",
    "judge_tokens_reused",
    "probe_tokens",
    "judge_tokens_charged",
)
"""Columns of `answers.parquet` that are averaged over the repeats of a problem."""


UNDEFINED = {"value": None, "low": None, "high": None}
"""Entry for a ratio whose denominator is zero on every problem."""


class Totals:
    """Sums over the repeats of each problem of one pool, in order of addition.

    `rule_halts` counts the halts by each kind of stop rule; it has no part in the summary.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Floats] = {}
        self._repeats: dict[str, int] = {}
        self._clustered: dict[str, Floats] = {}
        self.rule_halts: dict[str, int] = {}

    def add(self, answers: pa.Table) -> None:
        """Add rows of `answers.parquet`, all of one problem; a column that is missing is NaN."""
        problem = answers["problem_id"][0].as_py()
        there = {*answers.column_names}
        sums = np.array(
            [
                numpy_array(answers[name]).sum(dtype=np.float64) if name in there else np.nan
                for name in AVERAGED
            ]
        )
        self._sums[problem] = self._sums.get(problem, 0.0) + sums
        self._repeats[problem] = self._repeats.get(problem, 0) + len(answers)
        about = [
            numbers_in(answers[name]).astype(np.float64)
            if name in there
            else np.array([np.nan])
            if name in AGREEMENT
            else np.empty(0)
            for name in CLUSTERED
        ]
        counted = np.array([len(about[0]), *(values.sum() for values in about)])
        self._clustered[problem] = self._clustered.get(problem, 0.0) + counted

    def add_all(self, answers: pa.Table) -> None:
        """Add rows of `answers.parquet` of any number of problems, in order of first appearance.

        A column that is missing is NaN.
        """
        problems, of = numbered(answers["problem_id"])
        there = {*answers.column_names}

        def summed(name: str) -> tuple[Floats, Ints]:
            """Return the sum of a column on each problem, and of how many values that are there."""
            if name not in there:
                return np.full(len(problems), np.nan), np.bincount(of, minlength=len(problems))
            column = answers[name]
            rows = of[~null_mask(column)] if column.null_count else of
            values = numbers_in(column).astype(np.float64)
            sums: Floats = np.bincount(rows, values, len(problems)).astype(np.float64, copy=False)
            return sums, np.bincount(rows, minlength=len(problems))

        averaged = np.array([summed(name)[0] for name in AVERAGED])
        about = [summed(name) for name in CLUSTERED]
        clustered = np.array([about[0][1], *(sums for sums, _ in about)])
        repeats = np.bincount(of, minlength=len(problems)).tolist()
        for row, problem in enumerate(problems):
            self._sums[problem] = self._sums.get(problem, 0.0) + averaged[:, row]
            self._repeats[problem] = self._repeats.get(problem, 0) + repeats[row]
            self._clustered[problem] = self._clustered.get(problem, 0.0) + clustered[:, row]

    @property
    def problem_ids(self) -> tuple[str, ...]:
        """Ids of the problems, in the order of `means`."""
        return tuple(self._sums)

    @property
    def repeats(self) -> int:
        """Fewest repeats of any problem."""
        return min(self._repeats.values())

    def means(self) -> dict[str, Floats]:
        """Compute means over repeats, each of shape (problems,).

        Means of CLUSTERED are over repeats with declared clusters, and missing if a problem has no
        such repeat.
        """
        rows = [sums / self._repeats[problem] for problem, sums in self._sums.items()]
        means = dict(zip(AVERAGED, np.array(rows).T, strict=True))
        repeats, *sums = np.array([*self._clustered.values()]).T
        if repeats.all():
            means |= {
                name: sum_ / repeats
                for name, sum_ in zip(CLUSTERED, sums, strict=True)
                if np.isfinite(sum_).all()
            }
        return means


def _accuracy_difference(means: dict[str, Floats], repeats: int) -> Estimate:
    """Estimate the accuracy minus that of cons@N; exactly 0 for cons@N itself."""
    gained, spent = (means[name] - means[f"baseline_{name}"] for name in ("correct", "tokens"))
    if not gained.any() and not spent.any():
        return Estimate(0.0, 0.0, 0.0)
    count = len(gained)
    problems = Problems(np.full(count, 1 / count), np.zeros(count, dtype=np.int64))
    (found,) = contrasts(gained[None] / count, problems, np.array([repeats]))
    return found.difference


def summarise(
    pool: Pool,
    budget: int,
    totals: Totals,
    clock_unit: str,
    judge_ratio: float | None = 0.0,
    over: Bootstrap | None = None,
) -> dict[str, Any]:
    """Compute one pool's entry of `summary.json`.

    Accuracies, differences and reductions are fractions; tokens are those generated on traces.
    `reduction` and `accuracy_difference` compare with cons@N on the same traces, with N the budget;
    the interval of the difference is that of `simulator.significance.contrasts`.

    Three metrics compare the finished traces with all N. `distinct_answers` is the number of their
    answer classes, `distinct_answers_share` this number divided by that of all N traces.
    `gold_survived` is how often one of them is correct if one of the N is; null if none ever is.
    The last two are ratios of means over problems. `pass_at_k` is the indicator that a finished
    trace is correct, not the estimator for a random k (`statistics.pass_at_k`, which `data show`
    prints for a pool).

    `cost` is in tokens of the reasoning model: those generated on traces, those of probes, and
    those that the judge computed, which cost `judge_ratio` each; runs of an older version charge
    every pair in full. `cost_reduction` compares it with cons@N, which has no probes and no judge.
    Both are missing if a judge that was asked has no known ratio, or if the answers do not tell
    what probes cost (runs of an older version), as `probe_tokens` is then.

    Metrics of clusters exist if the policy declared clusters on every problem; those named
    `clusters_…` are about the first trace of each cluster. `over` has the resamples; None for those
    of every run. What depends on the ends of unfinished traces is left out.
    """
    means = totals.means()
    charged = means["judge_tokens_charged"]
    judged = charged if np.isfinite(charged).all() else means["judge_tokens"]
    judge_cost = judged * (np.nan if judge_ratio is None else judge_ratio)
    cost = means["tokens"] + means["probe_tokens"] + np.where(judged == 0, 0.0, judge_cost)
    over = over or bootstrap(len(means["tokens"]))
    ends = {} if pool.info.unfinished else _of_ends(over, means, totals.repeats)

    def told(*names: str) -> dict[str, Estimate | None]:
        return {name: ends[name] for name in names if name in ends}

    estimates = {
        "accuracy": over.mean(means["correct"]),
        **told("accuracy_difference", "reduction"),
        "tokens_total": over.total(means["tokens"]),
        "tokens_1e8": over.total(means["tokens"] / 1e8),
        "tokens_per_problem": over.mean(means["tokens"]),
        **told("baseline_accuracy", "baseline_tokens_per_problem"),
        "pass_at_k": over.mean(means["kept_correct"]),
        "distinct_answers": over.mean(means["kept_classes"]),
        **told("distinct_answers_share", "gold_survived"),
        "traces_started": over.mean(means["traces_started"]),
        "clock": over.mean(means["clock"]),
        "probe_calls": over.mean(means["probe_calls"]),
        "judge_calls": over.mean(means["judge_calls"]),
        "judge_tokens": over.mean(means["judge_tokens"]),
        "judge_tokens_reused": over.mean(means["judge_tokens_reused"]),
        **_if_known(over, means, "judge_tokens_charged"),
        **_if_known(over, means, "probe_tokens"),
        **(_cost(over, means, cost) if np.isfinite(cost).all() else {}),
        **{name: over.mean(means[name]) for name in CLUSTERED if name in means},
    }
    return {
        "pool": pool.name,
        "synthetic": pool.info.synthetic,
        "token_accuracy": pool.info.token_accuracy,
        **({"unfinished": pool.info.unfinished} if pool.info.unfinished else {}),
        "problems": over.num_problems,
        "budget": budget,
        "baseline": f"cons@{budget}",
        "clock_unit": clock_unit,
        "judge_ratio": judge_ratio,
        "metrics": {
            name: estimate.as_dict() if estimate else dict(UNDEFINED)
            for name, estimate in estimates.items()
        },
    }


def _if_known(over: Bootstrap, means: dict[str, Floats], name: str) -> dict[str, Estimate]:
    """Estimate the mean of a column that answers of an older version lack; empty for those."""
    return {name: over.mean(means[name])} if np.isfinite(means[name]).all() else {}


def _of_ends(over: Bootstrap, means: dict[str, Floats], repeats: int) -> dict[str, Estimate | None]:
    """Estimate what compares with all N traces at their ends."""
    return {
        "accuracy_difference": _accuracy_difference(means, repeats),
        "reduction": over.reduction(means["tokens"], means["baseline_tokens"]),
        "baseline_accuracy": over.mean(means["baseline_correct"]),
        "baseline_tokens_per_problem": over.mean(means["baseline_tokens"]),
        "distinct_answers_share": over.ratio(means["kept_classes"], means["budget_classes"]),
        "gold_survived": over.ratio(means["kept_correct"], means["budget_correct"]),
    }


def _cost(over: Bootstrap, means: dict[str, Floats], cost: Floats) -> dict[str, Estimate | None]:
    """Estimate the total cost, and its reduction against cons@N if that is known."""
    found: dict[str, Estimate | None] = {"cost": over.mean(cost)}
    if np.isfinite(means["baseline_tokens"]).all():
        found["cost_reduction"] = over.reduction(cost, means["baseline_tokens"])
    return found
