"""Tables of methods that were replayed on the same pools, for all_methods.py and autotts_table.py.

Each method has its accuracy with interval, its paired difference to a baseline with a p-value, its
tokens, tokens of probes and clock, and its rank with ties, over one pool or averaged over several.
The statistics are those of `deepprune-sim report`: a problem that pools share counts once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from simulator.errors import UserError
from simulator.report.paired import by_problem, combine, fewest_repeats
from simulator.report.tables import FOLD, print_table
from simulator.report.text import interval
from simulator.runs.results import Metric, ProblemSums, RunResult, read_problem_sums
from simulator.significance import Contrast, contrasts, verdicts

COLUMNS = (
    *("accuracy % [95%]", "to {}, points [95%]", "p", "tokens [95%]"),
    *("tokens of probes", "clock, steps", "rank"),
)

NOTE = (
    "Intervals are 95%, over problems. Differences are paired by problem; = is no significant "
    "difference (sign-flip tests, false discovery rate of 5% among all pairs of the table), p is "
    "that of the difference by itself. Tokens, tokens of probes and clock are per problem; rank is "
    "from 1 + the methods that are significantly more accurate to all but those significantly less."
)


@dataclass(frozen=True)
class Line:
    """A method on pools; `to_baseline` is the difference to another method on the same problems.

    Accuracies are fractions. `tied` is True if that difference is not significant, `p` its p-value;
    they and `rank`, the first and last that it can have, are None for unranked methods.
    """

    method: str
    accuracy: Metric
    to_baseline: Contrast
    tied: bool | None
    p: float | None
    tokens: Metric
    probe_tokens: float
    clock: float
    rank: tuple[int, int] | None

    def cells(self, baseline: str) -> list[str]:
        """Format as the cells of `COLUMNS`."""
        difference = interval(self.to_baseline.difference, 100, "+", 1)
        if self.method == baseline:
            difference = "–"
        elif self.tied:
            difference += " ="
        first, last = self.rank or (0, 0)
        return [
            interval(self.accuracy, 100, "", 1),
            difference,
            "–" if self.p is None or self.method == baseline else f"{self.p:.3f}",
            _whole(self.tokens),
            f"{self.probe_tokens:,.0f}" if self.probe_tokens else "–",
            f"{self.clock:,.0f}",
            "unranked" if self.rank is None else f"{first}–{last}" if first < last else f"{first}",
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return the unrounded values for JSON."""
        return {
            "method": self.method,
            "accuracy": self.accuracy.as_dict(),
            "difference": self.to_baseline.difference.as_dict(),
            "differing_problems": self.to_baseline.differing,
            "detectable": self.to_baseline.detectable,
            "p": self.p,
            "tied": self.tied,
            "tokens_per_problem": self.tokens.as_dict(),
            "probe_tokens": self.probe_tokens,
            "clock": self.clock,
            "rank": self.rank,
        }


def _whole(metric: Metric) -> str:
    """Format a metric with its interval as whole numbers."""
    if metric.low is None or metric.high is None:
        return f"{metric.value:,.0f}"
    return f"{metric.value:,.0f} [{metric.low:,.0f}, {metric.high:,.0f}]"


@cache
def _sums(folder: Path) -> dict[str, ProblemSums]:
    return read_problem_sums(folder)


def lines(results: Mapping[str, Sequence[RunResult]], baseline: str) -> list[Line]:
    """Compare methods over pools, each pool weighted equally, as `deepprune-sim report` does.

    Parameters
    ----------
    results
        The results of each method by its name, on the same pools in the same order.
    baseline
        Name of the method that the others are subtracted from.
    """
    names = [*results]
    pools = list(zip(*results.values(), strict=True))
    sums = [[_sums(result.path)[result.pool] for result in pool] for pool in pools]
    benchmarks = [pool[0].pool.rpartition("/")[2] for pool in pools]
    ranked = np.array([not results[name][0].unranked for name in names])
    averages, standings = combine(benchmarks, sums, ranked.tolist())
    scores, problems = by_problem(benchmarks, sums, lambda each: each.correct)
    repeats, place = fewest_repeats(sums), names.index(baseline)
    fewest = np.minimum(repeats, repeats[place])
    differences = contrasts(scores - scores[place], problems, fewest)
    found, at = verdicts(scores[ranked]), np.cumsum(ranked) - 1
    made = []
    for number, name in enumerate(names):
        contrast, standing = differences[number], standings[number]
        tied, p = None, None
        if ranked[number] and number != place:
            tied, p = found.of(int(at[number]), int(at[place]), contrast)
        made.append(
            Line(
                name,
                averages[number].accuracy,
                contrast,
                tied,
                p,
                averages[number].tokens_per_problem,
                _mean(results[name], "probe_tokens"),
                _mean(results[name], "clock"),
                standing.rank if standing else None,
            )
        )
    return made


def _mean(results: Sequence[RunResult], metric: str) -> float:
    return fmean(result.value(metric) or 0.0 for result in results)


@contextmanager
def one_line() -> Iterator[None]:
    """End the program with the line of an error that its user can mend."""
    try:
        yield
    except UserError as error:
        raise SystemExit(f"error: {error}") from None


def headers(baseline: str) -> list[str]:
    """Return the headers of the cells of a line."""
    return [each.format(baseline) for each in COLUMNS]


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as Markdown; methods, the first column, are set as code."""
    bars = ["---", *["--:"] * (len(head) - 1)]
    named = [[f"`{first}`", *others] for first, *others in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, bars, *named))


def show(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table that fits the terminal."""
    right = [False] + [True] * (len(head) - 1)
    print_table(head, rows, right, ("p", "tokens of probes", FOLD))
