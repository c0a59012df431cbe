"""The board's rows: one function gives every figure of it to pages, downloads and exports.

A group is what is compared: one pool, or all pools that every ranked entry covers. Its rows are the
entries with figures there, with their ranks in this group and the part of the board they belong to.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Event, Thread

from leaderboard_app.library.entry import DERIVED, LOCAL, SUPERSEDED, Entry, Result
from leaderboard_app.library.kept.packing import (
    packed,
    packed_metrics,
    unpacked,
    unpacked_metrics,
)
from leaderboard_app.library.library import Library
from leaderboard_app.library.memo import Once
from leaderboard_app.library.ranking import Contender, Place, PoolKey, rank, shared_pools, usable
from leaderboard_app.library.selection import folded, pool_columns, results
from simulator.report.paired import mean_accuracy, mean_tokens
from simulator.runs.results import Metric, ProblemSums

RANKED, UNVERIFIED, LOCAL_RUNS, BOUNDS, RECORD = PARTS = (
    "verified",
    "self-reported",
    "local",
    "bounds",
    "record",
)
"""Parts of the board, in order: those whose figures are a verifier's own; submissions without that;
runs of this machine; methods that use ground truth; withdrawn, superseded and broken ones."""

ALL = "all"
"""Key of the group of all pools that every ranked entry covers."""

MEASURED = (
    "accuracy",
    "accuracy_difference",
    "tokens_per_problem",
    "tokens_1e8",
    "reduction",
    "cost",
    "cost_reduction",
    "clock",
    "probe_tokens",
    "judge_tokens_charged",
    "baseline_accuracy",
    "baseline_tokens_per_problem",
)
"""Metrics of a row, in order; those of a group of several pools are the means that exist."""


@dataclass(frozen=True, slots=True)
class Group:
    """Pools on which entries are compared.

    Parameters
    ----------
    key
        Name in links and file names.
    heading
        Name shown, such as `Qwen3-8B · AIME24`.
    columns
        `Result.column` of each pool.
    pools
        Names of the pools.
    synthetic
        True for generated traces.
    """

    key: str
    heading: str
    columns: tuple[str, ...]
    pools: tuple[str, ...]
    synthetic: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """A row of the board: an entry in a group.

    Parameters
    ----------
    part
        One of `PARTS`.
    place
        Rank in this group, with the entries that are significantly better and worse.
    metrics
        Those of `MEASURED` that are known: fractions, or tokens, problem by problem averaged.
    results
        The entry's results on the group's pools that it ran on.
    """

    entry: Entry
    part: str
    place: Place
    metrics: Mapping[str, Metric]
    results: tuple[Result, ...]

    @property
    def label(self) -> str:
        """The entry's label, without the pool that the group names."""
        label = self.entry.label
        return label.partition(" on ")[0] if self.entry.badge == DERIVED else label

    @property
    def budgets(self) -> tuple[int, ...]:
        """Maximum number of traces per problem; several if its pools differ."""
        return tuple(sorted({each.budget for each in self.results}))


def part_of(entry: Entry) -> str:
    """Return the part of the board that an entry belongs to."""
    if entry.takes_part:
        return RANKED
    if entry.badge in (None, "withdrawn", SUPERSEDED):
        return RECORD
    if entry.unranked:
        return BOUNDS
    return LOCAL_RUNS if entry.badge == LOCAL else UNVERIFIED


def groups(library: Library, synthetic: bool) -> list[Group]:
    """Return the groups with entries: that with the most ranked entries first.

    The group of several pools comes last, and only if ranked entries share more than one.
    """
    return library.once(("groups", synthetic), lambda: _groups(library, synthetic))


def _groups(library: Library, synthetic: bool) -> list[Group]:
    ranked: Counter[str] = Counter()
    every: Counter[str] = Counter()
    names = {}
    for entry in folded(library)[0]:
        for column, result in results(entry, synthetic).items():
            every[column] += 1
            ranked[column] += entry.takes_part
            names[column] = result.pool
    columns = [each for each in pool_columns(library, synthetic) if each.column in every]
    columns.sort(key=lambda each: (-ranked[each.column], -every[each.column]))
    found = [
        Group(each.key, each.heading, (each.column,), (names[each.column],), synthetic)
        for each in columns
    ]
    shared = _shared(library, synthetic)
    if len(shared) > 1:
        held = tuple(sorted(column for column, name in names.items() if name in shared))
        found.append(Group(ALL, f"All {len(shared)} pools", held, shared, synthetic))
    return found


