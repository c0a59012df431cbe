"""Rendering of pages: plain texts where Streamlit reads Markdown, and a steady layout."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from leaderboard_app.library import watching
from leaderboard_app.library.folders import Folders
from leaderboard_app.library.watching import Reader
from leaderboard_app.shown import screen


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("recorded/model-a/b_1", r"recorded/model\-a/b\_1"),
        (":material/verified: x", "\\:\u2060material/verified\\: x"),  # would be an icon
        (":+1::a:", "\\:\u2060\\+1\\:\\:\u2060a\\:"),  # would be emoji
        ("a -> b", "a \\-\u2060\\> b"),  # would be an arrow
        ("a->b: 1:30", r"a\-\>b\: 1\:30"),  # would not
    ],
)
def test_texts_in_markdown_are_shown_as_they_are(text: str, shown: str) -> None:
    assert screen.plain(text) == shown


@pytest.mark.parametrize("page", ["board", "tradeoff"])
def test_a_run_that_reads_the_files_has_everything_at_its_place_in_other_runs(
    open_app: Callable[..., AppTest], small: Folders, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    # A widget that moves is made anew in the browser, and then may no longer change the address.
    app = open_app(small, page).run()
    places = [(place, each.type) for place, each in app.main.children.items()]
    reader = Reader()
    monkeypatch.setattr(watching, "READER", reader)
    app.run()
    assert reader.begin(small).is_shown
    assert [(place, each.type) for place, each in app.main.children.items()] == places
