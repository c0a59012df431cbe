"""`board.toml`: title and address of a board, in its folder of submissions, written by its keeper.

Every field may be left out. An example:

    title = "Early stopping of parallel traces"
    url = "https://board.example.org/"
    organisation = "Test Institute"
    contact = "board@example.org"
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from simulator.errors import UserError, nearest, one_line
from simulator.storage import read_plain_text
from simulator.submissions.metadata import wrong_link, wrong_text

FILE_NAME = "board.toml"

FORMAT = 1
"""Version of a keeper's file; the line `format = 1` may be left out."""

TITLE = "deepprune-sim leaderboard"
"""Title of a board that states none."""

LENGTHS = {"title": 100, "description": 1000, "organisation": 100, "contact": 200}
"""Texts, with their maximum length in characters."""

LINKS = ("url", "repository")
"""Fields that hold a plain https link."""


@dataclass(frozen=True, slots=True)
class Board:
    """Facts about a board, for citations, exports and link previews; None if not stated.

    Parameters
    ----------
    title
        Name of the board.
    url
        Address at which it is read, with a slash at its end.
    description
        A sentence about it.
    organisation, contact
        Keeper of the board, and how to reach them: an address, a name or a link.
    repository
        Address of the repository of its submissions.
    """

    title: str = TITLE
    url: str | None = None
    description: str | None = None
    organisation: str | None = None
    contact: str | None = None
    repository: str | None = None

    def address(self, link: str = "") -> str | None:
        """Return the full address of a page of the board (`navigation.link`); None without one."""
        return None if self.url is None else self.url + link.removeprefix("./")


KEYS = tuple(field.name for field in fields(Board))


def read_fields(file: Path) -> dict[str, Any] | None:
    """Read a keeper's file, without its line `format`; None if there is no such file.

    Raises
    ------
    UserError
        The file cannot be read, or is of another format.
    """
    try:
        found = tomllib.loads(read_plain_text(file))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file}: cannot be read ({one_line(error)}); correct it") from None
    if found.pop("format", FORMAT) != FORMAT:
        raise UserError(f"{file}: not of format {FORMAT}; upgrade deepprune-sim, or correct it")
    return found


def read_board(submissions: Path) -> Board:
    """Read `board.toml` of a folder of submissions; the default if there is no such file.

    Raises
    ------
    UserError
        The file is not valid; the message names the field.
    """
    file = submissions / FILE_NAME
    found = read_fields(file)
    if found is None:
        return Board()
    wrong = []
    for key, value in found.items():
        if key not in KEYS:
            wrong.append(f"no such field {key[:40]!r}; {nearest(key, KEYS, 'there are')}")
        elif key in LINKS:
            wrong += wrong_link(key, value)
            if isinstance(value, str) and ("?" in value or "#" in value):
                wrong.append(f"{key} has a query or a fragment; give the address without it")
        else:
            wrong += wrong_text(key, value, LENGTHS[key])
    if wrong:
        raise UserError(f"{file}: {'; '.join(wrong[:5])}; correct it")
    if "url" in found:
        found["url"] = found["url"].rstrip("/") + "/"
    return Board(**found)