def _shared(library: Library, synthetic: bool) -> tuple[str, ...]:
    """Return the names of the pools that ranked entries share; none of a hasty library."""
    if library.hasty:
        return ()

    def made() -> bytes:
        pools = sorted(shared_pools(contenders(library, synthetic)))
        library.keep_sums()
        return json.dumps([each.pool for each in pools]).encode()

    return tuple(
        json.loads(library.kept(f"pools of {synthetic}", _follows_from(library, synthetic), made))
    )


def contenders(
    library: Library, synthetic: bool, columns: Collection[str] | None = None
) -> list[Contender]:
    """Return the entries with their results on each real, or each synthetic, pool.

    Pools are the same if their fingerprints are equal; a result without a fingerprint has a pool of
    its own. `columns` keeps only these pools (`Result.column`).
    """
    names: dict[str, str] = {}
    found = []
    for entry in folded(library)[0]:
        own = _own(entry, synthetic, columns)
        if not own:
            continue
        recorded = library.problem_sums(entry)
        sums: dict[PoolKey, ProblemSums] = {}
        for result in own:
            each = recorded.get(result.pool)
            if each is not None and usable(each):
                fingerprint = result.fingerprint or f"of {entry.id}"
                name = names.setdefault(fingerprint, result.pool)
                sums[PoolKey(name, fingerprint, each.problem_ids)] = each
        found.append(Contender(entry.id, entry.takes_part and bool(sums), sums))
    return found


MANY = 1000
"""Most entries whose ranks a reader waits for."""

PATIENCE = 1.0
"""Seconds that a reader waits for those of more entries."""


class _Ranking:
    """Ranks of all groups, which a thread computes; `meanwhile` is the library without ranks."""

    def __init__(self, library: Library, synthetic: bool) -> None:
        self.meanwhile = replace(
            library, state=hash((library.state, synthetic)), once=Once(), hasty=True
        )
        self._done: dict[str | None, Event] = {}
        self._is_over = False
        Thread(target=self._run, args=[library, synthetic], daemon=True).start()

    def wait(self, group: str | None) -> bool:
        """Wait for the ranks of a group, by its key, or for what groups there are; True if done."""
        event = self._done.setdefault(group, Event())
        return self._is_over or event.wait(PATIENCE)

    def _run(self, library: Library, synthetic: bool) -> None:
        try:
            found = groups(library, synthetic)
            self._done.setdefault(None, Event()).set()
            for group in found:
                standings(library, group)
                self._done.setdefault(group.key, Event()).set()
                time.sleep(PATIENCE)  # the reader who has waited comes first
        finally:  # a fault is raised again where the page asks
            self._is_over = True
            for event in [*self._done.values()]:
                event.set()


def in_time(library: Library, synthetic: bool, group: Group | None = None) -> Library:
    """Return the library, or for the time being one without ranks if these take long to compute.

    `group` is the one whose ranks are wanted; None if only the list of groups is, which needs the
    answers of all entries and no ranks.
    """
    if library.hasty or len(library.entries) <= MANY:
        return library
    ranking = library.once(("ranking", synthetic), lambda: _Ranking(library, synthetic))
    return library if ranking.wait(group.key if group else None) else ranking.meanwhile


def places(
    library: Library, synthetic: bool, columns: tuple[str, ...] | None = None
) -> Mapping[str, Place]:
    """Return the place of each entry by id: on these pools, or on all that ranked ones share.

    Computed once, and kept: it takes seconds for many entries.
    """
    if library.hasty:
        return {
            entry.id: Place() for entry in folded(library)[0] if _own(entry, synthetic, columns)
        }

    def ranked() -> bytes:
        found = rank(contenders(library, synthetic, columns))
        library.keep_sums()
        return packed(found)

    def kept() -> Mapping[str, Place]:
        shown = _follows_from(library, synthetic, columns)
        return unpacked(library.kept(f"ranks on {synthetic} {columns}", shown, ranked))

    return library.once(("places", synthetic, columns), kept)


def _follows_from(
    library: Library, synthetic: bool, columns: Collection[str] | None = None
) -> list[object]:
    """Return all that ranks follow from, to be kept with them."""
    return [
        (entry.id, entry.takes_part, entry.figures_sha256, _traces(own))
        for entry in folded(library)[0]
        if (own := _own(entry, synthetic, columns))
    ]


def _traces(results: Sequence[Result]) -> list[tuple[str, str | None]]:
    return [(each.pool, each.fingerprint) for each in results]


def _own(entry: Entry, synthetic: bool, columns: Collection[str] | None) -> list[Result]:
    """Return an entry's results on generated traces, or those on real ones, on these pools."""
    found = results(entry, synthetic).items()
    return [each for column, each in found if columns is None or column in columns]


