"""The board as Every Eval Ever records (arXiv 2606.14516), one for each entry on each pool.

The schema is `eval.schema.json` 0.3.0 of the package `every-eval-ever`. Files lie where its
datastore has them: `data/<collection>/<developer>/<model>/<uuid>.json`.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from leaderboard_app.export.folder import writing
from leaderboard_app.interchange.content import Content, read_content, require, slug
from leaderboard_app.library.entry import Entry, Result
from leaderboard_app.library.folders import Folders
from leaderboard_app.library.standings import Standing
from leaderboard_app.shown.glossary import FIGURES
from simulator.runs.results import Metric
from simulator.statistics import LEVEL, RESAMPLES

SCHEMA = "0.3.0"

BOOTSTRAP = "expanded percentile bootstrap over problems (Hesterberg 2015), repeats averaged"
PAIRED = "t interval of paired differences over problems, with two added (Bonett and Price 2012)"


@dataclass(frozen=True)
class Measure:
    """A metric in the words of the schema."""

    id: str
    name: str
    kind: str
    unit: str
    least: float | str
    most: float | str
    lower_is_better: bool
    interval: str = BOOTSTRAP


MEASURES = {
    "accuracy": Measure("accuracy", "Accuracy", "accuracy", "proportion", 0, 1, False),
    "accuracy_difference": Measure(
        "deepprune-sim.accuracy_difference",
        "Accuracy minus that of cons@N",
        "difference",
        "proportion",
        -1,
        1,
        False,
        PAIRED,
    ),
    "tokens_per_problem": Measure(
        "deepprune-sim.tokens_per_problem",
        "Tokens a problem",
        "tokens",
        "tokens",
        0,
        "Infinity",
        True,
    ),
    "reduction": Measure(
        "deepprune-sim.reduction",
        "Fewer tokens than cons@N",
        "reduction",
        "proportion",
        "-Infinity",
        1,
        False,
    ),
    "cost": Measure(
        "deepprune-sim.cost",
        "Tokens a problem with probes and judge",
        "tokens",
        "tokens",
        0,
        "Infinity",
        True,
    ),
    "clock": Measure(
        "deepprune-sim.clock", "Time to answer a problem", "latency", "steps", 0, "Infinity", True
    ),
}
"""Metrics that records have, by their names in `simulator.runs.format.METRICS`."""


def export_records(folders: Folders, target: Path) -> None:
    """Write a record for each verified entry on each pool of recorded traces.

    Raises
    ------
    UserError
        There is no such row, `board.toml` or `hub.toml` is not valid, or the target cannot be
        written.
    """
    content = read_content(folders)
    require(content)
    with writing(target) as folder:
        for name, text in records(content).items():
            folder.write(name, text)


def records(content: Content) -> Mapping[str, str]:
    """Return the text of each record by its place in the datastore."""
    found = {}
    collection = slug(content.board.title)
    for repository, _, row in content.with_models():
        text = json.dumps(record(content, repository, row), indent=2, ensure_ascii=False) + "\n"
        name = uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4)
        found[f"data/{collection}/{repository}/{name}.json"] = text
    return found


def record(content: Content, repository: str, row: Standing) -> dict[str, Any]:
    """Return the record of an entry on one pool; `repository` is that of the model."""
    result, entry = row.results[0], row.entry
    made = _moment(entry)
    created = str(int(made.timestamp()))
    return {
        "schema_version": SCHEMA,
        "evaluation_id": f"{slug(content.board.title)}/{entry.id}/{result.benchmark}/"
        f"{repository.replace('/', '_')}/{created}",
        "evaluation_timestamp": made.isoformat(),
        "retrieved_timestamp": created,
        "source_metadata": _source(content, row),
        "eval_library": {"name": "deepprune-sim", "version": version("deepprune-sim")},
        "model_info": {
            "name": result.model,
            "id": repository,
            "developer": repository.partition("/")[0],
            "additional_details": {
                "deployment_type": "unknown",
                "model_availability": "open_weights",
            },
        },
        "evaluation_results": [
            _result(content, row, name, measure)
            for name, measure in MEASURES.items()
            if name in row.metrics
        ],
    }


def _moment(entry: Entry) -> datetime:
    """Return the time of a verification, or else the entry's day, in UTC."""
    for text in (entry.verified_at, entry.date):
        with suppress(ValueError):
            found = datetime.fromisoformat(text or "")
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    return datetime.fromtimestamp(0, UTC)


