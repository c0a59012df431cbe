"""Boards from the Hub on this machine: a folder for each commit, complete or not there.

They lie in the folder of pools, as `.boards/OWNER/NAME/<commit>/submissions/`. Beside them, one
file for each revision that was asked for names the commit that it was.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from glob import escape
from pathlib import Path
from urllib.parse import quote

from simulator.boards.address import REMEDIES, SUBMISSIONS, BoardAddress
from simulator.boards.layout import lay_out, wanted
from simulator.errors import UserError
from simulator.hub.download import Listing, RemoteFile, download, list_files
from simulator.hub.errors import UnreachableError, is_offline
from simulator.hub.registry import is_commit
from simulator.storage import clear_leftovers, disk_error, locked, replace_file, temporary_beside
from simulator.submissions.files import METADATA

FOLDER = ".boards"
"""Folder of boards in the folder of pools."""

Notice = Callable[[str], None]
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Board:
    """A board on this machine: its folder of submissions at a commit of its repository."""

    address: BoardAddress
    commit: str
    submissions: Path

    @property
    def source(self) -> str:
        """Address of exactly this state of the board."""
        return self.address.at(self.commit)


def fetch_board(
    address: BoardAddress,
    cache: Path,
    *,
    notice: Notice = lambda text: None,
    progress: Progress = lambda what, done: None,
) -> Board:
    """Return a board at the commit that its revision is, downloading what is not in `cache`.

    A commit that is here is not asked for. Without the Hub, the commit that was the last to be
    fetched for this revision is taken, and `notice` told so.

    Raises
    ------
    UserError
        There is no such dataset or revision, it may not be read, it has no folder of submissions,
        or the Hub cannot be reached and the board is not on this machine.
    """
    place = _place(address, cache)
    here = Board(address, address.revision, place / address.revision / SUBMISSIONS)
    if is_commit(address.revision) and here.submissions.is_dir():
        return here
    if is_offline():
        return _kept(address, place, "HF_HUB_OFFLINE forbids the network", notice)
    try:
        listing = list_files(address.entry(), address.revision, remedies=REMEDIES)
    except UnreachableError as error:
        try:
            return _kept(address, place, "the Hub does not answer", notice)
        except UserError:
            raise error from None
    _check_board(address, listing)
    board = Board(address, listing.commit, place / listing.commit / SUBMISSIONS)
    with _writing(place, listing.commit):
        if not board.submissions.is_dir():
            make_folder(
                address,
                {listing.commit: listing.files},
                board.submissions.parent,
                notice=notice,
                progress=progress,
            )
        replace_file(_named(place, address.revision), f"{listing.commit}\n".encode())
    return board


def _check_board(address: BoardAddress, listing: Listing) -> None:
    """Raise `UserError` for a dataset without submissions and without the files of a board."""
    told = (METADATA, "board.toml", "published.toml")
    if not any(wanted(each) and each.path.endswith(told) for each in listing.files):
        raise UserError(
            f"{address}: not a board, it has no {SUBMISSIONS}/*/{METADATA} and no "
            f"{SUBMISSIONS}/board.toml; check its name, or add one of these"
        )


def make_folder(
    address: BoardAddress,
    parts: dict[str, Sequence[RemoteFile]],
    target: Path,
    *,
    notice: Notice,
    progress: Progress,
) -> None:
    """Download files of some commits, and make a folder of them that is complete or not there."""
    staging = temporary_beside(target)
    entry = address.entry()
    try:
        staging.mkdir(parents=True)
        for commit, files in parts.items():
            taken = [each for each in files if wanted(each)]
            whole = len(taken) == sum(each.path.startswith(f"{SUBMISSIONS}/") for each in files)
            snapshot = download(
                entry,
                commit,
                commit,
                taken,
                patterns=entry.files if whole else [escape(each.path) for each in taken],
                remedies=REMEDIES,
                progress=progress,
                notice=notice,
            )
            lay_out(files, snapshot, staging)
        (staging / SUBMISSIONS).mkdir(exist_ok=True)
        staging.rename(target)
    except OSError as error:
        raise disk_error(error, target) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _place(address: BoardAddress, cache: Path) -> Path:
    owner, _, name = address.repository.partition("/")
    return cache / FOLDER / owner / name


def _named(place: Path, revision: str) -> Path:
    """Return the file that names the commit of a revision."""
    return place / f"{quote(revision, safe='')}.commit"


@contextmanager
def _writing(place: Path, name: str) -> Iterator[None]:
    """Let one process at a time write a folder of `place`; others wait for it."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        with locked(place / name, lambda holder: UserError(f"{place}: in use{holder}"), wait=True):
            clear_leftovers(place / name)
            yield
    except OSError as error:
        raise disk_error(error, place) from error


def _kept(address: BoardAddress, place: Path, reason: str, notice: Notice) -> Board:
    """Return the board as it was last fetched, and tell why; raise `UserError` if it was not."""
    file = _named(place, address.revision)
    commit = file.read_text(encoding="ascii").strip() if file.is_file() else ""
    board = Board(address, commit, place / commit / SUBMISSIONS)
    if not is_commit(commit) or not board.submissions.is_dir():
        raise UserError(
            f"{address}: {reason}, and the board is not on this machine; allow the network once"
        )
    day = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    notice(f"{address}: {reason}; this is commit {commit}, fetched on {day:%Y-%m-%d}")
    return board