def standings(library: Library, group: Group) -> tuple[Standing, ...]:
    """Return the rows of a group, by part, then by rank, then by total cost, least first.

    Computed once. Figures on one pool are the entry's own (`Result.metrics`); those of several are
    means, with each pool weighted equally, of the entries that ran on all of them.
    """
    key = ("standings", group.synthetic, group.columns)
    return library.once(key, lambda: _standings(library, group))


def _standings(library: Library, group: Group) -> tuple[Standing, ...]:
    several = len(group.columns) > 1
    standing = places(library, group.synthetic, None if several else group.columns)
    found = []
    for entry in folded(library)[0]:
        held = results(entry, group.synthetic)
        own = tuple(held[each] for each in group.columns if each in held)
        place = standing.get(entry.id)
        if place is None or len(own) < len(group.columns):
            continue
        known = _means(own, place) if several else own[0].metrics
        metrics = {name: known[name] for name in MEASURED if name in known}
        found.append(Standing(entry, part_of(entry), place, metrics, own))
    if several:
        found = _with_averages(library, found)
    return tuple(sorted(found, key=_order))


def _order(row: Standing) -> tuple[float, float, float, str]:
    """Return the key that sorts rows by part, rank and total cost; those without come last."""
    cost = row.metrics.get("cost", row.metrics.get("tokens_per_problem"))
    never = float("inf")
    return (
        PARTS.index(row.part),
        row.place.rank or never,
        cost.value if cost else never,
        row.entry.label,
    )


def _means(own: Sequence[Result], place: Place) -> dict[str, Metric]:
    """Return an entry's metrics averaged over pools; those that are no estimates lack intervals."""
    found: dict[str, Metric] = {}
    if place.reduction is not None and place.difference is not None:
        found |= {"reduction": place.reduction, "accuracy_difference": place.difference}
    for name in ("cost", "probe_tokens", "judge_tokens_charged", *_BASELINES):
        values = [each.metrics[name].value for each in own if name in each.metrics]
        if len(values) == len(own):
            found[name] = Metric(sum(values) / len(values))
    return found


_BASELINES = ("baseline_accuracy", "baseline_tokens_per_problem")


def _with_averages(library: Library, rows: Sequence[Standing]) -> list[Standing]:
    """Return the rows with accuracy and tokens averaged over pools, if their answers are valid."""
    shown = [(row.entry.id, row.entry.figures_sha256, _traces(row.results)) for row in rows]
    name = f"averages on {[each.column for each in rows[0].results]}" if rows else ""
    content = library.kept(name, shown, lambda: packed_metrics(_averages(library, rows)))
    found = {
        entry: {"accuracy": accuracy, "tokens_per_problem": tokens}
        for entry, (accuracy, tokens) in unpacked_metrics(content).items()
    }
    return [_with(row, found.get(row.entry.id, {})) for row in rows]


AVERAGED_AT_ONCE = 500
"""Number of entries whose resamples are held in memory together, 40 MB of each kind."""


def _averages(library: Library, rows: Sequence[Standing]) -> dict[str, tuple[Metric, Metric]]:
    """Return accuracy and tokens averaged over pools, of the entries with valid answers."""
    sums = {
        row.entry.id: [library.problem_sums(row.entry).get(each.pool) for each in row.results]
        for row in rows
    }
    alike: dict[tuple[tuple[str, ...], ...], list[Standing]] = {}
    for row in rows:
        held = sums[row.entry.id]
        if all(each is not None and usable(each) for each in held):
            alike.setdefault(tuple(each.problem_ids for each in held if each), []).append(row)
    averaged: dict[str, tuple[Metric, Metric]] = {}
    blocks = (
        same[start : start + AVERAGED_AT_ONCE]
        for same in alike.values()
        for start in range(0, len(same), AVERAGED_AT_ONCE)
    )
    for same in blocks:
        benchmarks = [each.benchmark for each in same[0].results]
        on = [[sums[row.entry.id][pool] for row in same] for pool in range(len(benchmarks))]
        pools = [[each for each in held if each is not None] for held in on]
        found = zip(mean_accuracy(benchmarks, pools), mean_tokens(benchmarks, pools), strict=True)
        averaged |= {row.entry.id: both for row, both in zip(same, found, strict=True)}
    return averaged


def _with(row: Standing, averages: Mapping[str, Metric]) -> Standing:
    known = {**row.metrics, **averages}
    spent = [
        (each.metrics.get("cost"), each.metrics.get("tokens_per_problem")) for each in row.results
    ]
    if "cost" in known and "tokens_per_problem" in averages and all(c == t for c, t in spent):
        known["cost"] = averages["tokens_per_problem"]  # neither probes nor a judge
    return replace(row, metrics={name: known[name] for name in MEASURED if name in known})
