"""Any JSON-lines or Parquet files with one trace per row."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.answers.equivalence import ANSWER_KINDS
from simulator.errors import UserError
from simulator.importers.extraction import extract_answer, extract_boxed
from simulator.importers.gathering import MISSING, dig
from simulator.importers.importer import (
    CHARACTERS_PER_TOKEN,
    BadRow,
    Faults,
    ImportOptions,
    Reading,
    answer_text,
    drained,
    finite_numbers,
    infer_kind,
    storable,
    token_count,
    verdict,
)
from simulator.importers.items import ROW_SUFFIXES, Item, items_of
from simulator.importers.json_files import AGAIN
from simulator.importers.shelf import Shelf, Shelved
from simulator.pools.records import ProblemRecord, TraceRecord

VERSION = "1"

FIELDS = (
    "problem_id",
    "trace_id",
    "question",
    "gold_answer",
    "answer",
    "text",
    "num_tokens",
    "prompt_tokens",
    "finish_reason",
    "grade",
    "confidence",
    "probe_positions",
    "probe_answers",
    "answer_kind",
)
"""Fields of a row; a field uses the column of its own name unless it is mapped."""

_SIGNALS = ("text", "num_tokens", "confidence", "probe_positions", "probe_answers")
"""Fields for which null means that the row lacks them."""

_ALL_OR_NONE = ("answer", *_SIGNALS)


def read(options: ImportOptions) -> Reading:
    """Read rows into problems.

    `options.field_map` gives the column of a field, a dotted path into nested objects and lists
    (`usage.tokens`, `answers.0`); an empty column leaves the field out. A row needs a
    `gold_answer`, a `problem_id` or `question`, an `answer` or `text`, and `num_tokens` or `text`.
    Its answer is the last balanced box of the text, else its `answer` (null is no answer), else, in
    rows without such a column, the last `ANSWER: …` of the text.

    Probes are `probe_positions`, tokens generated when probed, and `probe_answers`, a text, number
    or null each. Confidences are one number per token.

    Without `trace_id`, a problem's traces are numbered in the order of the rows; without
    `problem_id`, problems are numbered in the order of their first rows. Without `num_tokens`,
    lengths are estimated at four characters per token.

    Raises
    ------
    UserError
        An unknown field, a file that cannot be read, or a bad row.
    """
    columns = _columns(options.field_map)
    faults = Faults(drop=options.drop_bad_rows)
    with ExitStack() as stack:
        shelf = stack.enter_context(Shelf(options.scratch))
        table = _Table(columns, shelf)
        for item in items_of(options, ROW_SUFFIXES):
            try:
                table.add(_row(item))
            except BadRow as fault:
                faults.reject(item.place.where, fault)
        open_shelf = stack.pop_all()
    problems = table.problems()
    inferred = infer_kind(problem.record.gold_answer for problem in problems)
    for problem in problems:
        record = problem.record
        record.answer_kind = options.answer_kind or record.answer_kind or inferred
    estimated = "num_tokens" not in table.present
    notes = []
    if estimated:
        notes.append(f"lengths are estimated: {CHARACTERS_PER_TOKEN} characters per token")
    return Reading(
        problems=_restored(problems, shelf, open_shelf),
        total=len(problems),
        token_accuracy="estimated" if estimated else "total",
        faults=faults,
        notes=notes,
    )


@dataclass(slots=True)
class _Row:
    where: str
    values: dict[str, Any]


def _row(item: Item) -> _Row:
    if item.fault is not None:
        raise item.fault
    if isinstance(item.value, dict):
        return _Row(item.place.where, item.value)
    remedy = f"each line has to be one JSON object; {AGAIN}"
    raise BadRow(f"a JSON {type(item.value).__name__}, not an object", remedy)


def _restored(
    problems: list[_Problem], shelf: Shelf, open_shelf: ExitStack
) -> Iterator[ProblemRecord]:
    """Yield each problem with its texts and confidences; free it before the next one."""
    with open_shelf:
        for problem in drained(problems):
            for trace, shelved in zip(problem.record.traces, problem.shelved, strict=True):
                shelf.restore(trace, shelved)
            yield problem.record


def _columns(field_map: Mapping[str, str]) -> dict[str, str]:
    """Return each field's column. A column mapped to another field is not used by its name."""
    for name in field_map:
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"fields: {', '.join(FIELDS)}"
            raise UserError(f"--map {name}={field_map[name]}: no field {name}; {hint}")
    taken = set(field_map.values())
    columns = {name: name for name in FIELDS if name not in taken} | dict(field_map)
    return {name: column for name, column in columns.items() if column}


