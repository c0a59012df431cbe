"""Capture of an untrusted policy's output: the beginning is kept, the rest discarded."""

from __future__ import annotations

import os
import threading

_AT_ONCE = 1 << 16


class Output:
    """A reader of a pipe that keeps the first bytes and never makes the writing side wait.

    Parameters
    ----------
    limit
        Number of bytes to keep.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._cut = False
        self._reader: threading.Thread | None = None

    def pipe(self) -> int:
        """Open a pipe and read from it; return the end to write to, which the caller closes."""
        mine, theirs = os.pipe()
        self._reader = threading.Thread(target=self._read, args=(mine,), daemon=True)
        self._reader.start()
        return theirs

    def text(self) -> str:
        r"""Return the captured text, with a note at the end if it was truncated.

        Control characters are escaped, except `\n` and tabs.
        """
        text = self._kept.decode(errors="backslashreplace")
        cut = f"\n[cut after {self._limit:,} bytes]\n" if self._cut else ""
        return escaped(text) + cut

    def wait(self) -> None:
        """Wait until all output has been read; the writing process must have ended."""
        if self._reader is not None:
            self._reader.join(timeout=1)

    def _read(self, pipe: int) -> None:
        with os.fdopen(pipe, "rb", buffering=0) as stream:
            while chunk := stream.read(_AT_ONCE):
                room = self._limit - len(self._kept)
                self._kept += chunk[:room]
                self._cut = self._cut or len(chunk) > room


def escaped(text: str) -> str:
    """Escape all characters that are not printable, except new lines and tabs."""
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode()
        for each in text
    )
