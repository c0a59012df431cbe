"""Mapping fields to the columns of an unknown file: proposed from names and types, never guessed.

A column's type is taken from the first items. If two columns fit a field equally well, or none fits
a required field, the import stops, and the error lists the candidates and the `--map` to use.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulator.errors import UserError
from simulator.importers.field_names import (
    FIELDS,
    LOOKALIKES,
    PROBLEM_FIELDS,
    TRACE_FIELDS,
    plain_name,
)
from simulator.importers.gathering import MISSING, dig

KEY = "@key"
"""Pseudo-column for an item's name in a file that is an object of items."""

FILE = "@file"
"""Pseudo-column for the name of an item's file, without its suffix."""

SHOWN_COLUMNS = 16

_DEPTH = 3
_REASONING = re.compile("reason|think|cot$")
_LOOKED_AT = 64


def type_of(value: Any) -> str:
    """Name the type of a value, in the words of `Field`."""
    if value is None:
        return "null"
    for kind, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "text")):
        if isinstance(value, kind):
            return name
    if isinstance(value, dict):
        values = list(value.values())[:_LOOKED_AT]
        return "number map" if values and _all_numbers(values) else "object"
    if not isinstance(value, list):
        return type(value).__name__
    kinds = {type_of(each) for each in value[:_LOOKED_AT]} - {"null"}
    if not kinds:
        return "empty"
    if kinds == {"integer", "number"}:
        return "numbers"
    if kinds <= {"number map", "object"}:
        return "number maps" if kinds == {"number map"} else "objects"
    if all(kind == "empty" or kind.endswith("s") for kind in kinds):
        kinds = kinds - {"empty"} or kinds
        if kinds == {"integers", "numbers"}:
            kinds = {"numbers"}
        return f"lists of {kinds.pop()}" if len(kinds) == 1 else "lists"
    if len(kinds) > 1:
        return "mixed"
    return "lists" if kinds == {"mixed"} else f"{kinds.pop()}s"


def _all_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(each, int | float) and not isinstance(each, bool) for each in values)


class Profile:
    """Columns of some objects: dotted path to the types seen there."""

    def __init__(self) -> None:
        self.types: dict[str, set[str]] = {}

    def see(self, values: Mapping[str, Any], prefix: str = "", depth: int = 0) -> None:
        """Record the columns of an object, and of objects nested in it."""
        for name, value in values.items():
            column = f"{prefix}{name}"
            kind = type_of(value)
            if isinstance(value, dict) and kind == "object" and depth + 1 < _DEPTH:
                self.see(value, f"{column}.", depth + 1)
            self.types.setdefault(column, set()).add(kind)

    def fits(self, column: str, kinds: frozenset[str]) -> bool:
        """Check whether all values seen in a column are of these types, null or empty."""
        seen = self.types[column]
        return bool(seen & kinds) and seen <= kinds | {"null", "empty"}

    def shown(self, columns: Iterable[str]) -> str:
        """List columns with their types, in one line."""
        names = [name for name in columns if self.types[name] != {"object"}]
        shown = [f"{name} ({' or '.join(sorted(self.types[name]))})" for name in names]
        return ", ".join(shown[:SHOWN_COLUMNS]) + (", …" if len(shown) > SHOWN_COLUMNS else "")


@dataclass
class Proposal:
    """A proposed mapping: the column of each field that has one.

    `shape` is `objects` (an item holds a list of trace objects, the column `traces`), `lists` (an
    item holds one list per field, one element per trace) or `rows` (an item is a trace). `unused`
    are columns that no field uses, `left_out` are fields that the user leaves out, and `inside` is
    the list that holds the items, if the user has named one.
    """

    columns: dict[str, str]
    shape: str
    unused: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    inside: str | None = None

    @property
    def field_map(self) -> dict[str, str]:
        """The mapping in the form of `ImportOptions.field_map`."""
        inside = {"problems": self.inside} if self.inside else {}
        return {**inside, **self.columns, **dict.fromkeys(self.left_out, "")}

    def options(self) -> str:
        """Format the mapping as options of the command line."""
        pairs = (f"{name}={column}" for name, column in self.field_map.items())
        return " ".join(f"--map {shlex.quote(pair)}" for pair in pairs)


def mapping_toml(columns: Mapping[str, str]) -> str:
    """Write a mapping as the TOML line `map` for a pool of a registry: field to column."""
    pairs = (f"{n} = {json.dumps(column, ensure_ascii=False)}" for n, column in columns.items())
    return f"map = {{ {', '.join(pairs)} }}\n"


