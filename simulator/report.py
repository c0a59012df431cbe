"""Comparing runs: which rows, which labels, who is on the Pareto front, and what the notes say.

`simulator.report_formats` turns a comparison into text, `simulator.report_plot` into a picture.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.errors import UserError
from simulator.run_reader import Metric, RunResult
from simulator.statistics import pareto_front

MARKS = {"exact": "", "total": "†", "estimated": "‡"}
"""What stands behind token counts of a pool that does not know every token's place."""

MARK_NOTES = {
    "total": "† lengths are exact, places of tokens within a trace are in proportion.",
    "estimated": "‡ token counts are estimates.",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One method on one pool. `pool` and `method` are labels that tell it from all other rows."""

    pool: str
    method: str
    pareto: bool
    result: RunResult

    @property
    def accuracy(self) -> Metric:
        """Accuracy, a fraction."""
        return self.result.metrics["accuracy"]

    @property
    def tokens(self) -> Metric:
        """Tokens per problem."""
        return self.result.metrics["tokens_per_problem"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rows by pool and then by tokens, those of synthetic pools last, and notes to the whole."""

    rows: list[Row]
    notes: list[str]

    @property
    def sections(self) -> list[tuple[str, list[Row]]]:
        """Real pools and synthetic ones, each with a heading; empty sections are left out."""
        real = [row for row in self.rows if not row.result.synthetic]
        made = [row for row in self.rows if row.result.synthetic]
        both = [("Recorded pools", real), ("Synthetic pools", made)]
        return [(heading, rows) for heading, rows in both if rows]

    @property
    def panels(self) -> list[list[Row]]:
        """The rows of each pool."""
        pools: dict[str, list[Row]] = {}
        for row in self.rows:
            pools.setdefault(row.pool, []).append(row)
        return list(pools.values())


def compare(results: Sequence[RunResult]) -> Comparison:
    """Compare runs on the pools they share.

    The same run given twice counts once, and so do two runs that agree in everything. Runs on two
    versions of a pool are not compared with each other.

    Raises
    ------
    UserError
        A run recorded no accuracy or no tokens.
    """
    for result in results:
        for name in ("accuracy", "tokens_per_problem"):
            if name not in result.metrics:
                raise UserError(
                    f"{result.path / 'summary.json'}: no {name} for pool {result.pool}; "
                    "make the run again"
                )
    kept, notes = _without_copies(results)
    pools, pool_notes = _pool_labels(kept)
    methods = _method_labels(kept, pools)
    rows = [
        Row(pool, method, on_front, result)
        for pool, method, on_front, result in zip(
            pools, methods, _on_front(kept, pools), kept, strict=True
        )
    ]
    rows.sort(key=lambda row: (row.result.synthetic, row.pool, row.tokens.value, row.method))
    return Comparison(rows, [*_notes(rows), *pool_notes, *notes])


def _without_copies(results: Sequence[RunResult]) -> tuple[list[RunResult], list[str]]:
    kept: dict[Hashable, RunResult] = {}
    copies: dict[str, dict[str, None]] = {}
    for result in results:
        identity = (
            *(result.policy, result.policy_sha256, repr(sorted(result.parameters.items()))),
            *(result.seed, result.repeats, result.pool, result.fingerprint, result.budget),
            *(result.clock_unit, repr(sorted(result.metrics.items()))),
        )
        first = kept.setdefault(identity, result)
        if first.path.resolve() != result.path.resolve():
            copies.setdefault(first.run, {})[result.run] = None
    notes = [
        f"Left out as the same as {first}: {', '.join(list(same)[:3])}"
        + (f" and {len(same) - 3} more." if len(same) > 3 else ".")
        for first, same in copies.items()
    ]
    return list(kept.values()), notes


def _pool_labels(results: Sequence[RunResult]) -> tuple[list[str], list[str]]:
    """Names of pools, with the start of the fingerprint where there are several versions of one."""
    versions: dict[str, set[str | None]] = defaultdict(set)
    for result in results:
        versions[result.pool].add(result.fingerprint)
    labels = [
        result.pool
        if len(versions[result.pool]) == 1
        else f"{result.pool} [{(result.fingerprint or 'unknown')[:8]}]"
        for result in results
    ]
    notes = [
        f"Runs on {pool} saw {len(seen)} versions of it, which are not compared with each other; "
        "the start of each version's fingerprint is in brackets."
        for pool, seen in versions.items()
        if len(seen) > 1
    ]
    return labels, notes


def _method_labels(results: Sequence[RunResult], pools: Sequence[str]) -> list[str]:
    """Names of policies, the parameters set, and what tells apart those that still share one.

    That is the parameters that differ between runs of the policy and, only where two rows of one
    pool would still have the same label, budget, seed, repeats and at last the run's folder.
    """
    details: list[dict[str, Any]] = [
        {name: result.parameters[name] for name in result.settings if name in result.parameters}
        for result in results
    ]

    def labels() -> list[str]:
        return [
            result.policy
            + (f" ({', '.join(f'{k}={_short(v)}' for k, v in more.items())})" if more else "")
            for result, more in zip(results, details, strict=True)
        ]

    by_policy: dict[str, list[int]] = defaultdict(list)
    for index, result in enumerate(results):
        by_policy[result.policy].append(index)
    for indices in by_policy.values():
        names = {name: None for index in indices for name in results[index].parameters}
        for name in names:
            values = [results[index].parameters.get(name) for index in indices]
            if any(value != values[0] for value in values):
                for index, value in zip(indices, values, strict=True):
                    details[index][name] = value
    steps: list[tuple[str, Callable[[RunResult], object]]] = [
        ("N", lambda result: result.budget),
        ("seed", lambda result: result.seed),
        ("repeats", lambda result: result.repeats),
        ("run", lambda result: result.run),
        ("path", lambda result: result.path),
    ]
    for name, value_of in steps:
        clashes: dict[tuple[str, str], list[int]] = defaultdict(list)
        for index, label in enumerate(labels()):
            clashes[pools[index], label].append(index)
        for indices in clashes.values():
            if len({value_of(results[index]) for index in indices}) > 1:
                for index in indices:
                    details[index][name] = value_of(results[index])
    return labels()


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _on_front(results: Sequence[RunResult], pools: Sequence[str]) -> list[bool]:
    """Which rows are on their pool's Pareto front; unranked methods are not and displace none."""
    front = [False] * len(results)
    for pool in set(pools):
        ranked = [
            index
            for index, label in enumerate(pools)
            if label == pool and not results[index].unranked
        ]
        mask = pareto_front(
            [results[index].metrics["tokens_per_problem"].value for index in ranked],
            [results[index].metrics["accuracy"].value for index in ranked],
        )
        for index, on_front in zip(ranked, mask.tolist(), strict=True):
            front[index] = on_front
    return front


def _notes(rows: Sequence[Row]) -> list[str]:
    results = [row.result for row in rows]
    notes = [
        "Intervals are 95%, from a bootstrap over problems; repeats are averaged within a problem.",
        "Reduction and difference (points) are against cons@N on the same traces. Pareto: no other "
        "method of the pool is as good in both tokens and accuracy and better in one.",
        _seeds(rows),
    ]
    if any(result.problems == 1 for result in results):
        notes.append("A pool of one problem has no intervals.")
    accuracies = {result.token_accuracy for result in results}
    notes += [note for kind, note in MARK_NOTES.items() if kind in accuracies]
    if any(result.unranked for result in results):
        notes.append("Unranked methods use what no method can know; they are not on the front.")
    if any(result.synthetic for result in results):
        notes.append("Synthetic pools are generated, not sampled from a model: no evidence.")
    return notes


def _seeds(rows: Iterable[Row]) -> str:
    """Seeds and repeats: the commonest, and the methods where they differ from it."""
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
