"""Swept parameters that changed nothing: equal runs at all of their values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from simulator.arrow import null_mask, numbers_in
from simulator.runs.format import ANSWERS_FILE, DECISIONS_FILE
from simulator.runs.results import read_results
from simulator.storage import reading

AVERAGED = ("accuracy", "tokens_per_problem", "traces_started", "clock", "probe_calls")
"""Metrics that are equal in runs with equal answers."""

LEFT_OUT = {
    # texts, which are slow: they follow from the others and from the pools
    DECISIONS_FILE: ("pool", "problem_id", "stop_reason"),
    # these follow from the budget's traces alone, whatever the policy decides
    ANSWERS_FILE: ("baseline_correct", "baseline_tokens", "budget_classes", "budget_correct"),
}
"""Columns that are not compared, by file."""


def idle_parameters(runs: Mapping[Path, Mapping[str, str]]) -> list[str]:
    """Find the swept parameters of which no value changed a decision or an answer on any pool.

    Settings that differ in one parameter alone are compared. `runs` has what was swept by the
    folder of each run.

    Raises
    ------
    UserError
        A file of a run is damaged.
    """
    names = [*next(iter(runs.values()))]
    # Averages are at hand and mostly differ; decisions are many.
    for digest in (_averages, _digest_answers, _digest_decisions):
        if names:
            digests = {run: digest(run) for run in runs}
            names = [name for name in names if _changed_nothing(name, runs, digests)]
    return names


def _changed_nothing(
    name: str, runs: Mapping[Path, Mapping[str, str]], digests: Mapping[Path, str]
) -> bool:
    seen: dict[tuple[str, ...], set[str]] = {}
    for run, swept in runs.items():
        others = tuple(value for other, value in swept.items() if other != name)
        seen.setdefault(others, set()).add(digests[run])
    return all(len(each) == 1 for each in seen.values()) and len(seen) < len(runs)


def about_idle(idle: Sequence[str], names: Sequence[str]) -> str:
    """Return the line that names idle parameters, and those of `names` that did change something.

    Such as `percentile changed nothing (warm_up did)`; empty if none is idle.
    """
    if not idle:
        return ""
    others = [name for name in names if name not in idle]
    return f"{' and '.join(idle)} changed nothing" + (
        f" ({' and '.join(others)} did)" if others else ""
    )


def _averages(run: Path) -> str:
    """Return averages of a run on each pool, which differ only if its answers do."""
    return json.dumps([[pool.value(name) for name in AVERAGED] for pool in read_results(run)])


def _digest_answers(run: Path) -> str:
    return _digest(run, ANSWERS_FILE)


def _digest_decisions(run: Path) -> str:
    return _digest(run, DECISIONS_FILE)


def _digest(run: Path, name: str) -> str:
    """Hash a file of a run, without the figures of all traces of its budget."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    digests: dict[str, Any] = {}
    with reading(run / name), pq.ParquetFile(run / name) as stored:
        columns = [each for each in stored.schema_arrow.names if each not in LEFT_OUT[name]]
        for batch in stored.iter_batches(columns=columns, use_threads=False):
            for column, values in zip(columns, batch.columns, strict=True):
                digest = digests.setdefault(column, hashlib.sha256())
                if pa.types.is_string(values.type) or pa.types.is_dictionary(values.type):
                    digest.update(json.dumps(values.to_pylist())[1:-1].encode() + b",")
                    continue
                digest.update(null_mask(values).tobytes())
                digest.update(numbers_in(values).tobytes())
    return " ".join(digest.hexdigest() for digest in digests.values())
