"""Contents of an export: the entries, their results on each problem, and what may be published."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from leaderboard_app.export.names import Names
from leaderboard_app.library.board_file import Board, read_board
from leaderboard_app.library.entry import Entry, Result
from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import Library, load
from leaderboard_app.library.standings import Group, groups
from leaderboard_app.shown.table import Table
from leaderboard_app.views.board.standing_table import hide
from leaderboard_app.views.entry.entry import ProblemFigures, figures_by_pool
from simulator.errors import UserError

OPEN_LICENCES = re.compile(
    r"(apache-2\.0|mit|mit-0|bsd-[23]-clause|isc|unlicense|cc0-1\.0|pddl(-1\.0)?|cdla-permissive-\d\.0"
    r"|cc-by(-sa)?-\d\.\d|odc-by(-1\.0)?|odbl(-1\.0)?)",
    re.IGNORECASE,
)
"""Licences, by their SPDX names or the Hub's, under which a pool's texts may be published."""

OF_THE_POOL = ("gold", "commonest", "answers")
"""Keys of columns with answers that are in a pool, or that its traces gave."""

WITHHELD = (
    "Questions, answers and pictures of traces of this pool are left out: it states no licence "
    "under which they may be published."
)

Told = Callable[[str, float], None]
"""Called with the name of the stage and the share of it that is done."""


@dataclass(frozen=True)
class Content:
    """A board as an export shows it.

    `figures` has an entry's results on each problem, by its id and `Result.column`.
    """

    board: Board
    library: Library
    figures: Mapping[tuple[str, str], Sequence[ProblemFigures]]

    @cached_property
    def names(self) -> Names:
        """File names of all pages."""
        problems: dict[str, set[str]] = {}
        for entry in self.library.entries:
            for result in entry.results.values():
                found = problems.setdefault(result.pool, set())
                found |= {each.problem_id for each in self.figures[entry.id, result.column]}
        return Names.of((entry.id for entry in self.library.entries), problems)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """All groups of the board, those on real traces first."""
        return (*groups(self.library, False), *groups(self.library, True))

    def may_publish(self, pool: str) -> bool:
        """Return True if questions and answers of a pool may be published."""
        row = self.library.pool_row(pool)
        if row is None:
            return False
        return bool(row["synthetic"] or OPEN_LICENCES.fullmatch((row["licence"] or "").strip()))

    def publishable(self, pool: str, table: Table) -> Table:
        """Return a table of a pool without the columns that may not be published."""
        hidden = () if self.may_publish(pool) else OF_THE_POOL
        return hide(table, hidden)

    def results_on(self, pool: str) -> list[tuple[Entry, Result, Sequence[ProblemFigures]]]:
        """Return the entries with results on a pool, in the order of the library."""
        return [
            (entry, result, self.figures[entry.id, result.column])
            for entry in self.library.entries
            for result in entry.results.values()
            if result.pool == pool
        ]


def read_content(folders: Folders, told: Told = lambda stage, done: None) -> Content:
    """Read what an export of the folders shows; local runs are left out.

    Raises
    ------
    UserError
        `board.toml` is not valid.
    """
    board = read_board(folders.submissions)
    nowhere = folders.submissions / "no-runs-are-exported"
    library = load(
        replace(folders, runs=nowhere), lambda done: told("Recomputing figures, once", done)
    )
    figures: dict[tuple[str, str], Sequence[ProblemFigures]] = {}
    for number, entry in enumerate(library.entries):
        told("Reading answers", number / len(library.entries))
        results = entry.results.values()
        try:
            found = figures_by_pool(library, entry, [each.pool for each in results])
        except UserError:  # its page says that the entry is broken
            found = {}
        figures |= {(entry.id, each.column): found.get(each.pool, ()) for each in results}
    return Content(board, library, figures)
