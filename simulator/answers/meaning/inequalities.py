"""Inequalities, read as the intervals that they describe."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

import mpmath

from simulator.answers.meaning import arithmetic, formulas
from simulator.answers.meaning.readings import Key, Reading, Unread, gathered, scalar, sequence

RELATION = re.compile(r"\\leq(?![a-zA-Z])|\\geq(?![a-zA-Z])|<=|>=|<|>")
LETTER = re.compile(r"\s*(?:[a-zA-Z]|\\[a-zA-Z]+)(?:_(?:[0-9a-zA-Z]|\{[0-9a-zA-Z]+\}))?\s*")
_INFINITY = re.compile(r"([-+]?)\s*(?:\\infty|infinity|inf|oo)")


def infinity(text: str) -> Reading | None:
    """Read an infinity; None for anything else."""
    found = _INFINITY.fullmatch(text)
    return Reading(("value", "-oo" if found[1] == "-" else "oo")) if found else None


def inequality(text: str) -> Reading:
    """Read one or two relations with a letter as the interval that they describe."""
    signs = RELATION.findall(text)
    sides = [side.strip() for side in RELATION.split(text)]
    if len(sides) > 3:
        raise Unread
    less = [sign in ("<", "<=", "\\leq") for sign in signs]
    strict = [sign in ("<", ">") for sign in signs]
    if not any(less):
        sides, strict = sides[::-1], strict[::-1]
    elif not all(less):
        raise Unread
    if len(sides) == 3:
        low, letter, high = sides
        kind = ("(" if strict[0] else "[") + (")" if strict[1] else "]")
    elif LETTER.fullmatch(sides[0]):
        low, (letter, high) = "-\\infty", sides
        kind = "()" if strict[0] else "(]"
    else:
        (low, letter), high = sides, "\\infty"
        kind = "()" if strict[0] else "[)"
    if not LETTER.fullmatch(letter) or letter in ("\\infty", "\\pi", "e"):
        if len(sides) == 2:
            return _linear_inequality(sides[0], sides[1], strict[0])
        raise Unread
    ends = [_end(low), _end(high)]
    return sequence(kind, ends)


def _linear_inequality(less: str, more: str, strict: bool) -> Reading:
    """Read `2x < 6` as the interval that it describes."""
    node = formulas.parse(f"({less}) - ({more})")
    names = formulas.letters(node) if node else set()
    values = arithmetic.values(node) if node else None
    if values is None or len(names) != 1 or len(values) < 3:
        raise Unread
    with mpmath.workdps(arithmetic.DIGITS):
        points = [arithmetic.letter_value(next(iter(names)), point) for point in range(3)]
        numbers = [mpmath.mpmathify(arithmetic.real(value)) for value in values[:3]]
        slopes = [(numbers[n] - numbers[0]) / (points[n] - points[0]) for n in (1, 2)]
        if arithmetic.clean(slopes[0] / slopes[1]) != 1:
            raise Unread
        end = scalar((arithmetic.clean(points[0] - numbers[0] / slopes[0]),), None)
    infinite = Reading(("value", "-oo" if slopes[0] > 0 else "oo"))
    if slopes[0] > 0:
        return sequence("()" if strict else "(]", [infinite, end])
    return sequence("()" if strict else "[)", [end, infinite])


def inequalities(parts: Sequence[str]) -> Reading:
    """Return the interval between two bounds of a letter, or the union of several intervals."""
    if len({letter for part in parts for letter in re.findall("[a-zA-Z]", _bare(part))}) != 1:
        raise Unread
    readings = [inequality(part) for part in parts]
    for first, second in (readings, readings[::-1]) if len(readings) == 2 else ():
        (_, kind_a, low_a, high_a), (_, kind_b, low_b, high_b) = first.key, second.key
        bounds = low_a == ("value", "-oo") and high_b == ("value", "oo")
        if bounds and _order(low_b) < _order(high_a):
            return Reading(("sequence", kind_b[0] + kind_a[1], low_b, high_a))
    return gathered("union", readings)


def _bare(text: str) -> str:
    """Return a text without LaTeX commands."""
    return re.sub(r"\\[a-zA-Z]+", " ", text)


def _order(key: Key) -> Fraction:
    """Return the value of a real constant's key, for sorting."""
    if "/" not in key[1]:
        return Fraction(key[1])
    top, bottom = key[1].split("/")
    return Fraction(int(top, 16), int(bottom, 16))


def _end(text: str) -> Reading:
    """Read an end of an interval: a constant, or infinity."""
    values = arithmetic.evaluate(text)
    found = infinity(text) or (scalar(values, None) if values and len(values) == 1 else None)
    if found is None:
        raise Unread
    return found