def _source(content: Content, row: Standing) -> dict[str, Any]:
    board, entry = content.board, row.entry
    links = {
        "entry": content.address(entry),
        "paper": entry.paper,
        "code": entry.code,
        "board_commit": content.source,
        "answers_sha256": entry.answers_sha256,
        "method_authors": "; ".join(entry.authors),
    }
    return {
        "source_name": board.title,
        "source_type": "evaluation_run",
        "source_organization_name": board.organisation or board.title,
        **({"source_organization_url": board.url} if board.url else {}),
        "evaluator_relationship": "third_party",
        "additional_details": _texts(links),
    }


def _result(content: Content, row: Standing, name: str, measure: Measure) -> dict[str, Any]:
    result, metric = row.results[0], row.metrics[name]
    seconds = name == "clock" and result.clock_unit != "steps"
    return {
        "evaluation_result_id": f"{row.entry.id}/{result.pool}/{name}",
        "evaluation_name": result.benchmark,
        "source_data": _dataset(content, result),
        "metric_config": {
            "evaluation_description": FIGURES[name].help,
            "metric_id": measure.id,
            "metric_name": measure.name,
            "metric_kind": measure.kind,
            "metric_unit": result.clock_unit if seconds else measure.unit,
            "lower_is_better": measure.lower_is_better,
            "score_type": "continuous",
            "min_score": measure.least,
            "max_score": measure.most,
        },
        "score_details": {
            "score": metric.value,
            "details": _texts(
                {
                    "rank": row.place.range,
                    "ranked_entries": str(row.place.compared + 1) if row.place.rank else None,
                    "compared_with": result.baseline,
                }
            ),
            "uncertainty": _uncertainty(metric, result, measure),
        },
        "generation_config": _configuration(row),
    }


def _uncertainty(metric: Metric, result: Result, measure: Measure) -> dict[str, Any]:
    found: dict[str, Any] = {"num_samples": result.problems}
    if metric.low is not None and metric.high is not None:
        found["confidence_interval"] = {
            "lower": metric.low,
            "upper": metric.high,
            "confidence_level": LEVEL,
            "method": measure.interval,
        }
        if measure.interval == BOOTSTRAP:
            found["num_bootstrap_samples"] = RESAMPLES
    return found


def _dataset(content: Content, result: Result) -> dict[str, Any]:
    repository = content.names.benchmark(result.benchmark)
    details = _texts(
        {
            "pool": result.pool,
            "pool_fingerprint": result.fingerprint,
            "token_accuracy": result.token_accuracy,
            "problems": str(result.problems),
        }
    )
    if repository is None:
        return {
            "dataset_name": result.benchmark,
            "source_type": "other",
            "additional_details": details,
        }
    return {
        "dataset_name": result.benchmark,
        "source_type": "hf_dataset",
        "hf_repo": repository,
        "samples_number": result.problems,
        "additional_details": details,
    }


def _configuration(row: Standing) -> dict[str, Any]:
    """Return how the answers came about: a policy over recorded traces, replayed."""
    entry, result = row.entry, row.results[0]
    return {
        "additional_details": _texts(
            {
                "method": entry.method,
                "policy": entry.policy,
                "policy_sha256": entry.policy_sha256,
                "parameters": json.dumps(entry.parameters, sort_keys=True),
                "traces_per_problem": str(result.budget),
                "repeats": str(entry.repeats),
                "seed": str(entry.seed),
                "signals": ", ".join(entry.needs),
                "probe_cost_tokens": result.probe_cost,
                "charging": result.charging,
                "serving": result.serving,
                "replay_command": entry.command,
            }
        ),
    }


def _texts(values: Mapping[str, str | None]) -> dict[str, str]:
    """Return the values that are there; the schema takes texts alone."""
    return {name: value for name, value in values.items() if value}
