from __future__ import annotations

from pathlib import Path

import pytest
from exported import add_hostile, write_board

from leaderboard_app.export.site import export_site
from leaderboard_app.library.folders import Folders

BOARD = """
title = "Board of tests & others"
url = "https://board.example.org/static"
description = "Early stopping, & more."
organisation = "Test Institute"
contact = "board@example.org"
repository = "https://github.com/example/board"
"""


@pytest.fixture(scope="session")
def board(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Write a board with an address, hostile texts and a local run."""
    folders = write_board(tmp_path_factory.mktemp("board"))
    add_hostile(folders)
    (folders.submissions / "board.toml").write_text(BOARD, encoding="utf-8")
    return folders


@pytest.fixture(scope="session")
def site(board: Folders, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export the board; the folder is to be read only."""
    target = tmp_path_factory.mktemp("export") / "site"
    export_site(board, target)
    return target
