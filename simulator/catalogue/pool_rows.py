"""The rows of the catalogue's view `pools`, and what the rows of all its views share.

Apart from the other views, so that pools are listed without what those import.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from simulator.arrow import null_mask
from simulator.catalogue.kept_file import digest
from simulator.errors import UserError
from simulator.pools.folders import pool_name
from simulator.pools.pool import SCHEMAS, iter_pool_folders, read_info
from simulator.pools.token_signals.files import LISTS, PACKED
from simulator.storage import is_utf8, reading

VERIFIED = "verified"
"""Folder with the verifier's own run, below that of a submission (`submissions.files`)."""

POOLS = pa.schema(
    [
        ("name", pa.string()),
        ("dataset", pa.string()),
        ("model", pa.string()),
        ("benchmark", pa.string()),
        ("problems", pa.int64()),
        ("traces", pa.int64()),
        ("tokens", pa.int64()),
        ("unfinished", pa.int64()),
        ("token_accuracy", pa.string()),
        ("signals", pa.list_(pa.string())),
        ("synthetic", pa.bool_()),
        ("equality", pa.string()),
        ("unparsed", pa.string()),
        ("licence", pa.string()),
        ("source", pa.string()),
        ("fingerprint", pa.string()),
        ("path", pa.string()),
        ("bytes", pa.int64()),
    ]
)

Row = dict[str, Any]
"""One row of a view, by column; a column that is not named is null."""


Read = TypeVar("Read")


class Broken(NamedTuple):
    """A folder that the catalogue leaves out, and the reason."""

    path: Path
    reason: str


Stamp = tuple[tuple[str, int, int, int, int], ...]
"""Name, size in bytes, times of the last change of content and of anything, in ns, and the inode
number between them, of each file in a folder.

Those in `verified/` are included; of a link, they are those of the file that it leads to.
"""

Progress = Callable[[float], None]
"""Function that is told which share of the folders is read."""

KEPT = 4096
"""Number of folders of each kind whose rows are cached, so that only new folders are read."""


def pools_rows(cache: Path, broken: list[Broken]) -> tuple[list[Row], list[Path]]:
    """Read the rows of the view `pools`; return them and the folders that they describe."""
    read = list(read_each(iter_pool_folders(cache), partial(_read_pool, cache), broken))
    return [row for _, row in read], [folder for folder, _ in read]


def read_each(
    folders: Iterable[Path],
    read: Callable[[Path, Stamp], Read | Broken],
    broken: list[Broken],
    progress: Progress = lambda done: None,
) -> Iterator[tuple[Path, Read]]:
    """Yield each folder with what was read of it; add those that cannot be read to `broken`."""
    folders = [*folders]
    for number, folder in enumerate(folders):
        progress(number / len(folders))
        found = read(folder, stamp(folder))
        if isinstance(found, Broken):
            broken.append(found)
        else:
            yield folder, found


def stamp(folder: Path) -> Stamp:
    """Return the stamp of a folder: rows read from it are valid as long as it stays the same.

    A modification time can be set back, but not the time of the last change of anything (on
    Windows, that is the time at which the file was made). `verify` hashes the files.
    """
    try:
        with os.scandir(folder) as files:
            found = [(file.name, _facts(file)) for file in files]
    except OSError:
        return ()
    here = [
        (name, each.st_size, each.st_mtime_ns, each.st_ino, each.st_ctime_ns)
        for name, each in found
    ]
    if any(name == VERIFIED for name, _ in found):
        below = stamp(folder / VERIFIED)
        here += [(f"{VERIFIED}/{each[0]}", *each[1:]) for each in below]
    return tuple(sorted(here))


def stamp_digest(files: Stamp) -> str:
    """Return a short text that is another one for another stamp, in 64 hexadecimal digits."""
    return digest(repr(files))


def _facts(file: os.DirEntry[str]) -> os.stat_result:
    """Return the facts of a file, or of the one that a link leads to."""
    if file.is_symlink():
        with suppress(OSError):
            return file.stat()
    return file.stat(follow_symlinks=False)


@lru_cache(maxsize=KEPT)
def _read_pool(cache: Path, folder: Path, stamp: Stamp) -> Row | Broken:
    misnamed = misnamed_folder(folder)
    if misnamed is not None:
        return misnamed
    try:
        check_stays_in(cache, folder, SCHEMAS)
        return _pool_row(folder)
    except UserError as error:
        return left_out(folder, error)


def _pool_row(folder: Path) -> Row:
    info = read_info(folder)
    if info.name != pool_name(folder):
        raise UserError(f"pool.json names it {info.name}; move the folder there")
    there = {f"{name}.parquet" for name in SCHEMAS if (folder / f"{name}.parquet").is_file()}
    for name in sorted({*info.sha256, "problems.parquet", "traces.parquet", *there}):
        schema = parquet_schema(folder / name)
        signal = name.removesuffix(".parquet")
        wanted = [*LISTS[signal], *PACKED] if signal in LISTS else [SCHEMAS.get(signal, schema)]
        if not any(set(each.names) <= set(schema.names) for each in wanted):
            raise UserError(f"{name}: columns are missing; import the pool again")
    row = {name: getattr(info, name) for name in POOLS.names if hasattr(info, name)}
    row["path"] = str(folder)
    row["bytes"] = sum(file.stat().st_size for file in folder.iterdir())
    return row


@lru_cache(maxsize=KEPT)
def stored_column(folder: Path, signal: str, stamp: Stamp) -> tuple[str, pa.DataType]:
    """Return name and type of the column with a token signal's values, of the pool in `folder`."""
    field = parquet_schema(folder / f"{signal}.parquet").field(-1)
    return field.name, field.type


def share_without_answer(pool: Path) -> float | None:
    """Return the share of a pool's traces that have no answer; None for a pool without traces.

    The footer of a Parquet file counts the nulls of each column.
    """
    with reading(pool / "traces.parquet") as file:
        footer = pq.read_metadata(file)
        column = footer.schema.names.index("answer")
        groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
        found = [group.column(column).statistics for group in groups]
        if all(each is not None and each.has_null_count for each in found):
            nulls = sum(each.null_count for each in found)
        else:
            nulls = int(null_mask(pq.read_table(file, columns=["answer"])["answer"]).sum())
    return nulls / footer.num_rows if footer.num_rows else None


def check_stays_in(parent: Path, folder: Path, names: Iterable[str]) -> None:
    """Raise `UserError` for Parquet files that a link takes out of `parent`.

    Queries may read nothing outside `parent`, and one such file would make every query fail.
    """
    for name in names:
        file = folder / f"{name}.parquet"
        if not Path(os.path.realpath(file)).is_relative_to(parent):
            raise UserError(
                f"{file.name} is reached by a link that leads out of {parent}, and queries read "
                "nothing outside it; replace the link with a copy"
            )


def parquet_schema(file: Path) -> pa.Schema:
    """Read the schema in a Parquet file's footer, which a truncated file does not have."""
    with reading(file):
        return pq.read_schema(file)


def left_out(folder: Path, error: UserError) -> Broken:
    """Return `folder` and the error's message, without the folder's name at its start."""
    return Broken(folder, str(error).removeprefix(f"{folder}: ").removeprefix(f"{folder}/"))


def misnamed_folder(folder: Path) -> Broken | None:
    """Return a folder whose path is not UTF-8, with its other bytes escaped; None for any other."""
    if is_utf8(str(folder)):
        return None
    escaped = os.fsencode(folder).decode("utf-8", "backslashreplace")
    return Broken(Path(escaped), "its path is not UTF-8; rename the folder")
