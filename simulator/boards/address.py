"""Addresses of boards on the Hub, such as `hf://datasets/OWNER/NAME@refs/pr/3`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from simulator.errors import UserError
from simulator.hub.errors import Remedies
from simulator.hub.registry import Entry

PREFIX = "hf://"

SUBMISSIONS = "submissions"
"""Folder of a board's repository that `submit --hub` adds to."""

REMEDIES = Remedies(
    again="try again", name="check its name", revision="name another one after the @"
)

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_ADDRESS = re.compile(rf"hf://datasets/(?P<repository>{_NAME}/{_NAME})(?:@(?P<revision>.+))?")
_PULL_REQUEST = re.compile(r"refs/pr/([1-9][0-9]{0,8})")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,200}")


@dataclass(frozen=True)
class BoardAddress:
    """A dataset repository on the Hub, and a branch, tag, commit or `refs/pr/N` of it."""

    repository: str
    revision: str = "main"

    def __str__(self) -> str:
        return self.at(self.revision)

    def at(self, revision: str) -> str:
        """Return the address with this revision."""
        return f"{PREFIX}datasets/{self.repository}@{revision}"

    @property
    def pull_request(self) -> int | None:
        """Number of the pull request that the revision is; None if it is none."""
        found = _PULL_REQUEST.fullmatch(self.revision)
        return int(found[1]) if found else None

    def entry(self) -> Entry:
        """Return the repository as an entry for `simulator.hub.download`."""
        return Entry(
            name=self.repository,
            repository=self.repository,
            revision=self.revision,
            files=(f"{SUBMISSIONS}/*",),
            importer="",
            dataset="",
            licence="",
            citation="",
            pools=(),
        )


def is_address(text: str) -> bool:
    """Check that a text is meant as an address on the Hub, and not as a path."""
    return text.startswith(PREFIX)


def parse_address(text: str) -> BoardAddress:
    """Return the address that a text is; raise `UserError` if it is none of a dataset."""
    found = _ADDRESS.fullmatch(text)
    revision = unquote(found["revision"] or "main") if found else ""
    if found is None or not _REVISION.fullmatch(revision) or ".." in revision:
        raise UserError(f"{text}: no board's address; write hf://datasets/OWNER/NAME[@REVISION]")
    return BoardAddress(found["repository"], revision)
