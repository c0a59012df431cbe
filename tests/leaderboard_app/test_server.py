"""The server of the app: what it prepares."""

from __future__ import annotations

import asyncio
from importlib import import_module
from pathlib import Path
from threading import Event

import pytest
from shown_folders import folders_in

from leaderboard_app.library import watching
from leaderboard_app.library.watching import Reader, Reading
from leaderboard_app.server import MODULES, app, prepared


@pytest.mark.parametrize("name", MODULES)
def test_what_is_imported_ahead_exists(name: str) -> None:
    assert import_module(name).__name__ == name  # in its thread, an error would not be seen


def test_a_server_that_starts_reads_the_board_before_a_browser_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = folders_in(tmp_path)
    for name, value in folders.as_environment().items():
        monkeypatch.setenv(name, value)
    begun = Event()

    class Told(Reader):
        def begin(self, *given: object) -> Reading:
            begun.set()
            return super().begin(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(watching, "READER", Told())

    async def serve() -> None:
        async with prepared(app):
            assert await asyncio.to_thread(begun.wait, 60)

    asyncio.run(serve())
    reading = watching.READER.begin(folders)
    assert reading.is_done(60)
    assert reading.library.result().folders == folders
    assert not reading.is_shown
