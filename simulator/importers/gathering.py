"""Gathering items into problems: items are located first, then read one problem at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from simulator.errors import UserError
from simulator.importers.importer import (
    BadRow,
    Faults,
    ImportOptions,
    Reading,
    infer_kind,
    token_count,
)
from simulator.importers.items import Item, Place
from simulator.pools.pool import TokenAccuracy
from simulator.pools.records import ProblemRecord, TraceRecord

SIGNAL_FIELDS = ("text", "confidence")
"""Signals that either every trace of a pool has, or none."""


@dataclass(frozen=True, slots=True)
class About:
    """An item's facts about its problem. Without an id, the question identifies the problem."""

    problem_id: str | None
    question: str | None
    gold_answer: str


@dataclass(slots=True)
class Draft:
    """One trace of an item; with `trace_id` None, traces are numbered in the order of items."""

    where: str
    trace: TraceRecord
    trace_id: object = None


Drafts = Iterable[Draft | tuple[str, BadRow]]


@dataclass(slots=True)
class _Problem:
    about: About
    first: str
    places: list[Place] = field(default_factory=list)


class Gathering:
    """The problems of all items, with the places of their items.

    Raises
    ------
    UserError
        A bad item, unless the options say to drop bad items.
    """

    def __init__(
        self,
        options: ImportOptions,
        items: Iterable[Item],
        about: Callable[[Item], About | None],
    ) -> None:
        self.options = options
        self.faults = Faults(drop=options.drop_bad_rows)
        self.by_key: dict[str, _Problem] = {}
        self.has_ids = False
        for item in items:
            try:
                if item.fault is not None:
                    raise item.fault
                found = about(item)
                if found is not None:
                    self._add(item.place, found)
            except BadRow as fault:
                self.faults.reject(item.place.where, fault)

    def _add(self, place: Place, about: About) -> None:
        key = about.problem_id or about.question
        if key is None:
            raise BadRow("no problem_id and no question", "name one with --map problem_id=COLUMN")
        if self.by_key and self.has_ids != (about.problem_id is not None):
            raise BadRow("only some items have a problem_id", "give every item one")
        self.has_ids = about.problem_id is not None
        problem = self.by_key.setdefault(key, _Problem(about, place.where))
        first = problem.about
        for name, ours, theirs in (
            ("gold_answer", first.gold_answer, about.gold_answer),
            ("question", first.question, about.question),
        ):
            if ours != theirs:
                raise BadRow(
                    f"{name} differs from that of the same problem in {problem.first}",
                    "give different problems different problem_ids (--map problem_id=COLUMN)",
                    theirs,
                )
        problem.places.append(place)

    def reading(
        self,
        drafts: Callable[[Place, Any], Drafts],
        notes: Callable[[TokenAccuracy], list[str]],
    ) -> Reading:
        """Return the problems in order of their ids; each is read when the iteration reaches it.

        `drafts` makes the traces of an item; `notes` makes the notes once all traces are made.
        """
        problems = self._ordered()
        kind = self.options.answer_kind or infer_kind(p.about.gold_answer for _, p in problems)
        reading = Reading(
            problems=(), total=len(problems), token_accuracy="estimated", faults=self.faults
        )
        reading.problems = self._problems(problems, kind, drafts, notes, reading)
        return reading

    def _ordered(self) -> list[tuple[str, _Problem]]:
        if self.has_ids:
            return sorted(self.by_key.items())
        width = max(2, len(str(len(self.by_key) - 1)))
        return [(f"{n:0{width}d}", problem) for n, problem in enumerate(self.by_key.values())]

    def _problems(
        self,
        problems: list[tuple[str, _Problem]],
        kind: str,
        drafts: Callable[[Place, Any], Drafts],
        notes: Callable[[TokenAccuracy], list[str]],
        reading: Reading,
    ) -> Iterator[ProblemRecord]:
        checks = _Checks()
        for problem_id, problem in problems:
            traces: dict[int, TraceRecord] = {}
            for place in problem.places:
                for draft in drafts(place, place.load()):
                    if not isinstance(draft, Draft):
                        self.faults.reject(*draft)
                        continue
                    try:
                        checks.number(draft, traces)
                        checks.like_first(draft)
                    except BadRow as fault:
                        self.faults.reject(draft.where, fault)
                        continue
                    traces[draft.trace.trace_id] = draft.trace
            if not traces:
                reason = "problem without a usable trace"
                self.faults.leave_out(reason, f"{problem.first}: problem {problem_id}: {reason}")
                continue
            about = problem.about
            yield ProblemRecord(
                problem_id, about.question, about.gold_answer, kind, list(traces.values())
            )
        reading.token_accuracy = checks.accuracy
        reading.notes = notes(checks.accuracy)


class _Checks:
    """Checks over all traces together: same signals, unique ids, token accuracy."""

    def __init__(self) -> None:
        self.first: str | None = None
        self.signals: set[str] = set()
        self.exact = self.counted = True

    @property
    def accuracy(self) -> TokenAccuracy:
        if self.first is None or not self.counted:
            return "estimated"
        return "exact" if self.exact else "total"

    def number(self, draft: Draft, traces: dict[int, TraceRecord]) -> None:
        """Give a trace its id. Raises `BadRow` if its problem has that id already."""
        if draft.trace_id is None:
            draft.trace.trace_id = max(traces, default=-1) + 1
            return
        remedy = "number each problem's traces, or leave trace_id out with --map trace_id="
        try:
            draft.trace.trace_id = token_count(draft.trace_id, "trace_id", least=0)
        except BadRow as fault:
            raise BadRow(fault.reason, remedy, draft.trace_id) from None
        if draft.trace.trace_id in traces:
            raise BadRow("duplicate trace", remedy, draft.trace_id)

    def like_first(self, draft: Draft) -> None:
        """Raise `BadRow` for a trace with other signals than the first."""
        signals = {name for name in SIGNAL_FIELDS if getattr(draft.trace, name) is not None}
        if self.first is None:
            self.first, self.signals = draft.where, signals
        for name in SIGNAL_FIELDS:
            if (name in signals) != (name in self.signals):
                raise BadRow(
                    f"trace {'with' if name in signals else 'without'} {name}, unlike the first "
                    f"({self.first})",
                    f"give every trace a {name}, or none (--map {name}= leaves it out)",
                )
        self.counted = self.counted and draft.trace.counted
        self.exact = self.exact and draft.trace.token_ends is not None


def check_fields(options: ImportOptions, fields: Iterable[str]) -> None:
    """Raise `UserError` for an unknown `--map` field, with the nearest known name."""
    import difflib

    names = list(fields)
    for name, column in options.field_map.items():
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"fields: {', '.join(names)}"
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
