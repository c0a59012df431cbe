"""How many tokens it takes until a text says something, seen from each prefix alone.

A halted trace is cut in the middle of whatever it was saying, so nothing here may depend on what
comes after the cut: a match in a prefix must remain one however the text goes on. Then the first
prefix with a match can be found by bisection.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from itertools import islice

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

_PIECES = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
"""An escape, a set of characters, or one character: `\\b` in a set is a backspace."""

_LOOKS_AHEAD = {
    r"\$|\\[Zz]": "the end of the text",
    r"\(\?[=!]": "what follows, (?= or (?!",
    r"\(\?>|[*+?]\+|\{\d*,?\d*\}\+": "an atomic group or possessive repetition",
}
"""What can make a match fail once more text is there."""


def stable_pattern(pattern: str) -> re.Pattern[str]:
    r"""Compile a pattern so that a match in a prefix remains one in every longer prefix.

    `\b` and `\B` do not match at the very end of a prefix, where what comes next decides.

    Raises
    ------
    ValueError
        It is no regular expression, or looks at what must not follow.
    """
    try:
        if re.compile(pattern).flags & re.VERBOSE:
            raise ValueError(f"the pattern {pattern!r} is verbose; write it without (?x)")
        pieces = _PIECES.findall(pattern)
        bare = "".join(
            "." if len(piece) > 1 and piece not in (r"\Z", r"\z") else piece for piece in pieces
        )
        for looks, what in _LOOKS_AHEAD.items():
            if re.search(looks, bare):
                raise ValueError(
                    f"the pattern {pattern!r} asks for {what}, which "
                    "more text can undo; match what is there, such as a following newline"
                )
        return re.compile(
            "".join(rf"(?:{piece}(?!\Z))" if piece in (r"\b", r"\B") else piece for piece in pieces)
        )
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"the pattern {pattern!r} is no regular expression: {error}") from None


def tokens_until_match(text: str, token_ends: Ints, pattern: re.Pattern[str]) -> int | None:
    """The fewest tokens whose text a stable pattern matches somewhere; None if all do not.

    `token_ends` has the end of each token in characters, shape (tokens,).
    """
    ends = [0, *token_ends.tolist()]
    found = pattern.search(text, 0, ends[-1])
    if found is None:
        return None
    earliest = bisect_left(ends, found.start())  # no match starts before the leftmost one
    return bisect_left(
        ends, True, lo=earliest, key=lambda end: pattern.search(text, 0, end) is not None
    )


def whole_words(words: Iterable[str]) -> re.Pattern[str]:
    """A pattern of any of these as a whole word, upper or lower case."""
    return re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)


def tokens_until_word(
    text: str, token_ends: Ints, words: re.Pattern[str], number: int
) -> int | None:
    """The fewest tokens with `number` whole words and a character after the last; or None."""
    if not len(token_ends):
        return None
    matches = words.finditer(text, 0, int(token_ends[-1]))
    last = next(islice(matches, number - 1, None), None)
    if last is None or last.end() >= token_ends[-1]:
        return None
    return int(token_ends.searchsorted(last.end(), side="right")) + 1
