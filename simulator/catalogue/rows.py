"""The rows of the catalogue's views, from the descriptions of pools, runs and submissions.

Descriptions and summaries are small and are read whole. The rows of a folder are cached until one
of its files changes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path

import pyarrow as pa

from simulator.catalogue.figures import KEPT as KEPT_FIGURES
from simulator.catalogue.figures import VERIFIED, Figures, Pools, derive
from simulator.catalogue.kept_rows import rows_of
from simulator.catalogue.needs import needs_of
from simulator.catalogue.pool_rows import (
    Broken,
    Progress,
    Row,
    Stamp,
    check_stays_in,
    left_out,
    misnamed_folder,
    parquet_schema,
    stamp,
    stamp_digest,
)
from simulator.errors import UserError
from simulator.replay.recording import ADDED, ANSWERS, DECISIONS
from simulator.runs.format import ANSWERS_FILE, IDENTITY_FILE, METRICS, RUN_FILE
from simulator.runs.results import RunResult, read_results
from simulator.submissions.badges import badge_of, counted, rerun_passed, verified_at
from simulator.submissions.files import METADATA, REQUIRED, Files, combined_sha256, read_files
from simulator.submissions.files import VERIFIED as VERIFIED_FOLDER
from simulator.submissions.metadata import read_metadata
from simulator.submissions.published import BADGE, read_published
from simulator.submissions.verified import verified_folder

_INTERVALS = (
    *("accuracy", "accuracy_difference", "reduction", "tokens_per_problem", "tokens_1e8"),
    *("clock", "cost", "cost_reduction"),
)

RUNS = pa.schema(
    [
        ("run", pa.string()),
        ("policy", pa.string()),
        ("policy_sha256", pa.string()),
        ("parameters", pa.string()),
        ("settings", pa.list_(pa.string())),
        ("unranked", pa.bool_()),
        ("seed", pa.int64()),
        ("repeats", pa.int64()),
        ("pool", pa.string()),
        ("fingerprint", pa.string()),
        ("synthetic", pa.bool_()),
        ("token_accuracy", pa.string()),
        ("problems", pa.int64()),
        ("budget", pa.int64()),
        ("baseline", pa.string()),
        *[
            (name, pa.float64())
            for metric in METRICS
            for name in (
                [metric, f"{metric}_low", f"{metric}_high"] if metric in _INTERVALS else [metric]
            )
        ],
        ("clock_unit", pa.string()),
        ("serving", pa.string()),
        ("probe_cost", pa.string()),
        ("probe_source", pa.string()),
        ("charging", pa.string()),
        ("basis", pa.string()),
        ("sweep_settings", pa.int64()),
        ("started_at", pa.string()),
        ("wall_seconds", pa.float64()),
        ("command", pa.string()),
        ("path", pa.string()),
        ("figures_path", pa.string()),
        ("answers_sha256", pa.string()),
    ]
)

SUBMISSIONS = pa.schema(
    [
        ("submission", pa.string()),
        ("badge", pa.string()),
        ("method", pa.string()),
        ("authors", pa.list_(pa.string())),
        ("organisation", pa.string()),
        ("date", pa.string()),
        ("paper", pa.string()),
        ("code", pa.string()),
        ("description", pa.string()),
        ("version", pa.string()),
        ("supersedes", pa.string()),
        ("withdrawn", pa.string()),
        ("verified_at", pa.string()),
        ("note", pa.string()),
        *[field for field in RUNS if field.name != "run"],
    ]
)

INTERNAL = (
    ("needs", pa.list_(pa.string())),
    ("figures_sha256", pa.string()),
    ("files_sha256", pa.string()),
    ("files_stamp", pa.string()),
)
"""Columns of the rows that no view has: the signals that the policy reads, the hash of the answers
that figures come from, that of all files of a submission, and their stamp (`stamp_digest`)."""


def _with_internal(schema: pa.Schema) -> pa.Schema:
    return pa.schema([*schema, *INTERNAL])


PUBLISHED = pa.schema(
    [
        ("method", pa.string()),
        ("model", pa.string()),
        ("benchmark", pa.string()),
        ("tokens_1e8", pa.float64()),
        ("accuracy", pa.float64()),
        ("badge", pa.string()),
        ("source", pa.string()),
        ("organisation", pa.string()),
        ("date", pa.string()),
        ("paper", pa.string()),
        ("code", pa.string()),
    ]
)


@lru_cache(maxsize=8)
def pools_at_hand(named: tuple[tuple[str, str, str], ...], cache: Path) -> Pools:
    """Return the pools with these names, fingerprints and paths; the same object for the same."""
    found = {(name, fingerprint): Path(path) for name, fingerprint, path in named}
    return Pools(found, cache / KEPT_FIGURES if cache.is_dir() else None)


def runs_rows(
    runs: Path | None, pools: Pools, broken: list[Broken], progress: Progress = lambda done: None
) -> tuple[pa.Table, list[Path]]:
    """Derive the rows of the view `runs`; return them and the folders of the runs."""
    schema = _with_internal(RUNS)
    if runs is None:
        return pa.Table.from_batches([], schema), []
    sweeps = [each for each, _ in _folders_with(runs, ("sweep.json",), broken)]
    sweeps = [each for each in sweeps if each.suffix != ".partial"]
    below = [run for sweep in sweeps for run in _folders_with(sweep, (RUN_FILE,), broken)]
    folders = sorted([*_folders_with(runs, (RUN_FILE, IDENTITY_FILE), broken), *below])
    read, there = partial(_read_run, runs, pools), frozenset(pools.at_hand)
    return rows_of("runs", runs, schema, folders, read, there, pools.kept, broken, progress)


def _read_run(runs: Path, pools: Pools, folder: Path, facts: Stamp) -> Sequence[Row] | Broken:
    try:
        check_stays_in(runs, folder, ("decisions", "answers"))
        for result in read_results(folder):
            if result.unfinished:
                raise UserError(
                    f"{result.unfinished:,} traces of {result.pool} are unfinished, so that it "
                    "cannot be compared; replay whole traces"
                )
            if result.problem_ids is not None:
                count = f"{result.problems} of {result.problems_in_pool}"
                raise UserError(
                    f"only {count} problems of {result.pool} were run, so that it cannot be "
                    "compared here; see it with: deepprune-sim report"
                )
        for name, wanted in (("decisions", DECISIONS), ("answers", ANSWERS)):
            schema = parquet_schema(folder / f"{name}.parquet")
            if not set(wanted.names) <= {*schema.names, *ADDED}:
                raise UserError(f"{name}.parquet: columns are missing; make the run again")
        found = {"run": folder.relative_to(runs).as_posix(), "needs": needs_of(folder)}
        return [{**row, **found} for row in _result_rows(derive(folder, pools))]
    except UserError as error:
        return left_out(folder, error)


def submissions_rows(
    submissions: Path | None,
    pools: Pools,
    broken: list[Broken],
    progress: Progress = lambda done: None,
) -> pa.Table:
    """Derive the rows of the view `submissions`: one per pool, or a single one without a run."""
    schema = _with_internal(SUBMISSIONS)
    if submissions is None:
        return pa.Table.from_batches([], schema)
    folders = _folders_with(submissions, ("submission.toml", RUN_FILE), broken)
    read, there = partial(_read_submission, pools), frozenset(pools.at_hand)
    table, _ = rows_of(
        "submissions", submissions, schema, folders, read, there, pools.kept, broken, progress
    )
    return table


def _read_submission(pools: Pools, folder: Path, facts: Stamp) -> Sequence[Row] | Broken:
    """Read the rows of one submission; its files are untrusted, an invalid one is not used."""
    files = read_files(folder)
    named: Row = {"submission": folder.name, "path": str(folder), "badge": badge_of(files)}
    named["verified_at"] = verified_at(files)
    metadata = read_metadata(files.content.get("submission.toml", b""))[0]
    if metadata is not None:
        named |= {key: value for key, value in asdict(metadata).items() if key in _SAID}
        named |= {"date": metadata.date.isoformat(), "authors": list(metadata.authors)}
    try:
        if not (folder / RUN_FILE).is_file():
            return [named]
        if rerun_passed(files, named["badge"]):
            own = read_results(folder)
            figures, note = _figures_if_verified(folder, files, own, pools)
        else:
            own, note = [], ""
            figures = derive(folder, pools, files.content, bounded=True)
    except UserError as error:
        return left_out(folder, error)
    if named["badge"] == "verified" and figures.basis != VERIFIED:
        named["badge"] = "recomputed"
    rows = _result_rows(figures)
    named |= {"answers_sha256": files.sha256.get(ANSWERS_FILE), "needs": needs_of(folder)}
    named["files_sha256"] = _files_sha256(files, by_verifier=figures.basis == VERIFIED)
    named["files_stamp"] = stamp_digest(facts)
    if figures.basis == VERIFIED:
        stated = [{name: row[name] for name in _OWN} for row in map(_result_row, own)]
        rows = [{**row, **each} for row, each in zip(rows, stated, strict=True)]
    return [{**row, **named, "note": note} for row in rows]


def _files_sha256(files: Files, *, by_verifier: bool) -> str | None:
    """Return the hash of all files of a submission, and of its verifier's run; None if one lacks.

    They were hashed when they were read, so that a citation does not read them again.
    """
    if not {*REQUIRED} <= {*files.content}:
        return None
    hashes = files.sha256 | {METADATA: sha256(files.content[METADATA]).hexdigest()}
    recorded = counted(files) if by_verifier else None
    own = {} if recorded is None else recorded.verified_sha256
    return combined_sha256(hashes | {f"{VERIFIED_FOLDER}/{name}": own[name] for name in own})


_SAID = (
    *("method", "organisation", "paper", "code", "description", "withdrawn"),
    *("version", "supersedes"),
)

_OWN = ("policy", "parameters", "settings", "sweep_settings", "command", "started_at")
"""Columns about a submission's own run, also where the figures are the verifier's."""


def _figures_if_verified(
    folder: Path, files: Files, stated: Sequence[RunResult], pools: Pools
) -> tuple[Figures, str]:
    """Derive the figures of a submission whose rerun passed; say why, if not the verifier's."""
    verified = verified_folder(folder, files)
    if verified is None:
        why = "the verifier's own replays are missing or changed"
    else:
        figures = derive(verified, pools, by_verifier=True)
        if [*map(_replayed, figures.results)] == [*map(_replayed, stated)]:
            return figures, ""
        why = "the verifier's own replays are of another policy or pool"
    note = f"Not counted as verified, because {why}; run deepprune-sim verify again."
    return derive(folder, pools, files.content, bounded=True), note