@dataclass
class _Problem:
    record: ProblemRecord
    first_row: str
    trace_ids: set[int] = field(default_factory=set)
    shelved: list[Shelved] = field(default_factory=list)


class _Table:
    """Rows collected by problem; a row that does not fit the rows before it is refused."""

    def __init__(self, columns: dict[str, str], shelf: Shelf) -> None:
        self.columns = columns
        self.shelf = shelf
        self.by_key: dict[str, _Problem] = {}
        self.present: set[str] = set()
        self.first_row: str | None = None

    def problems(self) -> list[_Problem]:
        """Return the problems sorted by id; without ids, number them in order of appearance."""
        problems = list(self.by_key.values())
        if "problem_id" not in self.present:
            width = max(2, len(str(len(problems) - 1)))
            for number, problem in enumerate(problems):
                problem.record.problem_id = f"{number:0{width}d}"
        return sorted(problems, key=lambda problem: problem.record.problem_id)

    def add(self, row: _Row) -> None:
        """Add one row as a trace. Raises `BadRow` if it cannot be used."""
        values = {name: dig(row.values, column) for name, column in self.columns.items()}
        present = {name for name in FIELDS if values.get(name, MISSING) is not MISSING}
        present -= {name for name in _SIGNALS if values.get(name) is None}
        self._check_required(row, present)
        self._check_like_first(row, present)
        values = {name: values[name] for name in present}

        gold = answer_text(values["gold_answer"], "gold_answer")
        if gold is None:
            raise BadRow("gold_answer is empty", "give each row its problem's gold answer")
        question = _text(values.get("question"), "question")
        key = (
            answer_text(values["problem_id"], "problem_id") if "problem_id" in values else question
        )
        if not key:
            raise BadRow("row without a problem", "give each row a problem_id or a question")
        kind = values.get("answer_kind") or ""
        if kind not in ("", *ANSWER_KINDS):
            raise BadRow("unknown answer_kind", f"use one of {', '.join(ANSWER_KINDS)}", kind)
        problem = self.by_key.get(key)
        if problem is None:
            record = ProblemRecord(key, question, gold, kind, [])
            problem = _Problem(record, row.where)
        else:
            _check_same_problem(problem, gold=gold, question=question, kind=kind)
        trace = _trace(values, self._trace_id(values, problem))
        # Nothing fails from here on, so that a bad row changes nothing.
        self.by_key[key] = problem
        problem.trace_ids.add(trace.trace_id)
        problem.record.traces.append(trace)
        problem.shelved.append(self.shelf.put(trace))
        if self.first_row is None:
            self.first_row = row.where
            self.present = present

    def _check_required(self, row: _Row, present: set[str]) -> None:
        for name, column in self.columns.items():
            mapped = column != name
            if mapped and name not in present and dig(row.values, column) is MISSING:
                raise self._no_column(row, name, column)
        if not {"answer", "text"} & present:
            raise self._no_column(row, "answer", "answer", "row without an answer field")
        if not {"problem_id", "question"} & present:
            raise self._no_column(row, "problem_id", "problem_id")
        if "gold_answer" not in present:
            raise self._no_column(row, "gold_answer", "gold_answer")
        if not {"num_tokens", "text"} & present:
            raise self._no_column(row, "num_tokens", "num_tokens")

    def _check_like_first(self, row: _Row, present: set[str]) -> None:
        if self.first_row is None:
            return
        for name in (*_ALL_OR_NONE, "trace_id", "problem_id"):
            here, there = name in present, name in self.present
            if here == there:
                continue
            if name == "answer" and there:
                raise self._no_column(row, "answer", "answer", "row without an answer field")
            raise BadRow(
                f"row {'with' if here else 'without'} {name}, unlike the first row",
                f"give every row a {name}, or none (--map {name}= leaves it out)",
            )

    def _trace_id(self, values: dict[str, Any], problem: _Problem) -> int:
        if "trace_id" not in values:
            return len(problem.trace_ids)
        remedy = "number each problem's traces, or leave trace_id out with --map trace_id="
        value = values["trace_id"]
        try:
            trace_id = token_count(value, "trace_id", least=0)
        except BadRow as fault:
            raise BadRow(fault.reason.replace("below 0", "negative"), remedy, value) from None
        if trace_id in problem.trace_ids:
            raise BadRow("duplicate trace", remedy, f"{problem.record.problem_id}, {trace_id}")
        return trace_id

    def _no_column(self, row: _Row, name: str, column: str, reason: str | None = None) -> BadRow:
        there = [str(key) for key in row.values]
        # A column of another field is not proposed: gold_answer, for example, not as the answer.
        taken = {each.split(".")[0] for each in self.columns.values()}
        free = [other for other in there if other not in taken]
        near = [other for other in free if other.split("_")[0] == column.split("_")[0]]
        near = near or difflib.get_close_matches(column, free, n=1, cutoff=0.5)
        example = near[0] if near else "COLUMN"
        shown = ", ".join(there[:12]) + (", …" if len(there) > 12 else "")
        return BadRow(
            f"{reason or f'no column {column}'}; columns here: {shown or 'none'}",
            f"name the right one with --map {name}={example}",
        )


