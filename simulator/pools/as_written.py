"""Answers as the source wrote them, which finding and grading them anew starts from.

A pool has the file `as_written.parquet` only where its other files do not tell: for traces with
an answer in a field of their own beside a text, or one that had to be searched, and for probes
whose answers are spelled otherwise than their class. No figure depends on it, so it is not part of
the fingerprint.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from simulator.answers.equivalence import Classes
from simulator.pools.pool import AS_WRITTEN
from simulator.pools.records import TraceRecord
from simulator.storage import parquet_writer, reading

SCHEMA = pa.schema(
    [
        pa.field("problem_id", pa.string(), nullable=False),
        pa.field("trace_id", pa.int32(), nullable=False),
        pa.field("answer", pa.string()),
        pa.field("search", pa.string()),
        pa.field("probe_answers", pa.list_(pa.string())),
    ]
)
"""Columns; rows are those of `traces.parquet`, with one row group a problem.

`answer` is the source's own field and `search` says what of the text counts more; both are null
where the answer in `traces.parquet` is that field, or was searched in the text alone.
"""


class AsWrittenWriter:
    """A writer of the file in `folder`, which is removed at the end if nothing needs it."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / AS_WRITTEN
        self._writer: pq.ParquetWriter | None = None
        self._needed = False

    def add(
        self, problem_id: str, traces: Sequence[TraceRecord], grouped: Classes, *, has_text: bool
    ) -> None:
        """Add the traces of a problem, in order of their ids; `has_text` says if the pool has."""
        own = [
            (trace.given, trace.search)
            if (has_text and trace.search and (trace.given is not None or trace.search != "text"))
            or trace.given not in (None, trace.answer)
            else (None, None)
            for trace in traces
        ]
        probes = [
            None if trace.probe_answers is None else list(trace.probe_answers) for trace in traces
        ]
        spelled = {text for each in probes for text in each or () if text is not None}
        votes = grouped.class_of(None) >= 0 and any(None in each for each in probes if each)
        self._needed |= (
            votes
            or any(search for _, search in own)
            or any(grouped.texts[grouped.of_text[text]] != text for text in spelled)
        )
        ids = [problem_id] * len(traces)
        columns = [ids, [trace.trace_id for trace in traces], *zip(*own, strict=True), probes]
        arrays = [pa.array(each, field.type) for each, field in zip(columns, SCHEMA, strict=True)]
        if self._writer is None:
            self._writer = parquet_writer(self._file, SCHEMA)
        table = pa.Table.from_arrays(arrays, schema=SCHEMA)
        self._writer.write_table(table, row_group_size=len(table))

    def close(self) -> None:
        """Complete the file, or remove it if nothing needs it."""
        if self._writer is not None:
            self._writer.close()
            if not self._needed:
                self._file.unlink()


def read_as_written(folder: Path, problem: int) -> pa.Table | None:
    """Read the rows of a problem, given its number in the pool; None without the file."""
    if not (folder / AS_WRITTEN).is_file():
        return None
    with reading(folder / AS_WRITTEN) as file, pq.ParquetFile(file) as stored:
        return stored.read_row_group(problem, use_threads=False)