def _replayed(result: RunResult) -> object:
    """Return the policy and traces that a result is about; the seed may differ."""
    return (
        *(result.policy_sha256, result.parameters, result.unranked),
        *(result.pool, result.fingerprint, result.budget, result.serving),
    )


def published_rows(submissions: Path | None, broken: list[Broken]) -> list[Row]:
    """Read the rows of the view `published`: figures from publications, without a replay."""
    if submissions is None:
        return []
    try:
        published = read_published(submissions)
    except UserError as error:
        broken.append(left_out(submissions, error))
        return []
    return [
        {
            **{name: getattr(figure, name) for name in PUBLISHED.names[:5]},
            "badge": BADGE,
            "source": figure.source.title,
            "organisation": figure.source.organisation,
            "date": figure.source.date.isoformat() if figure.source.date else None,
            "paper": figure.source.paper,
            "code": figure.source.code,
        }
        for figure in published.figures
    ]


def _folders_with(
    parent: Path, marks: Sequence[str], broken: list[Broken]
) -> list[tuple[Path, Stamp]]:
    """Return the folders in `parent` that hold any of the files `marks`, sorted, with stamps.

    Those whose name is not UTF-8 are added to `broken` instead.
    """
    try:
        with os.scandir(parent) as found:
            names = sorted(each.name for each in found if each.is_dir())
    except OSError:
        return []
    folders = []
    for name in names:
        files = stamp(parent / name)
        if any(each[0] in marks for each in files):
            misnamed = misnamed_folder(parent / name)
            if misnamed is None:
                folders.append((parent / name, files))
            elif misnamed not in broken:
                broken.append(misnamed)
    return folders


def _result_rows(figures: Figures) -> list[Row]:
    """Return the rows of a run's figures, one per pool."""
    beside = {
        "basis": figures.basis,
        "figures_path": str(figures.path),
        "answers_sha256": figures.answers_sha256,
        "figures_sha256": figures.answers_sha256,
    }
    return [{**_result_row(result), **beside} for result in figures.results]


def _result_row(result: RunResult) -> Row:
    row: Row = dict.fromkeys(RUNS.names) | {
        name: getattr(result, name) for name in RUNS.names if hasattr(result, name)
    }
    row["settings"] = list(result.settings)
    row["parameters"] = json.dumps(result.parameters, sort_keys=True)
    row["path"] = str(result.path)
    for name in METRICS:
        metric = result.metrics.get(name)
        if metric is not None:
            row |= {name: metric.value, f"{name}_low": metric.low, f"{name}_high": metric.high}
    return row
