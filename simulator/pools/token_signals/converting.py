"""Conversion of a stored pool to another pool format."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from simulator.errors import UserError
from simulator.pools.content import content_of, problems_in
from simulator.pools.pool import FORMAT, read_info
from simulator.pools.token_signals.files import LISTS, SignalWriter, is_packed, kind_of
from simulator.pools.writer import described
from simulator.storage import (
    clear_leftovers,
    disk_error,
    file_sha256,
    link_or_copy,
    locked,
    reading,
    temporary_beside,
)

Progress = Callable[[int, int], None]
"""Progress callback, called with the steps done and their total."""


def convert(
    path: Path, to: int = FORMAT, progress: Progress = lambda done, total: None
) -> str | None:
    """Convert the pool in `path` to the format `to`; return why it was left as it is, or None.

    The new pool takes the place of the former when it is complete and its content is the same;
    until then, nothing is changed. It has the same fingerprint.

    Raises
    ------
    UserError
        The pool cannot be read, its content is not the one that its `pool.json` describes, another
        process writes it, or the disk is full.
    """
    if path.is_symlink():
        raise UserError(f"{path}: a link to a pool; convert the pool where it is")
    left = _left(path, to)
    if left is not None:
        return left

    def taken(holder: str) -> UserError:
        return UserError(f"{path}: another process writes this pool{holder}; wait until it ends")

    folder = temporary_beside(path)
    retired = folder.with_suffix(".old")
    with locked(path, taken) as is_locked:
        try:
            if is_locked:
                clear_leftovers(path)
            left = _left(path, to)  # it may have been converted since
            if left is not None:
                return left
            folder.mkdir()
            _write(path, folder, to, progress)
            path.rename(retired)
            folder.rename(path)
        except OSError as failure:
            raise disk_error(failure, path) from failure
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            if retired.exists() and not path.exists():
                retired.rename(path)
            shutil.rmtree(retired, ignore_errors=True)
    return None


def _left(path: Path, to: int) -> str | None:
    """Return the reason to leave a pool as it is, if there is one."""
    info = read_info(path)
    if not set(info.signals) & set(LISTS):
        return "it has no token signals, and all else is the same in both formats"
    if info.format == to and not _others(path, info.signals, to):
        return f"it is of format {to} already"
    if not info.content:
        return "its fingerprint is that of its files; import it again"
    return None


def _others(path: Path, signals: list[str], to: int) -> list[str]:
    """Return the token signals whose files are of another format."""
    names = [name for name in signals if name in LISTS]
    found = []
    for name in names:
        with reading(path / f"{name}.parquet") as file:
            if is_packed(pq.read_schema(file)) != (to > 1):
                found.append(name)
    return found


def _write(path: Path, folder: Path, to: int, progress: Progress) -> None:
    """Write the pool in `path` to `folder` in another format."""
    info = read_info(path)
    names = _others(path, info.signals, to)
    for file in sorted(path.iterdir()):
        if file.name != "pool.json" and file.stem not in names:
            link_or_copy(file, folder / file.name)
    hashes = dict(info.sha256)
    steps = 2 * info.problems * len(names)  # to write, and to read again
    for number, name in enumerate(names):
        with reading(path / f"{name}.parquet") as file, pq.ParquetFile(file) as stored:
            kind = kind_of(stored.schema_arrow, name)
            writer = SignalWriter(folder / file.name, name, kind, packed=to > 1)
            try:
                for done, rows in enumerate(problems_in(stored, name)):
                    writer.write(rows)
                    progress(2 * info.problems * number + done, steps)
            finally:
                writer.close()
        if content_of(folder, [name])[name] != info.content[name]:
            raise UserError(
                f"{path / name}.parquet: its content is not the one that pool.json has a hash of; "
                "nothing was changed, import the pool again"
            )
        hashes[f"{name}.parquet"] = file_sha256(folder / f"{name}.parquet")
        progress(2 * info.problems * (number + 1), steps)
    text = described(replace(info, sha256=hashes, format=to))
    (folder / "pool.json").write_text(text, encoding="utf-8")
