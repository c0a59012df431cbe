"""Comparison of runs: labels, the best method and its ties, averages over pools.

`simulator.report.text` renders a comparison as text, `simulator.report.plotting.plot` as a plot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import fmean

from simulator.errors import UserError
from simulator.report.against import Against, Base, against, find_base
from simulator.report.axes import CLOCK, DEFAULT, find_front
from simulator.report.common_pools import common_pools
from simulator.report.labels import method_labels, pool_labels, without_copies
from simulator.report.notes import DIVERSITY_NOTE, notes_of
from simulator.report.paired import Standing, combine, pairs, standings, to_baseline
from simulator.report.prices import NOTE as PRICES_NOTE
from simulator.report.prices import Prices
from simulator.report.rows import Combined, Comparison, PoolPairs, Row, is_older
from simulator.runs.results import ProblemSums, RunResult, read_problem_sums
from simulator.significance import MARGIN, Contrast


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
        *notes_of(rows, combined, margin, axes, baseline),
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
    older = {row.pool for row in rows if is_older(row.result)}
    return [
        row
        if row.pool in older or row.unknown_cost
        else replace(row, cost=row.result.metrics["cost"])
        for row in rows
    ]


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
