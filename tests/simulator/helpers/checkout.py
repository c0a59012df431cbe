"""The checkout that the tests belong to."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[3]
"""Its folder."""

SHARED = ROOT.parent / "shared"
"""Folder of other people's recorded traces; tests that need it are skipped where it is missing."""
