"""Contents of an interchange export: the board's rows, and the names that it has elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from leaderboard_app.interchange.hub_file import HubNames, read_hub_names
from leaderboard_app.library.board_file import Board, read_board
from leaderboard_app.library.entry import Entry
from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import Library, load
from leaderboard_app.library.selection import canonical
from leaderboard_app.library.standings import LOCAL_RUNS, RANKED, Group, Standing, groups, standings
from leaderboard_app.shown.navigation import link
from simulator.api.progress import note
from simulator.errors import UserError

Rows = Sequence[tuple[Group, Standing]]


@dataclass(frozen=True)
class Content:
    """All rows of the board but those of local runs, with what is told about it."""

    board: Board
    names: HubNames
    library: Library
    source: str = ""

    def rows(self, synthetic: bool = False) -> Rows:
        """Return the rows of all groups on real traces, or of those on synthetic ones."""
        return [
            (group, row)
            for group in groups(self.library, synthetic)
            for row in standings(self.library, group)
            if row.part != LOCAL_RUNS
        ]

    @cached_property
    def verified(self) -> Rows:
        """Rows on one pool of recorded traces whose figures are a verifier's own."""
        return [
            (group, row)
            for group, row in self.rows()
            if row.part == RANKED and len(group.columns) == 1
        ]

    def with_models(self) -> Iterator[tuple[str, Group, Standing]]:
        """Yield the verified rows with their models' repositories; note models without one."""
        missing = {}
        for group, row in self.verified:
            name = row.results[0].model
            repository = self.names.model(name)
            if repository is None:
                missing[name] = True
            else:
                yield repository, group, row
        if missing:
            note(f"left out, as hub.toml names no repository under [models]: {', '.join(missing)}")

    def address(self, entry: Entry) -> str | None:
        """Return the address of an entry's page; None if the board states no address."""
        return self.board.address(link("entry", entry=entry.id))

    @property
    def dataset(self) -> str | None:
        """Dataset repository of the board on the Hub, if it is known."""
        found = re.match(r"hf://datasets/([^@]+)", self.source)
        return self.names.dataset or (found[1] if found else None)


def read_content(folders: Folders) -> Content:
    """Read what an export of the folders tells; local runs are left out.

    Raises
    ------
    UserError
        `board.toml` or `hub.toml` is not valid.
    """
    board, names = read_board(folders.submissions), read_hub_names(folders.submissions)
    nowhere = folders.submissions / "no-runs-are-exported"
    return Content(board, names, load(replace(folders, runs=nowhere)), folders.source)


def slug(name: str) -> str:
    """Return a name in small letters, digits and single hyphens."""
    return "-".join(re.findall(r"[a-z0-9]+", name.casefold())) or canonical(name)


def require(content: Content) -> None:
    """Raise `UserError` if there is nothing to export."""
    if not content.verified:
        raise UserError(
            f"{content.library.folders.submissions}: no verified row on recorded traces; see "
            "deepprune-sim verify"
        )
