"""Accuracy and cost of entries, on one pool or averaged over several with equal weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import duckdb
import numpy as np

from leaderboard_app.library.entry import Entry, Result
from leaderboard_app.library.library import Library
from leaderboard_app.library.ranking import usable
from leaderboard_app.library.selection import folded, pool_columns
from leaderboard_app.library.standings import ALL, Group, groups
from leaderboard_app.shown.glossary import FIGURES, Figure
from simulator.arrays import Ints
from simulator.report.paired import mean_accuracy, mean_tokens
from simulator.runs.format import ANSWERS_FILE
from simulator.runs.results import Metric, ProblemSums
from simulator.submissions.published import PublishedFigure

COSTS = {"tokens": "tokens_per_problem", "judge": "cost", "clock": "clock"}
"""Metrics for the cost axis, as means over problems, by their names in links."""

NAMES = {"tokens": "Tokens", "judge": "Tokens with probes and judge", "clock": "Clock"}
"""Displayed names of the costs."""

PUBLISHED_PROBLEMS = {"aime24": 30, "aime25": 30, "gpqa-diamond": 198}
"""Problems of the benchmarks in `published.toml`, whose tokens are for the whole benchmark."""

PARTS = 1000
"""Factor by which costs other than tokens are rounded to integers, whose sums are exact."""


@dataclass(frozen=True, slots=True)
class Point:
    """An entry: accuracy as a fraction, cost per problem, on one pool or averaged over several."""

    entry: Entry
    results: tuple[Result, ...]
    accuracy: Metric
    cost: Metric

    @property
    def budget(self) -> str:
        """Maximum number of traces per problem; several numbers if its pools differ."""
        return ", ".join(map(str, sorted({result.budget for result in self.results})))


@dataclass(frozen=True, slots=True)
class Baseline:
    """Majority voting over all N traces; `name` is cons@N. Its clock is unknown."""

    name: str
    accuracy: Metric
    cost: Metric | None

    @property
    def budget(self) -> int:
        """Number of traces that vote; 0 if the name has none."""
        number = self.name.rpartition("@")[2]
        return int(number) if number.isdecimal() else 0


@dataclass(frozen=True, slots=True)
class Published:
    """A published figure with its tokens per problem, without intervals."""

    figure: PublishedFigure
    cost: float


@dataclass(frozen=True, slots=True)
class Omitted:
    """Entries that are not drawn; `reason` fits one or several: `did not run on this pool`."""

    reason: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """All entries that ran on every one of some pools (`Result.column`).

    `heading` names the pools for readers. `omitted` are the other entries on such traces, real or
    generated. `notes` are about published figures.
    """

    columns: tuple[str, ...]
    heading: str
    cost: str
    clock_unit: str
    points: tuple[Point, ...]
    baselines: tuple[Baseline, ...]
    published: tuple[Published, ...]
    omitted: tuple[Omitted, ...]
    notes: tuple[str, ...]

    @property
    def figure(self) -> Figure:
        """Display of the cost."""
        return FIGURES[COSTS[self.cost]]

    @property
    def cost_name(self) -> str:
        """Title of the cost axis, with its unit."""
        name = NAMES[self.cost] + " a problem"
        return f"{name}, {self.clock_unit}" if self.cost == "clock" else name


def columns_of(library: Library, *, synthetic: bool) -> list[str]:
    """Return the generated or the recorded pools that some entry ran on, sorted."""
    return sorted(
        {
            column
            for entry in library.entries
            for column, result in entry.results.items()
            if result.synthetic == synthetic
        }
    )


def shared_most(library: Library, columns: Collection[str]) -> list[str]:
    """Return the pools among `columns` that the most entries ran on: the default choice."""
    counts = Counter(
        column for entry in folded(library)[0] for column in entry.results if column in set(columns)
    )
    return sorted(column for column, count in counts.items() if count == max(counts.values()))


def choices(library: Library, *, synthetic: bool) -> list[Group]:
    """Return the groups of pools to choose from: those of the board, with its keys in links.

    If the board has no group of several pools, those that the most entries ran on are one.
    """
    found = groups(library, synthetic)
    if found and found[-1].key != ALL:
        shared = shared_most(library, columns_of(library, synthetic=synthetic))
        if len(shared) > 1:
            names = {each.columns[0]: each.pools[0] for each in found}
            pools = tuple(names[column] for column in shared)
            found = [
                *found,
                Group(ALL, f"All {len(shared)} pools", tuple(shared), pools, synthetic),
            ]
    return found


def measure_first(library: Library, *, synthetic: bool) -> None:
    """Compute the figures that the page shows at first, and averages, for every cost."""
    found = choices(library, synthetic=synthetic)
    for group in (*found[:1], *found[1:][-1:]):
        for cost in COSTS:
            measure(library, sorted(group.columns), cost)


def measure(library: Library, columns: Sequence[str], cost: str) -> Measured:
    """Compute every entry's accuracy and cost on a pool, or averaged over several.

    Pools have equal weights. Figures on one pool are those of the entry's summary; averages are
    computed from its answers (`simulator.report.paired.mean_accuracy`) and cached.
    """
    key = ("measured", tuple(columns), cost)
    return library.once(key, lambda: _measured(library, columns, cost))


def _measured(library: Library, columns: Sequence[str], cost: str) -> Measured:
    synthetic = _synthetic(library, columns)
    entries = [
        entry
        for entry in folded(library)[0]
        if any(each.synthetic is synthetic for each in entry.results.values())
    ]
    found = [entry for entry in entries if all(each in entry.results for each in columns)]
    which = "this pool" if len(columns) == 1 else "all of these pools"
    omitted = _left_out(entries, found, f"did not run on {which}")
    known = [
        entry
        for entry in found
        if all(
            entry.results[each].metrics.get(name)
            for each in columns
            for name in ("accuracy", COSTS[cost])
        )
    ]
    omitted += _left_out(found, known, f"recorded no {FIGURES[COSTS[cost]].heading.lower()}")
    unit = "steps"
    if cost == "clock" and known:
        unit, same = _common_unit(known, columns)
        omitted += _left_out(known, same, f"recorded another clock than {unit}")
        known = same
    if len(columns) == 1:
        points, baselines = _on_one(known, columns[0], cost)
    else:
        points, baselines, problem = _averaged(library, known, columns, cost)
        omitted += _left_out(known, [point.entry for point in points], problem)
    published, notes = _published(library, columns, cost, points)
    return Measured(
        tuple(columns),
        _heading(library, columns, synthetic),
        cost,
        unit,
        tuple(points),
        tuple(baselines),
        tuple(published),
        tuple(omitted),
        tuple(notes),
    )


def _synthetic(library: Library, columns: Sequence[str]) -> bool:
    """Return True if the pools are generated."""
    there = (entry.results.get(columns[0]) for entry in library.entries if columns)
    return next((each.synthetic for each in there if each is not None), False)


def _heading(library: Library, columns: Sequence[str], synthetic: bool) -> str:
    """Name a pool by its model and benchmark, as spelt in publications; count several."""
    if len(columns) != 1:
        return f"{len(columns)} pools, each weighted equally"
    known = pool_columns(library, synthetic)
    return next((each.heading for each in known if each.column == columns[0]), columns[0])


def _left_out(before: Sequence[Entry], after: Sequence[Entry], reason: str) -> list[Omitted]:
    kept = {entry.id for entry in after}
    gone = tuple(entry for entry in before if entry.id not in kept)
    return [Omitted(reason, gone)] if gone else []


def _common_unit(entries: Sequence[Entry], columns: Sequence[str]) -> tuple[str, list[Entry]]:
    """Return the most common clock (`Result.clock`), and the entries that use it on all pools."""
    units = [{entry.results[each].clock for each in columns} for entry in entries]
    counts = Counter(next(iter(unit)) for unit in units if len(unit) == 1)
    common = max(sorted(counts), key=lambda unit: counts[unit], default="steps")
    return common, [e for e, unit in zip(entries, units, strict=True) if unit == {common}]


def _on_one(entries: Sequence[Entry], column: str, cost: str) -> tuple[list[Point], list[Baseline]]:
    results = [entry.results[column] for entry in entries]
    points = [
        Point(entry, (result,), result.metrics["accuracy"], result.metrics[COSTS[cost]])
        for entry, result in zip(entries, results, strict=True)
    ]
    baselines = []
    for name, entry in _baseline_sources(entries, (column,)).items():
        metrics = entry.results[column].metrics
        if accuracy := metrics.get("baseline_accuracy"):
            tokens = None if cost == "clock" else metrics.get("baseline_tokens_per_problem")
            baselines.append(Baseline(name, accuracy, tokens))
    return points, baselines


def _baseline_sources(entries: Sequence[Entry], columns: Sequence[str]) -> dict[str, Entry]:
    """Return the entry with the most repeats for each cons@N, whose replays give its figures."""
    found: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda each: (-each.repeats, each.id)):
        names = {entry.results[each].baseline for each in columns}
        if len(names) == 1:
            found.setdefault(names.pop(), entry)
    return dict(sorted(found.items(), key=lambda each: (len(each[0]), each[0])))


def _averaged(
    library: Library, entries: Sequence[Entry], columns: Sequence[str], cost: str
) -> tuple[list[Point], list[Baseline], str]:
    """Return points and baselines over several pools, and the reason an entry may be missing."""
    reason = "without valid answers to the same problems as the others"
    if not columns:
        return [], [], reason
    results = {entry.id: [entry.results[each] for each in columns] for entry in entries}
    sums = {entry.id: library.problem_sums(entry) for entry in entries}
    usual = [
        Counter(
            found.problem_ids
            for entry in entries
            if (found := sums[entry.id].get(entry.results[column].pool)) is not None
        ).most_common(1)
        for column in columns
    ]
    costs = {} if cost == "tokens" else _costs(library, entries, cost)
    methods: list[list[ProblemSums]] = []
    kept = []
    for entry in entries:
        row = []
        for result, most in zip(results[entry.id], usual, strict=True):
            found = sums[entry.id].get(result.pool)
            if found is None or found.problem_ids != most[0][0] or not usable(found):
                break
            if cost != "tokens":
                spent = costs.get((entry.id, result.pool))
                if spent is None or len(spent) != len(found.problem_ids):
                    break
                found = replace(found, tokens=spent)
            row.append(found)
        else:
            kept.append(entry)
            methods.append(row)
    if not kept:
        return [], [], reason
    named = _baseline_sources(kept, columns)
    scale = 1 if cost == "tokens" else PARTS
    for entry in named.values():
        methods.append(
            [
                replace(each, correct=each.baseline_correct, tokens=each.baseline_tokens * scale)
                for each in methods[kept.index(entry)]
            ]
        )
    benchmarks = [results[kept[0].id][index].benchmark for index in range(len(columns))]
    sums_on = [[row[index] for row in methods] for index in range(len(columns))]
    of = (tuple(columns), tuple(entry.id for entry in (*kept, *named.values())))
    accuracy = library.once(("accuracy", *of), lambda: mean_accuracy(benchmarks, sums_on))
    spent_on = library.once((cost, *of), lambda: mean_tokens(benchmarks, sums_on))
    spent_on = [_divided(each, scale) for each in spent_on]
    points = [
        Point(entry, tuple(results[entry.id]), accuracy[place], spent_on[place])
        for place, entry in enumerate(kept)
    ]
    baselines = [
        Baseline(name, accuracy[place], None if cost == "clock" else spent_on[place])
        for place, name in enumerate(named, start=len(kept))
    ]
    return points, baselines, reason


def _divided(metric: Metric, by: int) -> Metric:
    ends = (None if end is None else end / by for end in (metric.low, metric.high))
    return Metric(metric.value / by, *ends)


_SUMS = {
    cost: f"SELECT filename, pool, problem_id, {sums} FROM read_parquet(?, filename = true) "
    "GROUP BY ALL ORDER BY ALL"
    for cost, sums in {
        "clock": "sum(clock) AS clock",
        "judge": "sum(tokens + probe_tokens) AS tokens, sum(judge_tokens_charged) AS judge_tokens",
        "judge before": "sum(tokens + probe_tokens) AS tokens, sum(judge_tokens) AS judge_tokens",
    }.items()
}
"""Queries for the sums by cost; runs of before charged a judge for every pair in full."""


def _costs(library: Library, entries: Sequence[Entry], cost: str) -> Mapping[tuple[str, str], Ints]:
    """Return sums over repeats for each problem in `PARTS`, by entry id and pool.

    Problems are sorted by id. Judge tokens are weighted as in the entry's summary. An entry with
    incomplete answers is left out.
    """
    files = {str(entry.figures.resolve() / ANSWERS_FILE): entry for entry in entries}
    by_query: dict[str, list[str]] = {}
    for file, entry in files.items():
        before = cost == "judge" and _charged(entry) == "judge_tokens"
        by_query.setdefault(_SUMS["judge before" if before else cost], []).append(file)
    rows = []
    for query, together in by_query.items():
        try:
            rows += library.rows(query, [together])
        except duckdb.Error:  # one is damaged: read them one by one, slower
            for file in together:
                with suppress(duckdb.Error):
                    rows += library.rows(query, [[file]])
    spent: dict[tuple[str, str], list[float]] = {}
    ratios: dict[tuple[str, str], float] = {}
    for row in rows:
        entry = files[row["filename"]]
        if cost == "clock":
            value = row["clock"]
        else:
            here = (entry.id, row["pool"])
            if here not in ratios:
                ratios[here] = _judge_ratio(entry, row["pool"])
            value = row["tokens"] + ratios[here] * row["judge_tokens"]
        spent.setdefault((entry.id, row["pool"]), []).append(value)
    return {
        key: np.rint(np.array(values, dtype=np.float64) * PARTS).astype(np.int64)
        for key, values in spent.items()
        if np.isfinite(values).all() and max(values) * PARTS < 2**52
    }


def _judge_ratio(entry: Entry, pool: str) -> float:
    """Return the cost of a judge token in generated tokens, derived from the run's summary."""
    metrics: Mapping[str, Metric] = next(
        (each.metrics for each in entry.results.values() if each.pool == pool), {}
    )
    names = (_charged(entry), "tokens_per_problem", "probe_tokens", "cost")
    read, alone, probes, total = (metrics.get(name) for name in names)
    if read is None or alone is None or probes is None or total is None or not read.value:
        return 0.0
    return (total.value - alone.value - probes.value) / read.value


