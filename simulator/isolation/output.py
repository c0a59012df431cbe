"""What a policy that someone else wrote prints: the beginning is kept, the rest thrown away."""

from __future__ import annotations

import os
import threading

_AT_ONCE = 1 << 16


class Printed:
    """Reads a pipe to its end, so that whoever writes to it never waits, and keeps what fits.

    Parameters
    ----------
    limit
        How many bytes are kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._cut = False
        self._reader: threading.Thread | None = None

    def pipe(self) -> int:
        """The end of a new pipe to write to, for the caller to close; the other is read here."""
        mine, theirs = os.pipe()
        self._reader = threading.Thread(target=self._read, args=(mine,), daemon=True)
        self._reader.start()
        return theirs

    def text(self) -> str:
        r"""What was kept, with a line that says so where it was cut.

        Characters that a terminal would obey are shown as escapes; `\n` and tabs are not.
        """
        text = self._kept.decode(errors="backslashreplace")
        cut = f"\n[cut after {self._limit:,} bytes]\n" if self._cut else ""
        return escaped(text) + cut

    def wait(self) -> None:
        """Until everything that was printed has been read; whoever printed has ended."""
        if self._reader is not None:
            self._reader.join(timeout=1)

    def _read(self, pipe: int) -> None:
        with os.fdopen(pipe, "rb", buffering=0) as stream:
            while chunk := stream.read(_AT_ONCE):
                room = self._limit - len(self._kept)
                self._kept += chunk[:room]
                self._cut = self._cut or len(chunk) > room


def escaped(text: str) -> str:
    """A text in which whatever is neither printable, a new line nor a tab is an escape."""
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode()
        for each in text
    )
