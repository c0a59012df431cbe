"""The pages of the app, by their names in links."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote_plus


@dataclass(frozen=True, slots=True)
class PageEntry:
    """A page: its file in `views/`, its title in the navigation, its Material icon."""

    file: str
    title: str
    icon: str


PAGES = {
    "board": PageEntry("views/board/page.py", "Board", "leaderboard"),
    "tradeoff": PageEntry("views/tradeoff/page.py", "Trade-off", "scatter_plot"),
    "compare": PageEntry("views/compare/page.py", "Compare", "compare_arrows"),
    "entry": PageEntry("views/entry/page.py", "Entry", "article"),
    "problem": PageEntry("views/problem/page.py", "Problem", "account_tree"),
    "data": PageEntry("views/data/page.py", "Data", "database"),
    "judges": PageEntry("views/judges/page.py", "Judges", "gavel"),
    "submit": PageEntry("views/submit/page.py", "Submit", "upload"),
}

HOME = "board"
"""Name of the page whose address has no name."""


def link(page: str, **parameters: str | int | None) -> str:
    """Return the link of a page, as used in table cells: `entry?entry=…`; the board's is `./`.

    It works from every page, as all pages are on the same level.
    """
    given = "&".join(
        f"{name}={_quoted(str(value))}" for name, value in parameters.items() if value is not None
    )
    path = "./" if page == HOME else page
    return f"{path}?{given}" if given else path


_quoted = lru_cache(maxsize=4096)(quote_plus)
