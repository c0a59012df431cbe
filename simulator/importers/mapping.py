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
from itertools import islice
from typing import Any

from simulator.errors import UserError
from simulator.importers.field_names import (
    ALL_FIELDS,
    FIELDS,
    LIKELY_GOLD,
    LOOKALIKES,
    PROBLEM_FIELDS,
    TRACE_FIELDS,
    plain_name,
)
from simulator.importers.gathering import MISSING, check_fields, dig
from simulator.importers.importer import Faults, ImportOptions
from simulator.importers.items import SUFFIXES, Cells, Item, items_of, parsed_cell
from simulator.signals import TOKEN_SIGNALS

KEY = "@key"
"""Pseudo-column for an item's name in a file that is an object of items."""

FILE = "@file"
"""Pseudo-column for the name of an item's file, without its suffix."""

SAMPLED_ITEMS = 8
"""Number of items that the mapping is proposed from."""

SHOWN_COLUMNS = 16

_SAME = {"logprobs": (*TOKEN_SIGNALS,), **dict.fromkeys(TOKEN_SIGNALS, ("logprobs",))}
"""Other fields that give the same as a field."""

_SCALARS = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "text"}
_DEPTH = 3
PARTS = ("text", "thinking", "reasoning")
"""Types of the parts of a message's content that have their text under the same name."""
_REASONING = re.compile("reason|think|cot$")
_LOOKED_AT = 64


def type_of(value: Any) -> str:
    """Name the type of a value, in the words of `Field`."""
    if type(value) in _SCALARS:
        return _SCALARS[type(value)]
    if isinstance(value, dict):
        values = list(value.values())[:_LOOKED_AT]
        numbers = all(type(each) in (int, float) for each in values)
        return "number map" if values and numbers else "object"
    if not isinstance(value, list):
        return type(value).__name__
    kinds = {type_of(each) for each in value[:_LOOKED_AT]} - {"null"}
    if not kinds:
        return "empty"
    if kinds == {"integer", "number"}:
        return "numbers"
    if is_conversation(value):
        return "messages"
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


class Profile:
    """Columns of some objects: dotted path to the types seen there."""

    def __init__(self) -> None:
        self.types: dict[str, set[str]] = {}

    def see(self, values: Mapping[str, Any], prefix: str = "", depth: int = 0) -> None:
        """Record the columns of an object, and of objects nested in it."""
        for name, value in values.items():
            column = f"{prefix}{name}"
            if isinstance(values, Cells) and isinstance(value, str):
                value = parsed_cell(value)
            kind = type_of(value)
            inner = kind == "object" or (kind == "number map" and _counts_tokens(value))
            if isinstance(value, dict) and inner and depth + 1 < _DEPTH:
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
class Columns:
    """The column of each field that has one, by field.

    `shape` is `objects` (an item holds a list of trace objects, the column `traces`), `lists` (an
    item holds one list per field, one element per trace) or `rows` (an item is a trace). `found`
    means that the columns were found in the files, so that every item must have all of them.
    `by_name` are fields that are searched for by their own names alone.
    `unused` are columns that no field uses, `left_out` are fields that the user leaves out, and
    `inside` is the list that holds the items, if the user has named one.
    """

    by_field: dict[str, str]
    shape: str
    found: bool = True
    by_name: frozenset[str] = frozenset()
    unused: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    inside: str | None = None

    @property
    def field_map(self) -> dict[str, str]:
        """The mapping in the form of `ImportOptions.field_map`."""
        inside = {"problems": self.inside} if self.inside else {}
        return {**inside, **self.by_field, **dict.fromkeys(self.left_out, "")}

    def options(self) -> str:
        """Format the mapping as options of the command line."""
        return as_options(self.field_map)


def as_options(field_map: Mapping[str, str]) -> str:
    """Format a mapping as options of the command line."""
    pairs = (f"{name}={column}" for name, column in field_map.items())
    return " ".join(f"--map {shlex.quote(pair)}" for pair in pairs)


def is_conversation(value: Any) -> bool:
    """Check for a list of messages, `{"role": …, "content": …}` each or as ShareGPT has them.

    The parts of one message's content (`{"type": "text", "text": …}`) count, too.
    """
    if not isinstance(value, list) or not value or not all(isinstance(v, dict) for v in value):
        return False
    if all(each.get("type") in PARTS and each["type"] in each for each in value):
        return True
    pairs = (("role", "content"), ("from", "value"))
    return any(all(who in each and what in each for each in value) for who, what in pairs)


def _counts_tokens(numbers: Mapping[Any, Any]) -> bool:
    """Check for a usage object, `{"completion_tokens": 9}`, unlike log-probabilities by token."""
    return any(plain_name(str(name)) in FIELDS["num_tokens"].names[0] for name in numbers)


def mapping_toml(columns: Mapping[str, str]) -> str:
    """Write a mapping as the TOML line `map` for a pool of a registry: field to column."""
    pairs = (f"{n} = {json.dumps(column, ensure_ascii=False)}" for n, column in columns.items())
    return f"map = {{ {', '.join(pairs)} }}\n"


