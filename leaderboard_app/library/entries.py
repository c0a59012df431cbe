"""Entries from the rows of the catalogue: one for each submission and run, labelled."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path

import pyarrow as pa

from leaderboard_app.library.columns import by_group, metrics_of, values_in
from leaderboard_app.library.entry import (
    DERIVED,
    DERIVED_RUN,
    LOCAL,
    RUN,
    SUPERSEDED,
    Entry,
    Result,
)
from simulator.arrow import arrow_array
from simulator.boards.derived import SEED, Derivable, derivable
from simulator.catalogue.figures import BASES
from simulator.catalogue.pool_rows import Broken, Row
from simulator.catalogue.views import Catalogue
from simulator.counting import GENERATED
from simulator.loading import is_builtin, load_policy
from simulator.pools.pool import Pool
from simulator.runs.format import METRICS
from simulator.submissions.examples import REPEATS, paper_of


def entries_of(catalogue: Catalogue, pools: Sequence[Row], broken: list[Broken]) -> list[Entry]:
    """Return the entries of a catalogue; folders that hold none are added to `broken`."""
    tables = (catalogue.submissions, catalogue.runs)
    versions = _versions(pools, (*tables, catalogue.derived))
    found: list[Entry] = []
    for name, table in zip(("submission", "run"), tables, strict=True):
        found += _entries(table, name, versions, broken)
    found += _derived(catalogue.derived, pools, versions, broken)
    return _with_labels(superseded(found))


def _versions(pools: Sequence[Row], tables: Sequence[pa.Table]) -> Mapping[str, set[str]]:
    """Return the fingerprints of each pool name, wherever it is used."""
    found: dict[str, set[str]] = {}
    pairs = {(row["name"], row["fingerprint"]) for row in pools}
    for table in tables:
        columns = (values_in(table[name]) for name in ("pool", "fingerprint"))
        pairs.update(zip(*columns, strict=True))
    for name, fingerprint in pairs:
        if name is not None and fingerprint is not None:
            found.setdefault(name, set()).add(fingerprint)
    return found


def _entries(
    table: pa.Table, name: str, versions: Mapping[str, set[str]], broken: list[Broken]
) -> list[Entry]:
    """Return the entries of a view's rows; the column `name` identifies each."""
    table = table.sort_by([(name, "ascending"), ("pool", "ascending")])
    groups = by_group(table[name])
    firsts = table.take(arrow_array([start for start, _ in groups], pa.int64()))
    own = {column: values_in(firsts[column]) for column in {*firsts.column_names} - _MEASURED}
    results = _results(table, versions)
    found = []
    for row, (start, end) in enumerate(groups):
        first = {column: values[row] for column, values in own.items()}
        if first["pool"] is None:
            broken.append(Broken(Path(first["path"]), "holds no run; see deepprune-sim submit"))
        else:
            prefix = RUN if name == "run" else ""
            found.append(_entry(f"{prefix}{first[name]}", first, results[start:end]))
    return found


def _derived(
    table: pa.Table,
    pools: Sequence[Row],
    versions: Mapping[str, set[str]],
    broken: list[Broken],
) -> list[Entry]:
    """Return the entries derived here, as far as this version derives them on the pools here."""
    by_name = {row["name"]: row for row in pools}
    found = []
    for entry in _entries(table, "run", versions, broken):
        (result, *more) = entry.results.values()
        row = by_name.get(result.pool)
        if row is None or row["fingerprint"] != result.fingerprint or more:
            continue
        expected = derivable(open_pool(Path(row["path"]), row["fingerprint"]))
        if not _as_derived(entry, result, expected.get(entry.id.removeprefix(RUN))):
            continue
        paper = paper_of(load_policy(entry.policy).policy.source)
        name = DERIVED_RUN + entry.id.removeprefix(RUN)
        found.append(
            replace(entry, id=name, badge=DERIVED, authors=("deepprune-sim",), paper=paper)
        )
    return found


def _as_derived(entry: Entry, result: Result, expected: Derivable | None) -> bool:
    """Return True if a run is made as derived ones are, and has their name."""
    return (
        expected is not None
        and is_builtin(entry.policy)
        and load_policy(entry.policy).sha256 == entry.policy_sha256
        and json.dumps(entry.parameters, sort_keys=True)
        == json.dumps(dict(expected.parameters), sort_keys=True)
        and (entry.seed, entry.repeats, result.budget) == (SEED, REPEATS, expected.budget)
        and not (result.serving or result.given_cost)
    )


_MEASURED = {f"{name}{end}" for name in METRICS for end in ("", "_low", "_high")}


