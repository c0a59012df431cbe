r"""Boxes in texts: `\boxed{…}`, `\fbox{…}`, and `\boxed 5` without braces."""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPENED = re.compile(r"(?:\\(?:f?box(?:ed)?|framebox)|\x08oxed|\x0cbox)\s*\{")
r"""Beginning of a box. `\x08oxed` and `\x0cbox` are `\boxed` and `\fbox` in a text that was read as
JSON with a backslash too few."""

_OPENED_BARE = re.compile(r"(?<![A-Za-z\\])b?oxed\s*\{")
"""The same without a backslash, or with one that was read as a backspace and lost."""

_BRACELESS = re.compile(
    r"\\(?:boxed|fbox)(?:[ \t]+|(?=[0-9]))((?:\\[A-Za-z]++(?:\{[^{}]*+\})*+|[^\s${}\\])++)(?![{}])"
)
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_SOMETHING = re.compile(r"\s*+\S")


@dataclass(frozen=True, slots=True)
class Box:
    """A box's place in a text: where it begins, and where its content begins and ends."""

    place: int
    start: int
    end: int

    def content(self, text: str) -> str:
        """Return what is in the box."""
        return text[self.start : self.end].strip()


def boxed(text: str) -> list[Box]:
    r"""Return all balanced boxes of a text, also those in other boxes, in order of their places.

    Braces inside are matched; escaped ones (`\{`) count as characters. An empty box is skipped,
    since a model may only be repeating its instructions. The time is linear in the length of any
    text.
    """
    starts = {match.end() - 1: match.start() for match in _OPENED.finditer(text)}
    if not starts and "oxed" in text:
        starts = {match.end() - 1: match.start() for match in _OPENED_BARE.finditer(text)}
    found = [Box(m.start(), m.start(1), m.end(1)) for m in _BRACELESS.finditer(text)]
    open_braces: list[int] = []
    for match in _BRACE.finditer(text, min(starts)) if starts else ():
        brace = match[0]
        if brace == "{":
            open_braces.append(match.start())
        elif brace == "}" and open_braces:
            opened = open_braces.pop()
            if opened in starts:
                found.append(Box(starts[opened], opened + 1, match.start()))
    found.sort(key=lambda box: box.place)
    return [box for box in found if _SOMETHING.match(text, box.start, box.end)]


def last_boxed(text: str) -> str | None:
    r"""Return the content of the last box of a text that is not empty, None without one.

    >>> last_boxed(r"so \boxed{1}, or rather \boxed{\frac{1}{2}}; but \boxed{3")
    '\\frac{1}{2}'
    """
    boxes = boxed(text)
    return boxes[-1].content(text) if boxes else None
