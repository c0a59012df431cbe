"""Figures of several runs on the same pools, beside one cons@N on the same traces.

Each pool is weighted equally, and a problem that several pools share counts once
(`simulator.report.paired`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simulator.arrays import Floats
from simulator.errors import UserError
from simulator.report.rows import has_unknown_cost
from simulator.runs.format import ANSWERS_FILE, FORMAT, SUMMARY_FILE
from simulator.runs.results import read_results
from simulator.runs.summary import Totals
from simulator.significance import Contrast, Problems, contrasts, p_values
from simulator.statistics import SEED, Bootstrap, Resampled, average
from simulator.storage import read_versioned, reading

FIGURES = ("accuracy", "to_baseline", "cost", "reduction", "clock")
"""Figures that are compared between tuning and testing, in the order in which they are shown.

Accuracy, its difference to cons@N, and the share of its tokens that the cost saves are fractions;
the cost is in tokens a problem, those of probes and judge included; the clock in its unit."""


@dataclass(frozen=True, eq=False)
class OnPool:
    """Means over repeats of one run on each problem of one pool, arrays of shape (problems,)."""

    pool: str
    problem_ids: tuple[str, ...]
    repeats: int
    budget: int
    clock_unit: str
    correct: Floats
    cost: Floats
    clock: Floats
    baseline_correct: Floats
    baseline_tokens: Floats

    @property
    def benchmark(self) -> str:
        """Benchmark of the pool, in lower case."""
        return self.pool.rpartition("/")[2].casefold()


def read_means(folder: Path) -> list[OnPool]:
    """Read the means of the run in `folder`, on each of its pools.

    Raises
    ------
    UserError
        Answers are missing or damaged, or the cost is unknown, as the size of a model is.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    results = read_results(folder)
    with reading(folder / ANSWERS_FILE) as file, pq.ParquetFile(file) as stored:
        rows = stored.read(use_threads=False).unify_dictionaries()
    names = rows["pool"].cast(pa.string())
    ratios = _judge_ratios(folder)
    found = []
    for result in results:
        if has_unknown_cost(result):
            raise UserError(
                f"{folder}: the cost of the judge on {result.pool} is unknown; give --judge-cost "
                "or --model-params"
            )
        totals = Totals()
        totals.add_all(rows.filter(pc.equal(names, result.pool)))
        means = totals.means()
        judged = ratios.get(result.pool, 0.0) * means["judge_tokens_charged"]
        found.append(
            OnPool(
                result.pool,
                totals.problem_ids,
                totals.repeats,
                result.budget,
                result.clock_unit,
                correct=means["correct"],
                cost=means["tokens"] + means["probe_tokens"] + judged,
                clock=means["clock"],
                baseline_correct=means["baseline_correct"],
                baseline_tokens=means["baseline_tokens"],
            )
        )
    return found


def _judge_ratios(folder: Path) -> dict[str, float]:
    summary = read_versioned(folder / SUMMARY_FILE, "a summary", FORMAT, "repeat the run")
    pools = summary.objects("pools")
    return {each.get("pool", str): each.optional("judge_ratio", float) or 0.0 for each in pools}


@dataclass(frozen=True, eq=False)
class Measured:
    """Several runs on the same pools, and the run `baseline` whose cons@N all are compared with."""

    runs: Sequence[Sequence[OnPool]]
    baseline: Sequence[OnPool]

    @property
    def baseline_name(self) -> str:
        """Name of it, such as `cons@64`."""
        budgets = sorted({each.budget for each in self.baseline})
        return f"cons@{budgets[0]}" if len(budgets) == 1 else f"cons@{budgets[0]}-{budgets[-1]}"

    def to_baseline(self) -> tuple[list[Contrast], Floats]:
        """Compare each run with cons@N; return differences and p-values, each by itself."""
        scores, problems = self._scores()
        count = len(self.runs)
        gained = scores[:-1] - scores[-1]
        fewest = np.array([min(each.repeats for each in run) for run in self.runs])
        found = contrasts(gained, problems, fewest)
        return found, p_values(scores, np.arange(count), np.full(count, count))

    def against(self, first: int, second: int) -> tuple[Contrast, float]:
        """Compare two of the runs; return the difference and its p-value."""
        scores, problems = self._scores()
        fewest = min(each.repeats for run in (first, second) for each in self.runs[run])
        gained = (scores[first] - scores[second])[None]
        (found,) = contrasts(gained, problems, np.array([fewest]))
        (p,) = p_values(scores, np.array([first]), np.array([second])).tolist()
        return found, p

    def _scores(self) -> tuple[Floats, Problems]:
        """Return what each problem contributes to the accuracy of each run, and of cons@N last."""
        places: dict[tuple[str, str], int] = {}
        pools = self.baseline
        columns = [
            [places.setdefault((pool.benchmark, each), len(places)) for each in pool.problem_ids]
            for pool in pools
        ]
        scores, weights = np.zeros((len(self.runs) + 1, len(places))), np.zeros(len(places))
        for number, (pool, column) in enumerate(zip(pools, columns, strict=True)):
            share = 1.0 / (len(column) * len(pools))
            right = [run[number].correct for run in self.runs]
            scores[:, column] += share * np.stack([*right, pool.baseline_correct])
            weights[column] += share
        _, groups = np.unique([benchmark for benchmark, _ in places], return_inverse=True)
        return scores, Problems(weights, groups)

    def mean(self, run: int, name: str) -> float:
        """Return one of FIGURES of a run, averaged over pools."""
        return float(np.mean([_mean(own, base, name) for own, base in self._beside(run)]))

    def resampled(self, run: int, name: str, bootstraps: Bootstraps) -> Resampled:
        """Return one of FIGURES of a run on every resample of the problems."""
        return average(
            _resampled(own, base, name, bootstraps.of(own)) for own, base in self._beside(run)
        )

    def _beside(self, run: int) -> list[tuple[OnPool, OnPool]]:
        return [*zip(self.runs[run], self.baseline, strict=True)]


class Bootstraps:
    """Bootstraps of sets of problems, each with a seed of its own; pools of one set share it."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, tuple[str, ...]], Bootstrap] = {}

    def of(self, pool: OnPool) -> Bootstrap:
        """Return the bootstrap of a pool's problems."""
        problems = (pool.benchmark, pool.problem_ids)
        if problems not in self._made:
            seed = SEED + len(self._made)
            self._made[problems] = Bootstrap(len(pool.problem_ids), seed=seed)
        return self._made[problems]


def _mean(own: OnPool, base: OnPool, name: str) -> float:
    if name == "reduction":
        return 1.0 - float(own.cost.mean() / base.baseline_tokens.mean())
    return float(_by_problem(own, base, name).mean())


def _resampled(own: OnPool, base: OnPool, name: str, over: Bootstrap) -> Resampled:
    if name == "reduction":
        spent, reference = over.resampled(own.cost), over.resampled(base.baseline_tokens)
        saved = 1.0 - spent.resamples / reference.resamples
        return Resampled(1.0 - spent.values / reference.values, saved, spent.tail)
    return over.resampled(_by_problem(own, base, name))


def _by_problem(own: OnPool, base: OnPool, name: str) -> Floats:
    """Return a figure on each problem, shape (problems,)."""
    if name == "to_baseline":
        return own.correct - base.baseline_correct
    values: Floats = {"accuracy": own.correct, "cost": own.cost, "clock": own.clock}[name]
    return values