def _entry(name: str, first: Row, results: Sequence[Result]) -> Entry:
    is_run = name.startswith(RUN)
    method = first["policy"] if is_run else first["method"] or first["policy"]
    return Entry(
        id=name,
        path=Path(first["path"]),
        method=method,
        label=method,
        badge=LOCAL if is_run else first["badge"],
        needs=tuple(first["needs"] or ()),
        policy=first["policy"],
        policy_sha256=first["policy_sha256"],
        parameters=json.loads(first["parameters"]),
        settings=tuple(first["settings"] or ()),
        unranked=first["unranked"],
        seed=first["seed"],
        repeats=first["repeats"],
        results={result.column: result for result in results},
        authors=tuple(first.get("authors") or ()),
        date=_day(first["started_at"]) if is_run else first["date"],
        verified_at=first.get("verified_at"),
        command=first["command"],
        organisation=first.get("organisation"),
        paper=first.get("paper"),
        code=first.get("code"),
        description=first.get("description"),
        withdrawn=first.get("withdrawn"),
        basis=first["basis"],
        figures_path=Path(first["figures_path"]),
        answers_sha256=first["answers_sha256"],
        figures_sha256=first["figures_sha256"],
        files_sha256=first["files_sha256"],
        files_stamp=first["files_stamp"],
        note=first.get("note") or "",
        sweep_settings=first["sweep_settings"],
        version=first.get("version"),
        supersedes=first.get("supersedes"),
    )


def superseded(entries: Sequence[Entry]) -> list[Entry]:
    """Mark the entries whose place a later one has taken, with its id.

    One that is broken or withdrawn takes no place, nor one whose figures are less well checked, nor
    one that shares no author with the other: nobody removes the rows of others.
    """
    by: dict[str, str] = {}
    known = {entry.id: entry for entry in entries}
    for entry in entries:
        other = known.get(entry.supersedes or "")
        if other is None or other is entry or entry.badge in (None, "withdrawn"):
            continue
        if BASES.index(entry.basis) > BASES.index(other.basis):
            continue
        if {*map(str.casefold, entry.authors)} & {*map(str.casefold, other.authors)}:
            by[other.id] = entry.id
    return [
        replace(entry, badge=SUPERSEDED, superseded_by=by[entry.id])
        if entry.id in by and entry.badge != "withdrawn"
        else entry
        for entry in entries
    ]


def _day(moment: str | None) -> str | None:
    try:
        return date.fromisoformat((moment or "")[:10]).isoformat()
    except ValueError:
        return None


def _results(table: pa.Table, versions: Mapping[str, set[str]]) -> list[Result]:
    """Return the result of each row; a row without a pool has one without a meaning."""
    several = {pool for pool, found in versions.items() if len(found) > 1}
    names = (
        *("pool", "fingerprint", "synthetic", "token_accuracy", "problems", "budget", "baseline"),
        *("clock_unit", "serving", "probe_cost", "probe_source", "charging"),
    )
    rows = zip(*(values_in(table[name]) for name in names), metrics_of(table), strict=True)
    found = []
    parts: dict[str, list[str]] = {}
    for pool, fingerprint, synthetic, accuracy, problems, budget, baseline, unit, *others in rows:
        serving, probe_cost, probe_source, charging, metrics = others
        name = pool or ""
        of = parts.setdefault(name, [name, *name.split("/")][-2:])
        found.append(
            Result(
                pool=name,
                column=f"{name}#{(fingerprint or '?')[:8]}" if name in several else name,
                fingerprint=fingerprint,
                model=of[0],
                benchmark=of[1],
                synthetic=synthetic,
                token_accuracy=accuracy,
                problems=problems,
                budget=budget,
                baseline=baseline,
                clock_unit=unit,
                serving=serving or "",
                metrics=metrics,
                probe_cost=probe_cost or "",
                probe_source=probe_source or "",
                charging=charging or GENERATED,
            )
        )
    return found


def _with_labels(entries: Sequence[Entry]) -> list[Entry]:
    """Give entries of the same method distinct labels, by their settings, else by their id.

    Entries that are derived here are told apart by their pools.
    """

    def settled(entry: Entry) -> str:
        shown = [
            f"{name}={entry.parameters[name]}"
            for name in entry.settings
            if name in entry.parameters
        ]
        label = f"{entry.method} ({', '.join(shown)})" if shown else entry.method
        if entry.badge != DERIVED:
            return label
        return f"{label} on {', '.join(each.partition('/')[2] for each in entry.results)}"

    labels = [settled(entry) for entry in entries]
    times = Counter(labels)
    return [
        replace(entry, label=label if times[label] == 1 else f"{label} [{entry.id}]")
        for entry, label in zip(entries, labels, strict=True)
    ]


@lru_cache(maxsize=32)
def open_pool(path: Path, fingerprint: str) -> Pool:
    """Open a pool for reading; the one in the same place with this fingerprint is opened once."""
    return Pool(path)
