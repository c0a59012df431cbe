"""The web server of the app: Streamlit's, with a page that is complete before its scripts run.

Streamlit serves the same HTML for every page, entitled "Streamlit" and without the app's styles.
Here, each page has its title, a description and the styles from the start, so that a preview of a
link names the page, and nothing moves when the styles arrive.
"""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from html import escape
from importlib import import_module
from pathlib import Path
from threading import Thread

import streamlit
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.starlette import App

from leaderboard_app.library.board_file import Board, read_board
from leaderboard_app.library.folders import Folders
from leaderboard_app.shown.navigation import HOME, PAGES
from simulator.errors import UserError

HERE = Path(__file__).parent

STATIC = Path(streamlit.__file__).parent / "static"

FIRST = ("BidiComponent", "StreamlitMarkdown", "ButtonGroup", "Selectbox", "DownloadButton")
"""Scripts of Streamlit that the first view needs, and would load only once it knows that."""

MODULES = (
    "leaderboard_app.shown.screen",
    "leaderboard_app.library.citation",
    "leaderboard_app.tradeoff.chart",
)
"""Modules of the first view that take longest to import."""

ABOUT = "Methods that stop parallel reasoning traces early: their accuracy and tokens, verified."
"""Description of a board that states none."""


@cache
def _parts() -> tuple[str, str]:
    """Return Streamlit's HTML up to its title and after it, with the styles and first scripts."""
    before, title, after = (
        (STATIC / "index.html").read_text(encoding="utf-8").partition("<title>Streamlit</title>")
    )
    if not title:  # another layout of a later release: its title stays
        before, title, after = before.partition("</head>")
        after = title + after
    styles = (HERE / "app.css").read_text(encoding="utf-8")
    return before, f"<style>{styles}</style>{''.join(_scripts())}{after}"


def _scripts() -> Iterator[str]:
    for name in FIRST:
        for file in STATIC.glob(f"static/js/{name}.*.js"):
            yield f'<link rel="modulepreload" crossorigin href="./static/js/{file.name}">'


def html_of(page: str, board: Board) -> str:
    """Return the HTML of a page, by its name in links."""
    title = board.title if page == HOME else f"{PAGES[page].title} · {board.title}"
    about = board.description or ABOUT
    head = [f"<title>{escape(title)}</title>"]
    head += [f'<meta name="description" content="{escape(about)}">']
    head += [
        f'<meta property="og:{name}" content="{escape(text)}">'
        for name, text in (("type", "website"), ("title", title), ("description", about))
    ]
    before, after = _parts()
    return f"{before}{''.join(head)}{after}"


def _wants_html(scope: Scope) -> bool:
    accepted = Headers(scope=scope).get("accept", "*/*")
    return "text/html" in accepted or "*/*" in accepted


def read_ahead() -> None:
    """Begin to read the board."""
    from leaderboard_app.library import watching  # slow to import

    with suppress(UserError):  # shown on the page
        watching.READER.begin(Folders.from_environment())


def import_ahead() -> None:
    """Import what the first page draws with."""
    for name in MODULES:
        import_module(name)


@asynccontextmanager
async def prepared(app: App) -> AsyncIterator[None]:
    """Prepare the first page in threads, from the start of the server.

    Streamlit collects garbage after each run of a page. Collections in between would take half a
    second until thousands of entries are shown.
    """
    gc.disable()
    for work in (read_ahead, import_ahead):
        Thread(target=work, daemon=True).start()
    yield
    gc.enable()


class Pages:
    """Middleware that answers requests for pages."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a page's HTML; hand on every other request."""
        app: ASGIApp = self.app
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
            page = scope["path"].rpartition("/")[2] or HOME
            if page in PAGES and _wants_html(scope):
                board = Board()
                with suppress(UserError):  # shown on the page
                    board = read_board(Folders.from_environment().submissions)
                app = HTMLResponse(html_of(page, board), headers={"Cache-Control": "no-cache"})
        await app(scope, receive, send)


app = App(HERE / "app.py", lifespan=prepared, middleware=[Middleware(Pages)])
