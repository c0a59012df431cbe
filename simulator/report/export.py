"""A comparison of runs as data: CSV and JSON with unrounded values."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from simulator.report.against import Against, Base
from simulator.report.paired import Standing
from simulator.report.prices import Bill
from simulator.report.rows import (
    ALL_POOLS,
    Combined,
    Comparison,
    PoolPairs,
    Row,
    judge_cost,
    judge_share,
)
from simulator.runs.format import METRICS
from simulator.runs.results import Metric
from simulator.significance import Contrast

_BESIDE = ("accuracy_difference_detectable", "accuracy_difference_problems")
"""Columns of a difference to cons@N that only a run with answers has."""


def raw_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Return every row with all its unrounded values; fractions stay fractions, unknown is None."""
    return [
        _raw(row, comparison.margin) | raw_base(comparison, comparison.bases.get(row.pool), row)
        for row in comparison.rows
    ]


def raw_base(comparison: Comparison, base: Base | None, row: Row) -> dict[str, Any]:
    """Return what a chosen baseline replaces: its figures, and the reductions against it."""
    if base is None:
        return {}
    cost = row.result.value("cost")
    saved = None if cost is None or not base.cost else Metric(1 - cost / base.cost)
    return {
        "baseline": comparison.baseline,
        **_raw_metric("baseline_accuracy", base.accuracy),
        **_raw_metric("baseline_tokens_per_problem", base.tokens),
        **_raw_metric("reduction", row.reduction),
        **_raw_metric("cost_reduction", saved),
    }


def _raw(row: Row, margin: float) -> dict[str, Any]:
    result, gained = row.result, row.to_baseline
    return {
        "pool": result.pool,
        "fingerprint": result.fingerprint,
        "synthetic": result.synthetic,
        "token_accuracy": result.token_accuracy,
        "no_answer": result.no_answer,
        "problems": result.problems,
        **({"problems_in_pool": result.problems_in_pool} if result.problem_ids else {}),
        "pools": 1,
        "method": row.method,
        "policy": result.policy,
        "parameters": dict(result.parameters),
        "unranked": result.unranked,
        "pareto": bool(row.pareto),
        **_raw_standing(row.standing),
        "budget": result.budget,
        "seed": result.seed,
        "repeats": result.repeats,
        "baseline": result.baseline,
        **{
            key: value
            for name in METRICS
            for key, value in _raw_metric(name, result.metrics.get(name)).items()
        },
        "judge_cost": judge_cost(result),
        "judge_share": judge_share(result),
        **(_raw_contrast("accuracy_difference", gained) if gained else dict.fromkeys(_BESIDE)),
        **_raw_against(row.against),
        "not_worse": gained.not_worse(margin) if gained else None,
        "margin": margin,
        **_raw_bill(row.bill),
        "clock_unit": result.clock_unit,
        "run": str(result.path),
    }


def raw_combined(combined: Combined, comparison: Comparison) -> dict[str, Any]:
    """Return a method over all recorded pools with the keys of `raw_rows`; None if pools differ."""
    result, averages, margin = combined.results[0], combined.averages, comparison.margin

    def common(name: str) -> Any:
        values = [getattr(each, name) for each in combined.results]
        return values[0] if all(value == values[0] for value in values) else None

    compared = (combined.standing, averages.to_baseline)
    row = Row(ALL_POOLS, combined.method, combined.pareto, result, *compared)
    raw = _raw(replace(row, against=combined.against), margin)
    names = ("budget", "seed", "repeats", "baseline", "clock_unit")
    raw |= {name: common(name) for name in names}
    raw["baseline"] = comparison.baseline or raw["baseline"]
    for name in METRICS:
        raw |= _raw_metric(name, getattr(averages, name, None))
    raw["cost"] = combined.mean("cost")
    raw["clock"] = combined.mean("clock") if raw["clock_unit"] else None
    raw |= {
        "judge_cost": _mean([judge_cost(each) for each in combined.results]),
        "judge_share": _mean([judge_share(each) for each in combined.results]),
    }
    if combined.bills:
        dollars, flops = (
            _mean([getattr(each, name) for each in combined.bills]) for name in ("dollars", "flops")
        )
        raw |= _raw_bill(Bill(dollars, flops))
    return raw | {
        "pool": ALL_POOLS,
        "pools": len(combined.results),
        "fingerprint": None,
        "token_accuracy": combined.token_accuracy,
        "no_answer": None,
        "problems": sum(each.problems for each in combined.results),
        "run": None,
    }


