"""Rows of a comparison of runs, and what they cost: what tables and pictures show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from statistics import fmean

from simulator.report.against import Against, Base
from simulator.report.axes import CLOCK, DEFAULT, TOKENS, TOTAL
from simulator.report.paired import Averages, Pair, Standing
from simulator.report.prices import Bill
from simulator.runs.results import Metric, RunResult
from simulator.significance import MARGIN, Contrast

MARKS = {"exact": "", "total": "†", "estimated": "‡"}
"""Marks after token counts, by the token accuracy of the pool."""

ALL_POOLS = "All pools, each weighted equally"
"""Heading of averages over pools."""

TIED = "="
"""Mark after a method's difference to the best, if it is tied with it."""

RESTS_ON_FEW = "§"
"""Mark after a difference that rests on a few problems."""


@dataclass(frozen=True, slots=True)
class Row:
    """One method on one pool. The labels `pool` and `method` together are unique.

    `pareto` is None if its place on an axis is unknown. `standing` compares it with the others of
    the pool, problem by problem; it is None for a method that is unranked, alone, or whose run has
    no answers to compare. `to_baseline` compares it with cons@N or, with `against`, with the
    baseline that was chosen; None without answers. `cost` is its cost per problem, that of probes
    and judge included; it is None if a run on the pool is of an older version that does not tell
    it, or if the size of a model is unknown (`unknown_cost`). `bill` has its dollars and FLOPs, if
    prices are given.
    """

    pool: str
    method: str
    pareto: bool | None
    result: RunResult
    standing: Standing | None = None
    to_baseline: Contrast | None = None
    cost: Metric | None = None
    bill: Bill | None = None
    against: Against | None = None

    @property
    def unknown_cost(self) -> bool:
        """True if the judge's cost is unknown, so that the row is on no front."""
        return has_unknown_cost(self.result)

    @property
    def spent(self) -> Metric:
        """Cost per problem that rows of a pool are compared by: `cost`, or tokens without one."""
        return self.cost or self.tokens

    def on_axis(self, axis: str) -> float | None:
        """Return its cost on an axis of `simulator.report.axes`; None if it is unknown."""
        if axis == CLOCK:
            return self.result.value("clock")
        if axis == TOTAL:
            return None if self.unknown_cost else self.spent.value
        return self.tokens.value if axis == TOKENS else -self.accuracy.value

    @property
    def reduction(self) -> Metric | None:
        """Share of the baseline's tokens that it saves."""
        return self.against.reduction if self.against else self.result.metrics.get("reduction")

    @property
    def accuracy(self) -> Metric:
        """Accuracy, as a fraction."""
        return self.result.metrics["accuracy"]

    @property
    def tokens(self) -> Metric:
        """Tokens per problem."""
        return self.result.metrics["tokens_per_problem"]


@dataclass(frozen=True, slots=True)
class Combined:
    """One method over several recorded pools, each weighted equally; `results` has one per pool.

    `spent` is the mean of `Row.spent`; `bills` has one per pool, if prices are given. `pareto` and
    `against` are as in `Row`, which then has the reduction and difference of `averages` too.
    """

    method: str
    pareto: bool | None
    results: tuple[RunResult, ...]
    averages: Averages
    standing: Standing | None
    spent: float
    bills: tuple[Bill, ...] = ()
    against: Against | None = None

    def mean(self, name: str) -> float | None:
        """Return the mean of a metric over the pools; None if one does not tell it."""
        values = [each.value(name) for each in self.results]
        known = [value for value in values if value is not None]
        return fmean(known) if len(known) == len(values) else None

    @property
    def token_accuracy(self) -> str:
        """Lowest token accuracy of any of the pools."""
        kinds = {result.token_accuracy for result in self.results}
        return next((kind for kind in reversed(MARKS) if kind in kinds), "")


@dataclass(frozen=True, slots=True)
class PoolPairs:
    """All pairs of ranked methods of one pool; `Pair` has their indices in `methods`."""

    pool: str
    synthetic: bool
    methods: tuple[str, ...]
    pairs: list[Pair]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rows sorted by pool and tokens, synthetic pools last, with notes.

    `combined` is empty unless several recorded pools have methods in common, `pairs` unless
    requested. If `diversity` is true, tables also show the answers kept after pruning; CSV and JSON
    always have them. A method counts as not worse than cons@N if it is at most `margin` less
    accurate. `axes` are those of the Pareto front (`simulator.report.axes`), `bases` the figures of
    the baseline by pool if one was chosen, by the name `baseline`.
    """

    rows: list[Row]
    notes: list[str]
    combined: list[Combined]
    pairs: list[PoolPairs]
    diversity: bool = False
    margin: float = MARGIN
    axes: tuple[str, ...] = DEFAULT
    baseline: str | None = None
    bases: Mapping[str, Base] = field(default_factory=dict)

    @property
    def sections(self) -> list[tuple[str, list[Row]]]:
        """Rows of real and of synthetic pools, each with a heading; without empty sections."""
        real = [row for row in self.rows if not row.result.synthetic]
        made = [row for row in self.rows if row.result.synthetic]
        both = [("Recorded pools", real), ("Synthetic pools", made)]
        return [(heading, rows) for heading, rows in both if rows]

    @property
    def panels(self) -> list[list[Row]]:
        """Rows of each pool."""
        return [list(rows) for _, rows in groupby(self.rows, key=lambda row: row.pool)]


def has_unknown_cost(result: RunResult) -> bool:
    """Check whether a run's judge was asked and what its tokens cost is not known."""
    return "cost" not in result.metrics and "probe_tokens" in result.metrics


def is_older(result: RunResult) -> bool:
    """Check whether a run is of an older version, which does not tell what probes cost."""
    return "cost" not in result.metrics and not has_unknown_cost(result)


def used_costs(results: Sequence[RunResult]) -> list[str]:
    """Name the costs beside tokens generated that some run has: probes, judge."""
    return [
        name
        for name, metric in (("probes", "probe_tokens"), ("judge", "judge_tokens"))
        if any(result.value(metric) for result in results)
    ]


def judge_cost(result: RunResult) -> float | None:
    """Return what the judge costs per problem, in tokens of the reasoning model."""
    if not (read := result.value("judge_tokens")):
        return read
    parts = [result.value(name) for name in ("cost", "tokens_per_problem", "probe_tokens")]
    known = [part for part in parts if part is not None]
    return known[0] - known[1] - known[2] if len(known) == len(parts) else None


def judge_share(result: RunResult) -> float | None:
    """Return the judge's share of the cost, a fraction; None if it is unknown."""
    cost, judged = result.value("cost"), judge_cost(result)
    return None if judged is None or not cost else judged / cost
