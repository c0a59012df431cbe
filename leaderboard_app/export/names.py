"""File names of pages, and links between them instead of those of the app."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from urllib.parse import parse_qs, quote, urlsplit

from leaderboard_app.shown.table import Cell, Table

SAFE = re.compile(r"(?!(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$))[a-z0-9][a-z0-9._-]{0,79}", re.I)
"""File names that every system and every address takes unchanged."""

ENDING = re.compile(r"\.(html|csv|json|svg)", re.I)
"""Endings of files of an export: a folder with one could have the name of such a file."""

INDEX = "index.html"


def file_names(names: Iterable[str]) -> dict[str, str]:
    """Return a file name without ending for each name: the name itself, if that is a safe one.

    Others, those that end like a file of an export, and those that differ from another one in case
    only, get a part of their hash.
    """
    distinct = sorted(set(names))
    folded = Counter(name.casefold() for name in distinct)
    return {
        name: name if _is_safe(name) and folded[name.casefold()] == 1 else _with_hash(name)
        for name in distinct
    }


def _is_safe(name: str) -> bool:
    ends = name.endswith(".") or ENDING.fullmatch(posixpath.splitext(name)[1])
    return not ends and SAFE.fullmatch(name) is not None


def _with_hash(name: str) -> str:
    kept = re.sub(r"[^a-z0-9.]+", "-", name.casefold()).strip("-.")[:60]
    return f"{kept}-{hashlib.sha256(name.encode()).hexdigest()[:8]}".lstrip("-")


@dataclass(frozen=True)
class Names:
    """Pages of an export: files of entries by id, pools by name, problems by pool and id."""

    entries: Mapping[str, str]
    pools: Mapping[str, str]
    problems: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[str], problems: Mapping[str, Iterable[str]]) -> Names:
        """Name the pages of entries, and of pools with their problems."""
        parts = {pool: [*map(_part, pool.split("/"))] for pool in problems}
        pools = {pool: "/".join(each) for pool, each in parts.items()}
        folded = Counter(each.casefold() for each in pools.values())
        pools = {
            pool: f"{path}-{hashlib.sha256(pool.encode()).hexdigest()[:8]}"
            if folded[path.casefold()] > 1
            else path
            for pool, path in pools.items()
        }
        return cls(
            {name: f"entry/{file}.html" for name, file in file_names(entries).items()},
            {pool: f"pool/{path}.html" for pool, path in pools.items()},
            {
                (pool, problem): f"problem/{pools[pool]}/{file}.html"
                for pool, ids in problems.items()
                for problem, file in file_names(ids).items()
            },
        )

    def page_of(self, link: str) -> str | None:
        """Return the page that an app's link leads to; None if the export has no such page."""
        path, given = _parsed(link)
        match path:
            case "":
                return INDEX
            case "entry":
                return self.entries.get(given.get("entry", ""))
            case "problem":
                return self.problems.get((given.get("pool", ""), given.get("problem", "")))
            case "data":
                return self.pools.get(given.get("pool", ""))
        return None

    def localised(self, table: Table, page: str) -> Table:
        """Return a table of the app with links as they are from `page` of the export."""

        def local(cell: Cell) -> Cell:
            if cell.link is None or cell.link.startswith("https://"):
                return cell
            to = self.page_of(cell.link)
            return replace(cell, link=None if to is None else relative(page, to))

        return replace(table, rows=tuple(tuple(map(local, row)) for row in table.rows))


@lru_cache(maxsize=4096)
def _parsed(link: str) -> tuple[str, Mapping[str, str]]:
    """Return the page that a link of the app names, and its parameters."""
    parts = urlsplit(link)
    given = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return parts.path.strip("./"), given


def _part(name: str) -> str:
    return file_names([name])[name]


def relative(page: str, to: str) -> str:
    """Return the link from a page to a file of the export, both named from its root."""
    path, _, fragment = to.partition("#")
    link = ""
    if path and path != page:
        here, there = page.split("/")[:-1], path.split("/")
        while here and here[0] == there[0]:  # posixpath.relpath is much slower
            here, there = here[1:], there[1:]
        link = "../" * len(here) + quote("/".join(there))
    return link + (f"#{quote(fragment)}" if fragment else "") or quote(posixpath.basename(page))
