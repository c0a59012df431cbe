"""All entries, published figures and pools that the leaderboard shows, and what is broken.

An entry is a submission or a local run. A library never changes: when files change (`state_of`), a
new one is made, and only changed files are read again.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from leaderboard_app.library.board_file import FILE_NAME as BOARD_FILE
from leaderboard_app.library.board_file import Board, read_board
from leaderboard_app.library.entries import entries_of, open_pool
from leaderboard_app.library.entry import Entry
from leaderboard_app.library.folders import Folders
from leaderboard_app.library.kept.sums import KeptSums, kept_sums
from leaderboard_app.library.memo import Once
from simulator.boards.derived import FOLDER as DERIVED_FOLDER
from simulator.boards.duplicates import in_folder
from simulator.catalogue.figures import KEPT, VERIFIED, Pools, derive
from simulator.catalogue.kept_file import digest, keep, kept_place, read_kept
from simulator.catalogue.pool_rows import Broken, Progress, Row, stamp, stamp_digest
from simulator.catalogue.views import Catalogue, connect
from simulator.errors import UserError
from simulator.pools.pool import Pool, iter_pool_folders
from simulator.runs.results import ProblemSums, RunResult
from simulator.submissions.published import (
    FILE_NAME,
    PACKAGED,
    PublishedFigure,
    read_published,
)


@dataclass(frozen=True)
class Library:
    """All that the leaderboard shows; `state` changes whenever a file it was made from does.

    `once` caches slow results computed from it; `board` is what its keeper says about it.
    One that is `hasty` has no ranks.
    """

    folders: Folders
    state: int
    catalogue: Catalogue
    entries: tuple[Entry, ...]
    published: tuple[PublishedFigure, ...]
    published_tables: Mapping[str, Sequence[Mapping[str, Any]]]
    pools: tuple[Row, ...]
    broken: tuple[Broken, ...]
    by_id: Mapping[str, Entry] = field(default_factory=dict)
    once: Once = field(default_factory=Once, repr=False, compare=False)
    board: Board = field(default_factory=Board)
    hasty: bool = False

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return the rows of a DuckDB query over the catalogue's views; thread-safe."""
        return self.catalogue.rows(query, parameters)

    def recorded(self, entry: Entry, name: str, where: str, *values: object) -> list[Row]:
        """Return rows of an entry's answers or decisions (`simulator.replay.recording`)."""
        file = str(entry.figures.resolve() / f"{name}.parquet")
        return self.rows(f"SELECT * FROM read_parquet(?) WHERE {where}", [file, *values])

    def problem_sums(self, entry: Entry) -> Mapping[str, ProblemSums]:
        """Return the entry's sums on each problem, by pool; empty if its answers are broken."""
        return self._sums.of(entry.figures, entry.figures_sha256)

    def keep_sums(self) -> None:
        """Write the sums on each problem that are known to a file, for the next process."""
        hashes = {entry.figures_sha256 for entry in self.entries if entry.figures_sha256}
        self._sums.keep(hashes)

    def kept(self, name: str, inputs: object, make: Callable[[], bytes]) -> bytes:
        """Return what `make` computes from this board, or what it did in an earlier process.

        It is kept in a file by the `name`, and counts only for the same `inputs`, to be written as
        JSON: all that it follows from, beside this program.
        """
        of = json.dumps([name, inputs, _program()])
        file = self._kept_place(f"board-{digest(name)[:16]}")
        content = read_kept(file, of)
        if content is not None:
            return bytes(content)
        found = make()
        keep(file, of, found)
        return found

    def _kept_place(self, what: str) -> Path | None:
        return kept_place(self._kept, what, self.folders.submissions.absolute())

    def submitted(self, entry: Entry) -> Sequence[RunResult]:
        """Return the figures of the run that was submitted, where others are shown; else none."""
        if entry.basis != VERIFIED:
            return ()
        return self.once(
            ("submitted", entry.id),
            lambda: derive(entry.path, Pools(kept=self._kept), bounded=True).results,
        )

    def notes(self) -> Mapping[str, Sequence[str]]:
        """Return notes for the keeper on submissions that repeat or imitate others, by id."""
        folder = self.folders.submissions

        def read() -> Mapping[str, Sequence[str]]:
            below = sorted(each for each in folder.iterdir() if each.is_dir())
            stamps = {entry.path: entry.files_stamp for entry in self.entries}
            files = [(each.name, stamps.get(each) or stamp_digest(stamp(each))) for each in below]
            published = [each.method for each in self.published]
            found = self.kept(
                "notes", [files, published], lambda: json.dumps(in_folder(folder)).encode()
            )
            notes: dict[str, list[str]] = json.loads(found)
            return notes

        return self.once("notes", lambda: read() if folder.is_dir() else {})

    def nearest(self, name: str) -> list[str]:
        """Return at most three entry ids similar to `name`, the nearest first."""
        folded = {each.casefold(): each for each in self.by_id}
        near = difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.5)
        near += [each for each in folded if name.casefold() in each and each not in near]
        return [folded[each] for each in near[:3]]

    def pool_row(self, name: str) -> Row | None:
        """Return the row of a pool in the view `pools`; None if it is not here."""
        return self._pools.get(name)

    def pool(self, name: str) -> Pool | None:
        """Return the pool named `name`, opened for reading; None if it is not here."""
        row = self._pools.get(name)
        return None if row is None else open_pool(Path(row["path"]), row["fingerprint"])

    @property
    def _kept(self) -> Path | None:
        return self.folders.cache / KEPT if self.folders.cache.is_dir() else None

    @cached_property
    def _sums(self) -> KeptSums:
        return kept_sums(self._kept_place("sums"))

    @cached_property
    def _pools(self) -> Mapping[str, Row]:
        return {row["name"]: row for row in self.pools}