def _charged(entry: Entry) -> str:
    """Return the column of the answers with the judge's tokens that an entry is charged for."""
    known = any("judge_tokens_charged" in each.metrics for each in entry.results.values())
    return "judge_tokens_charged" if known else "judge_tokens"


def _published(
    library: Library, columns: Sequence[str], cost: str, points: Sequence[Point]
) -> tuple[list[Published], list[str]]:
    """Return published figures of the pool's model and benchmark, and notes.

    Their costs are in tokens per problem.
    """
    if len(columns) != 1 or not points or points[0].results[0].synthetic:
        return [], []
    pool = points[0].results[0]
    model, benchmark = pool.model.casefold(), pool.benchmark.casefold()
    figures = [
        figure
        for figure in library.published
        if (figure.model.casefold(), figure.benchmark.casefold()) == (model, benchmark)
    ]
    if not figures:
        return [], []
    if cost != "tokens":
        return [], ["Published figures have no judge and no clock: see the cost Tokens."]
    problems = PUBLISHED_PROBLEMS.get(benchmark)
    if problems != pool.problems:
        note = f"Published figures are of {problems or 'another number of'} problems, this pool of "
        return [], [f"{note}{pool.problems}: not drawn."]
    return [Published(each, each.tokens_1e8 * 1e8 / pool.problems) for each in figures], [
        "Published figures are from other traces and often another N: compare them with care."
    ]