def _check_same_problem(problem: _Problem, *, gold: str, question: str | None, kind: str) -> None:
    record = problem.record
    for name, ours, theirs in (
        ("gold_answer", record.gold_answer, gold),
        ("question", record.question, question),
        ("answer_kind", record.answer_kind, kind),
    ):
        if ours != theirs:
            raise BadRow(
                f"{name} differs from that of the same problem in {problem.first_row}",
                "give different problems different problem_ids",
                theirs,
            )


def _trace(values: dict[str, Any], trace_id: int) -> TraceRecord:
    text = _text(values.get("text"), "text")
    if "num_tokens" in values:
        num_tokens = token_count(values["num_tokens"], "num_tokens")
    else:
        num_tokens = max(1, round(len(text or "") / CHARACTERS_PER_TOKEN))
    answer = extract_boxed(text) if text else None
    if answer is None and "answer" in values:
        answer = answer_text(values["answer"])
    elif answer is None and text:
        answer = extract_answer(text)
    prompt = values.get("prompt_tokens")
    positions, answers = _probes(values, num_tokens)
    return TraceRecord(
        trace_id=trace_id,
        num_tokens=num_tokens,
        answer=answer,
        prompt_tokens=None if prompt is None else token_count(prompt, "prompt_tokens", least=0),
        finish_reason=_text(values.get("finish_reason"), "finish_reason"),
        text=text,
        confidence=_confidence(values, num_tokens),
        probe_positions=positions,
        probe_answers=answers,
        graded=_grade(values.get("grade")),
        counted="num_tokens" in values,
    )


def _grade(value: Any) -> bool | None:
    if value is None:
        return None
    graded = verdict(value)
    if graded is None:
        remedy = "use true/false, 1/0, C/I, or leave it out with --map grade="
        raise BadRow("grade is neither right nor wrong", remedy, value)
    return graded


def _confidence(values: dict[str, Any], num_tokens: int) -> npt.NDArray[np.float64] | None:
    if "confidence" not in values:
        return None
    remedy = "give one number per token"
    given = values["confidence"]
    if not isinstance(given, list):
        raise BadRow("confidence is not a list", remedy, given)
    if len(given) != num_tokens:
        raise BadRow("confidence and num_tokens differ", remedy, f"{len(given)} and {num_tokens}")
    return finite_numbers(given, "confidence", remedy)


def _probes(
    values: dict[str, Any], num_tokens: int
) -> tuple[npt.NDArray[np.int64] | None, list[str | None] | None]:
    """Return the trace's probe positions, in tokens, and the probes' answers."""
    remedy = "give two lists of one length: tokens generated when probed, and the answers"
    positions, answers = values.get("probe_positions"), values.get("probe_answers")
    if positions is None and answers is None:
        return None, None
    if not isinstance(positions, list) or not isinstance(answers, list):
        raise BadRow("probe_positions or probe_answers is not a list", remedy)
    if len(positions) != len(answers):
        found = f"{len(positions)} and {len(answers)}"
        raise BadRow("probe_positions and probe_answers differ", remedy, found)
    counts = [token_count(each, "probe_positions") for each in positions]
    if any(first >= second for first, second in pairwise(counts)):
        raise BadRow("probe_positions are not ascending", remedy)
    if counts and counts[-1] > num_tokens:
        found = f"{counts[-1]} of {num_tokens}"
        raise BadRow("a probe after the trace's end", remedy, found)
    said = [answer_text(each, "probe_answers") for each in answers]
    return np.array(counts, dtype=np.int64), said


def _text(value: Any, what: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadRow(
            f"{what} is not a text", f"name another column with --map {what}=COLUMN", value
        )
    return storable(value)
