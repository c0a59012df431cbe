"""DeepPrune data (THU-KEG/DeepPrune), and any JSON or Parquet of problems with sampled traces.

Its field names are not published, except `true_answer`. So the importer proposes a mapping of
fields to columns from the first items of the files. It prints the mapping in the notes, as options
that can be given back (`--map field=column …`), and stops if the mapping is ambiguous.
`simulator.importers.field_names` has the known names.

An item of a file is a problem with a list of trace objects, a problem with one list per field (one
element per trace), or one trace. A problem's items may be in several files. The text of a JSON
file is held in memory while it is scanned; then its problems are read one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.errors import UserError
from simulator.importers.extraction import extract_answer, extract_boxed
from simulator.importers.field_names import ALL_FIELDS, PROBLEM_FIELDS, TRACE_FIELDS
from simulator.importers.gathering import (
    MISSING,
    About,
    Draft,
    Gathering,
    check_fields,
    dig,
)
from simulator.importers.importer import (
    CHARACTERS_PER_TOKEN,
    BadRow,
    ImportOptions,
    Reading,
    answer_text,
    finite_numbers,
    storable,
    token_count,
    verdict,
)
from simulator.importers.items import Item, Place, items_of
from simulator.importers.mapping import FILE, KEY, Proposal, mapping_toml, propose
from simulator.importers.token_confidence import ConfidenceTally
from simulator.pools.pool import TokenAccuracy
from simulator.pools.records import TraceRecord

__all__ = ["VERSION", "mapping_toml", "propose_mapping", "read"]

VERSION = "1"

SAMPLED_ITEMS = 8
"""Number of items that the mapping is proposed from."""


def propose_mapping(options: ImportOptions) -> Proposal:
    """Propose the column of each field that the options do not map.

    Raises
    ------
    UserError
        A file cannot be read, two columns fit a field, or a required field has no column.
    """
    check_fields(options, ALL_FIELDS)
    samples = list(islice((i for i in items_of(options) if i.fault is None), SAMPLED_ITEMS))
    if not samples:
        raise UserError(f"{options.paths[0]}: has no line of JSON; is it DeepPrune data?")
    values = [(_wrapped(item.value), item.place.key) for item in samples]
    return propose(str(samples[0].place.path), values, options.field_map)


def read(options: ImportOptions) -> Reading:
    """Read problems with their traces, from the columns of the proposed or given mapping.

    `options.field_map` corrects the mapping. It maps a field to a column, a dotted path into
    objects and lists; an empty column leaves the field out. `traces` is the column with the list of
    trace objects; the columns of trace fields are then inside these objects. `text` may join
    columns (`reasoning+content`). `problems` is the key of the list of items, in a file that is an
    object with several keys. `problem_id` may be `@file` (the file's name) or `@key` (the problem's
    key, in an object of problems).

    A trace's answer is the last balanced box of its text, else its answer column, else, without
    such a column, the last `ANSWER: …` of the text. Its length is that of `num_tokens` (a number,
    or a list of token ids), else of `confidence` or `logprobs`, else estimated at four characters
    per token. `logprobs` are converted to confidences as DeepConf defines them. A list with only
    the sampled token's log-probability is something else, and is used only if the user maps it.

    Raises
    ------
    UserError
        As for `propose_mapping`, or a bad problem or trace.
    """
    proposal = propose_mapping(options)
    options.progress(f"mapping: {proposal.options()}", 0.0)
    reader = _Reader(proposal)
    gathering = Gathering(options, items_of(options), reader.about)
    reading = gathering.reading(reader.drafts, reader.notes)
    reading.mapping = proposal.field_map
    return reading


def _wrapped(value: Any) -> Any:
    """Wrap an item that is a bare list of traces, as in `{"p1": [...]}`, in an object."""
    return {"traces": value} if isinstance(value, list) else value


class _Reader:
    def __init__(self, proposal: Proposal) -> None:
        self.columns = proposal.columns
        self.proposal = proposal
        self.tally = ConfidenceTally()

    def about(self, item: Item) -> About:
        """Find the problem of an item, in the item or its first trace. Raises `BadRow`."""
        value = _wrapped(item.value)
        if not isinstance(value, dict):
            raise BadRow("not an object", "give problems or traces as JSON objects", item.value)
        found = self._about(item.place, value, {})
        if found is None:
            traces = self._objects(value)
            if not traces:
                raise BadRow("problem without traces", "give each problem its traces")
            found = self._about(item.place, value, traces[0])
        if found is None:
            missing = next(
                name for name in PROBLEM_FIELDS if self._get(name, value, traces[0]) is MISSING
            )
            raise self._no_column(missing, value)
        return found

    def _about(self, place: Place, value: dict[str, Any], trace: Any) -> About | None:
        texts: dict[str, str | None] = dict.fromkeys(PROBLEM_FIELDS)
        for name in PROBLEM_FIELDS:
            column = self.columns.get(name)
            if column is None:
                continue
            if column == KEY:
                given: Any = place.key
            elif column == FILE:
                given = place.path.stem
            else:
                given = self._get(name, value, trace)
            if given is MISSING:
                if "traces" in self.columns and not trace:
                    return None
                raise self._no_column(name, value)
            if name == "question":
                if not isinstance(given, str | None):
                    raise BadRow("question is not a text", _other(name), given)
                texts[name] = None if given is None else storable(given)
            else:
                texts[name] = answer_text(given, name)
        if texts["gold_answer"] is None:
            raise BadRow("gold_answer is empty", "give each problem its gold answer")
        if "problem_id" in self.columns and texts["problem_id"] is None:
            raise BadRow("problem_id is empty", "give each problem an id")
        return About(texts["problem_id"], texts["question"], texts["gold_answer"])

    def drafts(self, place: Place, value: Any) -> Iterator[Draft | tuple[str, BadRow]]:
        """Yield the traces of an item."""
        value = _wrapped(value)
        try:
            traces = self._traces(value)
        except BadRow as fault:
            yield place.where, fault
            return
        for number, trace in enumerate(traces):
            where = place.where
            if self.proposal.shape != "rows":
                where = f"{where}.{self.columns.get('traces', 'trace')}[{number}]"
            try:
                if isinstance(trace, BadRow):
                    raise trace
                yield self._draft(where, trace)
            except BadRow as fault:
                yield where, fault

    def _traces(self, value: dict[str, Any]) -> Iterator[dict[str, Any] | BadRow]:
        """Yield the values of each trace by field; raise `BadRow` if the item has no traces."""
        if self.proposal.shape == "rows":
            return iter([self._values(value, value)])
        if self.proposal.shape == "objects":
            traces = self._objects(value)
            return (
                self._values(value, trace)
                if isinstance(trace, dict)
                else BadRow("trace is not an object", "give traces as JSON objects", trace)
                for trace in traces
            )
        return self._from_lists(value)

    def _objects(self, value: dict[str, Any]) -> list[Any]:
        traces = dig(value, self.columns["traces"])
        if traces is MISSING:
            raise self._no_column("traces", value)
        if not isinstance(traces, list):
            raise BadRow("traces are not a list", _other("traces"), traces)
        return traces

    def _from_lists(self, value: dict[str, Any]) -> Iterator[dict[str, Any] | BadRow]:
        lists: dict[str, list[Any]] = {}
        for name in TRACE_FIELDS:
            column = self.columns.get(name)
            if column is None:
                continue
            parts = []
            for part in column.split("+") if name == "text" else [column]:
                found = dig(value, part)
                if found is MISSING:
                    raise self._no_column(name, value)
                if not isinstance(found, list):
                    raise BadRow(f"{part} is not a list with one element per trace", _other(name))
                parts.append(found)
            lists[name] = parts[0] if len(parts) == 1 else [_joined(p) for p in _rows(parts)]
        lengths = {name: len(each) for name, each in lists.items()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{self.columns[name]}: {n}" for name, n in lengths.items())
            raise BadRow("lists of different lengths", "give one element per trace", shown)
        names = list(lists)
        return (dict(zip(names, row, strict=True)) for row in zip(*lists.values(), strict=True))

    def _values(self, item: dict[str, Any], trace: dict[str, Any]) -> dict[str, Any]:
        return {
            name: _text_of(column, trace, item) if name == "text" else _found(column, trace, item)
            for name, column in self.columns.items()
            if name in TRACE_FIELDS
        } | self._same_problem(item, trace)

    def _same_problem(self, item: dict[str, Any], trace: dict[str, Any]) -> dict[str, Any]:
        """Return a trace's own values of problem fields, with those of the first trace."""
        if self.proposal.shape != "objects":
            return {}
        first = self._objects(item)[0]
        columns = [self.columns[name] for name in PROBLEM_FIELDS if name in self.columns]
        own = [c for c in columns if c not in (KEY, FILE) and dig(item, c) is MISSING]
        return {"problem": [(c, dig(trace, c), dig(first, c)) for c in own]}

    def _get(self, name: str, value: dict[str, Any], trace: Any) -> Any:
        found = dig(value, self.columns[name]) if name in self.columns else None
        return dig(trace, self.columns[name]) if found is MISSING else found

    def _no_column(self, name: str, value: dict[str, Any]) -> BadRow:
        there = ", ".join(list(map(str, value))[:12])
        return BadRow(
            f"no {self.columns[name]}, the column of {name}; columns here: {there or 'none'}",
            "give all items the same columns",
        )

    def _draft(self, where: str, values: dict[str, Any]) -> Draft:
        problem = values.pop("problem", [])
        for name, given in values.items():
            if given is MISSING:
                raise BadRow(
                    f"trace without {self.columns[name]}, the column of {name}",
                    f"give every trace one, or leave the field out with --map {name}=",
                )
        for column, own, first in problem:
            if own != first:
                raise BadRow(
                    f"{column} differs from that of the problem's first trace",
                    "name the list of problems with --map problems=KEY if this is one",
                    own,
                )
        text = values.get("text")
        if "text" in self.columns:
            if not isinstance(text, str):
                raise BadRow("text is not a text", _other("text"), text)
            text = storable(text)
        confidence = self._confidence(values)
        num_tokens, counted = self._length(values, text, confidence)
        if confidence is not None and len(confidence) != num_tokens:
            raise BadRow(
                "confidences and tokens differ in number",
                "name other columns with --map num_tokens= and --map confidence=",
                f"{len(confidence)} and {num_tokens}",
            )
        prompt = values.get("prompt_tokens")
        reason = values.get("finish_reason")
        return Draft(
            where,
            TraceRecord(
                trace_id=-1,
                num_tokens=num_tokens,
                answer=self._answer(values, text),
                prompt_tokens=None
                if prompt is None
                else token_count(prompt, "prompt_tokens", least=0),
                finish_reason=None if reason is None else storable(str(reason)),
                text=text,
                confidence=confidence,
                graded=_grade(values.get("grade")),
                counted=counted,
            ),
            values.get("trace_id"),
        )

    def _answer(self, values: dict[str, Any], text: str | None) -> str | None:
        boxed = extract_boxed(text) if text else None
        if boxed is not None:
            return boxed
        if "answer" in self.columns:
            return answer_text(values["answer"])
        return extract_answer(text) if text else None

    def _length(
        self,
        values: dict[str, Any],
        text: str | None,
        confidence: npt.NDArray[np.float64] | None,
    ) -> tuple[int, bool]:
        if "num_tokens" in self.columns:
            given = values["num_tokens"]
            count = len(given) if isinstance(given, list) else given
            return token_count(count, "num_tokens"), True
        if confidence is not None:
            return len(confidence), True
        return max(1, round(len(text or "") / CHARACTERS_PER_TOKEN)), False

    def _confidence(self, values: dict[str, Any]) -> npt.NDArray[np.float64] | None:
        if "confidence" not in self.columns:
            if "logprobs" not in self.columns:
                return None
            return self.tally.confidence(values["logprobs"])
        given = values["confidence"]
        remedy = "give one number per token, or leave it out with --map confidence="
        if not isinstance(given, list) or not given:
            raise BadRow("confidence is not a list with one number per token", remedy, given)
        return finite_numbers(given, "confidence", remedy)

    def notes(self, accuracy: TokenAccuracy) -> list[str]:
        """List the mapping, and the sources of lengths and confidences."""
        words = {
            "objects": "a list of trace objects per problem",
            "lists": "problems with one list per field, one element per trace",
            "rows": "one trace per row",
        }
        notes = [
            f"files hold {words[self.proposal.shape]}",
            f"mapping: {self.proposal.options()}",
        ]
        if self.proposal.unused:
            notes.append(f"columns not used: {', '.join(self.proposal.unused[:20])}")
        if accuracy == "estimated":
            notes.append(f"lengths are estimated: {CHARACTERS_PER_TOKEN} characters per token")
        return notes + self.tally.notes()


def _rows(parts: list[list[Any]]) -> Iterator[list[Any]]:
    if len({len(part) for part in parts}) > 1:
        raise BadRow("lists of different lengths", "give one element per trace")
    return (list(row) for row in zip(*parts, strict=True))


def _text_of(column: str, trace: dict[str, Any], item: dict[str, Any]) -> Any:
    parts = [_found(part, trace, item) for part in column.split("+")]
    return parts[0] if len(parts) == 1 else _joined(parts)


def _joined(parts: list[Any]) -> Any:
    """Join parts, such as reasoning and content, to one text; skip missing and null parts."""
    texts = [part for part in parts if part is not MISSING and part not in (None, "")]
    if not all(isinstance(text, str) for text in texts):
        return texts
    return "\n\n".join(texts)


def _found(column: str, trace: dict[str, Any], item: dict[str, Any]) -> Any:
    found = dig(trace, column)
    return dig(item, column) if found is MISSING else found


def _grade(value: Any) -> bool | None:
    if value is None:
        return None
    graded = verdict(value)
    if graded is None:
        raise BadRow("grade is neither right nor wrong", "leave it out with --map grade=", value)
    return graded


def _other(name: str) -> str:
    return f"name another column with --map {name}=COLUMN"
