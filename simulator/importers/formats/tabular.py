"""JSON, JSON-lines, CSV and Parquet files of any columns: one trace per row, or one problem.

An item of a file is one trace (`rows`), a problem with a list of trace objects (`objects`), or a
problem with one list per field, one element per trace (`lists`). A problem's items may be spread
over files.

A preset says which column each field has, and is one function here: `read_jsonl` takes columns of
the fields' own names and those that the user maps, `read_deepprune` (THU-KEG/DeepPrune, which
publishes no name but `true_answer`) finds them by `simulator.importers.field_names`, reports the
mapping so that it can be given back (`--map field=column …`), and stops if it is unclear. A preset
for files of known columns passes `Columns` of its own to `Table`.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from simulator.answers.equivalence import ANSWER_KINDS
from simulator.arrays import Floats
from simulator.importers.answering import Search
from simulator.importers.field_names import (
    ALL_FIELDS,
    FIELDS,
    PROBLEM_FIELDS,
    ROW_FIELDS,
    TRACE_FIELDS,
    plain_name,
)
from simulator.importers.formats.row_values import (
    checked_probe_signals,
    checked_probes,
    checked_text,
    first_found,
    joined_parts,
    other_column,
    rows_of_tokens,
    value_of_cell,
)
from simulator.importers.gathering import MISSING, About, Draft, check_fields, dig, gather
from simulator.importers.importer import (
    CHARACTERS_PER_TOKEN,
    BadRow,
    ImportOptions,
    Reading,
    answer_text,
    checked,
    checked_verdict,
    finite_numbers,
    token_count,
)
from simulator.importers.items import ROW_SUFFIXES, Cells, Item, items_of
from simulator.importers.json_files import AGAIN
from simulator.importers.logprobs import FROM_LOGPROBS, OF_SEVERAL, SignalTally
from simulator.importers.mapping import (
    FILE,
    KEY,
    Columns,
    as_options,
    is_conversation,
    propose_mapping,
    sampled,
    suggested,
    wrapped,
)
from simulator.pools.pool import TokenAccuracy
from simulator.pools.records import TraceRecord
from simulator.signals import PROBE_SIGNALS, TOKEN_SIGNALS

VERSION = "2"

_OF_PROBES = ("probe_positions", "probe_answers", *PROBE_SIGNALS)

_NULL_IS_NONE = ("text", "num_tokens", *TOKEN_SIGNALS, *_OF_PROBES)
"""Fields that a row lacks if they are null in it."""

_ALL_OR_NONE = frozenset({"answer", "num_tokens", "trace_id"})
"""Fields that every trace has, or none, beside its signals."""

_TOLD_APART = ("gold_answer", "answer", "num_tokens", "grade", *TOKEN_SIGNALS)
"""Fields of a row whose other known names may not hold something else."""

_OF_PROBLEM = ("prompt_tokens",)
"""Fields of a trace that a problem may state once for all of its traces."""

_SHAPES = {
    "objects": "a list of trace objects per problem",
    "lists": "problems with one list per field, one element per trace",
    "rows": "one trace per row",
}


def read_jsonl(options: ImportOptions) -> Reading:
    """Read one trace per row, or one problem per row, from columns of the fields' names.

    `options.field_map` gives the column of a field, a dotted path into nested objects and lists
    (`usage.tokens`, `answers.0`); an empty column leaves the field out. A row needs a
    `gold_answer`, a `problem_id` or `question`, an `answer` or `text`, and `num_tokens` or another
    field that gives a length. `text` may join columns (`reasoning+content`), and `problem_id` may
    be `@file` (the file's name) or `@key` (the item's key, in an object of items). `text` and
    `question` may be conversations (`[{"role": …, "content": …}]`), of which they are the
    assistant's and the user's messages.

    If the column of `text` (without one, of `answer`) holds a list, a row is a problem with one
    list per field, one element per trace; null stands for a list whose field is not known. If
    `traces` is mapped, it is the column with the list of trace objects, and the columns of trace
    fields are inside these objects. `logprobs` are used if they are mapped.

    A trace's answer is the last box of its text, else its `answer` (null is no answer). Without
    such a column, all forms of answers in its text are searched (`simulator.answers.finding`). Its
    length is `num_tokens` (a number, or a list of token ids), else that of its token signals, else
    estimated at four characters per token. Token signals are one number per token. Probes are
    `probe_positions`, tokens generated when probed, and `probe_answers`, a text, number or null
    each; probe signals are one number or null per probe.

    Without `trace_id`, a problem's traces are numbered in the order of the rows; without
    `problem_id`, problems are numbered in the order of their first rows.

    In CSV, an empty cell is null, and a list is written in JSON.

    Raises
    ------
    UserError
        An unknown field, a file that cannot be read, or a bad row. If a column is missing, the
        message proposes a mapping.
    """
    check_fields(options, ALL_FIELDS)
    given = {name: column for name, column in options.field_map.items() if name != "problems"}
    taken = set(given.values())  # a column given to one field is no other's by name
    named = {name: name for name in ROW_FIELDS if name not in taken} | given
    by_field = {name: column for name, column in named.items() if column}
    samples = sampled(options, ROW_SUFFIXES)
    columns = Columns(
        by_field,
        _shape_of([wrapped(item.value) for item in samples], by_field),
        found=False,
        by_name=frozenset(named) - set(given),
        unused=_unused([item.value for item in samples], by_field),
        left_out=[name for name, column in given.items() if not column],
        inside=options.field_map.get("problems"),
    )
    table = Table(columns, lambda: suggested(samples, options.field_map))
    return table.tally.settle(gather(options, items_of(options, ROW_SUFFIXES), table))


def _unused(samples: Iterable[Any], by_field: dict[str, str]) -> list[str]:
    """Return the outermost columns that no field uses, nor a part of them."""
    used = {part.split(".")[0] for column in by_field.values() for part in column.split("+")}
    used |= {part for column in by_field.values() for part in column.split("+")}
    found = dict.fromkeys(name for value in samples if isinstance(value, dict) for name in value)
    return [str(name) for name in found if name not in used]


def _shape_of(samples: Sequence[Any], by_field: dict[str, str]) -> str:
    """Return the shape of the items, by the first value of the traces' texts or answers."""
    if "traces" in by_field:
        return "objects"
    for name in ("text", "answer"):
        parts = by_field.get(name, "").split("+")
        values = (dig(value, part) for value in samples for part in parts)
        for value in values:
            if value is not MISSING and value is not None:
                return "lists" if isinstance(value, list) and not is_conversation(value) else "rows"
    return "rows"


