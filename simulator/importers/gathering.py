"""Gathering the traces of items into problems, in one pass over items in any order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any, Protocol

from simulator.answers.finding import find_gold
from simulator.errors import UserError, nearest
from simulator.importers.answering import Search, infer_kind, set_answer
from simulator.importers.importer import (
    NO_TRACE,
    BadRow,
    Faults,
    ImportOptions,
    Reading,
    drained,
    token_count,
)
from simulator.importers.items import Item
from simulator.importers.shelf import Shelf
from simulator.pools.pool import TokenAccuracy
from simulator.pools.records import ProblemRecord, TraceRecord

ALL_OR_NONE = ("text", "probe_positions")
"""Signals, beside token signals, that either every trace of a pool has, or none."""


@dataclass(frozen=True, slots=True)
class About:
    """An item's facts about its problem. Without an id, the question identifies the problem.

    `accepted` are further right answers, beside the gold answer.
    """

    problem_id: str | None
    question: str | None
    gold_answer: str
    answer_kind: str = ""
    accepted: tuple[str, ...] = ()


@dataclass(slots=True)
class Draft:
    """One trace of an item; with `trace_id` None, traces are numbered in the order of items.

    `fields` are further fields of the trace that either every trace has, or none. The trace's
    `answer` is the file's own field; `search` says what of the text counts more. Without
    `keeps_text`, the text is not stored in the pool.
    """

    trace: TraceRecord
    trace_id: object = None
    fields: frozenset[str] = frozenset()
    search: Search = "none"
    keeps_text: bool = True


class Source(Protocol):
    """A format: the problem and the traces of an item. All but `notes` may raise `BadRow`."""

    def about(self, item: Item) -> About | None:
        """Return the problem of an item; None for an item to leave out."""

    def parts(self, item: Item) -> Iterable[tuple[str, Any]]:
        """Yield each trace of an item as the format has it, with its place."""

    def draft(self, part: Any) -> Draft:
        """Make a trace of a part."""

    def notes(self, accuracy: TokenAccuracy) -> list[str]:
        """Describe how the traces came about, once all are made."""


@dataclass(slots=True)
class _Problem:
    about: About
    first: str
    drafts: list[tuple[Draft, int]] = field(default_factory=list)
    ids: set[int] = field(default_factory=set)
    next_id: int = 0


def gather(options: ImportOptions, items: Iterable[Item], source: Source) -> Reading:
    """Read all items, and return their problems in order of their ids.

    Large parts of traces are stored on disk meanwhile. Problems without ids are numbered in the
    order of their first items.

    Raises
    ------
    UserError
        A bad item, unless the options say to drop bad items.
    """
    with ExitStack() as stack:
        shelf = stack.enter_context(closing(Shelf(options.scratch)))
        gathering = _Gathering(Faults(drop=options.drop_bad_rows), source, shelf)
        for item in items:
            gathering.add(item)
        problems = gathering.problems()
        open_shelf = stack.pop_all()
    kind = infer_kind(problem.about.gold_answer for _, problem in problems)
    return Reading(
        problems=_restored(problems, options, kind, shelf, open_shelf),
        total=len(problems),
        token_accuracy=gathering.accuracy,
        faults=gathering.faults,
        notes=source.notes(gathering.accuracy),
    )


def _restored(
    problems: list[tuple[str, _Problem]],
    options: ImportOptions,
    inferred: str,
    shelf: Shelf,
    open_shelf: ExitStack,
) -> Iterator[ProblemRecord]:
    """Yield each problem, its traces complete again, with their answers.

    Memory is freed before the next.
    """
    with open_shelf:
        for problem_id, problem in drained(problems):
            about = problem.about
            kind = options.answer_kind or about.answer_kind or inferred
            for draft, place in problem.drafts:
                shelf.restore(draft.trace, place)
                set_answer(draft.trace, kind, draft.search, options.answer_patterns)
                if not draft.keeps_text:
                    draft.trace.text = None
            traces = [draft.trace for draft, _ in problem.drafts]
            golds = [about.gold_answer, *about.accepted]
            given = all(draft.search == "none" for draft, _ in problem.drafts)
            if not (given and options.equality == "exact"):  # strings of both as they stand
                golds = [find_gold(gold, kind) for gold in golds]
            gold, *accepted = golds
            yield ProblemRecord(problem_id, about.question, gold, kind, traces, tuple(accepted))


class _Gathering:
    """Traces collected by problem; a trace that does not fit those before it is refused."""

    def __init__(self, faults: Faults, source: Source, shelf: Shelf) -> None:
        self.faults = faults
        self.source = source
        self.shelf = shelf
        self.by_key: dict[str, _Problem] = {}
        self.first: str | None = None
        self.fields: frozenset[str] = frozenset()
        self.exact = self.counted = True

    @property
    def accuracy(self) -> TokenAccuracy:
        """Accuracy of the lengths of all traces."""
        if self.first is None or not self.counted:
            return "estimated"
        return "exact" if self.exact else "total"

    def add(self, item: Item) -> None:
        """Add the traces of an item to its problem."""
        with self.faults.rejecting(item.where):
            if item.fault is not None:
                raise item.fault
            about = self.source.about(item)
            if about is None:
                return
            problem = self._problem(about, item.where)
            for where, part in list(self.source.parts(item)):
                with self.faults.rejecting(where):
                    self._add_trace(self.source.draft(part), problem, about, where)

    def _add_trace(self, draft: Draft, problem: _Problem, about: About, where: str) -> None:
        trace = draft.trace
        trace.trace_id = _trace_id(draft, problem)
        self._check_like_first(draft, about, where)
        problem.ids.add(trace.trace_id)
        problem.next_id = max(problem.next_id, trace.trace_id + 1)
        self.counted = self.counted and trace.counted
        self.exact = self.exact and trace.token_ends is not None
        problem.drafts.append((draft, self.shelf.put(trace)))

    def _problem(self, about: About, where: str) -> _Problem:
        key = about.problem_id or about.question
        if not key:
            raise BadRow("no problem_id and no question", "name one with --map problem_id=COLUMN")
        problem = self.by_key.get(key)
        if problem is None or not problem.drafts:  # an item without a usable trace decides nothing
            self.by_key.pop(key, None)
            problem = self.by_key[key] = _Problem(about, where)
        for name in ("gold_answer", "accepted", "question", "answer_kind"):
            theirs = getattr(about, name)
            if getattr(problem.about, name) != theirs:
                raise BadRow(
                    f"{name} differs from that of the same problem in {problem.first}",
                    "give different problems different problem_ids (--map problem_id=COLUMN)",
                    theirs,
                )
        return problem

    def _check_like_first(self, draft: Draft, about: About, where: str) -> None:
        names = {name for name in ALL_OR_NONE if getattr(draft.trace, name) is not None}
        fields = (
            draft.fields
            | names
            | draft.trace.token_signals.keys()
            | draft.trace.probe_signals.keys()
            | ({"problem_id"} if about.problem_id else set())
        )
        if self.first is None:
            self.first, self.fields = where, fields
        for name in sorted(fields ^ self.fields):
            raise BadRow(
                f"trace {'with' if name in fields else 'without'} {name}, unlike the first "
                f"({self.first})",
                f"give every trace a {name}, or none (--map {name}= leaves it out)",
            )

    def problems(self) -> list[tuple[str, _Problem]]:
        """Return the problems that have traces, with their ids."""
        for key, problem in self.by_key.items():
            if not problem.drafts:
                self.faults.leave_out(f"{problem.first}: problem {key[:60]}", NO_TRACE)
        usable = {key: problem for key, problem in self.by_key.items() if problem.drafts}
        if "problem_id" in self.fields:
            return sorted(usable.items())
        width = max(2, len(str(len(usable) - 1)))
        return [(f"{n:0{width}d}", problem) for n, problem in enumerate(usable.values())]


def _trace_id(draft: Draft, problem: _Problem) -> int:
    """Return a trace's id. Raises `BadRow` if its problem has that id already."""
    given = draft.trace_id
    if given is None:
        return problem.next_id
    remedy = "number each problem's traces, or leave trace_id out with --map trace_id="
    try:
        trace_id = token_count(given, "trace_id", least=0)
    except BadRow as fault:
        raise BadRow(fault.reason.replace("below 0", "negative"), remedy, given) from None
    if trace_id in problem.ids:
        name = problem.about.problem_id or problem.about.question
        raise BadRow("duplicate trace", remedy, f"{name}, {trace_id}")
    return trace_id


def check_fields(options: ImportOptions, fields: Collection[str]) -> None:
    """Raise `UserError` for an unknown `--map` field, with the nearest known name."""
    for name, column in options.field_map.items():
        if name not in fields:
            hint = nearest(name, fields, "fields:")
            raise UserError(f"--map {name}={column}: no field {name}; {hint}")


MISSING = object()
"""Result of `dig` for a path that does not exist."""


def dig(values: Any, column: str) -> Any:
    """Return the value at a dotted path into objects and lists (`a.b.0`), or `MISSING`."""
    if isinstance(values, dict) and column in values:
        return values[column]
    for step in column.split("."):
        if isinstance(values, dict) and step in values:
            values = values[step]
        elif isinstance(values, list) and step.isdecimal() and int(step) < len(values):
            values = values[int(step)]
        else:
            return MISSING
    return values
