"""Verification report of a submission, as shown on its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from leaderboard_app.library.entry import DERIVED, RUN, Entry
from leaderboard_app.shown.glossary import FIGURES
from leaderboard_app.shown.table import Cell, Column, Table
from leaderboard_app.views.entry.entry import figure_cell
from simulator.catalogue.pool_rows import Stamp, stamp
from simulator.runs.results import Metric
from simulator.submissions.badges import is_named, read_verification
from simulator.submissions.files import METADATA, VERIFICATION, read_files
from simulator.submissions.metadata import read_metadata
from simulator.submissions.strict_json import Refused, parse_object
from simulator.submissions.wellformed import check_form

STEPS = {
    "well-formed": "The files have the required format.",
    "recomputed": "Every figure follows from the decisions and the pools.",
    "rerun": "The policy was run again and made the same decisions.",
}

SIGNS = {"passed": "✔ passed", "failed": "✕ failed", "skipped": "– skipped"}

LAYERS = "Isolation of the policy during the rerun: "

REPLAYED = (
    "A built-in method, replayed on this machine: anyone with the pool gets the same decisions."
)

MOST = 5
"""Maximum number of findings listed for a broken submission that has not been verified."""

COMPARED = ("accuracy", "accuracy_difference", "tokens_per_problem", "reduction", "clock")


@dataclass(frozen=True, slots=True)
class StepShown:
    """A verification step: name, meaning, outcome, and its findings and notes as lines."""

    name: str
    meaning: str
    status: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Contents of a report; without a valid report, `steps` is empty and `why` is the reason."""

    why: str = ""
    steps: tuple[StepShown, ...] = ()
    layers: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    verified_at: str = ""
    seconds: float | None = None
    other_seed: tuple[Mapping[str, Any], ...] = ()


def read_report(entry: Entry) -> Report:
    """Read the report of an entry; one made for other files does not count."""
    if entry.id.startswith(RUN):
        return Report("A local run: deepprune-sim submit makes a submission of it.")
    if entry.badge == DERIVED:
        return Report(REPLAYED)
    return _read(entry.path, stamp(entry.path), entry.badge is None)


@lru_cache(maxsize=256)
def _read(path: Path, of: Stamp, broken: bool) -> Report:
    if not (path / VERIFICATION).is_file():
        findings = check_form(read_files(path))[1] if broken else []
        if findings:
            more = f" And {len(findings) - MOST} more." if len(findings) > MOST else ""
            return Report(f"It is not well-formed. {'; '.join(findings[:MOST])}.{more}")
        return Report("Not verified yet.")
    files = read_files(path)
    content = files.content.get(VERIFICATION, b"")
    try:
        recorded = read_verification(content)
    except Refused:
        recorded = None
    if recorded is None:
        return Report(f"Its {VERIFICATION} cannot be read, so it does not count.")
    if recorded.sha256 != files.sha256:
        return Report(
            f"Its {VERIFICATION} was made for other files than the present ones, so it does not "
            "count."
        )
    metadata, _ = read_metadata(files.content.get(METADATA, b""))
    if metadata is None or not is_named(recorded, metadata):
        return Report(
            f"Its {VERIFICATION} was made under another method, date, version or standing than "
            f"{METADATA} has, so it does not count."
        )
    fields = parse_object(content, VERIFICATION)
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
    """Build the table of steps with their outcomes."""
    columns = (
        Column("step", "Step", numeric=False),
        Column("status", "Outcome", numeric=False),
        Column("meaning", "Meaning", numeric=False),
    )
    rows = tuple(
        (Cell(each.name), Cell(each.status, bold=True), Cell(each.meaning)) for each in report.steps
    )
    return Table("Verification", columns, rows)


def facts_text(report: Report) -> str:
    """Describe the verification: date, duration, isolation and versions."""
    took = f", {report.seconds:,.0f} s" if report.seconds is not None else ""
    parts = (
        f"Verified {report.verified_at}{took}." if report.verified_at else "",
        f"{LAYERS}{', '.join(report.layers)}." if report.layers else "",
        f"With {', '.join(report.versions)}." if report.versions else "",
    )
    return " ".join(part for part in parts if part)


def other_seed_table(entry: Entry, report: Report) -> Table | None:
    """Build the table of figures with a seed unknown to the submitter, beside those submitted.

    None if no other seed was tried.
    """
    by_pool = {result.pool: result for result in entry.results.values()}
    rows = []
    for each in report.other_seed:
        result = by_pool.get(str(each.get("pool")))
        if result is None:
            continue
        both = ((name, (result.metrics.get(name), _metric(each.get(name)))) for name in COMPARED)
        figures = (figure_cell(name, metric, result) for name, pair in both for metric in pair)
        rows.append((Cell(result.pool, result.pool), *figures))
    if not rows:
        return None
    columns = [Column("pool", "Pool", numeric=False)]
    columns += [
        Column(f"{name}{suffix}", heading, FIGURES[name].heading, FIGURES[name].help)
        for name in COMPARED
        for suffix, heading in (("", "submitted"), ("_other", "another seed"))
    ]
    first = report.other_seed[0]
    note = (
        f"The other seed, {first.get('seed')}, was unknown to the submitter; "
        f"{first.get('repeats')} repeats. In brackets: 95% interval over problems."
    )
    return Table("Another seed", tuple(columns), tuple(rows), (note,))


def _metric(value: object) -> Metric | None:
    """Parse a metric from JSON; None if it is invalid."""
    if not isinstance(value, dict) or not isinstance(value.get("value"), int | float):
        return None
    ends = [value.get(end) for end in ("low", "high")]
    low, high = (float(end) if isinstance(end, int | float) else None for end in ends)
    return Metric(float(value["value"]), low, high)
