"""Helpers shared by all file formats: checked JSON, hashes, Parquet settings, readable errors."""

from __future__ import annotations

import hashlib
import json
import math
import os
import typing
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from simulator.errors import WRITE_FAULTS, UserError, one_line

if TYPE_CHECKING:  # slow to import, not always needed
    import pyarrow as pa
    import pyarrow.parquet as pq

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class JsonObject:
    """A JSON or TOML object, whose fields are checked when they are read.

    `error` makes the error of a field that is missing, of another type or out of bounds, from its
    key, the type that it should have, and all fields. Bounds are those of a number, or of the
    length of a text or list.
    """

    fields: Mapping[str, Any]
    error: Callable[[str, Any, Mapping[str, Any]], UserError]

    def get(self, key: str, kind: type[T], least: float = -math.inf, most: float = math.inf) -> T:
        """Return a field of type `kind`, such as `list[str]`; an integer is also a float."""
        value = self.fields.get(key)
        if not _has_type(value, kind) or not _is_within(value, least, most):
            raise self.error(key, kind, self.fields)
        return float(value) if kind is float else value  # type: ignore[return-value,arg-type]

    def optional(
        self, key: str, kind: type[T], least: float = -math.inf, most: float = math.inf
    ) -> T | None:
        """Return a field as `get` does; None if it is null or not there."""
        return None if self.fields.get(key) is None else self.get(key, kind, least, most)

    def object(self, key: str) -> JsonObject:
        """Return a field that is an object."""
        return JsonObject(self.get(key, dict[str, Any]), self.error)

    def objects(self, key: str, most: float = math.inf) -> list[JsonObject]:
        """Return a field that is a list of at most `most` objects."""
        found = self.get(key, list[dict[str, Any]], most=most)
        return [JsonObject(each, self.error) for each in found]


def read_versioned(
    file: Path,
    what: str,
    newest: int,
    remedy: str,
    *,
    kind: str = "format",
    unreadable: str = "cannot be read",
) -> JsonObject:
    """Read a JSON object that describes `what` and has the number of its `kind` of format.

    Raises
    ------
    UserError
        The file cannot be read, is not JSON or describes something else, or its format is newer
        than `newest`. Also when a field is read later that is missing or has the wrong type.
    FileNotFoundError
        There is no such file.
    """
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except OSError as fault:
        raise UserError(f"{file}: cannot be read ({fault.strerror}); check the path") from None
    except ValueError as fault:
        raise UserError(f"{file}: {unreadable} ({fault}); {remedy}") from None
    if not isinstance(fields, dict) or type(fields.get("format")) is not int:
        raise UserError(f"{file}: not {what}; {remedy}")
    if fields["format"] > newest:
        raise UserError(
            f"{file}: {kind} {fields['format']} is newer than this program's {newest}; upgrade "
            "deepprune-sim"
        )

    def wrong(key: str, kind: object, fields: object) -> UserError:
        return UserError(f"{file}: {key!r} is missing or has the wrong type; {remedy}")

    return JsonObject(fields, wrong)


def _has_type(value: object, kind: Any) -> bool:
    """Check that a value from JSON has the type of an annotation."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return True
    if origin is list:
        return type(value) is list and all(_has_type(each, parts[0]) for each in value)
    if origin is dict:
        return type(value) is dict and all(_has_type(each, parts[1]) for each in value.values())
    if origin is Literal:
        return value in parts
    if parts:
        return any(_has_type(value, part) for part in parts)
    return type(value) is kind or (kind is float and type(value) is int)


def _is_within(value: object, least: float, most: float) -> bool:
    if isinstance(value, str | list | dict):
        return least <= len(value) <= most
    return type(value) is not int or least <= value <= most


def parquet_writer(
    path: Path | BytesIO, schema: pa.Schema, encodings: Mapping[str, str] | None = None
) -> pq.ParquetWriter:
    """Open a Parquet writer with this project's settings, which are the same on every machine.

    `encodings` are Parquet encodings by column; other columns are dictionary-encoded if that makes
    them smaller.
    """
    import pyarrow.parquet as pq

    encodings = dict(encodings or {})
    plain = {name.partition(".")[0] for name in encodings}
    return pq.ParquetWriter(
        # Otherwise pyarrow takes text before a colon as a scheme.
        path.absolute() if isinstance(path, Path) else path,
        schema,
        compression="zstd",
        store_schema=True,
        write_page_checksum=True,
        use_dictionary=[name for name in schema.names if name not in plain],
        column_encoding=encodings or None,
    )


@contextmanager
def reading(path: Path) -> Iterator[Path]:
    """Turn pyarrow's errors about an unreadable file into one-line `UserError`s."""
    import pyarrow as pa

    try:
        yield path
    except (pa.ArrowException, OSError, IndexError) as error:
        raise UserError(
            f"{path}: cannot be read ({one_line(error)}); the file is damaged or truncated, "
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


def replace_file(file: Path, content: bytes, shown: Path | None = None) -> None:
    """Write a file whole or not at all, in place of one that exists; errors name `shown`."""
    temporary = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(file)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise disk_error(error, shown or file) from error


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
