"""Small things that every file format here needs: hashes, Parquet settings, readable errors."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from simulator.errors import UserError


def parquet_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A Parquet writer with this project's settings, which never depend on the machine."""
    return pq.ParquetWriter(path, schema, compression="zstd", store_schema=True)


class reading:  # noqa: N801  (reads as a statement: `with reading(path) as path`)
    """Turns what pyarrow raises about an unreadable file into one line that names it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Path:
        return self.path

    def __exit__(
        self, kind: object, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, pa.ArrowException | OSError | IndexError):
            reason = " ".join(str(error).split())
            raise UserError(
                f"{self.path}: cannot be read ({reason}); the file is damaged or cut off, "
                "make or import it again"
            ) from error


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def disk_error(error: OSError, path: Path) -> UserError:
    """What to tell a user whose disk is full or not writable."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return UserError(
        f"{path}: cannot be written ({reason}); nothing was kept, free space and retry"
    )
