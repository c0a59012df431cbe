"""Rows of many folders in one Arrow table, so that only folders that changed are read again.

The rows of a folder follow from its files, by their stamps (`pool_rows.stamp`), from which of the
pools that its run names are at hand, and from this program. They are kept between processes in one
file for each folder of submissions or runs: reading 5,000 submissions takes minutes, their rows a
second. A file that is damaged, of another program or of another folder counts as none. Rows of
files that were written to just before are not kept, as a further change might leave the same stamp.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa

from simulator.arrow import arrow_array
from simulator.catalogue.kept_file import digest, keep, kept_place, read_kept
from simulator.catalogue.pool_rows import Broken, Progress, Row, Stamp, stamp_digest

SETTLED = 2.0
"""Seconds without a change after which another one surely changes a file's times: the coarsest
clock of a file system in use, FAT's, ticks every two."""

AT_ONCE = 2_000
"""Number of rows that are held as dictionaries, 10 kB each, before they become a table."""

PoolIds = frozenset[tuple[str, str | None]]
"""Names and fingerprints of pools."""

Read = Callable[[Path, Stamp], Sequence[Row] | Broken]


@dataclass(frozen=True, slots=True)
class _Known:
    """Facts read of a folder: `count` rows from `start`, or the `reason` that it is broken.

    `files` identifies its files, and `there` those at hand of the `pools` that its rows name, or of
    all pools if it names none. It is `settled` if its files had not changed just before.
    """

    files: str
    settled: bool
    pools: tuple[tuple[str, str | None], ...]
    there: str
    start: int
    count: int
    reason: str | None = None


@dataclass(frozen=True)
class _Store:
    """The rows of folders by path."""

    table: pa.Table
    known: Mapping[str, _Known] = field(default_factory=dict)


_STORES: dict[tuple[str, Path], _Store] = {}


def rows_of(
    view: str,
    parent: Path,
    schema: pa.Schema,
    folders: Sequence[tuple[Path, Stamp]],
    read: Read,
    pools: PoolIds,
    kept: Path | None,
    broken: list[Broken],
    progress: Progress,
) -> tuple[pa.Table, list[Path]]:
    """Return the rows of the folders in their order, and the folders that have any.

    Parameters
    ----------
    view, parent
        Name of the view, and the folder that holds the folders: they name the file.
    schema
        Columns of the rows.
    read
        Reads a folder that is new or has changed.
    pools
        Pools at hand.
    kept
        Folder for the file; None to keep nothing.
    broken, progress
        As in `simulator.catalogue.views.connect`.
    """
    place = kept_place(kept, view, parent)
    before = _STORES.get((view, parent)) or _load(place, schema, parent)
    everything = digest(json.dumps(sorted(map(str, pools))))
    until = time.time_ns() - int(SETTLED * 1e9)
    known: dict[str, _Known] = {}
    fresh: list[Row] = []
    parts, size = [before.table], len(before.table)
    for number, (folder, facts) in enumerate(folders):
        progress(number / len(folders))
        files = stamp_digest(facts)
        settled = all(max(each[2], each[4]) < until for each in facts)
        found = before.known.get(str(folder))
        if (
            found is None
            or found.files != files
            or (settled and not found.settled)
            or found.there != _there(found.pools, pools, everything)
        ):
            rows = read(folder, facts)
            reason = rows.reason if isinstance(rows, Broken) else None
            rows = [] if isinstance(rows, Broken) else rows
            pairs = {(row.get("pool"), row.get("fingerprint")) for row in rows}
            named = tuple(sorted(((a, b) for a, b in pairs if a is not None), key=str))
            there = _there(named, pools, everything)
            found = _Known(files, settled, named, there, size, len(rows), reason)
            size += len(rows)
            fresh.extend(rows)
            if len(fresh) >= AT_ONCE:
                parts.append(_table(fresh, schema))
                fresh = []
        known[str(folder)] = found
        if found.reason is not None:
            broken.append(Broken(folder, found.reason))
    if fresh:
        parts.append(_table(fresh, schema))
    table = pa.concat_tables(parts).combine_chunks() if len(parts) > 1 else before.table
    store = _only(_Store(table, known))
    _STORES[view, parent] = store
    if place is not None and store.known != before.known:
        settled_ones = {name: each for name, each in store.known.items() if each.settled}
        if settled_ones != {name: each for name, each in before.known.items() if each.settled}:
            _save(place, parent, _only(_Store(store.table, settled_ones)))
    return store.table, [folder for folder, _ in folders if known[str(folder)].reason is None]


def _there(named: tuple[tuple[str, str | None], ...], pools: PoolIds, everything: str) -> str:
    """Identify the pools at hand that the rows of a folder depend on."""
    if not named:
        return everything
    return ",".join(str(number) for number, each in enumerate(named) if each in pools)


def _only(store: _Store) -> _Store:
    """Return a store with the rows of its known folders alone, in their order."""
    known: dict[str, _Known] = {}
    size = 0
    for name, each in store.known.items():
        known[name] = each if each.start == size else replace(each, start=size)
        size += each.count
    if known == store.known and size == len(store.table):
        return store
    parts = [np.arange(each.start, each.start + each.count) for each in store.known.values()]
    places = np.concatenate([np.empty(0, np.int64), *parts])
    return _Store(store.table.take(arrow_array(places, pa.int64())).combine_chunks(), known)


def _table(rows: Sequence[Row], schema: pa.Schema) -> pa.Table:
    """Return rows as a table; a column that is not named is null."""
    columns = []
    for each in schema:
        values = [row.get(each.name) for row in rows]
        if pa.types.is_list(each.type):
            lists = [value or () for value in values]
            ends = np.cumsum([0, *map(len, lists)]).astype(np.int32)
            items = arrow_array([*chain(*lists)], each.type.value_type)
            columns.append(pa.ListArray.from_arrays(arrow_array(ends, pa.int32()), items))
        else:
            columns.append(arrow_array(values, each.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _load(place: Path | None, schema: pa.Schema, parent: Path) -> _Store:
    """Return the rows kept in a file; none if it is missing, damaged or of something else."""
    content = read_kept(place, str(parent))
    if content is not None:
        with suppress(ValueError, TypeError, KeyError, pa.ArrowException):
            with pa.ipc.open_file(pa.py_buffer(content)) as file:
                table = file.read_all().combine_chunks()
                about = json.loads(file.schema.metadata[b"known"])
            table = table.replace_schema_metadata(None)
            if table.schema == schema:
                return _Store(
                    table,
                    {
                        folder: _Known(files, settled, tuple(map(tuple, pools)), *others)
                        for folder, (files, settled, pools, *others) in about.items()
                    },
                )
    return _Store(pa.Table.from_batches([], schema))


def _save(place: Path, parent: Path, store: _Store) -> None:
    """Keep rows in a file."""
    about = {folder: [*asdict(each).values()] for folder, each in store.known.items()}
    table = store.table.replace_schema_metadata({"known": json.dumps(about)})
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    keep(place, str(parent), sink.getvalue().to_pybytes())
