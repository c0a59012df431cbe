"""Comparison of runs: rows, labels, the best method and its ties, and notes.

`simulator.report.text` renders a comparison as text, `simulator.report.plotting.plot` as a plot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from statistics import fmean

from simulator.counting import CHARGED, COUNTED
from simulator.errors import UserError
from simulator.pools.summary import MANY
from simulator.report.against import Against, Base, against, find_base
from simulator.report.axes import CLOCK, DEFAULT, TOKENS, TOTAL, find_front, shown_axes
from simulator.report.common_pools import common_pools
from simulator.report.labels import method_labels, pool_labels, without_copies
from simulator.report.paired import (
    Averages,
    Pair,
    Standing,
    combine,
    pairs,
    standings,
    to_baseline,
)
from simulator.report.prices import NOTE as PRICES_NOTE
from simulator.report.prices import Bill, Prices
from simulator.runs.results import Metric, ProblemSums, RunResult, read_problem_sums
from simulator.significance import ALPHA, FEW, MARGIN, POWER, Contrast

MARKS = {"exact": "", "total": "†", "estimated": "‡"}
"""Marks after token counts, by the token accuracy of the pool."""

MARK_NOTES = {
    "total": "† lengths are exact, positions of tokens within a trace are proportional.",
    "estimated": "‡ token counts are estimates.",
}


ALL_POOLS = "All pools, each weighted equally"

DIVERSITY_NOTE = (
    "Kept traces are those that finished: how often one is right (not pass@k for a random k), how "
    "many distinct answers they give, also as a share of those among all N, and how often one is "
    "right if one of the N is. Shares are ratios of means over problems."
)

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


def compare(
    results: Sequence[RunResult],
    *,
    every_pair: bool = False,
    diversity: bool = False,
    margin: float = MARGIN,
    prices: Prices | None = None,
    axes: tuple[str, ...] = DEFAULT,
    baseline: str | None = None,
) -> Comparison:
    """Compare runs on the pools they share, problem by problem if they recorded answers.

    A run given twice counts once, and so do two identical runs. Runs on two versions of a pool are
    not compared with each other. With `every_pair`, all pairs of ranked methods of a pool are
    compared, not only each with the best. `diversity` adds a table of the answers kept. `margin` is
    how much less accurate than cons@N a method may be that counts as not worse, as a fraction.
    `prices` adds the dollars and FLOPs of each run. `axes` are those of the Pareto front
    (`simulator.report.axes`). `baseline` is what methods are compared with, in the place of cons@N:
    the label of a row, its policy, or the name of its run.

    Results on pools with unfinished traces are left out, as nothing in them compares with cons@N.

    Raises
    ------
    UserError
        A run recorded no accuracy or no tokens, its answers are damaged, its model has no price,
        runs were charged differently (`run --charging`), no result is left, the baseline is not
        among the rows, or the clocks of a pool, if they are an axis, are of different engines.
    """
    results, unfinished_notes = _with_ends(results)
    for result in results:
        for name in ("accuracy", "tokens_per_problem"):
            if name not in result.metrics:
                raise UserError(
                    f"{result.path / 'summary.json'}: no {name} for pool {result.pool}; "
                    "repeat the run"
                )
    _check_charging(results)
    kept, notes = without_copies(results)
    labels, pool_notes = pool_labels(kept)
    methods = method_labels(kept, labels)
    rows = [
        Row(pool, method, False, result, bill=prices.bill(result) if prices else None)
        for pool, method, result in zip(labels, methods, kept, strict=True)
    ]
    rows = _on_front(_with_costs(rows), axes)
    rows.sort(key=lambda row: (row.result.synthetic, row.pool, row.tokens.value, row.method))
    sums, missing = _problem_sums(rows)
    rows = _with_standings(rows, sums)
    bases = {} if baseline is None else _bases(rows, sums, baseline)
    rows = _against(rows, sums, bases)
    combined, left_out = _combined(rows, sums, axes, bases)
    every = _every_pair(rows, sums) if every_pair else []
    found = [
        *_notes(rows, combined, margin, axes, baseline),
        *left_out,
        *missing,
        *pool_notes,
        *notes,
    ]
    found += unfinished_notes
    if diversity:
        found.insert(2, DIVERSITY_NOTE)
    if prices:
        found.append(PRICES_NOTE.format(file=prices.file.name))
    return Comparison(rows, found, combined, every, diversity, margin, axes, baseline, bases)


def _with_ends(results: Sequence[RunResult]) -> tuple[Sequence[RunResult], list[str]]:
    """Return the results on pools whose traces have all ended, with notes on the others.

    Raises
    ------
    UserError
        There are only others.
    """
    left_out = [
        f"{each.path}: {each.unfinished:,} traces of {each.pool} are unfinished"
        for each in results
        if each.unfinished
    ]
    if left_out and len(left_out) == len(results):
        raise UserError(
            f"{left_out[0]}, so that nothing compares with cons@N; its figures are in summary.json"
        )
    notes = [f"Left out, as cons@N is not known there: {'; '.join(left_out)}."] if left_out else []
    return [each for each in results if not each.unfinished], notes


def _check_charging(results: Sequence[RunResult]) -> None:
    """Refuse runs whose tokens are counted in different ways."""
    for one, other in pairwise(results):
        if one.charging != other.charging:
            raise UserError(
                f"{one.path} counts tokens by --charging {one.charging}, and {other.path} by "
                f"--charging {other.charging}; compare runs that count alike"
            )


def _problem_sums(rows: Sequence[Row]) -> tuple[list[ProblemSums | None], list[str]]:
    """Read each row's sums on each problem, None if its run has no answers, with notes on those.

    Raises
    ------
    UserError
        Answers are damaged, or do not belong to the run or its pool.
    """
    folders = {row.result.path: None for row in rows}
    read = {folder: read_problem_sums(folder) for folder in folders}
    sums: list[ProblemSums | None] = []
    problems: dict[str, tuple[str, ...]] = {}
    for row in rows:
        found = read[row.result.path].get(row.result.pool)
        sums.append(found)
        if found is None:
            continue
        size = (len(found.problem_ids), found.repeats)
        if (
            size != (row.result.problems, row.result.repeats)
            or problems.setdefault(row.pool, found.problem_ids) != found.problem_ids
        ):
            raise UserError(
                f"{row.result.path / 'answers.parquet'}: not the problems and repeats of this run "
                f"on {row.result.pool}; repeat the run"
            )
    without = dict.fromkeys(
        row.result.run for row, found in zip(rows, sums, strict=True) if found is None
    )
    notes = [f"Not compared, because answers.parquet is missing: {', '.join(without)}."]
    return sums, notes if without else []


def _by_pool(rows: Sequence[Row]) -> dict[str, list[int]]:
    """Return the indices of the rows of each pool."""
    places: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        places.setdefault(row.pool, []).append(index)
    return places


def _with_standings(rows: Sequence[Row], sums: Sequence[ProblemSums | None]) -> list[Row]:
    """Compare each row with the best of its pool, and with cons@N."""
    standing: dict[int, Standing | None] = {}
    gained: dict[int, Contrast] = {}
    for places in _by_pool(rows).values():
        known = {index: found for index in places if (found := sums[index]) is not None}
        if known:
            ranked = [not rows[index].result.unranked for index in known]
            standing |= zip(known, standings([*known.values()], ranked), strict=True)
            gained |= zip(known, to_baseline([""], [[*known.values()]]), strict=True)
    return [
        replace(row, standing=standing.get(index), to_baseline=gained.get(index))
        for index, row in enumerate(rows)
    ]


def _bases(rows: Sequence[Row], sums: Sequence[ProblemSums | None], name: str) -> dict[str, Base]:
    """Find the chosen baseline on each pool."""
    return {
        pool: find_base(
            name, pool, [(index, rows[index].method, rows[index].result) for index in places], sums
        )
        for pool, places in _by_pool(rows).items()
    }


def _against(
    rows: Sequence[Row], sums: Sequence[ProblemSums | None], bases: Mapping[str, Base]
) -> list[Row]:
    """Compare each row with the baseline of its pool, if one was chosen."""
    compared: dict[int, Against] = {}
    for pool, places in _by_pool(rows).items() if bases else ():
        known = {index: found for index in places if (found := sums[index]) is not None}
        ranked = [not rows[index].result.unranked for index in known]
        base = bases[pool]
        place = None if base.index is None else [*known].index(base.index)
        compared |= zip(
            known, against([""], [[*known.values()]], ranked, [base], place), strict=True
        )
    return [
        replace(row, against=gained, to_baseline=gained.contrast)
        if (gained := compared.get(index))
        else _without_cons(row)
        if bases
        else row
        for index, row in enumerate(rows)
    ]


def _without_cons(row: Row) -> Row:
    """Return a row without what its summary compares with cons@N."""
    metrics = {
        name: each
        for name, each in row.result.metrics.items()
        if name not in ("accuracy_difference", "reduction")
    }
    return replace(row, result=replace(row.result, metrics=metrics))


def _every_pair(rows: Sequence[Row], sums: Sequence[ProblemSums | None]) -> list[PoolPairs]:
    found = []
    for pool, places in _by_pool(rows).items():
        known = {
            index: each
            for index in places
            if (each := sums[index]) is not None and not rows[index].result.unranked
        }
        if len(known) > 1:
            synthetic = rows[places[0]].result.synthetic
            methods = tuple(rows[index].method for index in known)
            found.append(PoolPairs(pool, synthetic, methods, pairs([*known.values()])))
    return found


def _combined(
    rows: Sequence[Row],
    sums: Sequence[ProblemSums | None],
    axes: Sequence[str],
    bases: Mapping[str, Base],
) -> tuple[list[Combined], list[str]]:
    """Average the methods that ran on the pools that most share, with notes on the others."""
    recorded = [index for index, row in enumerate(rows) if not row.result.synthetic]
    pools = list(dict.fromkeys(rows[index].pool for index in recorded))
    count = len(pools)
    if count < 2:
        return [], []
    if len({rows[index].result.pool for index in recorded}) < len(pools):
        return [], ["Pools are not combined, because there are several versions or parts of one."]
    by_method: dict[tuple[str, str | None], list[int]] = {}
    for index in recorded:
        key = (rows[index].method, rows[index].result.policy_sha256)
        by_method.setdefault(key, []).append(index)
    by_pool = [
        {rows[index].pool: index for index in places if sums[index] is not None}
        for places in by_method.values()
    ]
    shared = common_pools([frozenset(each) for each in by_pool])
    if len(shared) > 1:
        pools = [pool for pool in pools if pool in shared]
    everywhere = [
        [each[pool] for pool in pools] for each in by_pool if all(pool in each for pool in pools)
    ]
    together = {rows[places[0]].method for places in everywhere}
    apart = [method for method, _ in by_method if method not in together]
    what = "all pools" if len(pools) == count else f"all of {', '.join(pools)}"
    notes = [f"Not combined, because not on {what}: {', '.join(dict.fromkeys(apart))}."]
    if not everywhere:
        return [], notes
    ranked = [not rows[places[0]].result.unranked for places in everywhere]
    benchmarks = [rows[place].result.pool.rpartition("/")[2] for place in everywhere[0]]
    known = [
        [found for places in everywhere if (found := sums[places[number]]) is not None]
        for number in range(len(pools))
    ]
    figures, compared = combine(benchmarks, known, ranked)
    gained: Sequence[Against | None] = [None] * len(everywhere)
    if bases:
        of_pools = [bases[pool] for pool in pools]
        chosen = [base.index for base in of_pools]
        place = next((n for n, places in enumerate(everywhere) if places == chosen), None)
        gained = against(benchmarks, known, ranked, of_pools, place)
    fronts = _fronts([[rows[index] for index in places] for places in everywhere], axes)
    combined = [
        Combined(
            rows[places[0]].method,
            front,
            tuple(rows[index].result for index in places),
            replace(averages, reduction=gain.reduction, to_baseline=gain.contrast)
            if gain
            else averages,
            standing,
            fmean(rows[index].spent.value for index in places),
            tuple(bill for index in places if (bill := rows[index].bill)),
            gain,
        )
        for places, front, averages, standing, gain in zip(
            everywhere, fronts, figures, compared, gained, strict=True
        )
    ]
    combined.sort(key=lambda each: (each.averages.tokens_per_problem.value, each.method))
    if len(pools) < count:
        share = f"All pools: {', '.join(pools)}, the ones that at least half of the methods share."
        return combined, [share, *(notes if apart else [])]
    return combined, notes if apart else []


def _with_costs(rows: Sequence[Row]) -> list[Row]:
    """Give rows their cost, except on pools with a run that does not tell it."""
    older = {row.pool for row in rows if _is_older(row.result)}
    return [
        row
        if row.pool in older or row.unknown_cost
        else replace(row, cost=row.result.metrics["cost"])
        for row in rows
    ]


def has_unknown_cost(result: RunResult) -> bool:
    """Check whether a run's judge was asked and what its tokens cost is not known."""
    return "cost" not in result.metrics and "probe_tokens" in result.metrics


