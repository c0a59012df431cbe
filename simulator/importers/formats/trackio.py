"""Traces that trackio logs (`trackio.Trace`): conversations with metadata.

A file is trackio's export of its traces to Parquet (`PROJECT_traces.parquet`), with `messages` and
`metadata` as JSON in texts; or JSON lines of logged values, in which a trace is an object
`{"_type": "trackio.trace", "messages": […], "metadata": {…}}`, by itself, in a column or in a list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from simulator.errors import UserError
from simulator.importers.field_names import ROW_FIELDS
from simulator.importers.formats.gold_file import gold_answers, plain_text
from simulator.importers.formats.messages import said_by
from simulator.importers.formats.tabular import Table
from simulator.importers.gathering import About, check_fields, gather
from simulator.importers.importer import BadRow, ImportOptions, Reading
from simulator.importers.items import Item, items_of
from simulator.importers.json_files import json_fault
from simulator.importers.mapping import Columns, is_conversation

VERSION = "1"

TYPE = "trackio.trace"

FIELDS = (*ROW_FIELDS, "gold_file")
"""Fields that can be mapped, and `gold_file`, a file with gold answers by question."""

_EXPORT = "export the traces again"


def read(options: ImportOptions) -> Reading:
    """Read conversations as traces.

    A trace's text is what the assistant says, and its question what the user says. Further fields
    are columns of the row or keys of the metadata (`gold_answer=metadata.answer`,
    `grade=metadata.reward`). Gold answers can also come from the file that `gold_file` names, as in
    `openai`. Rows that hold no trace are passed over.

    Raises
    ------
    UserError
        An unknown field, a file that cannot be read or holds no trace, or a bad trace.
    """
    check_fields(options, FIELDS)
    given = {n: column for n, column in options.field_map.items() if n != "gold_file"}
    named = {"text": "messages", "question": "messages", "gold_answer": "gold_answer"} | given
    columns = Columns(
        {name: column for name, column in named.items() if column},
        "rows",
        found=False,
        by_name=frozenset({"gold_answer"}) - set(given),
    )
    table = Table(columns)
    found = gather(options, _traces(options, gold_answers(options)), table)
    if not found.total and not found.faults.dropped:
        list(found.problems)  # closes its temporary file
        raise UserError(f"{options.paths[0]}: holds no trace with messages; {_EXPORT}")
    return table.tally.settle(found)


def _traces(options: ImportOptions, gold: dict[str, About] | None) -> Iterator[Item]:
    for item in items_of(replace(options, field_map={})):
        if item.fault is not None or not isinstance(item.value, dict):
            yield item
            continue
        try:
            values = _traces_in(item.value)
        except BadRow as fault:
            yield replace(item, fault=fault)
            continue
        for number, value in enumerate(values):
            where = item.where if len(values) == 1 else f"{item.where}, trace {number}"
            wrong = None if gold is None else _add_gold(value, gold, options.field_map["gold_file"])
            yield replace(item, where=where, value=value, fault=wrong)


def _traces_in(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the traces in a row, each with the row's other columns. Raises `BadRow`."""
    if "messages" in row:
        return [row | {name: _parsed(row[name], name) for name in _JSON if name in row}]
    found = []
    for name, value in row.items():
        inner = _parsed(value, name) if isinstance(value, str) and TYPE in value else value
        for each in inner if isinstance(inner, list) else [inner]:
            if isinstance(each, dict) and each.get("_type") == TYPE:
                found.append({**{n: v for n, v in row.items() if n != name}, **each})
    return found


_JSON = ("messages", "metadata")


def _parsed(value: Any, name: str) -> Any:
    if not isinstance(value, str):
        return value
    parsed = json_fault(value)
    if isinstance(parsed, str):
        raise BadRow(f"{name}: {parsed}", _EXPORT)
    return parsed[0]


def _add_gold(value: dict[str, Any], gold: dict[str, About], file: str) -> BadRow | None:
    """Add the gold answer of a trace's question; return the fault if there is none."""
    conversation = value.get("messages") or []
    try:
        question = said_by("user", conversation, _EXPORT) if is_conversation(conversation) else ""
    except BadRow as fault:
        return fault
    listed = gold.get(plain_text(question) or "")
    if listed is None:
        return BadRow(f"no gold answer for this question in {file}", "add it", question)
    value["gold_answer"] = listed.gold_answer
    return None