def read_deepprune(options: ImportOptions) -> Reading:
    """Read problems with their traces, from the columns of the proposed or given mapping.

    As `read_jsonl`, but `options.field_map` corrects a mapping that is proposed. `traces` is the
    column with the list of trace objects; the columns of trace fields are then inside these
    objects. `problems` is the key of the list of items, in a file that is an object with several
    keys. `logprobs` are converted to token signals, to confidences as DeepConf defines them. A list
    with only the sampled token's log-probability is something else, and is used only if the user
    maps it.

    Raises
    ------
    UserError
        As `propose_mapping` does, or a bad problem or trace.
    """
    columns = propose_mapping(options)
    options.progress(f"mapping: {columns.options()}", 0.0)
    table = Table(columns)
    reading = gather(options, items_of(options), table)
    reading.mapping = columns.field_map
    mapped = bool(options.field_map.get("logprobs"))
    return table.tally.settle(reading, OF_SEVERAL if mapped else FROM_LOGPROBS)


class Table:
    """Reader of items that have these columns; `propose` returns a mapping for an error."""

    def __init__(self, columns: Columns, propose: Callable[[], dict[str, str]] = dict) -> None:
        self.columns = columns
        self.propose = cache(propose)
        self.by_field = columns.by_field
        self.tally = SignalTally()
        self.nan = 0
        self.twins: dict[tuple[str, ...], list[tuple[str, str, str, bool]]] = {}

    def about(self, item: Item) -> About:
        """Find the problem of an item, in the item or its first trace. Raises `BadRow`."""
        value = wrapped(item.value) if "traces" in self.by_field else item.value
        if not isinstance(value, dict):
            kind = type(value).__name__
            raise BadRow(f"a JSON {kind}, not an object", f"give JSON objects; {AGAIN}")
        if not self.columns.found:
            self._check_twins(value)
        sources = [value]
        if self._in_traces(value):
            traces = self._objects(value)
            if not traces:
                raise BadRow("problem without traces", "give each problem its traces")
            sources.append(traces[0])
        named = {KEY: item.key, FILE: item.path.stem}
        columns = {name: self.by_field.get(name, "") for name in PROBLEM_FIELDS}
        values = self._values((n for n in columns if columns[n] not in named), sources)
        values |= {n: named[column] for n, column in columns.items() if column in named}
        for name in ("problem_id", "gold_answer"):
            if name in values:
                if name == "gold_answer" and isinstance(values[name], list | tuple):
                    values[name] = values[name][0] if len(values[name]) == 1 else values[name]
                values[name] = answer_text(values[name], name)
                if values[name] is None:
                    raise BadRow(f"{name} is empty", f"give each problem its {name}")
            elif name == "gold_answer" or values.get("question") is None:
                raise self._no_column(name, value)
        kind = values.get("answer_kind") or ""
        if kind not in ("", *ANSWER_KINDS):
            raise BadRow("unknown answer_kind", f"use one of {', '.join(ANSWER_KINDS)}", kind)
        question = checked_text(values.get("question"), "question")
        return About(values.get("problem_id"), question, values["gold_answer"], kind)

    def _check_twins(self, value: dict[str, Any]) -> None:
        """Raise `BadRow` if a column that no field uses may hold the same as one that is used.

        That is a name that differs in case or separators, or, with other values, a known name of an
        answer, length or token signal. A field that the user has mapped is clear.
        """
        keys = tuple(value)
        if keys not in self.twins:
            self.twins[keys] = list(self._twins(keys))
        for name, column, other, same in self.twins[keys]:
            if same or value[other] not in (None, value[column]):
                raise BadRow(
                    f"{name} can be {column} or {other}", f"choose one with --map {name}={column}"
                )

    def _twins(self, columns: Sequence[str]) -> Iterator[tuple[str, str, str, bool]]:
        """Yield field, column and look-alike, and whether they differ in case or separators."""
        unused = [column for column in columns if column not in self.by_field.values()]
        for name in self.columns.by_name:
            column = self.by_field.get(name)
            if column is None or column not in columns:
                continue
            for other in unused:
                plain = plain_name(other)
                same = plain == plain_name(name)
                if same or (name in _TOLD_APART and plain in FIELDS[name].names[0]):
                    yield name, column, other, same

    def _in_traces(self, value: dict[str, Any]) -> list[str]:
        """Return the columns of problem fields that the traces of a problem have, not itself."""
        if self.columns.shape != "objects":
            return []
        columns = (self.by_field.get(name, KEY) for name in PROBLEM_FIELDS)
        return [c for c in columns if c not in (KEY, FILE) and dig(value, c) is MISSING]

    def parts(self, item: Item) -> Iterator[tuple[str, Any]]:
        """Yield the sources of each trace's fields: the trace itself, then its item."""
        if self.columns.shape == "rows":
            yield item.where, (item.value,)
            return
        value = wrapped(item.value)
        lists = self.columns.shape == "lists"
        traces = self._from_lists(value) if lists else self._objects(value)
        for number, trace in enumerate(traces):
            column = self.by_field.get("traces", "trace")
            yield f"{item.where}.{column}[{number}]", (trace, value)

    def _objects(self, value: dict[str, Any]) -> list[Any]:
        traces = dig(value, self.by_field["traces"])
        if traces is MISSING:
            raise self._no_column("traces", value)
        found: list[Any] = checked(traces, list, "traces are not a list", other_column("traces"))
        return found

    def _from_lists(self, value: dict[str, Any]) -> list[dict[str, Any]]:
        """Return one object per trace, of the same columns as the item."""
        lists: dict[str, list[Any]] = {}
        for name in (name for name in TRACE_FIELDS if name in self.by_field):
            column = self.by_field[name]
            joined = name == "text" and dig(value, column) is MISSING
            for part in column.split("+") if joined else [column]:
                found = dig(value, part)
                if found is MISSING and not self.columns.found and name in self.columns.by_name:
                    continue
                if found is MISSING:
                    raise self._no_column(name, value)
                if found is None or (name in _OF_PROBLEM and not isinstance(found, list)):
                    continue
                if not isinstance(found, list):
                    reason = f"{part} is not a list with one element per trace"
                    raise BadRow(
                        reason, f"{other_column(name)}, or leave it out with --map {name}="
                    )
                lists[part] = found
        if not lists:
            raise BadRow("problem without traces", "give each problem its traces")
        if len({len(each) for each in lists.values()}) > 1:
            shown = ", ".join(f"{column}: {len(each)}" for column, each in lists.items())
            raise BadRow("lists of different lengths", "give one element per trace", shown)
        return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]

    def _values(self, names: Iterable[str], sources: list[Any]) -> dict[str, Any]:
        """Return the value of each field that is there. Raises `BadRow` if one has to be."""
        values = {}
        for name in names:
            column = self.by_field.get(name)
            if column is None:
                continue
            places = sources
            if self.columns.shape == "objects" and name in TRACE_FIELDS and name not in _OF_PROBLEM:
                places = sources[:1]  # a problem's own `answer` is no trace's
            found = first_found(places, column)
            if found is MISSING and name == "text" and "+" in column:
                found = joined_parts([first_found(places, part) for part in column.split("+")])
            if isinstance(sources[0], Cells) and isinstance(found, str):
                found = value_of_cell(name, found)
            if found is MISSING:
                if self.columns.found or column != name:
                    raise self._no_column(name, sources[0])
            elif found is not None or name not in _NULL_IS_NONE or self.columns.found:
                values[name] = found
        return values

    def _no_column(self, name: str, there: dict[str, Any], reason: str = "") -> BadRow:
        column = self.by_field.get(name, name)
        keys = [str(key) for key in there]
        shown = ", ".join(keys[:12]) + (", …" if len(keys) > 12 else "")
        if self.columns.found:
            remedy = "give all items the same columns"
            if name in TRACE_FIELDS:
                remedy += f", or leave the field out with --map {name}="
            reason = f"no {column}, the column of {name}"
        else:
            # A column that another field has is not proposed: never gold_answer as the answer.
            taken = {each.split(".")[0] for each in self.by_field.values()}
            free = [other for other in keys if other not in taken]
            near = [other for other in free if other.split("_")[0] == column.split("_")[0]]
            near = near or difflib.get_close_matches(column, free, n=1, cutoff=0.5)
            remedy = f"name the right one with --map {name}={[*near, 'COLUMN'][0]}"
            proposed = {n: c for n, c in self.propose().items() if n != c}
            if set(proposed) - {name}:
                remedy += f", or all that were found: {as_options(proposed)}"
            reason = reason or f"no column {column}"
        return BadRow(f"{reason}; columns here: {shown or 'none'}", remedy)

    def draft(self, part: Any) -> Draft:
        """Make a trace of its sources. Raises `BadRow`."""
        trace, item = part[0], part[-1]
        checked(trace, dict, "trace is not an object", "give traces as JSON objects")
        self._check_same_problem(trace, item)
        values = self._values(TRACE_FIELDS, list(part))
        if not {"answer", "text"} & values.keys():
            if "text" in self.by_field and dig(trace, self.by_field["text"]) is None:
                raise BadRow(f"{self.by_field['text']} is null", "give each trace its response")
            raise self._no_column("answer", trace, "row without an answer field")
        text = checked_text(values["text"], "text") if "text" in values else None
        signals = self._token_signals(values)
        lengths = [len(numbers) for numbers in signals.values()]
        if "num_tokens" in values:
            given = values["num_tokens"]
            num_tokens = token_count(len(given) if isinstance(given, list) else given, "num_tokens")
        elif lengths:
            num_tokens = lengths[0]
        elif text is not None:
            num_tokens = max(1, round(len(text) / CHARACTERS_PER_TOKEN))
        else:
            raise self._no_column("num_tokens", trace)
        for name, length in zip(signals, lengths, strict=True):
            if length != num_tokens:
                raise BadRow(
                    f"{name} and num_tokens differ",
                    "give one number per token, or name other columns with --map num_tokens=COLUMN "
                    f"and --map {name}=COLUMN",
                    f"{length} and {num_tokens}",
                )
        given = values.get("answer")
        self.nan += isinstance(given, float) and math.isnan(given)
        positions, answers = checked_probes(values, num_tokens)
        prompt = values.get("prompt_tokens")
        record = TraceRecord(
            trace_id=-1,
            num_tokens=num_tokens,
            answer=answer_text(given),
            prompt_tokens=None if prompt is None else token_count(prompt, "prompt_tokens", least=0),
            finish_reason=checked_text(values.get("finish_reason"), "finish_reason"),
            text=text,
            token_signals=signals,
            probe_positions=positions,
            probe_answers=answers,
            probe_signals=checked_probe_signals(values, positions),
            graded=_grade(values.get("grade")),
            counted="num_tokens" in values or bool(signals),
        )
        search: Search = "boxes" if "answer" in values else "text"
        return Draft(record, values.get("trace_id"), _ALL_OR_NONE & values.keys(), search)

    def _check_same_problem(self, trace: dict[str, Any], item: dict[str, Any]) -> None:
        """Raise `BadRow` if a trace differs from the first one in the problem that both have."""
        for column in self._in_traces(item):
            own = dig(trace, column)
            if own != dig(self._objects(item)[0], column):
                raise BadRow(
                    f"{column} differs from that of the problem's first trace",
                    "name the list of problems with --map problems=KEY if this is one",
                    own,
                )

    def _token_signals(self, values: dict[str, Any]) -> dict[str, Floats]:
        """Return a trace's token signals: their own columns, else from its log-probabilities."""
        signals = {}
        for name in (name for name in TOKEN_SIGNALS if name in values):
            given = values[name]
            remedy = f"give one number per token, or leave it out with --map {name}="
            if not isinstance(given, list) or not given:
                raise BadRow(f"{name} is not a list with one number per token", remedy, given)
            signals[name] = finite_numbers(given, name, remedy)
        done = {*signals, *self.columns.left_out}
        if "logprobs" in values and not set(FROM_LOGPROBS) <= done:
            given, own = rows_of_tokens(values["logprobs"])
            signals |= self.tally.signals(given, done, own)
        return signals

    def notes(self, accuracy: TokenAccuracy) -> list[str]:
        """List a mapping that was found, and the sources of lengths and token signals."""
        notes = []
        if self.columns.found or self.columns.shape != "rows":
            notes.append(f"files hold {_SHAPES[self.columns.shape]}")
        if self.columns.found:
            notes.append(f"mapping: {self.columns.options()}")
        if self.columns.unused:
            notes.append(f"columns not used: {', '.join(self.columns.unused[:20])}")
        if self.nan:
            notes.append(f"{self.nan:,} answers are NaN, which counts as none")
        if accuracy == "estimated":
            notes.append(f"lengths are estimated: {CHARACTERS_PER_TOKEN} characters per token")
        return notes + self.tally.notes()


def _grade(value: Any) -> bool | None:
    remedy = "use true/false, 1/0, C/I, or leave it out with --map grade="
    return None if value is None else checked_verdict(value, remedy)
