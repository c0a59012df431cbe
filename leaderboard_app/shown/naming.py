"""Short names of entries and pools, for titles and for the names of downloaded files."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from leaderboard_app.library.entry import DERIVED, LOCAL, Entry
from leaderboard_app.library.library import Library

LONGEST_FILE = 100
"""Maximum number of characters of a file's name without its ending."""


def short_name(library: Library, entry: Entry) -> str:
    """Return the entry's method if no other submission has the same, else its label.

    One that was derived here is called by its method and settings, without its pool.
    """
    if entry.badge == DERIVED:
        return entry.label.partition(" on ")[0]
    methods = library.once("methods", lambda: _methods(library))
    others = methods[entry.method] - (entry.badge != LOCAL)
    return entry.label if others else entry.method


def _methods(library: Library) -> Counter[str]:
    return Counter(each.method for each in library.entries if each.badge not in (LOCAL, DERIVED))


def pool_name(library: Library, pool: str) -> str:
    """Return the end of a pool's name that no other pool has: its benchmark, if that suffices."""
    names = library.once("pool names", lambda: _pool_names(library)) | {pool}
    parts = pool.split("/")
    for count in range(1, len(parts)):
        end = "/".join(parts[-count:])
        if sum(each == end or each.endswith(f"/{end}") for each in names) == 1:
            return end
    return pool


def _pool_names(library: Library) -> frozenset[str]:
    ran_on = (each.pool for entry in library.entries for each in entry.results.values())
    return frozenset([*ran_on, *(row["name"] for row in library.pools)])


def file_name(*parts: str) -> str:
    """Return a file's name without its ending: the parts' letters, digits, dots and hyphens."""
    plain = unicodedata.normalize("NFKD", "-".join(parts)).encode("ascii", "ignore").decode()
    kept = re.sub(r"[^A-Za-z0-9.]+", "-", plain)[:LONGEST_FILE].strip("-.")
    return kept or "table"