def _is_older(result: RunResult) -> bool:
    """Check whether a run is of an older version, which does not tell what probes cost."""
    return "cost" not in result.metrics and not has_unknown_cost(result)


def _on_front(rows: Sequence[Row], axes: Sequence[str]) -> list[Row]:
    """Mark the rows on their pool's Pareto front."""
    front: dict[int, bool | None] = {}
    for places in _by_pool(rows).values():
        front |= zip(places, _fronts([[rows[index]] for index in places], axes), strict=True)
    return [replace(row, pareto=front[index]) for index, row in enumerate(rows)]


def _fronts(methods: Sequence[Sequence[Row]], axes: Sequence[str]) -> list[bool | None]:
    """Return for each method if it is on the front; None if its place on an axis is unknown.

    Each has one row a pool, over which its costs are averaged. Unranked ones take no part.
    """
    if CLOCK in axes:
        for of_pool in zip(*methods, strict=True):
            _check_clocks(of_pool)
    places: list[list[float] | None] = []
    unknown = []
    for rows in methods:
        costs = [[row.on_axis(axis) for row in rows] for axis in axes]
        known = [[cost for cost in each if cost is not None] for each in costs]
        unknown.append(any(len(each) < len(rows) for each in known))
        # Rounded, as equal means over pools may differ in the last bit.
        takes_part = not (unknown[-1] or rows[0].result.unranked)
        places.append([_rounded(fmean(each)) for each in known] if takes_part else None)
    found = find_front(places)
    return [
        None if is_unknown else on_front
        for is_unknown, on_front in zip(unknown, found, strict=True)
    ]


