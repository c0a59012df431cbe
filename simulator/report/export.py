"""A comparison of runs as data: CSV and JSON with unrounded values."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from simulator.report.comparison import (
    ALL_POOLS,
    Combined,
    Comparison,
    PoolPairs,
    Row,
    judge_cost,
    judge_share,
)
from simulator.report.paired import Standing
from simulator.report.prices import Bill
from simulator.runs.format import METRICS
from simulator.runs.results import Metric
from simulator.significance import Contrast

_BESIDE = ("accuracy_difference_detectable", "accuracy_difference_problems")
"""Columns of a difference to cons@N that only a run with answers has."""


def raw_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Return every row with all its unrounded values; fractions stay fractions, unknown is None."""
    return [_raw(row, comparison.margin) for row in comparison.rows]


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
        "pareto": row.pareto,
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
        "not_worse": gained.not_worse(margin) if gained else None,
        "margin": margin,
        **_raw_bill(row.bill),
        "clock_unit": result.clock_unit,
        "run": str(result.path),
    }


def raw_combined(combined: Combined, margin: float) -> dict[str, Any]:
    """Return a method over all recorded pools with the keys of `raw_rows`; None if pools differ."""
    result, averages = combined.results[0], combined.averages

    def common(name: str) -> Any:
        values = [getattr(each, name) for each in combined.results]
        return values[0] if all(value == values[0] for value in values) else None

    compared = (combined.standing, averages.to_baseline)
    raw = _raw(Row(ALL_POOLS, combined.method, combined.pareto, result, *compared), margin)
    raw |= {name: common(name) for name in ("budget", "seed", "repeats", "baseline")}
    for name in METRICS:
        raw |= _raw_metric(name, getattr(averages, name, None))
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
        "clock_unit": None,
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
        combined = [raw_combined(each, comparison.margin) for each in comparison.combined]
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
    """Format as JSON with unrounded values, with keys `rows`, `combined`, `pairs` and `notes`."""
    document = {
        "rows": raw_rows(comparison),
        "combined": [raw_combined(each, comparison.margin) for each in comparison.combined],
        "pairs": [pair for found in comparison.pairs for pair in raw_pairs(found)],
        "notes": comparison.notes,
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