def propose_mapping(options: ImportOptions) -> Columns:
    """Find the column of each field from the first items and the user's own mapping.

    Raises
    ------
    UserError
        A file cannot be read, two columns fit a field equally well, none fits a required field, or
        a column that the user has named does not exist.
    """
    check_fields(options, ALL_FIELDS)
    samples = sampled(options)
    if not samples:
        for item in items_of(options):
            if item.fault is not None:
                Faults(drop=False).reject(item.where, item.fault)
        raise UserError(f"{options.paths[0]}: has no line of JSON; is it DeepPrune data?")
    try:
        return _Search(samples, options.field_map).columns()
    except UnclearError as fault:
        line = as_options(suggested(samples, options.field_map))
        raise UserError(f"{fault}{f'; in full: {line}' if line else ''}") from None


def sampled(options: ImportOptions, suffixes: Sequence[str] = SUFFIXES) -> list[Item]:
    """Return the first items that can be read, at most `SAMPLED_ITEMS`."""
    readable = (item for item in items_of(options, suffixes) if item.fault is None)
    return list(islice(readable, SAMPLED_ITEMS))


def suggested(samples: Sequence[Item], given: Mapping[str, str]) -> dict[str, str]:
    """Return a mapping with the first of several candidates each; empty if there is none.

    It is for the user to read and correct, not to be used unseen.
    """
    tried = dict(given)
    while True:
        try:
            return _Search(samples, tried).columns().field_map
        except UnclearError as fault:
            if not fault.column or fault.name in tried:
                return {}
            tried[fault.name] = fault.column
        except UserError:
            return {}


def _gold_rank(column: str) -> int:
    name = plain_name(column.split(".")[-1])
    return LIKELY_GOLD.index(name) if name in LIKELY_GOLD else len(LIKELY_GOLD)


class UnclearError(UserError):
    """Error for a field whose column the user has to name, with the likeliest one, if any."""

    def __init__(self, message: str, name: str, column: str) -> None:
        super().__init__(message)
        self.name = name
        self.column = column


def wrapped(value: Any) -> Any:
    """Wrap an item that is a bare list of traces, as in `{"p1": [...]}`, in an object."""
    return {"traces": value} if isinstance(value, list) else value


