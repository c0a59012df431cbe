r"""Likeness of a wrong answer to the gold answer, for people who look for wrong grades.

It says which answers are worth a look, and decides nothing.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher

CLOSE = 0.01
"""Largest relative difference of two values that are close."""

SIMILAR = 0.8
"""Smallest share of characters in common of two similar texts."""

SHORTEST = 5
"""Length of the shortest texts that can be similar, in characters."""

LONGEST = 300
"""Number of characters that are compared."""

_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_MARKUP = re.compile(
    r"\\(?:text(?:bf|it|rm)?|mathrm|mathbf|mathbb|mathsf|operatorname|boxed|fbox|left|right"
    r"|displaystyle|quad)(?![a-z])|\\[,;:! ]|[\\${}*`~]"
)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_NUMBER = re.compile(r"\d+(?:\.\d+)?|\.\d+")
_VALUE = re.compile(r"([+-]?)((?:\d+\.?\d*|\.\d+))(?:/(\d+\.?\d*))?(%?)")


def likeness(gold: str, answer: str) -> str | None:
    r"""Say in which way a wrong answer looks like the gold answer; None if it does not.

    >>> likeness("12", r"12\text{ apples}"), likeness("1/3", "0.333"), likeness("204", "205")
    ('holds the gold answer', 'close in value', None)
    """
    ours, theirs = _bare(gold), _bare(answer)
    if not ours or not theirs:
        return None
    if ours.replace(" ", "") == theirs.replace(" ", ""):
        return "the same but for markup"
    one, other = _value(ours), _value(theirs)
    if one is not None and other is not None:
        return _like_number(ours, theirs, one, other)
    if _holds(theirs, ours):
        return "holds the gold answer"
    if _holds(ours, theirs):
        return "a part of the gold answer"
    numbers = sorted(_NUMBER.findall(ours))
    if numbers and numbers == sorted(_NUMBER.findall(theirs)):
        return "the same numbers"
    if min(len(ours), len(theirs)) >= SHORTEST:
        matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
        if matcher.real_quick_ratio() >= SIMILAR and matcher.ratio() >= SIMILAR:
            return "similar text"
    return None


def _bare(answer: str) -> str:
    """Return an answer in small letters without markup, fractions with a slash."""
    text = answer[:LONGEST].casefold().replace("−", "-")
    text = _FRACTION.sub(r"\1/\2", text)
    text = _THOUSANDS.sub("", _MARKUP.sub(" ", text))
    return " ".join(text.split()).strip(" .")


def _value(bare: str) -> float | None:
    """Return the value of a plain number, fraction or percentage."""
    match = _VALUE.fullmatch(bare.replace(" ", ""))
    if match is None or (match[3] and float(match[3]) == 0):
        return None
    value = float(match[2]) / float(match[3] or 1) / (100 if match[4] else 1)
    return -value if match[1] == "-" else value


def _like_number(ours: str, theirs: str, one: float, other: float) -> str | None:
    if one == -other:
        return "the same but for the sign"
    if one.is_integer() and other.is_integer():
        return None
    digits = [re.sub(r"\D", "", text).strip("0") for text in (ours, theirs)]
    if digits[0] and digits[0] == digits[1]:
        return "the same digits"
    close = abs(one - other) <= CLOSE * max(abs(one), abs(other))
    return "close in value" if close else None


def _holds(text: str, part: str) -> bool:
    """Check that a text holds another one as a whole: not as a piece of a word or a term."""
    return re.search(rf"(?<![\w./^+*-]){re.escape(part)}(?![\w/^*]|[.+-]\w)", text) is not None
