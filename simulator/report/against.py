"""Comparison with a baseline by choice: a method among the rows, in the place of cons@N."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from simulator.errors import UserError
from simulator.report.paired import (
    by_problem,
    fewest_repeats,
    tokens_of,
    with_bootstraps,
)
from simulator.runs.results import Metric, ProblemSums, RunResult
from simulator.significance import Contrast, contrasts, verdicts
from simulator.statistics import Estimate, Resampled, average


@dataclass(frozen=True, slots=True)
class Against:
    """A method beside the chosen baseline, problem by problem.

    Parameters
    ----------
    contrast
        Its accuracy minus the baseline's, as a fraction.
    reduction
        Share of the baseline's tokens that it saves.
    tied
        True if the two are not told apart (`simulator.significance.verdicts`, among all ranked
        methods); None if one of them is unranked, or with too few problems for an interval.
    p
        p-value of the difference, by itself; None where one of the two is unranked.
    """

    contrast: Contrast
    reduction: Metric
    tied: bool | None
    p: float | None


@dataclass(frozen=True, slots=True)
class Base:
    """The chosen baseline on one pool: its figures, and its sums on each problem.

    `index` is its place among the rows; None if its figures are those that the rows' own runs have
    of cons@N, on the same traces.
    """

    sums: ProblemSums
    accuracy: Metric
    tokens: Metric
    cost: float | None
    index: int | None


def find_base(
    name: str,
    pool: str,
    methods: Sequence[tuple[int, str, RunResult]],
    sums: Sequence[ProblemSums | None],
) -> Base:
    """Find a baseline among the rows of a pool, each an index into `sums`, a label and a result.

    It is the row with this label, or of this policy, or from the run of this name; else the cons@N
    that some run has figures of, of the one with the most repeats.

    Raises
    ------
    UserError
        There is none, there are several, or its run recorded no answers.
    """
    found = [each for each in methods if each[1] == name]
    found = found or [each for each in methods if each[2].policy == name]
    found = found or [each for each in methods if each[2].run == name]
    if len(found) > 1:
        names = ", ".join(dict.fromkeys(label for _, label, _ in found))
        raise UserError(
            f"--baseline {name}: {len(found)} rows on {pool}, {names:.300}; give one of these"
        )
    if found:
        ((index, _, result),) = found
        known = sums[index]
        if known is None:
            raise UserError(f"{result.path}: --baseline {name} needs its answers.parquet")
        accuracy, tokens = result.metrics["accuracy"], result.metrics["tokens_per_problem"]
        return Base(known, accuracy, tokens, result.value("cost"), index)
    for index, _, result in sorted(methods, key=lambda each: -each[2].repeats):
        known = sums[index]
        has_vote = {"baseline_accuracy", "baseline_tokens_per_problem"} <= {*result.metrics}
        if known is not None and result.baseline == name and has_vote:
            vote = replace(known, correct=known.baseline_correct, tokens=known.baseline_tokens)
            accuracy = result.metrics["baseline_accuracy"]
            tokens = result.metrics["baseline_tokens_per_problem"]
            return Base(vote, accuracy, tokens, tokens.value, None)
    names = ", ".join(dict.fromkeys(label for _, label, _ in methods))
    raise UserError(
        f"--baseline {name}: no such row on {pool}, {names:.300}; give its run as well, or one of "
        "these names"
    )


def against(
    benchmarks: Sequence[str],
    sums: Sequence[Sequence[ProblemSums]],
    ranked: Sequence[bool],
    bases: Sequence[Base],
    place: int | None,
) -> list[Against]:
    """Compare each method with the baseline, over pools weighted as in `paired.combine`.

    Parameters
    ----------
    benchmarks, sums, ranked
        As for `paired.combine`.
    bases
        The baseline on each pool.
    place
        The baseline's index among the methods; None if it is not one of them.
    """
    count = len(ranked)
    if place is None:
        sums = [[*methods, base.sums] for methods, base in zip(sums, bases, strict=True)]
        ranked, place = [*ranked, True], count
    scores, problems = by_problem(benchmarks, sums, lambda each: each.correct)
    repeats = fewest_repeats(sums)
    fewest = np.minimum(repeats, repeats[place])
    differences = contrasts(scores - scores[place], problems, fewest)
    differences[place] = Contrast(Estimate(0.0, 0.0, 0.0), 0, None)
    saved = average(
        _saved(tokens_of(over, methods), place)
        for over, methods in with_bootstraps(benchmarks, sums)
    ).estimates()
    among = np.flatnonzero(ranked).tolist()
    found = verdicts(scores[among])
    compared = []
    for index, (contrast, less) in enumerate(zip(differences[:count], saved, strict=False)):
        tied, p = None, None
        if ranked[index] and ranked[place]:
            tied, p = found.of(among.index(index), among.index(place), contrast)
        compared.append(Against(contrast, less, tied, p))
    return compared


def _saved(tokens: Resampled, place: int) -> Resampled:
    """Return the share of the tokens of the method at `place` that each method saves."""
    base = slice(place, place + 1)
    return Resampled(
        1.0 - tokens.values / tokens.values[base],
        1.0 - tokens.resamples / tokens.resamples[base],
        tokens.tail,
    )
