"""The server of the app: what it prepares."""

from __future__ import annotations

from importlib import import_module

import pytest

from leaderboard_app.server import MODULES


@pytest.mark.parametrize("name", MODULES)
def test_what_is_imported_ahead_exists(name: str) -> None:
    assert import_module(name).__name__ == name  # in its thread, an error would not be seen
