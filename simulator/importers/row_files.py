"""Rows out of JSON-lines and Parquet files, each with its place for error messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from simulator.errors import UserError
from simulator.importers.json_files import AGAIN, json_fault, unreadable
from simulator.importers.reading import BadRow, ImportOptions, files_in

SUFFIXES = (".jsonl", ".ndjson", ".parquet")

_PARQUET_BATCH = 256


@dataclass(slots=True)
class Row:
    """One row of a file, where it stands (`traces.jsonl: line 7`), and why it cannot be read."""

    where: str
    values: dict[str, Any]
    fault: BadRow | None = None


def rows_of(options: ImportOptions) -> Iterator[Row]:
    """All rows of the files and folders that `options` names, in that order.

    A folder stands for all files below it that end in one of `SUFFIXES`, sorted by path. A line
    that is no JSON object comes with its fault, so that it can be left out like any bad row.

    Raises
    ------
    UserError
        A path that does not exist, a folder without such files, an empty or unreadable file.
    """
    for path in files_in(options.paths, SUFFIXES):
        found = False
        is_parquet = path.suffix == ".parquet"
        rows = _parquet_rows(path, options) if is_parquet else _json_rows(path, options)
        for row in rows:
            found = True
            yield row
        if not found:
            raise UserError(f"{path}: holds no row; {AGAIN}, or leave the file out")


def _json_rows(path: Path, options: ImportOptions) -> Iterator[Row]:
    try:
        with path.open("rb") as file:
            size = max(1, path.stat().st_size)
            done = 0
            for number, line in enumerate(file, start=1):
                if number % 64 == 1:
                    options.progress(f"reading {path.name}", done / size)
                done += len(line)
                if line.strip():
                    yield _json_row(line, f"{path}: line {number}", first=number == 1)
    except OSError as error:
        raise unreadable(path, error) from None


def _json_row(line: bytes, where: str, *, first: bool) -> Row:
    remedy = f"each line has to be one JSON object; {AGAIN}"
    try:
        text = line.decode("utf-8-sig" if first else "utf-8")
    except UnicodeDecodeError:
        return Row(where, {}, BadRow("not UTF-8", "convert the file with iconv -t utf-8"))
    parsed = json_fault(text)
    if isinstance(parsed, str):
        return Row(where, {}, BadRow(parsed.removeprefix("line 1, "), remedy))
    if not isinstance(parsed[0], dict):
        kind = type(parsed[0]).__name__
        hint = "; split a list with jq -c '.[]'" if kind == "list" else ""
        return Row(where, {}, BadRow(f"a JSON {kind}, not an object", remedy + hint))
    return Row(where, parsed[0])


def _parquet_rows(path: Path, options: ImportOptions) -> Iterator[Row]:
    try:
        with path.open("rb") as opened, pq.ParquetFile(opened) as file:
            total = max(1, file.metadata.num_rows)
            number = 0
            for batch in file.iter_batches(batch_size=_PARQUET_BATCH):
                options.progress(f"reading {path.name}", number / total)
                for values in batch.to_pylist():
                    number += 1
                    yield Row(f"{path}: row {number}", values)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise unreadable(path, error) from None
        reason = " ".join(str(error).split())[:120]
        raise UserError(
            f"{path}: not readable as Parquet ({reason}); it is damaged or cut off, {AGAIN}"
        ) from None
