"""Finding and grading a pool's answers anew, from what the pool stores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import regex

from simulator.answers.corrections import (
    Correction,
    UnfitCorrection,
    by_problem,
    checked_corrections,
    unknown_problem,
)
from simulator.answers.equivalence import Classes
from simulator.answers.finding import GIVEN, compiled
from simulator.arrays import Ints
from simulator.counting import Equality, Unparsed
from simulator.errors import UserError
from simulator.importers.answering import Search, set_answer
from simulator.pools.as_written import read_as_written
from simulator.pools.pool import NO_ANSWER, Pool, PoolInfo, StoredProblem, read_info
from simulator.pools.records import ProblemRecord, TraceRecord
from simulator.pools.summary import AnswerSummary, summarise_answers
from simulator.pools.writer import PoolWriter, group_answers

STORED = "stored"
"""Form of an answer that the pool has and its text does not show."""


@dataclass(frozen=True, kw_only=True)
class RegradeOptions:
    """Settings of regrading.

    `answer_kind`, `equality`, `unparsed` and `answer_patterns` replace those of the pool unless
    they are None. `corrections` are added to those of the pool, or replace them with
    `drop_corrections`. With `dry_run`, nothing is written.
    """

    answer_kind: str | None = None
    equality: Equality | None = None
    unparsed: Unparsed | None = None
    answer_patterns: Sequence[str] | None = None
    corrections: Sequence[Correction] = ()
    drop_corrections: bool = False
    dry_run: bool = False
    progress: Callable[[int, int], None] = lambda done, total: None


@dataclass(frozen=True, slots=True)
class TraceChange:
    """A trace whose answer or verdict has changed."""

    problem_id: str
    trace_id: int
    answer: str | None
    new_answer: str | None
    right: bool
    new_right: bool


@dataclass(kw_only=True)
class RegradeReport:
    """Changes that regrading made.

    `changes` has the traces with another answer or verdict, `answers` counts the former and
    `verdicts` the latter. `regrouped` are the problems whose traces are grouped in another way, and
    `kinds` those whose answers are compared in another way. `before` and `after` are the figures of
    the answers; `after` is None with `dry_run`.
    """

    name: str
    path: Path
    fingerprint: str
    new_fingerprint: str | None = None
    traces: int = 0
    changes: list[TraceChange] = field(default_factory=list)
    regrouped: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    corrections: list[dict[str, str]] = field(default_factory=list)
    dropped_corrections: int = 0
    before: AnswerSummary
    after: AnswerSummary | None = None

    @property
    def answers(self) -> int:
        """Number of traces with another answer than before."""
        return sum(each.answer != each.new_answer for each in self.changes)

    @property
    def verdicts(self) -> int:
        """Number of traces with another verdict than before."""
        return sum(each.right != each.new_right for each in self.changes)


def regrade(folder: Path, options: RegradeOptions) -> RegradeReport:
    """Find, group and grade the answers of a pool anew, and put the result in its place.

    Where the pool has texts, answers are found in them, as in an import. In a pool of an older
    version an answer stays unless a box in the text says otherwise. Signals and lengths stay, and
    the former pool stays until the new one is complete.

    Raises
    ------
    UserError
        The pool is being made by another process or cannot be read, no trace has an answer, or a
        correction does not fit.
    """
    found = read_info(folder)
    if folder.parts[-3:] != (found.dataset, found.model, found.benchmark):
        raise UserError(f"{folder}: pool.json names it {found.name}; move the folder there")
    found.require_whole()
    recorded = checked_corrections(found.corrections, str(folder / "pool.json"))
    corrections = _together([] if options.drop_corrections else recorded, options.corrections)
    info = replace(
        found,
        signals=[],
        problems=0,
        traces=0,
        tokens=0,
        answer_forms={},
        accepted={},
        equality=options.equality or found.equality,
        unparsed=options.unparsed or found.unparsed,
        answer_patterns=found.answer_patterns
        if options.answer_patterns is None
        else [*options.answer_patterns],
        corrections=[each.as_dict() for each in corrections],
        regraded=[*found.regraded],
    )
    try:
        return _regraded(folder, found, info, options, corrections)
    except UnfitCorrection as error:
        if not recorded or options.drop_corrections:
            raise
        raise UserError(f"{error}; --no-corrections drops those that the pool has") from None


def _regraded(
    folder: Path,
    found: PoolInfo,
    info: PoolInfo,
    options: RegradeOptions,
    corrections: Sequence[Correction],
) -> RegradeReport:
    """Write the pool that `info` describes in place of the one that was `found`."""
    if options.dry_run:
        return _compared(Pool(folder), info, options, _Trial(info, corrections))
    cache = folder.parents[2]
    with PoolWriter(cache, info, replace=True, signals_of=folder) as writer:
        former = Pool(folder)
        if former.info != found:
            raise UserError(f"{folder}: imported again meanwhile; repeat the command")
        report = _compared(former, info, options, writer)
        if not writer.answered:
            raise UserError(f"{found.name}: no trace would have an answer; the pool is unchanged")
        if report.changes or report.regrouped or report.kinds:
            info.regraded.append(
                {
                    "version": version("deepprune-sim"),
                    **({"answer_kind": options.answer_kind} if options.answer_kind else {}),
                    "answers": report.answers,
                    "verdicts": report.verdicts,
                    "regrouped": len(report.regrouped),
                }
            )
    report.new_fingerprint = info.fingerprint
    report.after = summarise_answers(Pool(folder))
    return report


class _Trial:
    """Grading without writing."""

    def __init__(self, info: PoolInfo, corrections: Sequence[Correction]) -> None:
        self._info = info
        self._corrections = by_problem(corrections)

    def add(self, problem: ProblemRecord) -> Classes:
        by_hand = self._corrections.pop(problem.problem_id, [])
        return group_answers(self._info, problem, problem.traces, by_hand)

    def finish(self, problems: Sequence[StoredProblem]) -> None:
        for left in self._corrections.values():
            raise unknown_problem(left[0], [problem.problem_id for problem in problems])


def _together(recorded: Sequence[Correction], new: Sequence[Correction]) -> list[Correction]:
    """Return the corrections of a pool and further ones, which win with their reasons."""
    both = {each.claim: each for each in (*recorded, *new)}
    return checked_corrections(
        [each.as_dict() for each in both.values()], "corrections of the pool and new ones"
    )


def _compared(
    former: Pool, info: PoolInfo, options: RegradeOptions, target: PoolWriter | _Trial
) -> RegradeReport:
    """Grade each problem anew and hand it to `target`; return what differs from the former pool."""
    report = RegradeReport(
        name=former.name,
        path=former.path,
        fingerprint=former.info.fingerprint,
        traces=former.info.traces,
        corrections=info.corrections,
        dropped_corrections=len(former.info.corrections) if options.drop_corrections else 0,
        before=summarise_answers(former),
    )
    patterns = compiled(info.answer_patterns)
    for problem in former.problems:
        options.progress(problem.index, len(former.problems))
        record = _record(former, problem, options.answer_kind or problem.answer_kind, patterns)
        grouped = target.add(record)
        _compare(report, problem, record, grouped)
    if isinstance(target, _Trial):
        target.finish(former.problems)
    return report


def _compare(
    report: RegradeReport, problem: StoredProblem, record: ProblemRecord, grouped: Classes
) -> None:
    classes = [grouped.class_of(trace.answer) for trace in record.traces]
    rows = zip(problem.pool.trace_rows(problem), record.traces, classes, strict=True)
    for before, trace, number in rows:
        right = number != NO_ANSWER and grouped.correct[number]
        if (before["answer"], before["correct"]) != (trace.answer, right):
            change = (before["answer"], trace.answer, before["correct"], right)
            report.changes.append(TraceChange(problem.problem_id, trace.trace_id, *change))
    if _partition(problem.answer_class.tolist()) != _partition(classes):
        report.regrouped.append(problem.problem_id)
    if problem.answer_kind != record.answer_kind:
        report.kinds.append(problem.problem_id)


def _partition(classes: Sequence[int]) -> list[int]:
    """Return classes numbered in order of first appearance, which are equal for equal groups."""
    numbers = {NO_ANSWER: NO_ANSWER}
    return [numbers.setdefault(each, len(numbers)) for each in classes]


def _record(
    pool: Pool, problem: StoredProblem, kind: str, patterns: Sequence[regex.Pattern[str]]
) -> ProblemRecord:
    """Make the record of a problem, with answers found anew and without its signals."""
    rows = pool.trace_rows(problem)
    written = read_as_written(pool.path, problem.index)
    noted = [{}] * len(rows) if written is None else written.to_pylist()
    texts = problem.texts if "text" in pool.info.signals else [None] * len(rows)
    positions, probed = _probes(pool, problem, written)
    traces = []
    for index, row in enumerate(rows):
        trace = TraceRecord(
            trace_id=row["trace_id"],
            num_tokens=row["num_tokens"],
            answer=row["answer"],
            prompt_tokens=row["prompt_tokens"],
            finish_reason=row["finish_reason"],
            text=texts[index],
            probe_positions=positions[index],
            probe_answers=probed[index],
        )
        _find(trace, noted[index], pool.info, kind, patterns)
        trace.text = None  # it stays in the file that the pool has
        traces.append(trace)
    about = (problem.problem_id, problem.question, problem.gold_answer, kind)
    accepted = pool.info.accepted.get(problem.problem_id, [])
    return ProblemRecord(*about, traces, accepted=tuple(accepted))


def _find(
    trace: TraceRecord,
    noted: dict[str, Any],
    info: PoolInfo,
    kind: str,
    patterns: Sequence[regex.Pattern[str]],
) -> None:
    """Find a trace's answer as the import did that made the pool."""
    search: Search = "text"
    if noted.get("search"):
        trace.answer, search = noted["answer"], noted["search"]
    elif trace.text is None or info.synthetic:
        search = "none"
    elif info.answer_forms:
        trace.answer = None  # there was no other source than the text
    elif trace.answer is not None:
        search = "boxes"  # an older version may have it from a field of the source
    set_answer(trace, kind, search, patterns)
    if trace.answer_form == GIVEN and GIVEN not in info.answer_forms:
        trace.answer_form = STORED


def _probes(
    pool: Pool, problem: StoredProblem, written: pa.Table | None
) -> tuple[Sequence[Ints | None], Sequence[Sequence[str | None] | None]]:
    """Return the positions and answers of each trace's probes; None for each in a pool without."""
    count = len(problem.lengths)
    if "probes" not in pool.info.signals:
        return [None] * count, [None] * count
    probes, texts = problem.probes, problem.class_texts
    at = [slice(*ends) for ends in pairwise(probes.offsets.tolist())]
    positions = [probes.positions[here] for here in at]
    if written is not None:
        return positions, written["probe_answers"].to_pylist()
    answers = [None if each == NO_ANSWER else texts[each] for each in probes.answers.tolist()]
    return positions, [answers[here] for here in at]
