"""The board of `full`, as exports tell it, and figures of it recomputed from its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from leaderboard_app.interchange.content import Content
from leaderboard_app.interchange.hub_file import HubNames
from leaderboard_app.library.board_file import Board
from leaderboard_app.library.library import Library

NAMES = HubNames(
    "owner/board", "cc-by-4.0", {"modela": "maker-a/model-a", "modelb": "maker-b/model-b"}
)
BOARD = Board("The board", "https://board.example.org/", "A board.", "Institute", None)


def content_of(library: Library, names: HubNames = NAMES, board: Board = BOARD) -> Content:
    """Return what exports tell of a library."""
    return Content(board, names, library)


def recomputed(entry: Path, pool: str) -> dict[str, float]:
    """Average accuracy and tokens of a verifier's replays over problems and repeats."""
    rows: list[dict[str, Any]] = pq.read_table(entry / "verified/answers.parquet").to_pylist()
    rows = [row for row in rows if row["pool"] == pool]
    return {
        "accuracy": sum(row["correct"] for row in rows) / len(rows),
        "tokens_per_problem": sum(row["tokens"] for row in rows) / len(rows),
    }
