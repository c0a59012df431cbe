"""The verification report of a submission as its page shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from leaderboard_app.library.library import RUN, Entry
from leaderboard_app.shown.glossary import FIGURES
from leaderboard_app.shown.table import Cell, Column, Table
from leaderboard_app.views.entry.entry import figure_cell
from simulator.catalogue.rows import Stamp, stamp
from simulator.runs.results import Metric
from simulator.submissions.badges import FORMAT
from simulator.submissions.files import VERIFICATION, read_files
from simulator.submissions.wellformed import check_form

STEPS = {
    "well-formed": "The files are what the format says.",
    "recomputed": "Every figure follows from the decisions and the pools.",
    "rerun": "The policy was run again and did the same.",
}

SIGNS = {"passed": "✔ passed", "failed": "✕ failed", "skipped": "– not made"}

LAYERS = "What held the policy while it was run again: "

MOST = 5
"""Findings that are listed where nobody has verified a submission that is broken."""

COMPARED = ("accuracy", "accuracy_difference", "tokens_per_problem", "reduction", "clock")


@dataclass(frozen=True, slots=True)
class StepShown:
    """One step: its name, what it asks, its outcome, findings and notes in lines of their own."""

    name: str
    meaning: str
    status: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says; `steps` is empty where none counts, and `why` says why that is."""

    why: str = ""
    steps: tuple[StepShown, ...] = ()
    layers: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    verified_at: str = ""
    seconds: float | None = None
    other_seed: tuple[Mapping[str, Any], ...] = ()


def read_report(entry: Entry) -> Report:
    """The report of an entry. One that is not of these very files does not count."""
    if entry.id.startswith(RUN):
        return Report("A run on this machine: deepprune-sim submit makes a submission of it.")
    return _read(entry.path, stamp(entry.path), entry.badge is None)


@lru_cache(maxsize=256)
def _read(path: Path, of: Stamp, broken: bool) -> Report:
    if not (path / VERIFICATION).is_file():
        findings = check_form(read_files(path))[1] if broken else []
        if findings:
            more = f" And {len(findings) - MOST} more." if len(findings) > MOST else ""
            return Report(f"It is not well-formed. {'; '.join(findings[:MOST])}.{more}")
        return Report("Nobody has verified it yet.")
    files = read_files(path)
    try:
        fields = json.loads(files.content.get(VERIFICATION, b""))
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        return Report(f"Its {VERIFICATION} cannot be read, so it does not count.")
    if fields.get("sha256") != files.sha256:
        return Report(
            f"Its {VERIFICATION} is of other files than those that are here now, so it does not "
            "count."
        )
    steps = tuple(_step(each) for each in _list(fields, "steps") if isinstance(each, dict))
    versions = fields.get("versions")
    seconds = fields.get("seconds")
    return Report(
        steps=steps,
        layers=tuple(map(str, _list(fields, "layers"))),
        versions=tuple(f"{name} {version}" for name, version in versions.items())
        if isinstance(versions, dict)
        else (),
        verified_at=str(fields.get("verified_at") or ""),
        seconds=float(seconds) if isinstance(seconds, int | float) else None,
        other_seed=tuple(each for each in _list(fields, "other_seed") if isinstance(each, dict)),
    )


def _list(fields: Mapping[str, Any], key: str) -> Sequence[Any]:
    value = fields.get(key)
    return value if isinstance(value, list) else []


def _step(fields: Mapping[str, Any]) -> StepShown:
    name, status = str(fields.get("step")), str(fields.get("status"))
    lines = [str(each) for key in ("findings", "notes") for each in _list(fields, key)]
    return StepShown(name, STEPS.get(name, ""), SIGNS.get(status, status), tuple(lines))


def step_table(report: Report) -> Table:
    """The steps with their outcome."""
    columns = (
        Column("step", "Step", numeric=False),
        Column("status", "Outcome", numeric=False),
        Column("meaning", "What it shows", numeric=False),
    )
    rows = tuple(
        (Cell(each.name), Cell(each.status, bold=True), Cell(each.meaning)) for each in report.steps
    )
    return Table("Verification", columns, rows)


def facts_text(report: Report) -> str:
    """When, how long, with what, and what held the policy."""
    parts = []
    if report.verified_at:
        took = f", {report.seconds:,.0f} s" if report.seconds is not None else ""
        parts.append(f"Verified {report.verified_at}{took}.")
    if report.layers:
        parts.append(f"{LAYERS}{', '.join(report.layers)}.")
    if report.versions:
        parts.append(f"With {', '.join(report.versions)}.")
    return " ".join(parts)


def other_seed_table(entry: Entry, report: Report) -> Table | None:
    """The figures of a seed that the submitter did not know beside the submitted ones.

    None where no other seed was tried.
    """
    by_pool = {result.pool: result for result in entry.results.values()}
    rows = []
    for each in report.other_seed:
        result = by_pool.get(str(each.get("pool")))
        if result is None:
            continue
        cells = [Cell(result.pool, result.pool)]
        for name in COMPARED:
            cells.append(figure_cell(name, result.metric(name), result))
            cells.append(figure_cell(name, _metric(each.get(name)), result))
        rows.append(tuple(cells))
    if not rows:
        return None
    columns = [Column("pool", "Pool", numeric=False)]
    for name in COMPARED:
        figure = FIGURES[name]
        columns.append(Column(name, "submitted", figure.heading, figure.help))
        columns.append(Column(f"{name}_other", "another seed", figure.heading, figure.help))
    first = report.other_seed[0]
    note = (
        f"Another seed, {first.get('seed')}, which the submitter did not know, in "
        f"{first.get('repeats')} repeats. In brackets: 95% interval over problems."
    )
    return Table("Another seed", tuple(columns), tuple(rows), (note,))


def _metric(value: object) -> Metric | None:
    """A figure out of JSON; None where it is none."""
    if not isinstance(value, dict) or not isinstance(value.get("value"), int | float):
        return None
    ends = [value.get(end) for end in ("low", "high")]
    low, high = (float(end) if isinstance(end, int | float) else None for end in ends)
    return Metric(float(value["value"]), low, high)
