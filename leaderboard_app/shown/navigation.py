"""The pages of the app by the names that links have."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode


@dataclass(frozen=True, slots=True)
class PageEntry:
    """A page: its file below `views/`, what the navigation calls it, its Material icon."""

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
"""The page without a name in its address."""


def link(page: str, **parameters: str | int | None) -> str:
    """The link of a page of this app, as table cells have it: `entry?entry=…`; the board's is `./`.

    It holds from every page, as all of them lie side by side.
    """
    given = {name: str(value) for name, value in parameters.items() if value is not None}
    path = "./" if page == HOME else page
    return f"{path}?{urlencode(given)}" if given else path
