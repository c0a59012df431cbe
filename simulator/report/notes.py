"""Notes below a comparison of runs: what its figures are, and what to keep in mind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from simulator.counting import CHARGED, COUNTED
from simulator.pools.summary import MANY
from simulator.report.axes import shown_axes
from simulator.report.rows import RESTS_ON_FEW, TIED, Combined, Row, is_older, used_costs
from simulator.runs.results import RunResult
from simulator.significance import ALPHA, FEW, POWER

MARK_NOTES = {
    "total": "† lengths are exact, positions of tokens within a trace are proportional.",
    "estimated": "‡ token counts are estimates.",
}

DIVERSITY_NOTE = (
    "Kept traces are those that finished: how often one is right (not pass@k for a random k), how "
    "many distinct answers they give, also as a share of those among all N, and how often one is "
    "right if one of the N is. Shares are ratios of means over problems."
)


def notes_of(
    rows: Sequence[Row],
    combined: Sequence[Combined],
    margin: float,
    axes: Sequence[str],
    baseline: str | None,
) -> list[str]:
    """Return the notes on rows, and on the averages over pools."""
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


def _costs(rows: Sequence[Row]) -> list[str]:
    """Return notes on what the cost includes."""
    older = [row.result for row in rows if is_older(row.result)]
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
