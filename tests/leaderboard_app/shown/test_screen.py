"""Rendering of pages: plain texts where Streamlit reads Markdown."""

from __future__ import annotations

import pytest

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