def raw_pairs(found: PoolPairs) -> list[dict[str, Any]]:
    """Return all pairs of a pool: accuracy of `method` minus that of `against`, tokens saved."""
    return [
        {
            "pool": found.pool,
            "synthetic": found.synthetic,
            "method": found.methods[pair.first],
            "against": found.methods[pair.second],
            **_raw_contrast("accuracy_difference", pair.contrast),
            "p": pair.p,
            "tied": pair.tied,
            **_raw_metric("reduction", pair.reduction),
        }
        for pair in found.pairs
    ]


def _raw_standing(standing: Standing | None) -> dict[str, Any]:
    return {
        "best": standing.best if standing else None,
        "tied": standing.tied if standing else None,
        "rank_first": standing.rank[0] if standing else None,
        "rank_last": standing.rank[1] if standing else None,
        **_raw_contrast("to_best", standing.contrast if standing else None),
        "to_best_p": standing.p if standing else None,
    }


def _raw_against(found: Against | None) -> dict[str, Any]:
    """Return whether a method is tied with the chosen baseline, and the p-value."""
    return {
        "baseline_tied": found.tied if found else None,
        "baseline_p": found.p if found else None,
    }


def _raw_contrast(name: str, contrast: Contrast | None) -> dict[str, Any]:
    """Return a difference, the smallest one that could be shown, and the problems that differ."""
    return {
        **_raw_metric(name, contrast.difference if contrast else None),
        f"{name}_detectable": contrast.detectable if contrast else None,
        f"{name}_problems": contrast.differing if contrast else None,
    }


def _raw_bill(bill: Bill | None) -> dict[str, float | None]:
    """Return dollars and FLOPs per problem; nothing if no prices are given."""
    return {"dollars": bill.dollars, "flops": bill.flops} if bill else {}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None


def _raw_metric(name: str, metric: Metric | None) -> dict[str, float | None]:
    return {
        name: metric.value if metric else None,
        f"{name}_low": metric.low if metric else None,
        f"{name}_high": metric.high if metric else None,
    }


def as_csv(comparison: Comparison) -> str:
    """Format as CSV: one line per row with unrounded values, intervals in columns, no notes.

    Averages over recorded pools are additional rows with more than one of `pools`. If pairs were
    requested, they replace the rows.
    """
    rows = [pair for found in comparison.pairs for pair in raw_pairs(found)]
    if not rows:
        combined = [raw_combined(each, comparison) for each in comparison.combined]
        rows = [*raw_rows(comparison), *combined]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        flags = {key: str(value).lower() for key, value in row.items() if isinstance(value, bool)}
        if "parameters" in row:
            flags["parameters"] = json.dumps(row["parameters"], ensure_ascii=False)
        writer.writerow({**row, **flags})
    return text.getvalue()


def as_json(comparison: Comparison) -> str:
    """Format as JSON with unrounded values.

    The keys are `rows`, `combined`, `pairs`, `notes`, `axes`, and `baseline`, null for cons@N.
    """
    document = {
        "rows": raw_rows(comparison),
        "combined": [raw_combined(each, comparison) for each in comparison.combined],
        "pairs": [pair for found in comparison.pairs for pair in raw_pairs(found)],
        "axes": comparison.axes,
        "baseline": comparison.baseline,
        "notes": comparison.notes,
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
