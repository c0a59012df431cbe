r"""Readings: what an answer was read as, and how readings of parts make those of wholes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import mpmath

from simulator.answers.meaning import arithmetic
from simulator.answers.meaning.arithmetic import Number

Key = Any  # nested tuples of texts
Standing = Literal["percent", "equation", "assignment", "list", "digits", "clock"]

MIN_PLACES = 6
"""Decimal places from which a decimal may be another value rounded, as in math-verify."""

WORDS = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{4,}")
"""Words that are no product of letters."""


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer as read.

    Answers with equal `key` mean the same. `stands_for` are keys of what else it may stand for.
    `rounded` is the key with every number rounded, for comparison with decimals; `is_decimal` says
    that a decimal of at least `MIN_PLACES` places is in it. `is_formula` says that only math-verify
    may know more than the key, which is but the answer's text.
    """

    key: Key
    stands_for: tuple[tuple[Standing, Key], ...] = ()
    rounded: Key = None
    is_decimal: bool = False
    is_formula: bool = False


class Unread(Exception):  # noqa: N818  (not an error, an answer)
    """An answer that is not certainly understood."""


def same(a: Reading, b: Reading) -> bool:
    """Check whether two readings mean the same as far as they say: by key, or loosely."""
    return a.key == b.key or stands_for(a, b) or stands_for(b, a) or rounds(a, b) or rounds(b, a)


def stands_for(a: Reading, b: Reading) -> bool:
    """Check whether `a` may stand for `b`."""
    return any(key == b.key for _, key in a.stands_for)


def rounds(decimal: Reading, exact: Reading) -> bool:
    """Check whether a decimal is what an exact value rounds to, or has elements that are."""
    return (
        decimal.is_decimal
        and not exact.is_decimal
        and decimal.rounded is not None
        and decimal.rounded == exact.rounded
    )


def as_text(text: str) -> Reading:
    r"""Return the reading of a text that is no mathematics: its words, in any case."""
    bare = text.casefold() if WORDS.search(text) else text
    return Reading(("text", re.sub(r"[\s{}]+", "", bare) or text))


def scalar(values: tuple[Number, ...], literal: re.Match[str] | None) -> Reading:
    """Return the reading of a value; `literal` is the match of a plain number."""
    key = ("value", *map(arithmetic.key, values))
    if len(values) > 1:
        return Reading(key)
    places = len(literal[1] or "") if literal else 0
    is_decimal = places >= MIN_PLACES
    return Reading(key, rounded=_rounded(values[0], is_decimal), is_decimal=is_decimal)


def _rounded(value: Number, is_decimal: bool) -> str:
    """Return a text equal for values that agree in six places, and four digits if small."""
    if isinstance(value, Fraction) and not is_decimal:
        short = value * 10 ** (MIN_PLACES - 1)
        if short.denominator == 1:  # written out in fewer places: nothing rounds to it
            return "=" + arithmetic.key(value)
    with mpmath.workdps(arithmetic.DIGITS):
        if isinstance(value, mpmath.mpc):
            return f"{_rounded(value.real, is_decimal)},{_rounded(value.imag, is_decimal)}"
        if isinstance(value, Fraction):
            value = mpmath.mpf(value.numerator) / value.denominator
        if abs(value) < 1e-3:
            return "~" + str(mpmath.nstr(value, 4))
        if abs(value) > 1e40:
            return "~" + str(mpmath.nstr(value, 46))
        return "~" + str(int(mpmath.nint(value * 10**MIN_PLACES)))


def sequence(kind: str, parts: Sequence[Reading]) -> Reading:
    """Return the reading of elements in order, or of an interval."""
    return Reading(
        ("sequence", kind, *(part.key for part in parts)),
        rounded=_all_rounded("sequence" + kind, parts),
        is_decimal=any(part.is_decimal for part in parts),
    )


def _all_rounded(kind: str, parts: Sequence[Reading]) -> Key:
    keys = [("=", part.key) if part.rounded is None else part.rounded for part in parts]
    return (kind, *keys)


def gathered(kind: Literal["set", "union"], parts: Sequence[Reading]) -> Reading:
    """Return the reading of elements in any order; a set in a set is part of it."""
    flat: dict[Key, Reading] = {}
    for part in parts:
        if part.key[0] == kind:
            flat |= {key: Reading(key) for key in part.key[1]}
        else:
            flat[part.key] = part
    if len(flat) == 1:
        return next(iter(flat.values()))
    elements = list(flat.values())
    rounded = _all_rounded(kind, elements)
    return Reading(
        (kind, frozenset(flat)),
        rounded=(kind, frozenset(rounded[1:])),
        is_decimal=any(element.is_decimal for element in elements),
    )