def state_of(folders: Folders) -> int:
    """Return a number that changes when a file in the folders is added, changed or removed.

    It is valid within this process only. Visits every folder, 10 ms for 200 submissions. A run in
    progress counts once it is complete.
    """
    seen: list[object] = []
    for folder in iter_pool_folders(folders.cache):
        seen.append((str(folder), stamp(folder)))
    for parent in (folders.runs, folders.submissions, folders.cache / DERIVED_FOLDER):
        if parent.is_dir():
            with os.scandir(parent) as found:
                below = sorted(each.path for each in found if each.is_dir())
            below = [each for each in below if not each.endswith(".partial")]
            seen += [(folder, stamp(Path(folder))) for folder in below]
            files = [each for each in stamp(parent) if each[0].endswith(".toml")]
            seen.append((str(parent), *files))
    return hash(tuple(seen))


def load(
    folders: Folders, progress: Progress = lambda done: None, state: int | None = None
) -> Library:
    """Read everything in the folders; what cannot be read goes to `broken` and stops nothing else.

    Figures are derived (`simulator.catalogue.figures`), which takes seconds for each run that was
    not seen before; `progress` is told the share of the folders that is done. `state` is that of
    the folders (`state_of`), if it was looked up just before. If the folder of submissions has no
    published figures, those packaged with the program are used.
    """
    state = state_of(folders) if state is None else state
    catalogue = connect(folders.cache, folders.runs, folders.submissions, progress)
    pools = catalogue.rows("FROM pools ORDER BY name")
    broken = list(catalogue.broken)
    entries = entries_of(catalogue, pools, broken)
    own = (folders.submissions / FILE_NAME).is_file()
    try:
        published = read_published(folders.submissions if own else PACKAGED)
        figures, published_tables = published.figures, published.tables
    except UserError:  # already in the catalogue's broken ones
        figures, published_tables = (), {}
    board = Board()
    try:
        board = read_board(folders.submissions)
    except UserError as error:
        broken.append(Broken(folders.submissions / BOARD_FILE, str(error)))
    return Library(
        folders,
        state,
        catalogue,
        tuple(entries),
        figures,
        published_tables,
        tuple(pools),
        tuple(broken),
        {entry.id: entry for entry in entries},
        board=board,
    )


@cache
def _program() -> object:
    """Return facts that are others in another version of this package."""
    here = Path(__file__).parent
    files = [*stamp(here), *stamp(here / "kept")]
    return [each[:3] for each in files if each[0].endswith(".py")]
