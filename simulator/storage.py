"""Helpers shared by all file formats: hashes, Parquet settings, readable errors."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from simulator.errors import WRITE_FAULTS, UserError

if TYPE_CHECKING:  # slow to import, not always needed
    import pyarrow as pa
    import pyarrow.parquet as pq


def parquet_writer(
    path: Path, schema: pa.Schema, encodings: Mapping[str, str] | None = None
) -> pq.ParquetWriter:
    """Open a Parquet writer with this project's settings, which are the same on every machine.

    `encodings` are Parquet encodings by column; other columns are dictionary-encoded if that makes
    them smaller.
    """
    import pyarrow.parquet as pq

    encodings = dict(encodings or {})
    plain = {name.partition(".")[0] for name in encodings}
    return pq.ParquetWriter(
        path.absolute(),  # otherwise pyarrow takes text before a colon as a scheme
        schema,
        compression="zstd",
        store_schema=True,
        write_page_checksum=True,
        use_dictionary=[name for name in schema.names if name not in plain],
        column_encoding=encodings or None,
    )


class reading:  # noqa: N801  (reads as a statement: `with reading(path) as path`)
    """A context that turns pyarrow's errors about an unreadable file into one-line UserErrors."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Path:
        return self.path

    def __exit__(
        self, kind: object, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        import pyarrow as pa

        if isinstance(error, pa.ArrowException | OSError | IndexError):
            reason = " ".join(str(error).split())
            raise UserError(
                f"{self.path}: cannot be read ({reason}); the file is damaged or truncated, "
                "make or import it again"
            ) from error


def file_sha256(path: Path) -> str:
    """Compute the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def disk_error(error: OSError, path: Path) -> UserError:
    """Return the error for a disk that is full or not writable."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    remedy = WRITE_FAULTS.get(error.errno or 0, "choose another place")
    return UserError(f"{path}: cannot be written ({reason}); nothing was kept, {remedy}")


def make_folders(path: Path) -> list[Path]:
    """Make a folder and its parents; return those that were missing, the innermost first."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        remove_empty([folder for folder in missing if folder.exists()])
        raise
    return missing


def remove_empty(folders: list[Path]) -> None:
    """Remove empty folders, the innermost first, up to one that is not empty."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return
