"""Pools of recorded traces, whose import takes seconds, made once for all tests."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
from checkout import SHARED

from simulator.errors import UserError
from simulator.importers.import_pool import ImportReport, import_pool
from simulator.importers.importer import ImportOptions
from simulator.storage import locked

SCOUT = SHARED / "data" / "scout_qwen3_8b"

needs_scout = pytest.mark.skipif(not SCOUT.is_dir(), reason=f"needs the recorded traces in {SCOUT}")


def scout(benchmark: str, folders: pytest.TempPathFactory) -> tuple[Path, ImportReport]:
    """Return the folder of pools that holds `scout/qwen3-8b/BENCHMARK` alone, and its report."""
    base = folders.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base  # that of all workers
    cache, report = base / f"scout-{benchmark}", base / f"scout-{benchmark}.pickle"
    with locked(cache, UserError, wait=True):
        if not report.exists():
            made = import_pool(
                "scout",
                ImportOptions(paths=(SCOUT / f"{benchmark}.json",)),
                cache=cache,
                dataset="scout",
                model="qwen3-8b",
                benchmark=benchmark,
            )
            report.write_bytes(pickle.dumps(made))
    found: ImportReport = pickle.loads(report.read_bytes())
    return cache, found