def _rounded(cost: float) -> float:
    return float(f"{cost:.12g}")


def _check_clocks(rows: Sequence[Row]) -> None:
    """Refuse clocks of one pool that are of different engines."""
    for one, other in pairwise(row.result for row in rows):
        if (one.clock_unit, one.serving) != (other.clock_unit, other.serving):
            engines = [f"{each.path} has {each.serving or 'none'}" for each in (one, other)]
            raise UserError(
                f"--axes clock: runs on {one.pool} have different serving models "
                f"({'; '.join(engines)}), whose clocks are not alike; compare runs of one"
            )


def _notes(
    rows: Sequence[Row],
    combined: Sequence[Combined],
    margin: float,
    axes: Sequence[str],
    baseline: str | None,
) -> list[str]:
    results = [row.result for row in rows]
    against_it = (
        "Reduction and difference to cons@N (points) are on the same traces."
        if baseline is None
        else f"Baseline: {baseline}. Reduction and difference to it (points) are paired by problem."
    )
    amount = "both" if len(axes) == 2 else "all"
    notes = [
        "Intervals are 95%, over problems: they are about new problems. Repeats are averaged "
        "within a problem.",
        f"{against_it} Pareto, by {shown_axes(axes)}: no other method of the pool is as good in "
        f"{amount} and better in one.",
        *_costs(rows),
        *_clocks(results),
        *_counting(results),
    ]
    notes += _verdicts(rows, combined, margin, baseline)
    if combined:
        notes.append(
            f"All pools: means over the {len(combined[0].results)} recorded pools, each weighted "
            "equally, whatever its number of problems; the reduction is the mean of the pools' "
            "reductions. A problem that several pools share counts once: it is resampled and "
            "flipped in all of them together."
        )
    notes.append(_seeds(rows))
    if any(result.problems == 1 for result in results):
        notes.append("A pool of one problem has no intervals.")
    accuracies = {result.token_accuracy for result in results}
    notes += [note for kind, note in MARK_NOTES.items() if kind in accuracies]
    silent = {row.pool: row.result.no_answer for row in rows if (row.result.no_answer or 0) > MANY}
    if silent:
        listed = ", ".join(f"{share:.1%} on {pool}" for pool, share in silent.items())
        notes.append(f"Many traces have no answer and vote for nothing: {listed}.")
    if any(result.unranked for result in results):
        notes.append("Unranked methods use ground truth; they are not on the front.")
    if any(result.synthetic for result in results):
        notes.append("Synthetic pools are generated, not sampled from a model: no evidence.")
    return notes


