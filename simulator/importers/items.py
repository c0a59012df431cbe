"""Items of JSON, JSON-lines, CSV and Parquet files, yielded one by one.

An item is an element of a file's outermost list or object, a line, or a row: a problem or a trace.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from simulator.errors import UserError, one_line
from simulator.importers.importer import BadRow, ImportOptions, files_in, suffix_of
from simulator.importers.json_files import (
    AGAIN,
    GZIP,
    MAX_LINE,
    ZSTD,
    json_fault,
    lines_of,
    opened,
    read_text,
    unreadable,
)
from simulator.storage import MASKED_DECODER, AmbiguousJsonError, open_plain, parse_json

_LINES = (".jsonl", ".ndjson")
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
ROW_SUFFIXES = (*_LINES, ".parquet", *_DELIMITERS)
"""Suffixes of files of rows: one trace or problem each."""

SUFFIXES = (".json", *ROW_SUFFIXES)

_BOM = b"\xef\xbb\xbf"
_SPACE = re.compile(r"[\s,:]*")
_LENIENT = json.JSONDecoder()


class Cells(dict[str, Any]):
    """A row of a CSV file: texts by column, None for an empty cell."""


def parsed_cell(text: str) -> Any:
    """Return the number or list that a CSV cell writes in JSON; else the text itself."""
    if not re.match(r"[-\d\[]|true$|false$", text, re.IGNORECASE):
        return text
    try:
        return parse_json(text.lower() if text.lower() in ("true", "false") else text, masked=True)
    except (ValueError, RecursionError):
        return text


@dataclass(frozen=True, slots=True)
class Item:
    """An item: its value, or the fault that makes it unreadable.

    `where` is its place for a user; `key` is its name if its file is an object of items.
    """

    path: Path
    where: str
    value: Any
    key: str | None = None
    fault: BadRow | None = None


def items_of(options: ImportOptions, suffixes: Sequence[str] = SUFFIXES) -> Iterator[Item]:
    """Yield all items of the files and folders that `options` names, in that order.

    A folder stands for all files below it that end in one of `suffixes`, sorted by path. The
    content of a file shows its form: one object on each line, a list of items, an object of items
    by name (`{"p1": {…}, "p2": {…}}`), or a single item. If the items are in a list inside an
    object, the mapped field `problems` names that list. The text of a JSON file is held in memory
    during the iteration, its items only one by one. CSV files (`.csv`, or `.tsv` with tabs) name
    their columns in the first row. All but Parquet may be compressed by gzip or zstd.

    Raises
    ------
    UserError
        A path that does not exist, a folder without such files, an empty or unreadable file.
    """
    for path in files_in(options.paths, suffixes):
        found = False
        for item, done in _items(path, options.field_map.get("problems")):
            found = True
            options.progress(f"reading {path.name}", done)
            yield item
        if not found:
            raise UserError(f"{path}: holds no row; {AGAIN}, or leave the file out")


def _items(path: Path, inside: str | None) -> Iterator[tuple[Item, float]]:
    if suffix_of(path) == ".parquet":
        return _rows(path)
    if suffix_of(path) in _DELIMITERS:
        return _cells(path)
    return _lines(path) if _has_lines(path) else _members(path, inside)


def _has_lines(path: Path) -> bool:
    """Check whether a file has one JSON object on each line, instead of a single value."""
    try:
        with opened(path) as (file, _):
            first = b""
            lines = lines_of(path, file)
            for line in lines:
                first = line.removeprefix(_BOM).strip()
                if first:
                    break
            if suffix_of(path) in _LINES:  # unless it is a list, or an object over several lines
                return not first.startswith(b"[") and first != b"{"
            if not first.startswith(b"{") or first == b"{":
                return False
            more = any(line.strip() for line in lines)
    except OSError as error:
        raise unreadable(path, error) from None
    return more and not isinstance(json_fault(first.decode(errors="replace")), str)


def _lines(path: Path) -> Iterator[tuple[Item, float]]:
    try:
        with opened(path) as (file, done):
            for number, line in enumerate(lines_of(path, file), start=1):
                read = done()
                if number == 1:
                    line = line.removeprefix(_BOM)
                if line.strip():
                    yield _line(line, path, f"{path}: line {number}"), read
    except OSError as error:
        raise unreadable(path, error) from None


def _line(line: bytes, path: Path, where: str) -> Item:
    try:
        parsed = json_fault(line.decode(), masked=True)
    except UnicodeDecodeError:
        fault = BadRow("not UTF-8", "convert the file with iconv -t utf-8")
        return Item(path, where, None, fault=fault)
    if isinstance(parsed, str):
        reason, _, remedy = parsed.removeprefix("line 1, ").partition("; ")
        remedy = remedy or f"each line has to be one JSON object; {AGAIN}"
        return Item(path, where, None, fault=BadRow(reason, remedy))
    return Item(path, where, parsed[0])


def _members(path: Path, inside: str | None) -> Iterator[tuple[Item, float]]:
    text = read_text(path)
    try:
        yield from _scan(path, text, inside)
    except (json.JSONDecodeError, RecursionError, ValueError):
        fault = json_fault(text, masked=True)
        reason = fault if isinstance(fault, str) else "not JSON"
        raise UserError(f"{path}: {reason}; {AGAIN}") from None


def _scan(path: Path, text: str, inside: str | None) -> Iterator[tuple[Item, float]]:
    start = _after_space(text, 0)
    kind = text[start]
    if kind not in "[{":
        value = parse_json(text, masked=True)
        raise UserError(f"{path}: holds a JSON {type(value).__name__}, no list or object; {AGAIN}")
    if kind == "{":
        items = {key: (begin, end, sort) for key, begin, end, sort in _pairs(text, start)}
        sorts = {sort for _, _, sort in items.values()}
        if inside is not None and inside not in items and "." in inside:
            yield from _inner(path, text, inside)
            return
        if inside is not None:
            if items.get(inside, (0, 0, ""))[2] != "objects":
                names = ", ".join(list(items)[:12])
                raise UserError(
                    f"{path}: no list of objects {inside}, which --map problems names; "
                    f"keys here: {names or 'none'}"
                )
            start = items[inside][0]
        elif len(items) == 1 and sorts == {"objects"}:
            start = next(iter(items.values()))[0]  # {"problems": [...]}
        elif sorts in ({"object"}, {"objects"}):
            for key, (begin, end, _) in items.items():
                value = MASKED_DECODER.decode(text[begin:end])
                yield Item(path, f"{path}: {key}", value, key), begin / len(text)
            return
        else:
            yield Item(path, str(path), MASKED_DECODER.decode(text)), 0.0
            return
    elif not text.rstrip().endswith("]"):  # truncated: refused before its first items are used
        raise json.JSONDecodeError("Unterminated list", text, start)
    for number, (begin, value) in enumerate(_elements(text, start)):
        fault = value if isinstance(value, BadRow) else None
        yield Item(path, f"{path}: [{number}]", value, fault=fault), begin / len(text)


def _inner(path: Path, text: str, inside: str) -> Iterator[tuple[Item, float]]:
    """Yield the items of a list deeper in an object, at a dotted path."""
    found = MASKED_DECODER.decode(text.strip())
    for step in inside.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    if _sort_of(found) != "objects":
        raise UserError(f"{path}: no list of objects {inside}, which --map problems names")
    for number, value in enumerate(found):
        yield Item(path, f"{path}: {inside}[{number}]", value), number / len(found)


def _pairs(text: str, start: int) -> Iterator[tuple[str, int, int, str]]:
    """Yield key, begin, end and sort of each value of the object at `start`."""
    at = _after_space(text, start + 1)
    keys: set[str] = set()
    while text[at : at + 1] != "}":
        key, at = MASKED_DECODER.raw_decode(text, at)
        begin = _after_space(text, at)
        value, at = MASKED_DECODER.raw_decode(text, begin)
        if key in keys:
            raise AmbiguousJsonError("a key occurs twice")
        keys.add(key)
        yield key, begin, at, _sort_of(value)
        at = _after_space(text, at)
    if text[at + 1 :].strip():
        raise json.JSONDecodeError("Extra data", text, at + 1)


def _sort_of(value: Any) -> str:
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        return "objects"
    return "other"


def _elements(text: str, start: int) -> Iterator[tuple[int, Any]]:
    at = _after_space(text, start + 1)
    while text[at : at + 1] != "]":
        begin = at
        try:
            value, at = MASKED_DECODER.raw_decode(text, begin)
        except AmbiguousJsonError as fault:
            _, at = _LENIENT.raw_decode(text, begin)
            value = _bad_row(fault)
        yield begin, value
        at = _after_space(text, at)
    if start == _after_space(text, 0) and text[at + 1 :].strip():
        raise json.JSONDecodeError("Extra data", text, at + 1)


def _bad_row(fault: AmbiguousJsonError) -> BadRow:
    reason, _, remedy = str(fault).partition("; ")
    return BadRow(reason, remedy)


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _cells(path: Path) -> Iterator[tuple[Item, float]]:
    number = 0
    csv.field_size_limit(MAX_LINE)
    try:
        with opened(path) as (file, done):
            texts = codecs.iterdecode(lines_of(path, file), "utf-8-sig")
            rows = csv.reader(texts, delimiter=_DELIMITERS[suffix_of(path)], strict=True)
            names = next(rows, [])
            _check_twice(path, names)
            if len(names) == 1 and (other := re.search("[;\t|]", names[0])):
                raise UserError(
                    f"{path}: cells are separated by {other[0]!r}; write commas, or tabs in a .tsv "
                    "file"
                )
            for cells in rows:
                number += 1
                if cells:
                    yield _cell_item(path, f"{path}: row {number}", names, cells), done()
    except csv.Error as error:
        raise UserError(
            f"{path}: row {number + 1}: not CSV ({one_line(error, 60)}); quote cells with "
            f"delimiters, quotes or line breaks, or {AGAIN}"
        ) from None
    except UnicodeDecodeError:
        raise UserError(
            f"{path}: row {number + 1}: not UTF-8; convert the file (iconv -t utf-8) or {AGAIN}"
        ) from None
    except OSError as error:
        raise unreadable(path, error) from None


def _cell_item(path: Path, where: str, names: list[str], cells: list[str]) -> Item:
    if len(cells) != len(names):
        reason = f"{len(cells)} cells, but the first row names {len(names)} columns"
        remedy = "quote cells with delimiters or line breaks"
        return Item(path, where, None, fault=BadRow(reason, remedy))
    return Item(path, where, Cells(zip(names, (cell or None for cell in cells), strict=True)))


def _rows(path: Path) -> Iterator[tuple[Item, float]]:
    try:
        with open_plain(path) as (plain, _):
            if plain.read(len(ZSTD)).startswith((GZIP, ZSTD)):
                raise UserError(
                    f"{path}: a compressed Parquet file, which cannot be read row by row; "
                    "decompress it (gunzip, unzstd)"
                )
        with open_plain(path) as (plain, _), pq.ParquetFile(plain) as file:
            _check_names(path, file.schema_arrow)
            total = max(1, file.metadata.num_rows)
            number = 0
            for batch in file.iter_batches(batch_size=64):
                for values in batch.to_pylist():
                    number += 1
                    yield Item(path, f"{path}: row {number}", values), number / total
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise unreadable(path, error) from None
        raise UserError(
            f"{path}: not readable as Parquet ({one_line(error, 120)}); it is damaged "
            f"or truncated, {AGAIN}"
        ) from None


def _check_names(path: Path, columns: Iterable[pa.Field], inside: str = "") -> None:
    """Raise `UserError` for two columns of one name, of which rows would have only the last."""
    fields = list(columns)
    _check_twice(path, (field.name for field in fields), inside)
    for field in fields:
        kind = field.type
        while pa.types.is_nested(kind) and not pa.types.is_struct(kind):
            kind = getattr(kind, "item_type", None) or getattr(kind, "value_type", pa.null())
        if pa.types.is_struct(kind):
            _check_names(path, kind, f"{inside}{field.name}.")


def _check_twice(path: Path, names: Iterable[str], inside: str = "") -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise UserError(
                f"{path}: {count} columns are named {inside}{name}; rename or remove all but one"
            )
