"""Number of tokens until a text matches a pattern, judged by each prefix alone.

A halted trace can be cut anywhere in its text, so a match must not depend on text after the cut: a
match in a prefix must be a match in every continuation. Then the first prefix with a match can be
found by bisection.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from itertools import islice

from simulator.arrays import Ints

_PIECES = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
"""Pattern for an escape, a set of characters, or one character; `\\b` in a set is a backspace."""

_LOOKS_AHEAD = {
    r"\$|\\[Zz]": "the end of the text",
    r"\(\?[=!]": "what follows, (?= or (?!",
    r"\(\?>|[*+?]\+|\{\d*,?\d*\}\+": "an atomic group or possessive repetition",
}
"""Constructs whose match can fail with more text."""


def stable_pattern(pattern: str) -> re.Pattern[str]:
    r"""Compile a pattern so that a match in a prefix is a match in every longer prefix.

    `\b` and `\B` do not match at the very end of a prefix, where they depend on the next character.

    Raises
    ------
    ValueError
        The pattern is not a regular expression, or depends on later text.
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
                    f"the pattern {pattern!r} uses {what}, which depends on later text; "
                    "match existing text instead, such as a following newline"
                )
        return re.compile(
            "".join(rf"(?:{piece}(?!\Z))" if piece in (r"\b", r"\B") else piece for piece in pieces)
        )
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"the pattern {pattern!r} is not a regular expression: {error}") from None


def tokens_until_match(text: str, token_ends: Ints, pattern: re.Pattern[str]) -> int | None:
    """Return the fewest tokens whose text matches a stable pattern; None if there is no match.

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
    """Compile a pattern for any of these as a whole word, in upper or lower case."""
    return re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)


def tokens_until_word(
    text: str, token_ends: Ints, words: re.Pattern[str], number: int
) -> int | None:
    """Return the fewest tokens with `number` whole words and a character after them, or None."""
    if not len(token_ends):
        return None
    matches = words.finditer(text, 0, int(token_ends[-1]))
    last = next(islice(matches, number - 1, None), None)
    if last is None or last.end() >= token_ends[-1]:
        return None
    return int(token_ends.searchsorted(last.end(), side="right")) + 1
