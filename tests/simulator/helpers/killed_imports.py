"""Imports in a process of their own that is killed at a given step of writing the pool."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from simulator.importers.import_pool import import_pool
from simulator.importers.importer import ImportOptions


def import_rows(cache: Path, rows: Path, *, replace: bool = False) -> None:
    """Import rows as the pool `d/m/b`."""
    import_pool(
        "jsonl",
        ImportOptions(paths=(rows,)),
        cache=cache,
        dataset="d",
        model="m",
        benchmark="b",
        replace=replace,
    )


def import_until(step: int, cache: Path, rows: Path, *, replace: bool) -> None:
    """Import rows, and kill this process before the given step that changes the disk."""
    left = step

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def before(*given: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*given, **named)

        return before

    for owner, name in (
        *((Path, name) for name in ("rename", "mkdir", "write_text", "unlink", "rmdir")),
        (shutil, "rmtree"),
        (pq.ParquetWriter, "close"),
    ):
        setattr(owner, name, counted(getattr(owner, name)))
    import_rows(cache, rows, replace=replace)
