"""DeepConf (arXiv 2508.15260): texts, exact lengths and one confidence per token.

Its released code writes one pickle for each problem and run,
`deepthink_{offline,online}_qid{q}_rid{r}_{time}.pkl`. Nothing in one is executed: see
`simulator.importers.safe_pickle`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from simulator.answers.finding import find_gold
from simulator.arrays import Floats
from simulator.errors import UserError
from simulator.importers import safe_pickle
from simulator.importers.answering import infer_kind, set_answer
from simulator.importers.importer import (
    NO_TRACE,
    BadRow,
    Faults,
    ImportOptions,
    Reading,
    answer_text,
    files_in,
    finite_numbers,
    refuse_map,
    storable,
    token_count,
)
from simulator.importers.json_files import unreadable
from simulator.pools.records import ProblemRecord, TraceRecord
from simulator.storage import check_plain

VERSION = "2"

EARLY_STOPPED = "early_stopped"
"""Finish reason of a trace stopped by the confidence bar, if such traces are included."""

_QID = re.compile(r"qid([0-9]{1,9})_rid")
_DIGITS = re.compile(r"([0-9]+)")
_ENDS = (None, "stop", "length", "eos")
_LIKE_RELEASED = "write the file as DeepConf's released code does"
_ASK = "--include-early-stopped keeps them"


def read(options: ImportOptions) -> Reading:
    """Read DeepConf files, problem by problem, with one file in memory at a time.

    A folder stands for the `deepthink_*.pkl` files below it. A problem's id is the number in the
    files' names. If a problem has several files (other runs), they are read in the order of their
    names, and trace ids continue from one to the next. A trace's answer is the last box of its
    text, else its `extracted_answer`.

    The released code marks an online trace whose group confidence fell below the bar as
    `gconf_threshold`. A trace with that stop reason, or any other than `stop`, `length`, `eos` or
    none, is left out and counted, because its answer would be that of an unfinished text. With
    `options.include_early_stopped` it is kept, with the finish reason `early_stopped` and without
    an answer.

    `confs` has one value per token. A trace with another number of values than tokens is a bad row,
    because values cannot be assigned to tokens. If the first trace has no values, the pool has no
    confidence.

    Raises
    ------
    UserError
        A file cannot be read, has another name, holds more than data, or has a bad trace.
    """
    refuse_map(options, "deepconf")
    files = _by_problem(options.paths)
    faults = Faults(drop=options.drop_bad_rows)
    reading = Reading(problems=(), total=len(files), token_accuracy="total", faults=faults)
    reading.problems = _Importer(options, files, reading).problems()
    return reading


def _by_problem(paths: tuple[Path, ...]) -> dict[int, list[Path]]:
    """Group files by problem number, ascending; sort each problem's files by name."""
    by_problem: dict[int, list[Path]] = {}
    for file in files_in(paths, [".pkl"], start="deepthink_", key=_natural):
        try:
            check_plain(file)
        except OSError as error:
            raise unreadable(file, error) from None
        found = _QID.search(file.name)
        if found is None:
            raise UserError(
                f"{file}: its name does not say which problem it is; name it as DeepConf does, "
                "deepthink_offline_qid0_rid0_TIME.pkl"
            )
        by_problem.setdefault(int(found[1]), []).append(file)
    return {number: by_problem[number] for number in sorted(by_problem)}


def _natural(path: Path) -> list[tuple[int, str]]:
    """Return a sort key that puts `rid2` before `rid10`."""
    parts = _DIGITS.split(str(path))
    return [
        (int(part), part) if part.isascii() and part.isdecimal() else (0, part) for part in parts
    ]