class _Search:
    def __init__(self, samples: Sequence[Item], given: Mapping[str, str]) -> None:
        self.where = str(samples[0].path)
        self.given = given
        values = [wrapped(item.value) for item in samples]
        self.objects = [value for value in values if isinstance(value, dict)]
        if not self.objects:
            kind = type(values[0]).__name__
            raise UserError(
                f"{self.where}: holds {kind}, not objects of problems or traces; "
                "is it DeepPrune data?"
            )
        self.keyed = all(item.key is not None for item in samples)
        self.items = Profile()
        for value in self.objects:
            self.items.see(value)
        self.inner = self.items  # the columns of traces
        self.by_field: dict[str, str] = {}

    def columns(self) -> Columns:
        """Return the mapping, complete and unambiguous."""
        lists = self._traces_column()
        if lists:
            self.by_field["traces"] = lists
            self.inner = self._profile_of(lists)
        self.shape = "objects" if lists else self._shape()
        for name in TRACE_FIELDS:
            self._map(name, self._best(name, self._kinds(name), self.inner))
        for name in PROBLEM_FIELDS:
            best = self._best(name, FIELDS[name].one, self.items, of_row=self.shape == "rows")
            if not best and lists:
                best = self._best(name, FIELDS[name].one, self.inner, of_row=True)
            self._map(name, best)
        if self.keyed and "problem_id" not in {*self.by_field, *self.given}:
            self.by_field["problem_id"] = KEY
        self._check_needed()
        used = {part for column in self.by_field.values() for part in column.split("+")}
        self._check_lookalikes(used)
        return Columns(
            by_field={name: self.by_field[name] for name in FIELDS if name in self.by_field},
            shape=self.shape,
            unused=[
                column
                for column, kinds in (self.items.types | self.inner.types).items()
                if column not in used and kinds != {"object"}
            ],
            left_out=[name for name, column in self.given.items() if not column],
            inside=self.given.get("problems"),
        )

    def _kinds(self, name: str) -> frozenset[str]:
        return FIELDS[name].many if self.shape == "lists" else FIELDS[name].one

    def _profile_of(self, column: str) -> Profile:
        """Return the columns of the objects in the lists of a column."""
        profile = Profile()
        for value in self.objects:
            found = dig(value, column)
            for trace in found[:_LOOKED_AT] if isinstance(found, list) else []:
                if isinstance(trace, dict):
                    profile.see(trace)
        return profile

    def _traces_column(self) -> str | None:
        if "traces" in self.given:
            return self._given("traces")
        kinds = FIELDS["traces"].one
        best = self._best("traces", kinds, self.items)
        if "text" not in self.given:
            others = self._best("text", FIELDS["text"].many, self.items)
            if best and others:
                instead = f"--map traces= and --map text={others[-1]}"
                raise self._ambiguous("traces", [*best, *others], instead)
            if not best and not others:
                best = [  # of an unknown name, but shaped like traces: objects with a text
                    column
                    for column in self.items.types
                    if self.items.fits(column, kinds)
                    and self._best("text", FIELDS["text"].one, inner := self._profile_of(column))
                    and "logprob" not in inner.types  # tokens
                ]
        if len(best) > 1:
            raise self._ambiguous("traces", best, "--map traces= to leave it out")
        return best[0] if best else None

    def _shape(self) -> str:
        """Decide whether items hold one list per field (`lists`) or are traces (`rows`)."""
        for name in ("text", "answer", "num_tokens"):
            column = self.given.get(name)
            if column:
                parts = column.split("+")
                kinds = set().union(*(self.items.types.get(part, set()) for part in parts))
                if name == "num_tokens" and kinds <= {"integers"}:
                    continue  # may be the token ids of one trace
                return "lists" if kinds & FIELDS[name].many else "rows"
        for name in ("text", "answer"):
            if self._best(name, FIELDS[name].many - {"empty"}, self.items):
                return "lists"
        return "rows"

    def _best(
        self, name: str, kinds: frozenset[str], profile: Profile, *, of_row: bool = False
    ) -> list[str]:
        """Return the columns that fit a field best: by name, then by depth."""
        used = {*self.by_field.values(), *self.given.values()}
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
        best = ranked[min(ranked)] if ranked else []
        if name == "problem_id" and of_row:
            # a row's `id` may be the trace's own, which would make each trace a problem
            best = [c for c in best if plain_name(c.split(".")[-1]) not in FIELDS[name].names[1]]
        return best

    def _map(self, name: str, best: Sequence[str]) -> None:
        """Map a field to the given column, else to the one that fits best."""
        if name in self.given:
            column = self._given(name)
        elif len(best) > 1:
            instead = f"--map {name}= to leave it out"
            if name == "text":
                inner_first = sorted(best, key=lambda c: not _REASONING.search(c.lower()))
                instead = f"--map text={'+'.join(inner_first)} to join them"
            raise self._ambiguous(name, best, instead)
        else:
            column = best[0] if best else None
        if column:
            self.by_field[name] = column

    def _ambiguous(self, name: str, candidates: Sequence[str], instead: str) -> UnclearError:
        return UnclearError(
            f"{self.where}: {name} can be {' or '.join(candidates)}; "
            f"choose one with --map {name}={candidates[0]}, or {instead}",
            name,
            candidates[0],
        )

    def _given(self, name: str) -> str | None:
        column = self.given[name]
        if not column or column in (KEY, FILE):
            return column or None
        known = self.items.types | self.inner.types
        for part in column.split("+") if name == "text" else [column]:
            if part not in known and all(dig(each, part) is MISSING for each in self.objects):
                raise UserError(
                    f"{self.where}: no column {part}, which --map {name} names; "
                    f"columns here: {', '.join(list(known)[:SHOWN_COLUMNS])}"
                )
        return column

    def _check_needed(self) -> None:
        """Raise `UserError` if none of some fields has a column."""
        for names, what, hint in (
            (["gold_answer"], "gold answer", ""),
            (["text", "answer"], "response or answer", ""),
            (
                ["problem_id", "question"],
                "problem",
                f", or --map problem_id={FILE} where each file is a problem",
            ),
            (["num_tokens", "text", *TOKEN_SIGNALS, "logprobs"], "token count", ""),
        ):
            if set(names) & set(self.by_field):
                continue
            kinds = FIELDS[names[0]].one | FIELDS[names[0]].many
            profiles = [self.items] if names[0] in PROBLEM_FIELDS else []
            profiles += [self.inner] if self.inner not in profiles else []
            fitting = [
                column
                for profile in profiles
                for column in profile.types
                if column not in self.by_field.values() and profile.fits(column, kinds)
            ]
            if names == ["gold_answer"]:
                fitting.sort(key=_gold_rank)
            shown = "; ".join(filter(None, (p.shown(p.types) for p in profiles)))
            raise UnclearError(
                f"{self.where}: no column is known to hold the {what}; "
                f"columns here: {shown or 'none'}; "
                f"name it with --map {names[0]}={[*fitting, 'COLUMN'][0]}{hint}",
                names[0],
                "".join(fitting[:1]),
            )

    def _check_lookalikes(self, used: set[str]) -> None:
        """Refuse a mapping if a field without a column may have one under an unknown name."""
        for name, pattern in LOOKALIKES.items():
            if {name, *_SAME.get(name, ())} & {*self.by_field, *self.given}:
                continue
            alike = [
                column
                for column in self.inner.types
                if column not in used
                and self.inner.fits(column, self._kinds(name))
                and pattern.search(plain_name(column.split(".")[-1]))
            ]
            if alike:
                raise UnclearError(
                    f"{self.where}: {name} may be {' or '.join(alike)}; map it with "
                    f"--map {name}={alike[0]}, or leave the field out with --map {name}=",
                    name,
                    alike[0],
                )
