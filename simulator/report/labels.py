"""Unique labels of the pools and methods in a report."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from simulator.runs.results import RunResult

LONGEST_PART = 24
"""Maximum length of a choice of problems, as typed, in a pool's label."""


def without_copies(results: Sequence[RunResult]) -> tuple[list[RunResult], list[str]]:
    """Remove results identical to an earlier one; also return notes on them."""
    kept: dict[Hashable, RunResult] = {}
    copies: dict[str, dict[str, None]] = {}
    for result in results:
        identity = (
            *(result.policy, result.policy_sha256, repr(sorted(result.parameters.items()))),
            *(result.seed, result.repeats, result.pool, result.fingerprint, result.budget),
            *(result.judge_scores, result.clock_unit, repr(sorted(result.metrics.items()))),
            result.problem_ids,
        )
        first = kept.setdefault(identity, result)
        if first.path.resolve() != result.path.resolve():
            copies.setdefault(first.run, {})[result.run] = None
    notes = [
        f"Left out, because identical to {first}: {', '.join(list(same)[:3])}"
        + (f" and {len(same) - 3} more." if len(same) > 3 else ".")
        for first, same in copies.items()
    ]
    return list(kept.values()), notes


def pool_labels(results: Sequence[RunResult]) -> tuple[list[str], list[str]]:
    """Label pools by name, with the start of the fingerprint if there are several versions.

    Of a pool of which only a part was run, the label says which part.
    """
    versions: dict[str, set[str | None]] = defaultdict(set)
    for result in results:
        versions[result.pool].add(result.fingerprint)
    parts = _parts(results)
    labels = [
        " ".join(
            [
                result.pool,
                *[f"[{(result.fingerprint or 'unknown')[:8]}]"] * (len(versions[result.pool]) > 1),
                *[f"[{parts[ids]}]" for ids in [result.problem_ids] if ids is not None],
            ]
        )
        for result in results
    ]
    notes = [
        f"Runs on {pool} used {len(seen)} versions of it, which are not compared with each other; "
        "the start of each version's fingerprint is in brackets."
        for pool, seen in versions.items()
        if len(seen) > 1
    ]
    run_of = {
        label: f"{result.problems} of {result.problems_in_pool} problems of {label}"
        for label, result in zip(labels, results, strict=True)
        if result.problem_ids is not None
    }
    if run_of:
        notes.append(f"Only a part was run (run --problems): {', '.join(run_of.values())}.")
    return labels, notes


def _parts(results: Sequence[RunResult]) -> dict[tuple[str, ...], str]:
    """Name each choice of problems as it was typed; long ones, and those that clash, by a hash."""
    names: dict[tuple[str, ...], str] = {}
    for result in results:
        if result.problem_ids is not None and result.problem_ids not in names:
            typed = str(result.chosen)
            clashes = any(
                typed == name and other.pool == result.pool
                for other in results
                if other.problem_ids is not None
                and other.problem_ids != result.problem_ids
                and (name := names.get(other.problem_ids))
            )
            if clashes or len(typed) > LONGEST_PART:
                digest = hashlib.sha256("\n".join(result.problem_ids).encode()).hexdigest()
                typed = f"{len(result.problem_ids)} problems, {digest[:6]}"
            names[result.problem_ids] = typed
    return names


def method_labels(results: Sequence[RunResult], pools: Sequence[str]) -> list[str]:
    """Label methods by policy and parameters, with more details if needed to be unique.

    A label has the parameters that were set or that differ between runs of the policy, and the
    judge if that differs. If two rows
    of one pool would still have the same label, budget, seed, repeats and finally the run's folder
    are added.
    """
    details: list[dict[str, Any]] = [
        {name: result.parameters[name] for name in result.settings if name in result.parameters}
        for result in results
    ]

    def labels() -> list[str]:
        return [
            result.policy
            + (f" ({', '.join(f'{k}={short(v)}' for k, v in more.items())})" if more else "")
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
        judges = [results[index].judged_by for index in indices]
        if any(judge != judges[0] for judge in judges):
            for index, judge in zip(indices, judges, strict=True):
                details[index]["judge"] = judge
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


def short(value: object) -> str:
    """Format a parameter's value."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def shortened(text: str, most: int) -> str:
    """Cut the middle out of a text that has more than `most` characters."""
    if len(text) <= most:
        return text
    end = (most - 1) // 2
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"