@dataclass
class _Importer:
    options: ImportOptions
    files: dict[int, list[Path]]
    reading: Reading
    next_trace: int = 0
    has_confidence: bool | None = None
    model: str | None = None
    model_file: Path | None = None
    early: Counter[str] = field(default_factory=Counter)
    early_tokens: int = 0
    unanswered: int = 0

    def problems(self) -> Iterator[ProblemRecord]:
        faults = self.reading.faults
        width = max(2, len(str(max(self.files))))
        for done, (number, paths) in enumerate(self.files.items()):
            problem: ProblemRecord | None = None
            self.next_trace = 0
            for path in paths:
                self.options.progress(f"reading {path.name}", done / len(self.files))
                with faults.rejecting(str(path)):
                    problem = self.problem(path, number, f"{number:0{width}d}", problem)
            if problem is not None and problem.traces:
                yield problem
            else:
                faults.leave_out(str(paths[0]), NO_TRACE)
        self.reading.notes.extend(self.notes())

    def notes(self) -> Iterator[str]:
        if self.model is not None:
            yield f"model in the files: {self.model}"
        if self.early:
            reasons = ", ".join(f"{n} × {why}" for why, n in sorted(self.early.items()))
            count = f"{self.early.total()} traces stopped early ({reasons})"
            if self.options.include_early_stopped:
                yield f"{count} are kept as {EARLY_STOPPED}, without an answer"
            else:
                yield f"{count}, {self.early_tokens} tokens, were left out; {_ASK}"
        if self.unanswered:
            yield (
                f"{self.unanswered} traces of online files came after the warm-up and ended "
                "without an answer; the confidence bar may have stopped them unmarked"
            )
        if self.has_confidence is False:
            yield "the first trace has no confs: no confidence was kept"

    def problem(
        self, path: Path, number: int, problem_id: str, before: ProblemRecord | None
    ) -> ProblemRecord:
        """Read one file's problem, and add its traces to those of the files before it."""
        content = _typed(safe_pickle.load(path), dict, "holds {}, not a dict")
        self.check_model(path, content.get("config"))
        qid = content.get("qid", number)
        if type(qid) is not int or qid != number:
            raise BadRow(
                f"qid is not the {number} of the file's name", "name it by its qid", _leaf(qid)
            )
        gold = answer_text(_leaf(content.get("ground_truth"), "ground_truth"), "ground_truth")
        if gold is None:
            raise BadRow("ground_truth is empty", "give each file its problem's gold answer")
        kind = self.options.answer_kind or infer_kind([gold])
        gold = find_gold(gold, kind)
        question = _typed(content.get("question"), str | None, "question is {}, not a text")
        question = None if question is None else storable(question)
        if before is None:
            before = ProblemRecord(problem_id, question, gold, kind, [])
        for name, ours, theirs in (
            ("ground_truth", before.gold_answer, gold),
            ("question", before.question, question),
        ):
            if ours != theirs:
                remedy = "a pool is one benchmark's, import them one by one"
                raise BadRow(f"{name} differs from the same problem's other files", remedy, theirs)
        self.add_traces(before, content, path)
        return before

    def check_model(self, path: Path, config: Any) -> None:
        model = config.get("model") if isinstance(config, dict) else None
        if not isinstance(model, str):
            return
        model = model[:200] if model[:200].isprintable() else ascii(model[:200])
        if self.model is None:
            self.model, self.model_file = model, path
        elif model != self.model:
            raise UserError(
                f"{path}: traces of {model}, but {self.model_file} has those of {self.model}; "
                "a pool is one model's, import them one by one"
            )

    def add_traces(self, problem: ProblemRecord, content: dict[Any, Any], path: Path) -> None:
        traces = content.get("all_traces")
        if traces is None:
            parts = [content.get("warmup_traces"), content.get("final_traces")]
            traces = [each for part in parts if isinstance(part, list) for each in part]
        _typed(traces, list, "all_traces is {}, not a list")
        warmup = content.get("warmup_traces")
        warmed_up = len(warmup) if isinstance(warmup, list) else 0
        mode = content.get("mode")
        online = isinstance(mode, str) and mode == "online"
        room = path.stat().st_size
        bar = content.get("conf_bar") if online else None
        first, self.next_trace = self.next_trace, self.next_trace + len(traces)
        # The original of each trace is freed as soon as its arrays are made.
        content.clear()
        for number in range(len(traces)):
            each, traces[number] = traces[number], None
            try:
                room -= _extent(each)
                if room < 0:
                    raise BadRow("traces share their contents with others", _LIKE_RELEASED)
                early, trace = self.trace(
                    each, first + number, bar if number >= warmed_up else None
                )
            except BadRow as fault:
                self.reading.faults.reject(f"{path}: trace {number}", fault)
                continue
            if early is not None:
                self.early[early] += 1
                self.early_tokens += trace.num_tokens
                if not self.options.include_early_stopped:
                    continue
            else:
                set_answer(trace, problem.answer_kind, "boxes", self.options.answer_patterns)
                if online and number >= warmed_up and trace.answer is None:
                    self.unanswered += trace.finish_reason != "length"
            problem.traces.append(trace)

    def trace(self, given: Any, trace_id: int, bar: Any) -> tuple[str | None, TraceRecord]:
        """Return the reason for an early stop, or None, and the trace, its answer not yet found.

        `bar` is the confidence bar in force while the trace was generated, if there was one.
        """
        _typed(given, dict, "trace is {}, not a dict")
        text = storable(_typed(given.get("text"), str, "text is {}, not a text"))
        token_ids = given.get("token_ids")
        ids = len(token_ids) if isinstance(token_ids, list | tuple | np.ndarray) else None
        num_tokens = token_count(_leaf(given.get("num_tokens", ids), "num_tokens"), "num_tokens")
        if ids not in (None, num_tokens):
            raise BadRow("token_ids and num_tokens differ", _LIKE_RELEASED, (ids, num_tokens))
        reason = _typed(given.get("stop_reason"), str | None, "stop_reason is {}, not a text")
        early = None
        if reason not in _ENDS:
            early = reason[:40] if reason[:40].isprintable() else "unprintable reason"
        elif reason is None and type(bar) is float:
            lowest = given.get("min_conf")
            early = "below conf_bar" if type(lowest) is float and lowest < bar else None
        answer = None
        if early is None:
            extracted = _leaf(given.get("extracted_answer"), "extracted_answer")
            answer = answer_text(extracted, "extracted_answer")
        confidence = _confidence(given.get("confs"), num_tokens)
        if self.has_confidence is None:
            self.has_confidence = confidence is not None
        if self.has_confidence and confidence is None:
            raise BadRow("trace without confs, unlike the first", "give every trace confs, or none")
        signals = {} if confidence is None else {"confidence": confidence}
        record = TraceRecord(
            trace_id=trace_id,
            num_tokens=num_tokens,
            answer=answer,
            finish_reason=reason if early is None else EARLY_STOPPED,
            text=text,
            token_signals=signals if self.has_confidence else {},
        )
        return early, record


