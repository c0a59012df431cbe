"""The first step: check that a submission follows the format, before any of it is used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from simulator.counting import DRAWN, GENERATED
from simulator.replay.recording import ANSWERS, DECISIONS, JUDGED
from simulator.runs.format import ANSWERS_FILE, DECISIONS_FILE, RUN_FILE, SUMMARY_FILE
from simulator.submissions.blocks import most_rows_in_group, open_table
from simulator.submissions.files import NAME, Files
from simulator.submissions.metadata import Metadata, read_metadata
from simulator.submissions.run_record import RecordedRun, read_run
from simulator.submissions.strict_json import Refused, parse_object, shown

MAX_DECISIONS = 50_000_000
MAX_ANSWERS = 5_000_000
MAX_PROBLEMS = 100_000
"""Limits of a submission over all its pools."""


_HIDING = re.compile(
    "[\x00-\x08\x0b\x0d-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)
"""Characters that can make the shown source differ from the one that runs: terminal control
characters, line ends that only some programs know, and changes of writing direction."""


@dataclass(frozen=True)
class OpenRun:
    """A run whose form is checked; `decisions` and `answers` are open, not yet read.

    `record` is the content of `run.json`, and `run` what was read and checked of it.
    """

    record: Mapping[str, Any]
    run: RecordedRun
    summary: dict[str, Any]
    decisions: pq.ParquetFile
    answers: pq.ParquetFile


@dataclass(frozen=True)
class Submission(OpenRun):
    """A well-formed submission."""

    name: str
    metadata: Metadata


def check_form(files: Files) -> tuple[Submission | None, list[str]]:
    """Return the submission in these files (None if not well-formed), and a list of its errors."""
    findings = list(files.findings)
    content = files.content
    metadata, wrong = None, list[str]()
    if "submission.toml" in content:
        metadata, wrong = read_metadata(content["submission.toml"])
        findings += wrong
    if metadata is not None:
        findings += check_name(files.name, metadata)
    record: dict[str, Any] = {}
    run = summary = decisions = answers = None
    try:
        if RUN_FILE in content:
            record = parse_object(content[RUN_FILE], RUN_FILE)
            run = read_run(record)
    except Refused as error:
        findings.append(str(error))
    try:
        if SUMMARY_FILE in content:
            summary = parse_object(content[SUMMARY_FILE], SUMMARY_FILE)
    except Refused as error:
        findings.append(str(error))
    if run is not None and run.charging != GENERATED:
        findings.append(
            f"run.json: its tokens are counted by --charging {run.charging}; submit a run that "
            "counts those generated, made without that option"
        )
    if run is not None and record.get("order", DRAWN) != DRAWN:
        findings.append(
            "run.json: its traces were not started in drawn orders (--order); submit a run made "
            "without that option"
        )
    if run is not None and record.get("problems") is not None:
        findings.append(
            "run.json: only a part of the problems was run (--problems); submit a run on whole "
            "pools"
        )
    for pool in run.pools if run is not None else ():
        if pool.unfinished:
            findings.append(
                f"run.json: {pool.unfinished:,} traces of {pool.name} are unfinished; submit a run "
                "on whole traces"
            )
    if run is not None and "policy.py" in content and content["policy.py"] != run.source.encode():
        findings.append("policy.py: not the policy that run.json records")
    if run is not None and (hiding := _HIDING.search(run.source)):
        line = run.source.count("\n", 0, hiding.start()) + 1
        findings.append(
            f"policy.py line {line}: has {shown(hiding[0])}, which can hide what the source does; "
            "write it as an escape"
        )
    if run is not None and summary is not None:
        try:
            decisions, answers = _open_tables(content, run, summary)
        except Refused as error:
            findings.append(str(error))
    if findings or metadata is None or run is None or summary is None:
        return None, findings
    if decisions is None or answers is None:
        return None, findings
    opened = (record, run, summary, decisions, answers)
    return Submission(*opened, files.name, metadata), []


def open_run(content: Mapping[str, bytes], *, bounded: bool = True) -> OpenRun:
    """Open a run's four files by their content; unless `bounded`, it may have any number of rows.

    Raises
    ------
    Refused
        The run does not follow the format.
    """
    record = parse_object(content[RUN_FILE], RUN_FILE)
    run = read_run(record)
    summary = parse_object(content[SUMMARY_FILE], SUMMARY_FILE)
    decisions, answers = _open_tables(content, run, summary, bounded=bounded)
    if decisions is None or answers is None:
        raise Refused(f"{ANSWERS_FILE if decisions else DECISIONS_FILE}: missing")
    return OpenRun(record, run, summary, decisions, answers)


def check_name(name: str, metadata: Metadata) -> list[str]:
    """List what in the metadata does not fit the submission's name; empty if all does."""
    wrong = []
    match = NAME.fullmatch(name)
    if match and match[1] != metadata.date.isoformat():
        wrong.append(f"submission.toml: date {metadata.date} is not that of the name")
    if metadata.supersedes == name:
        wrong.append("submission.toml: supersedes is the submission itself")
    return wrong


def _open_tables(
    content: Mapping[str, bytes], run: RecordedRun, summary: dict[str, Any], *, bounded: bool = True
) -> tuple[pq.ParquetFile | None, pq.ParquetFile | None]:
    """Open both tables; run and summary give the number of rows that they may have."""
    entries = summary.get("pools")
    entries = entries if isinstance(entries, list) else []
    names = [each.get("pool") if isinstance(each, dict) else None for each in entries]
    if names != [pool.name for pool in run.pools]:
        raise Refused("summary.json: its pools are not those of run.json")
    replays = started = 0
    for entry, pool in zip(entries, run.pools, strict=True):
        problems = entry.get("problems")
        if type(problems) is not int or not 1 <= problems <= MAX_PROBLEMS:
            raise Refused(f"summary.json: {pool.name}: no valid number of problems")
        replays += problems * run.repeats
        started += problems * run.repeats * pool.budget
    if bounded and (replays > MAX_ANSWERS or started > MAX_DECISIONS):
        raise Refused(
            f"run.json: {replays:,} replays that may start {started:,} traces are more than a "
            f"submission may have ({MAX_ANSWERS:,} and {MAX_DECISIONS:,}); make fewer repeats"
        )
    decisions = answers = None
    if DECISIONS_FILE in content:
        decisions = open_table(
            content[DECISIONS_FILE],
            DECISIONS_FILE,
            DECISIONS,
            rows=range(started + 1),
            most_in_group=most_rows_in_group(max(pool.budget for pool in run.pools)),
            optional=[["cluster"]],
        )
    if ANSWERS_FILE in content:
        answers = open_table(
            content[ANSWERS_FILE],
            ANSWERS_FILE,
            ANSWERS,
            rows=range(replays, replays + 1),
            most_in_group=2_000_000,
            optional=[["probe_tokens"], JUDGED],
        )
    return decisions, answers
