"""SCOUT (Parallel-Probe, arXiv 2602.03845): lengths, answers and probe answers, without text.

A file is one benchmark: a JSON list of problems `{question, gold_answer, probe_freq, each_branch}`,
each branch `[probe answers, tokens, final answer]`; or in the form that its own code generates,
with three lists `probe_matrix_mxn`, `branch_tokens` and `final_answers_trace` instead of
`each_branch`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simulator.errors import UserError
from simulator.importers.importer import (
    BadRow,
    Faults,
    ImportOptions,
    Reading,
    answer_text,
    drained,
    infer_kind,
    refuse_map,
    storable,
    token_count,
    with_traces,
)
from simulator.importers.json_files import read_json
from simulator.pools.records import ProblemRecord, TraceRecord

VERSION = "1"

UNPARSABLE = "ERR"
"""The publisher's mark for an answer that could not be parsed; it is imported as no answer."""

_RAW_FIELDS = ("probe_matrix_mxn", "branch_tokens", "final_answers_trace")
_LIKE_PUBLISHED = "give it as in the published files"


def read(options: ImportOptions) -> Reading:
    """Read one SCOUT file.

    Problems are numbered in file order (`00`, `01`, …), as are a problem's traces. Probe j (from 0)
    was made at token (j + 1) · `probe_freq`; one past its trace's last token is left out.

    Raises
    ------
    UserError
        More than one file, one that cannot be read or is not a SCOUT file, or a bad branch.
    """
    refuse_map(options, "scout")
    path = _only_path(options.paths)
    items = read_json(path)
    if not isinstance(items, list):
        kind = type(items).__name__
        raise UserError(f"{path}: holds a JSON {kind}, not a list of problems; is it a SCOUT file?")
    if not items:
        raise UserError(f"{path}: holds no problem; download or export it again")
    faults = Faults(drop=options.drop_bad_rows)
    width = max(2, len(str(len(items) - 1)))
    problems: list[ProblemRecord] = []
    late_probes = 0
    for index, item in enumerate(items):
        options.progress(f"reading {path.name}", index / len(items))
        problem_id = f"{index:0{width}d}"
        try:
            problem, late = _problem(item, problem_id, f"{path}: problem {index}", faults)
        except BadRow as fault:
            faults.reject(f"{path}: problem {index}", fault)
            continue
        problems.append(problem)
        late_probes += late
    kind = options.answer_kind or infer_kind(problem.gold_answer for problem in problems)
    for problem in problems:
        problem.answer_kind = kind
    notes = []
    if late_probes:
        notes.append(f"{late_probes} probes past their trace's last token were left out")
    problems = with_traces(problems, faults, str(path))
    return Reading(
        problems=drained(problems),
        total=len(problems),
        token_accuracy="total",
        faults=faults,
        notes=notes,
    )


def _only_path(paths: Sequence[Path]) -> Path:
    if len(paths) != 1:
        raise UserError(
            f"{len(paths)} files given, but each SCOUT file is a benchmark and a pool of its own; "
            "import them one by one, each with its own --benchmark"
        )
    if paths[0].is_dir():
        names = ", ".join(sorted(file.name for file in paths[0].glob("*.json"))[:5])
        raise UserError(f"{paths[0]}: this is a folder; name one of its files ({names or 'none'})")
    return paths[0]


def _problem(item: Any, problem_id: str, where: str, faults: Faults) -> tuple[ProblemRecord, int]:
    """Read a problem with its traces; also return the number of probes past their trace's end."""
    if not isinstance(item, dict):
        raise BadRow("problem is not an object", _LIKE_PUBLISHED, item)
    gold = answer_text(item.get("gold_answer"), "gold_answer")
    if gold is None:
        raise BadRow("problem without a gold_answer", _LIKE_PUBLISHED)
    every = token_count(item.get("probe_freq"), "probe_freq")
    question = item.get("question")
    if not isinstance(question, str | None):
        raise BadRow("question is not a text", _LIKE_PUBLISHED, question)
    traces: list[TraceRecord] = []
    late = 0
    for number, branch in enumerate(_branches(item)):
        try:
            trace, past_end = _trace(branch, number, every)
        except BadRow as fault:
            faults.reject(f"{where}, branch {number}", fault)
            continue
        traces.append(trace)
        late += past_end
    text = None if question is None else storable(question)
    return ProblemRecord(problem_id, text, gold, "math", traces), late


def _branches(item: dict[str, Any]) -> Sequence[Any]:
    branches = item.get("each_branch")
    if branches is None and all(name in item for name in _RAW_FIELDS):
        columns = [item[name] for name in _RAW_FIELDS]
        if not all(isinstance(column, list) for column in columns):
            raise BadRow(f"{', '.join(_RAW_FIELDS)} are not lists", _LIKE_PUBLISHED)
        if len({len(column) for column in columns}) != 1:
            lengths = "/".join(str(len(column)) for column in columns)
            raise BadRow(f"{', '.join(_RAW_FIELDS)} differ in length", _LIKE_PUBLISHED, lengths)
        return list(zip(*columns, strict=True))
    if not isinstance(branches, list):
        raise BadRow(f"problem without each_branch or {', '.join(_RAW_FIELDS)}", _LIKE_PUBLISHED)
    return branches


def _trace(branch: Any, number: int, every: int) -> tuple[TraceRecord, int]:
    """Read a trace; also return the number of its probes past its end."""
    if not isinstance(branch, list | tuple) or len(branch) != 3:
        raise BadRow("branch is not [probe answers, tokens, final answer]", _LIKE_PUBLISHED, branch)
    probes, tokens, final = branch
    num_tokens = token_count(tokens, "token count")
    if not isinstance(probes, list):
        raise BadRow("probe answers are not a list", _LIKE_PUBLISHED, probes)
    fitting = min(len(probes), num_tokens // every)
    trace = TraceRecord(
        trace_id=number,
        num_tokens=num_tokens,
        answer=_answer(final, "final answer"),
        probe_positions=np.arange(1, fitting + 1, dtype=np.int64) * every,
        probe_answers=[_answer(probe, "probe answer") for probe in probes[:fitting]],
    )
    return trace, len(probes) - fitting


def _answer(value: Any, what: str) -> str | None:
    text = answer_text(value, what)
    return None if text == UNPARSABLE else text