def _confidence(given: Any, num_tokens: int) -> Floats | None:
    """Check confidences, shape (num_tokens,); None if there are none."""
    remedy = "give one number per token"
    if given is None or (isinstance(given, list | tuple) and not given):
        return None
    if isinstance(given, np.ndarray) and given.ndim == 1 and given.dtype.kind in "fiu":
        given = given.tolist()
    if not isinstance(given, list | tuple):
        raise BadRow(f"confs is {_kind(given)}, not a list of numbers", remedy)
    if set(map(type, given)) - {float, int}:
        wrong = next(value for value in given if type(value) not in (float, int))
        raise BadRow(f"confs holds {_kind(wrong)}", remedy)
    if len(given) != num_tokens:
        raise BadRow("confs and num_tokens differ", remedy, (len(given), num_tokens))
    return finite_numbers(given, "confs", remedy)


def _leaf(value: Any, what: str = "value") -> Any:
    """Return a plain value; refuse a nested one by its type only, as it could be endless."""
    if type(value) in (str, int, float, bool, type(None)):
        return value
    raise BadRow(f"{what} is {_kind(value)}", _LIKE_RELEASED)


def _typed(value: Any, kind: Any, fault: str) -> Any:
    """Return a value if it has this type. Raises `BadRow`, which names the type that it has."""
    if not isinstance(value, kind):
        raise BadRow(fault.format(_kind(value)), _LIKE_RELEASED)
    return value


def _kind(value: Any) -> str:
    """Describe the type of a value in words."""
    return "None" if value is None else f"a {type(value).__name__.strip('_').lower()}"


def _extent(trace: Any) -> int:
    """Return the least bytes of the file that a trace takes if it shares nothing with others."""
    if not isinstance(trace, dict):
        return 1
    sizes = (str, list, tuple, np.ndarray)
    values = (trace.get(name) for name in ("text", "token_ids", "confs", "extracted_answer"))
    return 1 + sum(
        value.size if isinstance(value, np.ndarray) else len(value)
        for value in values
        if isinstance(value, sizes)
    )