def propose(
    where: str, samples: Sequence[tuple[Any, str | None]], given: Mapping[str, str]
) -> Proposal:
    """Find the column of each field from some items (value and key) and the user's own mapping.

    Raises
    ------
    UserError
        Two columns fit a field equally well, none fits a required field, or a column that the user
        has named does not exist.
    """
    return _Search(where, samples, given).result()


class _Search:
    def __init__(
        self, where: str, samples: Sequence[tuple[Any, str | None]], given: Mapping[str, str]
    ) -> None:
        self.where = where
        self.given = given
        self.items = Profile()
        self.objects = [value for value, _ in samples if isinstance(value, dict)]
        if not self.objects:
            kind = type(samples[0][0]).__name__ if samples else "nothing"
            raise UserError(
                f"{where}: holds {kind}, not objects of problems or traces; is it DeepPrune data?"
            )
        self.keyed = all(key is not None for _, key in samples)
        for value in self.objects:
            self.items.see(value)
        self.traces = Profile()

    def result(self) -> Proposal:
        """Return the mapping, complete and unambiguous."""
        columns: dict[str, str] = {}
        lists = self._traces_column()
        if lists:
            columns["traces"] = lists
            for value in self.objects:
                for trace in _objects_at(value, lists):
                    self.traces.see(trace)
        shape = "objects" if lists else self._shape()
        inner = self.traces if lists else self.items
        for name in TRACE_FIELDS:
            kinds = FIELDS[name].many if shape == "lists" else FIELDS[name].one
            column = self._column(name, kinds, inner, columns)
            if column:
                columns[name] = column
        for name in PROBLEM_FIELDS:
            kinds = FIELDS[name].one
            column = self._column(name, kinds, self.items, columns, shape)
            if not column and lists and name not in self.given:
                column = self._column(name, kinds, self.traces, columns, "rows")
            if column:
                columns[name] = column
        if self.keyed and "problem_id" not in (columns | dict(self.given)):
            columns["problem_id"] = KEY
        self._check_needed(columns, inner)
        self._check_lookalikes(columns, inner, shape)
        return Proposal(
            columns={name: columns[name] for name in FIELDS if name in columns},
            shape=shape,
            unused=self._unused(columns, inner),
            left_out=[name for name, column in self.given.items() if not column],
            inside=self.given.get("problems"),
        )

    def _traces_column(self) -> str | None:
        if "traces" in self.given:
            return self._given("traces", self.items, None)
        kinds = FIELDS["traces"].one
        best = self._best("traces", kinds, self.items, {})
        others = self._best("text", FIELDS["text"].many, self.items, {})
        if best and others and "text" not in self.given:
            self._ambiguous("traces", [*best, *others], best[0], "text")
        if not best and not others and "text" not in self.given:
            best = [  # of an unknown name, but shaped like traces: objects with a text
                column
                for column in self.items.types
                if self.items.fits(column, kinds) and self._has_text(column)
            ]
        return self._one("traces", best)

    def _has_text(self, column: str) -> bool:
        inner = Profile()
        for value in self.objects:
            for trace in _objects_at(value, column):
                inner.see(trace)
        return bool(self._best("text", FIELDS["text"].one, inner, {}))

    def _shape(self) -> str:
        """Decide whether items hold one list per field (`lists`) or are traces (`rows`)."""
        for name in ("text", "answer", "num_tokens"):
            column = self.given.get(name)
            if column:
                kinds = set().union(
                    *(self.items.types.get(part, set()) for part in column.split("+"))
                )
                if name == "num_tokens" and kinds <= {"integers"}:
                    continue  # may be the token ids of one trace
                return "lists" if kinds & FIELDS[name].many else "rows"
        for name in ("text", "answer"):
            if self._best(name, FIELDS[name].many - {"empty"}, self.items, {}):
                return "lists"
        return "rows"

    def _column(
        self,
        name: str,
        kinds: frozenset[str],
        profile: Profile,
        taken: Mapping[str, str],
        shape: str = "",
    ) -> str | None:
        if name in self.given:
            return self._given(name, profile, self.traces)
        best = self._best(name, kinds, profile, taken)
        if name == "problem_id" and shape == "rows":
            # a row's `id` may be the trace's own, which would make each trace a problem
            best = [c for c in best if plain_name(c.split(".")[-1]) not in FIELDS[name].names[1]]
        return self._one(name, best)

    def _best(
        self, name: str, kinds: frozenset[str], profile: Profile, taken: Mapping[str, str]
    ) -> list[str]:
        """Return the columns that fit a field best: by name, then by depth."""
        used = {*taken.values(), *self.given.values()}
        ranked: dict[tuple[int, int], list[str]] = {}
        for column in profile.types:
            if column in used or not profile.fits(column, kinds):
                continue
            last = plain_name(column.split(".")[-1])
            for tier, names in enumerate(FIELDS[name].names):
                if name == "problem_id" and tier == 2 and "text" in profile.types[column]:
                    continue  # a problem's text, not its number
                if last in names:
                    ranked.setdefault((tier, column.count(".")), []).append(column)
        return ranked[min(ranked)] if ranked else []

    def _one(self, name: str, best: Sequence[str]) -> str | None:
        if len(best) > 1:
            self._ambiguous(name, best, best[0])
        return best[0] if best else None

    def _ambiguous(
        self, name: str, candidates: Sequence[str], example: str, other: str | None = None
    ) -> None:
        instead = f"--map {name}= to leave it out"
        if other:
            instead = f"--map {name}= and --map {other}={candidates[-1]}"
        elif name == "text" and len(candidates) > 1:
            inner_first = sorted(candidates, key=lambda c: not _REASONING.search(c.lower()))
            instead = f"--map text={'+'.join(inner_first)} to join them"
        raise UserError(
            f"{self.where}: {name} can be {' or '.join(candidates)}; "
            f"choose one with --map {name}={example}, or {instead}"
        )

    def _given(self, name: str, profile: Profile, other: Profile | None) -> str | None:
        column = self.given[name]
        if not column or column in (KEY, FILE):
            return column or None
        for part in column.split("+") if name == "text" else [column]:
            profiles = [p for p in (self.items, profile, other) if p]
            if any(part in p.types for p in profiles):
                continue
            if any(_reaches(value, part) for value in self.objects):
                continue
            names = ", ".join(list(dict.fromkeys(c for p in profiles for c in p.types))[:16])
            raise UserError(
                f"{self.where}: no column {part}, which --map {name} names; columns here: {names}"
            )
        return column

    def _check_needed(self, columns: Mapping[str, str], inner: Profile) -> None:
        if "gold_answer" not in columns:
            self._missing("gold_answer", "gold answer", columns.values(), self.items, inner)
        if "text" not in columns and "answer" not in columns:
            self._missing("text", "response or answer", columns.values(), inner)
        if not {"problem_id", "question"} & set(columns):
            self._missing(
                "problem_id",
                "problem",
                columns.values(),
                self.items,
                hint=f", or --map problem_id={FILE} where each file is a problem",
            )
        if not {"num_tokens", "text", "confidence", "logprobs"} & set(columns):
            self._missing("num_tokens", "token count", columns.values(), inner)

    def _check_lookalikes(self, columns: Mapping[str, str], inner: Profile, shape: str) -> None:
        """Refuse a mapping if a field without a column may have one under an unknown name."""
        used = {part for column in columns.values() for part in column.split("+")}
        for name, pattern in LOOKALIKES.items():
            both = {"confidence", "logprobs"}
            if {name, *(both if name in both else ())} & {*columns, *self.given}:
                continue
            kinds = FIELDS[name].many if shape == "lists" else FIELDS[name].one
            alike = [
                column
                for column in inner.types
                if column not in used
                and inner.fits(column, kinds)
                and pattern.search(plain_name(column.split(".")[-1]))
            ]
            if alike:
                raise UserError(
                    f"{self.where}: {name} may be {' or '.join(alike)}; map it with "
                    f"--map {name}={alike[0]}, or leave the field out with --map {name}="
                )

    def _missing(
        self, name: str, what: str, used: Iterable[str], *profiles: Profile, hint: str = ""
    ) -> None:
        spec = FIELDS[name]
        fitting = [
            column
            for profile in profiles
            for column in profile.types
            if column not in used and profile.fits(column, spec.one | spec.many)
        ]
        example = next(iter(dict.fromkeys(fitting)), "COLUMN")
        shown = "; ".join(filter(None, (p.shown(p.types) for p in dict.fromkeys(profiles))))
        raise UserError(
            f"{self.where}: no column is known to hold the {what}; columns here: "
            f"{shown or 'none'}; name it with --map {name}={example}{hint}"
        )

    def _unused(self, columns: Mapping[str, str], inner: Profile) -> list[str]:
        used = {part for column in columns.values() for part in column.split("+")}
        profiles = [self.items] if inner is self.items else [self.items, inner]
        names = [
            column
            for profile in profiles
            for column, kinds in profile.types.items()
            if column not in used and kinds != {"object"}
        ]
        return list(dict.fromkeys(names))


def _objects_at(value: Any, column: str) -> list[dict[str, Any]]:
    found = dig(value, column)
    first = found[:_LOOKED_AT] if isinstance(found, list) else []
    return [each for each in first if isinstance(each, dict)]


def _reaches(value: Any, column: str) -> bool:
    return dig(value, column) is not MISSING
