"""Paired comparison of entries, problem by problem: differences in accuracy and in tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from leaderboard_app.library.entry import Entry, Result
from leaderboard_app.library.library import Library
from leaderboard_app.library.ranking import usable
from leaderboard_app.shown.glossary import FIGURES
from simulator.report.paired import pairs, pairs_over
from simulator.runs.results import Metric, ProblemSums
from simulator.significance import Contrast

SOLVED = 0.5
"""An entry solves a problem if it is right in more than this share of its repeats."""


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """A pool that two or more entries ran on, with the same traces.

    `results` and `sums` are by entry id; all `sums` have the same problems in the same order.
    """

    column: str
    benchmark: str
    results: Mapping[str, Result]
    sums: Mapping[str, ProblemSums]

    @property
    def problem_ids(self) -> tuple[str, ...]:
        """Ids of the pool's problems."""
        return next(iter(self.sums.values())).problem_ids


@dataclass(frozen=True, slots=True)
class Difference:
    """Comparison of `first` with `second` on one pool, or over `pools` pools with equal weights.

    `accuracy` is the first's minus the second's. `saved` is the share of the second's tokens that
    the first does not generate. Both are fractions, paired problem by problem. `within_chance` is
    True if the difference in accuracy is not significant (`simulator.significance.verdicts`); None
    without an interval.
    """

    first: Entry
    second: Entry
    place: str
    pools: int
    contrast: Contrast
    saved: Metric
    within_chance: bool | None

    @property
    def accuracy(self) -> Metric:
        """The first's accuracy minus the second's, with its interval."""
        return self.contrast.difference


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem with the share of right repeats and the tokens of each entry, by entry id."""

    problem_id: str
    right: Mapping[str, float]
    tokens: Mapping[str, float]

    def solved_by(self, entry: Entry) -> bool:
        """Return True if the entry is right in most of its repeats."""
        return self.right[entry.id] > SOLVED

    @property
    def contested(self) -> bool:
        """True if one entry solves the problem and another does not."""
        return len({share > SOLVED for share in self.right.values()}) > 1


def shared_pools(library: Library, entries: Sequence[Entry], *, synthetic: bool) -> list[Shared]:
    """Return the generated or recorded pools on which two or more entries ran with the same traces.

    An entry is left out of a pool where its answers are damaged or of other problems.
    """
    found: dict[tuple[str, str], dict[str, tuple[Result, ProblemSums]]] = {}
    for entry in entries:
        sums = library.problem_sums(entry)
        for result in entry.results.values():
            each = sums.get(result.pool)
            if result.synthetic != synthetic or result.fingerprint is None or each is None:
                continue
            if usable(each):
                of = found.setdefault((result.column, result.fingerprint), {})
                others = [ran.problem_ids for _, ran in of.values()]
                if all(ids == each.problem_ids for ids in others):
                    of[entry.id] = (result, each)
    return [
        Shared(
            column,
            next(result.benchmark for result, _ in of.values()),
            {each: result for each, (result, _) in of.items()},
            {each: sums for each, (_, sums) in of.items()},
        )
        for (column, _), of in sorted(found.items())
        if len(of) > 1
    ]


def first_of_most(shared: Sequence[Shared]) -> int:
    """Return the index of the first of the pools that the most entries share."""
    return max(range(len(shared)), key=lambda place: len(shared[place].sums))


def of_both(shared: Sequence[Shared], *entries: Entry) -> list[Shared]:
    """Return the pools that all of these entries share."""
    return [pool for pool in shared if all(entry.id in pool.sums for entry in entries)]


def differences(entries: Sequence[Entry], shared: Sequence[Shared]) -> list[Difference]:
    """Compare each entry with the first one: on each pool that both share, then over all of them.

    For each entry, the comparison over several pools comes last.
    """
    second, *others = entries
    alike: dict[tuple[str, ...], list[Entry]] = {}
    for first in others:
        columns = tuple(pool.column for pool in of_both(shared, first, second))
        alike.setdefault(columns, []).append(first)
    over_all: dict[str, Difference] = {}
    for columns, group in alike.items():
        if len(columns) > 1:
            pools = [pool for pool in shared if pool.column in columns]
            every = together([*group, second], pools)
            over_all |= {each.first.id: each for each in every if each.second is second}
    found = []
    for first in others:
        for pool in of_both(shared, first, second):
            (pair,) = pairs([_paired(pool, first), _paired(pool, second)])
            found.append(
                Difference(first, second, pool.column, 1, pair.contrast, pair.reduction, pair.tied)
            )
        found += [over_all[first.id]] if first.id in over_all else []
    return found


def together(entries: Sequence[Entry], pools: Sequence[Shared]) -> list[Difference]:
    """Compare every ordered pair of entries over pools that all share, each weighted equally."""
    if not pools:
        return []
    place = f"All {len(pools)} pools, equal weights" if len(pools) > 1 else pools[0].column
    found = []
    for ordered in (entries, entries[::-1]):
        every = pairs_over(
            [pool.benchmark for pool in pools],
            [[_paired(pool, entry) for entry in ordered] for pool in pools],
        )
        found += [
            Difference(
                ordered[pair.first],
                ordered[pair.second],
                place,
                len(pools),
                pair.contrast,
                pair.reduction,
                pair.tied,
            )
            for pair in every
        ]
    return found


def _paired(pool: Shared, entry: Entry) -> ProblemSums:
    """Return an entry's sums with at least one token per problem, so that shares can be taken.

    The oracle policy spends no tokens on a problem that no trace solves. One token in all repeats
    changes no figure that is shown.
    """
    sums = pool.sums[entry.id]
    return replace(sums, tokens=np.maximum(sums.tokens, 1))


def verdict(difference: Difference) -> str:
    """Describe a difference in words, and say if it is within chance."""
    first, second = difference.first.label, difference.second.label
    points = FIGURES["accuracy_difference"]
    by = points.text(abs(difference.accuracy.value)).lstrip("+")
    interval = points.interval(difference.accuracy)
    several = difference.pools > 1
    where = f"on average over {difference.pools} pools" if several else f"on {difference.place}"
    said = {
        None: "too few problems for an interval",
        True: f"{interval}: within chance",
        False: f"{interval}: more than chance",
    }[difference.within_chance]
    more = "more" if difference.accuracy.value > 0 else "less"
    how = f"{by} points {more} accurate than" if difference.accuracy.value else "as accurate as"
    tokens = _tokens(difference.saved)
    return f"{first} is {how} {second} {where} ({said}), with {tokens}."


def _tokens(saved: Metric) -> str:
    """Describe a share of saved tokens in words, with the sign reversed if more are spent."""
    if saved.value == 0:
        return "as many tokens"
    figure, word = FIGURES["reduction"], "fewer"
    if saved.value < 0:
        low, high = (None if end is None else -end for end in (saved.high, saved.low))
        saved, word = Metric(-saved.value, low, high), "more"
    interval = figure.interval(saved)
    return f"{figure.text(saved.value)}% {word} tokens" + (
        f" ({interval} {word})" if interval else ""
    )


def caveats(entries: Sequence[Entry], shared: Sequence[Shared], *, synthetic: bool) -> list[str]:
    """List what limits a comparison: no shared pool, different budgets, different repeats."""
    kind = "generated" if synthetic else "recorded"
    said = [
        f"{first.label} and {second.label} share no {kind} pool with the same traces."
        for first, second in combinations(entries, 2)
        if not of_both(shared, first, second)
    ]
    for pool in shared:
        budgets = {each: result.budget for each, result in pool.results.items()}
        if len(set(budgets.values())) > 1:
            said.append(f"Budgets differ on {pool.column}: {_each(entries, budgets, 'N=')}.")
    repeats = {entry.id: entry.repeats for entry in entries}
    if len(set(repeats.values())) > 1:
        said.append(f"Repeats differ: {_each(entries, repeats, '')}.")
    said += [
        f"{entry.label} uses ground truth: it is a bound, not a method."
        for entry in entries
        if entry.unranked
    ]
    unverified = [entry.label for entry in entries if not entry.takes_part and not entry.unranked]
    if unverified:
        said.append(f"Not verified, so shown without marks: {', '.join(unverified)}.")
    said += [
        f"{entry.label} is superseded by {entry.superseded_by}."
        for entry in entries
        if entry.superseded_by
    ]
    said += [
        f"{entry.label} was withdrawn by its authors."
        for entry in entries
        if entry.badge == "withdrawn"
    ]
    return said


def _each(entries: Sequence[Entry], values: Mapping[str, int], sign: str) -> str:
    labels = {entry.id: entry.label for entry in entries}
    return ", ".join(f"{labels[each]} {sign}{value}" for each, value in values.items())


def problems(pool: Shared, entries: Sequence[Entry]) -> list[Problem]:
    """Return each problem of a pool that these entries share."""
    sums = {entry.id: pool.sums[entry.id] for entry in entries}
    right = {each: (of.correct / of.repeats).tolist() for each, of in sums.items()}
    tokens = {each: (of.tokens / of.repeats).tolist() for each, of in sums.items()}
    return [
        Problem(
            name,
            {each: right[each][place] for each in sums},
            {each: tokens[each][place] for each in sums},
        )
        for place, name in enumerate(pool.problem_ids)
    ]
