"""Sums on each problem of many entries, by the hash of their answers, kept in one file.

Reading the answers of an entry takes 10 ms, and thousands of them a minute. As all else that needs
sums is kept, too, the file is read when something new has to be computed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from simulator.arrays import Array
from simulator.arrow import arrow_array, numpy_array
from simulator.catalogue.kept_file import keep, read_kept
from simulator.errors import UserError
from simulator.runs.format import ANSWERS_FILE
from simulator.runs.results import ProblemSums, read_problem_sums
from simulator.storage import read_plain


class _Packed(NamedTuple):
    """Sums on one pool; `numbers` has those of `ProblemSums` one after the other, in few bytes."""

    pool: str
    problem_ids: tuple[str, ...]
    repeats: int
    numbers: Array

    def unpacked(self) -> ProblemSums:
        """Return them as they are used."""
        parts = self.numbers.reshape(4, -1).astype(np.int64)
        return ProblemSums(self.problem_ids, self.repeats, *parts)


class KeptSums:
    """Sums of entries, and the file that keeps them; in memory only if `place` is None."""

    def __init__(self, place: Path | None) -> None:
        self._place = place
        self._found: dict[str, tuple[_Packed, ...]] | None = None
        self._ids: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._new = False
        self._lock = Lock()

    def of(self, folder: Path, sha256: str | None) -> Mapping[str, ProblemSums]:
        """Return the sums of the run in `folder`, by pool; empty if its answers are broken.

        `sha256` is the hash of its answers. Those of a file with another hash are not remembered.
        """
        with self._lock:
            if self._found is None:
                self._found = self._read()
        packed = self._found.get(sha256 or "")
        if packed is None:
            try:
                content = read_plain(folder / ANSWERS_FILE)
                sums = read_problem_sums(folder, content)
            except (OSError, UserError):
                return {}
            if hashlib.sha256(content).hexdigest() != sha256:
                return sums
            packed = tuple(self._packed(pool, each) for pool, each in sums.items())
            self._found[sha256] = packed
            self._new = True
        return {each.pool: each.unpacked() for each in packed}

    def keep(self, among: Collection[str]) -> None:
        """Write the sums with these hashes to the file, and no others, if any are new."""
        if not self._new or self._place is None or self._found is None:
            return
        self._new = False
        names, pools, repeats, of, sums = [], [], [], [], []
        problem_ids: dict[tuple[str, ...], int] = {}
        for name in sorted(among & self._found.keys()):
            held = self._found[name]
            if all(each.numbers.dtype == np.uint32 for each in held):
                for each in held:
                    names.append(name)
                    pools.append(each.pool)
                    repeats.append(each.repeats)
                    of.append(problem_ids.setdefault(each.problem_ids, len(problem_ids)))
                    sums.append(each.numbers)
        ends = np.cumsum([0, *map(len, sums)]).astype(np.int64)
        numbers = np.concatenate([np.empty(0, np.uint32), *sums])
        table = pa.Table.from_arrays(
            [
                arrow_array(names, pa.string()),
                arrow_array(pools, pa.string()),
                arrow_array(repeats, pa.int64()),
                arrow_array(of, pa.int64()),
                pa.LargeListArray.from_arrays(
                    arrow_array(ends, pa.int64()), arrow_array(numbers, pa.uint32())
                ),
            ],
            ["sha256", "pool", "repeats", "of", "numbers"],
        ).replace_schema_metadata({"problem_ids": json.dumps([*problem_ids])})
        sink = pa.BufferOutputStream()
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_file(sink, table.schema, options=options) as writer:
            writer.write_table(table)
        keep(self._place, "sums", sink.getvalue().to_pybytes())

    def _packed(self, pool: str, sums: ProblemSums) -> _Packed:
        parts = (sums.correct, sums.tokens, sums.baseline_correct, sums.baseline_tokens)
        numbers = np.concatenate(parts)
        if len(numbers) and numbers.min() >= 0 and numbers.max() < 2**32:
            numbers = numbers.astype(np.uint32)
        ids = self._ids.setdefault(sums.problem_ids, sums.problem_ids)
        return _Packed(pool, ids, sums.repeats, numbers)

    def _read(self) -> dict[str, tuple[_Packed, ...]]:
        content = read_kept(self._place, "sums")
        found: dict[str, tuple[_Packed, ...]] = {}
        if content is not None:
            with suppress(ValueError, TypeError, KeyError, IndexError, pa.ArrowException):
                for name, each in self._rows(content):
                    found[name] = (*found.get(name, ()), each)
        return found

    def _rows(self, content: memoryview) -> Iterator[tuple[str, _Packed]]:
        with pa.ipc.open_file(pa.py_buffer(content)) as file:
            table = file.read_all().combine_chunks()
            metadata = file.schema.metadata
        ids = [tuple(each) for each in json.loads(metadata[b"problem_ids"])]
        ids = [self._ids.setdefault(each, each) for each in ids]
        if not len(table):
            return
        (chunk,) = table["numbers"].chunks
        numbers, ends = numpy_array(chunk.values), numpy_array(chunk.offsets).tolist()
        columns = [table[name].to_pylist() for name in ("sha256", "pool", "repeats", "of")]
        for row, (name, pool, repeats, of) in enumerate(zip(*columns, strict=True)):
            yield name, _Packed(pool, ids[of], repeats, numbers[ends[row] : ends[row + 1]])


@lru_cache(maxsize=8)
def kept_sums(place: Path | None) -> KeptSums:
    """Return the sums in a file, the same object for the same file."""
    return KeptSums(place)
