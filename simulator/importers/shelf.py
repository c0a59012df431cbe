"""Temporary storage on disk for texts and confidences, until their problem is written."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from simulator.pools.records import TraceRecord


@dataclass(frozen=True, slots=True)
class Shelved:
    """Place of a trace's text, its length in bytes, and its number of confidences; None if none."""

    start: int
    text_bytes: int | None
    confidences: int | None


class Shelf:
    """A nameless temporary file in `folder` that stores the large parts of each trace.

    Rows of one problem may be anywhere in files of any size, so all rows have to be read before the
    first problem is complete, and they may not fit in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (closed by leaving this)
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def put(self, trace: TraceRecord) -> Shelved:
        """Move a trace's text and confidences to the file; put all before restoring any."""
        text = None if trace.text is None else trace.text.encode()
        values = None if trace.confidence is None else trace.confidence.astype(np.float64)
        shelved = Shelved(
            self._end,
            None if text is None else len(text),
            None if values is None else len(values),
        )
        for part in (text, None if values is None else values.tobytes()):
            if part is not None:
                self._file.write(part)
                self._end += len(part)
        trace.text = trace.confidence = None
        return shelved

    def restore(self, trace: TraceRecord, shelved: Shelved) -> None:
        """Read a trace's text and confidences back from the file."""
        self._file.seek(shelved.start)
        if shelved.text_bytes is not None:
            trace.text = self._file.read(shelved.text_bytes).decode()
        if shelved.confidences is not None:
            values = self._file.read(shelved.confidences * np.dtype(np.float64).itemsize)
            trace.confidence = np.frombuffer(values, dtype=np.float64)
