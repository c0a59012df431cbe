"""The board as tables with fixed columns: standings, entries, pools and published figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from leaderboard_app.interchange.content import Content
from leaderboard_app.library.entry import Entry
from leaderboard_app.library.standings import LOCAL_RUNS, MEASURED, Group, Standing, part_of

TEXTS = pa.list_(pa.string())

STANDINGS = pa.schema(
    [
        ("group", pa.string()),
        ("heading", pa.string()),
        ("pools", TEXTS),
        ("model", pa.string()),
        ("benchmark", pa.string()),
        ("part", pa.string()),
        ("entry", pa.string()),
        ("method", pa.string()),
        ("rank", pa.int64()),
        ("rank_last", pa.int64()),
        ("ranked", pa.int64()),
        ("pareto", pa.bool_()),
        ("better", TEXTS),
        ("worse", TEXTS),
        ("budgets", pa.list_(pa.int64())),
        ("problems", pa.int64()),
        ("baselines", TEXTS),
        ("clock_units", TEXTS),
        ("token_accuracies", TEXTS),
        ("chargings", TEXTS),
        ("probe_costs", TEXTS),
        *((f"{name}{end}", pa.float64()) for name in MEASURED for end in ("", "_low", "_high")),
    ]
)

ENTRIES = pa.schema(
    [
        ("entry", pa.string()),
        ("method", pa.string()),
        ("label", pa.string()),
        ("part", pa.string()),
        ("badge", pa.string()),
        ("basis", pa.string()),
        ("authors", TEXTS),
        ("organisation", pa.string()),
        ("date", pa.string()),
        ("paper", pa.string()),
        ("code", pa.string()),
        ("description", pa.string()),
        ("version", pa.string()),
        ("supersedes", pa.string()),
        ("superseded_by", pa.string()),
        ("withdrawn", pa.string()),
        ("verified_at", pa.string()),
        ("policy", pa.string()),
        ("policy_sha256", pa.string()),
        ("answers_sha256", pa.string()),
        ("parameters", pa.string()),
        ("settings", TEXTS),
        ("signals", TEXTS),
        ("seed", pa.int64()),
        ("repeats", pa.int64()),
        ("sweep_settings", pa.int64()),
        ("command", pa.string()),
    ]
)

POOLS = pa.schema(
    [
        ("pool", pa.string()),
        ("fingerprint", pa.string()),
        ("model", pa.string()),
        ("benchmark", pa.string()),
        ("model_repository", pa.string()),
        ("benchmark_repository", pa.string()),
        ("problems", pa.int64()),
        ("token_accuracy", pa.string()),
        ("synthetic", pa.bool_()),
    ]
)

PUBLISHED = pa.schema(
    [
        ("method", pa.string()),
        ("model", pa.string()),
        ("benchmark", pa.string()),
        ("tokens_1e8", pa.float64()),
        ("accuracy", pa.float64()),
        ("source", pa.string()),
        ("title", pa.string()),
        ("organisation", pa.string()),
        ("date", pa.string()),
        ("paper", pa.string()),
        ("code", pa.string()),
    ]
)

ABOUT = {
    "standings": "a row for each entry in each group of pools on which entries are compared",
    "entries": "a row for each entry: authors, links, policy, parameters, seed",
    "pools": "a row for each pool of recorded traces",
    "published": "figures from publications, not replayed, each with its source",
    "synthetic": "standings on generated traces, which are not compared with the others",
}
"""Tables of an export, in order; the last two only if they have rows."""


def tables(content: Content) -> Mapping[str, pa.Table]:
    """Return the tables of `ABOUT`; those that have rows, and the first three in any case."""
    found = {
        "standings": pa.Table.from_pylist(_standings(content, False), STANDINGS),
        "entries": pa.Table.from_pylist(_entries(content), ENTRIES),
        "pools": pa.Table.from_pylist(_pools(content), POOLS),
        "published": pa.Table.from_pylist(_published(content), PUBLISHED),
        "synthetic": pa.Table.from_pylist(_standings(content, True), STANDINGS),
    }
    optional = ("published", "synthetic")
    return {name: table for name, table in found.items() if table.num_rows or name not in optional}


def parquet(table: pa.Table) -> bytes:
    """Return a table as a Parquet file."""
    written = BytesIO()
    pq.write_table(table, written, compression="zstd")
    return written.getvalue()


def _standings(content: Content, synthetic: bool) -> list[dict[str, Any]]:
    return [_standing(group, row) for group, row in content.rows(synthetic)]


def _standing(group: Group, row: Standing) -> dict[str, Any]:
    alone = row.results[0] if len(row.results) == 1 else None
    place, results = row.place, row.results
    found: dict[str, Any] = {
        "group": group.key,
        "heading": group.heading,
        "pools": [*group.pools],
        "model": alone.model if alone else None,
        "benchmark": alone.benchmark if alone else None,
        "part": row.part,
        "entry": row.entry.id,
        "method": row.entry.method,
        "rank": place.rank,
        "rank_last": place.last,
        "ranked": None if place.rank is None else place.compared + 1,
        "pareto": place.pareto,
        "better": [*place.better],
        "worse": [*place.worse],
        "budgets": [*row.budgets],
        "problems": sum(each.problems for each in results),
        "baselines": [*dict.fromkeys(each.baseline for each in results)],
        "clock_units": [*dict.fromkeys(each.clock for each in results)],
        "token_accuracies": [*dict.fromkeys(each.token_accuracy for each in results)],
        "chargings": [*dict.fromkeys(each.charging for each in results)],
        "probe_costs": [*dict.fromkeys(each.probe_cost for each in results if each.probe_cost)],
    }
    for name, metric in row.metrics.items():
        found |= {name: metric.value, f"{name}_low": metric.low, f"{name}_high": metric.high}
    return found


def _shown(content: Content) -> Sequence[Entry]:
    """Return the entries that are in a row of the standings, and those kept for the record."""
    return [entry for entry in content.library.entries if part_of(entry) != LOCAL_RUNS]


def _entries(content: Content) -> list[dict[str, Any]]:
    return [
        {
            "entry": entry.id,
            "part": part_of(entry),
            "authors": [*entry.authors],
            "parameters": json.dumps(dict(entry.parameters), sort_keys=True),
            "settings": [*entry.settings],
            "signals": [*entry.needs],
            **{
                name: getattr(entry, name)
                for name in (
                    *("method", "label", "badge", "basis", "organisation", "date", "paper"),
                    *("code", "description", "version", "supersedes", "superseded_by"),
                    *("withdrawn", "verified_at", "policy", "policy_sha256", "answers_sha256"),
                    *("seed", "repeats", "sweep_settings", "command"),
                )
            },
        }
        for entry in _shown(content)
    ]


def _pools(content: Content) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for entry in _shown(content):
        for column, result in entry.results.items():
            found[column] = {
                "pool": result.pool,
                "fingerprint": result.fingerprint,
                "model": result.model,
                "benchmark": result.benchmark,
                "model_repository": content.names.model(result.model),
                "benchmark_repository": content.names.benchmark(result.benchmark),
                "problems": result.problems,
                "token_accuracy": result.token_accuracy,
                "synthetic": result.synthetic,
            }
    return [found[column] for column in sorted(found)]


def _published(content: Content) -> list[dict[str, Any]]:
    return [
        {
            "method": each.method,
            "model": each.model,
            "benchmark": each.benchmark,
            "tokens_1e8": each.tokens_1e8,
            "accuracy": each.accuracy,
            "source": each.source.name,
            "title": each.source.title,
            "organisation": each.source.organisation,
            "date": None if each.source.date is None else each.source.date.isoformat(),
            "paper": each.source.paper,
            "code": each.source.code,
        }
        for each in content.library.published
    ]
