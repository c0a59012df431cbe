"""Temporary storage on disk for the large parts of traces, until their problem is written."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path

from simulator.pools.records import TraceRecord

LARGE = ("text", "token_ends", "token_signals")
"""Parts of a trace that are stored."""


class Shelf:
    """A nameless temporary file in `folder` that stores the large parts of each trace.

    Rows of one problem may be anywhere in files of any size, so all rows have to be read before the
    first problem is complete, and they may not fit in memory. No one else can write to the file, so
    that it is safe to unpickle.
    """

    def __init__(self, folder: Path | None) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (closed by `close`)

    def close(self) -> None:
        """Remove the file."""
        self._file.close()

    def put(self, trace: TraceRecord) -> int:
        """Move a trace's large parts to the file, and return their place in it.

        All traces are put before any is restored.
        """
        place = self._file.tell()
        pickle.dump([getattr(trace, name) for name in LARGE], self._file)
        for name in LARGE:
            setattr(trace, name, None)
        return place

    def restore(self, trace: TraceRecord, place: int) -> None:
        """Read a trace's large parts back from the file."""
        self._file.seek(place)
        for name, value in zip(LARGE, pickle.load(self._file), strict=True):
            setattr(trace, name, value)