def _clocks(results: Sequence[RunResult]) -> list[str]:
    """Return a note on what clocks count."""
    units = {result.clock_unit for result in results if "clock" in result.metrics}
    if units == {"steps"}:
        return ["Clock: decode steps a problem, one token on each trace that is being decoded."]
    return ["Clock: seconds (s), else decode steps, a problem."] if units else []


def _verdicts(
    rows: Sequence[Row], combined: Sequence[Combined], margin: float, baseline: str | None
) -> list[str]:
    """Return notes on what tables say about differences."""
    notes = []
    standings = [row.standing for row in rows if row.standing]
    standings += [each.standing for each in combined if each.standing]
    if standings:
        notes.append(
            "To best: difference in accuracy (points) to the most accurate method, paired by "
            f"problem. {TIED} means tied with it: not significant by a sign-flip test over "
            f"problems, with the false discovery rate among all pairs held at {ALPHA:.0%}. "
            "Rank: from 1 + the methods that are significantly better, to all but those "
            "significantly worse."
        )
        notes += _uneven(rows)
    gained = [row.to_baseline for row in rows if row.to_baseline]
    gained += [each.averages.to_baseline for each in combined]
    if gained:
        notes.append(
            f"Not worse: the interval of the difference to {baseline or 'cons@N'} lies above "
            f"{-100 * margin:g} points."
        )
    if any(each.detectable for each in [*gained, *(each.contrast for each in standings)]):
        notes.append(
            "In parentheses after a difference is the smallest one that these problems show with a "
            f"chance of {POWER:.0%}; deepprune-sim power tells how many problems others need."
        )
    if any(each.few for each in [*gained, *(each.contrast for each in standings)]):
        notes.append(
            f"{RESTS_ON_FEW} rests on fewer than {FEW} problems that differ: no significance, and "
            "an interval from hardly any data."
        )
    return notes


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


