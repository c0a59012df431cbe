"""Pull requests of a board on the Hub: the submissions that one adds or alters, to be verified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from simulator.boards.address import REMEDIES, SUBMISSIONS, BoardAddress
from simulator.boards.fetching import (
    Notice,
    Progress,
    fetch_board,
    make_folder,
)
from simulator.boards.layout import place_of
from simulator.errors import UserError
from simulator.hub.download import Listing, RemoteFile, list_files
from simulator.hub.errors import endpoint, errors_told, is_offline
from simulator.submissions.files import NAME
from simulator.submissions.markdown import escape

MAIN = "main"

MOST_TOLD = 20
"""Most files that are told."""


@dataclass(frozen=True)
class PullRequest:
    """A pull request of a board.

    Parameters
    ----------
    board
        Address, with `refs/pr/N` as its revision.
    commit, main
        Commit that it is at; commit of the board that it is compared with.
    changed
        Folders of the submissions that it adds or alters, beside all others of the board.
    findings
        Faults of the pull request itself; with any, nothing of it is to be verified.
    """

    board: BoardAddress
    commit: str
    main: str
    changed: tuple[Path, ...]
    findings: tuple[str, ...]

    @property
    def number(self) -> int:
        """Number of the pull request."""
        return self.board.pull_request or 0

    def as_dict(self) -> dict[str, Any]:
        """Return its facts for `--json`."""
        return {
            "pull_request": self.number,
            "commit": self.commit,
            "main": self.main,
            "findings": [*self.findings],
        }

    def heading(self) -> str:
        """Return the first lines of a comment: the commit that was looked at, and the findings."""
        lines = [f"Commit {self.commit[:12]} of this pull request, on {self.main[:12]}."]
        if self.findings:
            lines += ["", "**Not verified**: the pull request has to be corrected first.", ""]
            lines += [f"- {escape(text)}" for text in self.findings]
        return "\n".join(lines) + "\n\n"


def fetch_pull_request(
    address: BoardAddress, cache: Path, folder: Path, *, notice: Notice, progress: Progress
) -> PullRequest:
    """Download the submissions that a pull request changes, into `folder`, beside the others.

    Files that only the keeper of the board writes (`verification.json`, `verified/`) are those of
    the board. Nothing is downloaded of a pull request with findings.

    Raises
    ------
    UserError
        There is no such board or pull request, or the Hub cannot be reached.
    """
    if is_offline():
        raise UserError(f"{address}: HF_HUB_OFFLINE forbids the network; unset it")
    board = fetch_board(replace(address, revision=MAIN), cache, notice=notice, progress=progress)
    on_main = list_files(address.entry(), board.commit, remedies=REMEDIES)
    proposed = list_files(address.entry(), address.revision, remedies=REMEDIES)
    base = _base(address, board.commit)
    before = on_main if base == board.commit else list_files(address.entry(), base)
    changes = _changes(before, proposed)
    findings = tuple(_findings(changes))
    names = {place.submission for path in changes if (place := place_of(path))}
    found = PullRequest(address, proposed.commit, board.commit, (), findings)
    if findings:
        return found
    theirs = [file for file in proposed.files if _is_theirs(file, names)]
    ours = [file for file in on_main.files if not _is_theirs(file, names)]
    make_folder(
        address,
        {board.commit: ours, proposed.commit: theirs},
        folder / "board",
        notice=notice,
        progress=progress,
    )
    below = folder / "board" / SUBMISSIONS
    return replace(found, changed=tuple(below / name for name in sorted(names)))


def _is_theirs(file: RemoteFile, names: set[str]) -> bool:
    """Check that a file is of a changed submission, and not one that the board's keeper writes."""
    place = place_of(file.path)
    return place is not None and place.submission in names and not place.verifiers


def _base(address: BoardAddress, main: str) -> str:
    """Return the commit of the board that a pull request was made on."""
    from huggingface_hub import HfApi

    with errors_told(address.entry(), address.revision, remedies=REMEDIES):
        api = HfApi()

        def commits(revision: str) -> list[str]:
            found = api.list_repo_commits(
                address.repository, repo_type="dataset", revision=revision
            )
            return [each.commit_id for each in found]

        known = set(commits(main))
        base = next((each for each in commits(address.revision) if each in known), None)
    if base is None:
        raise UserError(f"{address}: has no commit in common with {MAIN}; open it anew")
    return base


def _changes(before: Listing, proposed: Listing) -> Mapping[str, str]:
    """Return what a pull request does to each file: adds, alters or removes it."""
    old = {file.path: (file.blob, file.sha256, file.size) for file in before.files}
    new = {file.path: (file.blob, file.sha256, file.size) for file in proposed.files}
    found = dict.fromkeys(new.keys() - old.keys(), "adds")
    found |= dict.fromkeys(old.keys() - new.keys(), "removes")
    found |= {path: "alters" for path in old.keys() & new.keys() if old[path] != new[path]}
    return dict(sorted(found.items()))


def _findings(changes: Mapping[str, str]) -> Sequence[str]:
    """Tell what a pull request may not do."""
    found = []
    for path, change in changes.items():
        place = place_of(path)
        if place is None or not place.submission or not NAME.fullmatch(place.submission):
            found.append(f"{change} {path}, which is no file of a submission")
        elif place.verifiers:
            found.append(f"{change} {path}, which only the keeper of the board writes")
        elif change == "removes":
            found.append(
                f'removes {path}; a submission is withdrawn by withdrawn = "why" in its '
                "submission.toml, not removed"
            )
    more = len(found) - MOST_TOLD
    return [*found[:MOST_TOLD], *([f"and {more} more"] if more > 0 else [])]


def comment(request: PullRequest, text: str) -> str:
    """Post a comment on a pull request; return the address of its page.

    Raises
    ------
    UserError
        There is no token, or the Hub refuses.
    """
    from huggingface_hub import HfApi, get_token

    address = request.board
    if not get_token():
        raise UserError("--comment: no token; log in with `hf auth login`, or set HF_TOKEN")
    with errors_told(address.entry(), address.revision, remedies=REMEDIES):
        HfApi().comment_discussion(address.repository, request.number, text, repo_type="dataset")
    return f"{endpoint()}/datasets/{address.repository}/discussions/{request.number}"