def _costs(rows: Sequence[Row]) -> list[str]:
    """Return notes on what the cost includes."""
    older = [row.result for row in rows if _is_older(row.result)]
    used = used_costs([row.result for row in rows])
    notes = []
    if used:
        notes.append(
            f"Total cost: tokens generated and those of {' and '.join(used)}, in tokens of the "
            "reasoning model; tokens and reduction are of those generated alone."
        )
    unknown = dict.fromkeys(row.result.run for row in rows if row.unknown_cost)
    if unknown:
        notes.append(
            "The cost of the judge is unknown, and so is Pareto, because the size of a model is: "
            f"{', '.join(unknown)}; make them again with run --model-params MODEL=NUMBER."
        )
    if older and (used or any(result.value("probe_calls") for result in older)):
        runs = ", ".join(dict.fromkeys(result.run for result in older))
        notes.append(
            "Pools of these runs are compared by tokens generated alone, because the runs do not "
            f"tell what probes cost: {runs}; make them again."
        )
    return notes


def _counting(results: Sequence[RunResult]) -> list[str]:
    """Return notes on tokens and answers that are counted in other people's ways."""
    notes = [CHARGED[kind] for kind in CHARGED if results[0].charging == kind]
    for name, note in COUNTED.items():
        pools = dict.fromkeys(result.pool for result in results if name in result.counting)
        notes += [f"{note}: {', '.join(pools)}."] if pools else []
    return notes


def _uneven(rows: Sequence[Row]) -> list[str]:
    """Return a note if methods with different budgets or repeats are compared."""
    neighbours = [
        (one.result, other.result)
        for one, other in pairwise([row for row in rows if row.standing])
        if one.pool == other.pool
    ]
    budgets = any(one.budget != other.budget for one, other in neighbours)
    repeats = any(one.repeats != other.repeats for one, other in neighbours)
    differing = ["budgets"] * budgets + ["repeats"] * repeats
    if not differing:
        return []
    return [f"Some methods have different {' and '.join(differing)}, which pairing allows."]


def _seeds(rows: Iterable[Row]) -> str:
    """Describe seeds and repeats: the most common ones, and methods that differ from them."""
    methods: dict[str, tuple[int, int]] = {}
    for row in rows:
        key = row.method
        drawn = (row.result.seed, row.result.repeats)
        if methods.setdefault(key, drawn) != drawn:
            methods[f"{key} on {row.pool}"] = drawn
    (usual, _), *others = Counter(methods.values()).most_common()
    text = f"Seed {usual[0]}, repeats {usual[1]}"
    if others:
        exceptions = [
            f"{method} seed {seed}, repeats {repeats}"
            for method, (seed, repeats) in methods.items()
            if (seed, repeats) != usual
        ]
        text += f"; but {'; '.join(exceptions)}"
    return text + "."
