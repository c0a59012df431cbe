r"""Reading of mathematical answers: values, lists, tuples, intervals, equations, matrices.

`read` gives every answer a key; answers with equal keys mean the same, so that thousands are
grouped by one dictionary. Some may also stand for something else, as `28\%` for 28 or a decimal
for the fraction it rounds; `Reading.stands_for` and `Reading.rounded` say for what.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal

import mpmath

from simulator.answers.meaning import arithmetic, formulas, math_answers
from simulator.answers.meaning.arithmetic import Number, TooLarge
from simulator.answers.meaning.notation import MAX_LENGTH, plain

Key = Any  # nested tuples of texts
Standing = Literal["percent", "equation", "assignment", "list", "digits"]

MIN_PLACES = 6
"""Decimal places from which a decimal may be another value rounded, as in math-verify."""

MAX_PARTS = 60
"""Elements of the longest list that is read; a longer one is compared as text."""

_OPEN, _CLOSE = "([{", ")]}"
_THOUSANDS = re.compile(r"(?<![0-9,.])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9]|,[0-9])")
_LITERAL = re.compile(r"[-+]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(?:\.([0-9]*))?")
_NAME = re.compile(r"(?:\^\{-1\}|[a-zA-Z|\s(),']|\\[a-zA-Z]+|_\s*(?:[0-9a-zA-Z]|\{[^{}]*\})|[{}])+")
_LETTER = re.compile(r"\s*(?:[a-zA-Z]|\\[a-zA-Z]+)(?:_(?:[0-9a-zA-Z]|\{[0-9a-zA-Z]+\}))?\s*")
_MEMBER = re.compile(r"(.{1,40}?)\\in(?![a-zA-Z])(.*)", re.DOTALL)
_BASED = re.compile(
    r"\(?([0-9A-F]*[0-9][0-9A-F]*)\)?_\s*(?:\{\s*([0-9]{1,2}|[a-z]{3,7})\s*\}|([0-9]))"
)
_BASE_WORDS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8}
_BASE_WORDS |= {"nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "sixteen": 16}
_BUILDER = re.compile(r"\\\{\s*[a-zA-Z]\s*(?:\\in\s*\\mathbb\s*\{R\}\s*)?[|:](.*)\\\}", re.DOTALL)
_RATIO = re.compile(r"\s*([0-9]+)\s*:\s*([0-9]+)\s*")
_RELATION = re.compile(r"\\leq(?![a-zA-Z])|\\geq(?![a-zA-Z])|<=|>=|<|>")
_CONGRUENCE = re.compile(r"(.+)\\equiv(.+?)\(?\\(?:pmod|bmod|mod)\s*\{?\s*([0-9]+)\s*\}?\)?")
_MATRIX = re.compile(
    r"\\begin\s*\{([pbB]?matrix|array)\}(?:\{[lcr|]*\})?(.*)\\end\s*\{\1\}", re.DOTALL
)
_INFINITY = re.compile(r"([-+]?)\s*(?:\\infty|infinity|inf|oo)")
_WORDS = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{4,}")


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


class _Unread(Exception):  # noqa: N818  (not an error, an answer)
    """An answer that is not certainly understood."""


@lru_cache(maxsize=65536)
def read(answer: str) -> Reading:
    r"""Return the reading of an answer; every text has one.

    >>> read("x = 0.5") == read(r"\frac{1}{2}"), read("(1, 2)") == read("(2, 1)")
    (True, False)
    """
    text = plain(answer)
    if len(text) > MAX_LENGTH or not text:
        return _as_text(text)
    try:
        return _Structure(text).read()
    except TooLarge:
        return _as_text(text)
    except (_Unread, RecursionError):
        pass
    if _WORDS.search(text.replace("matrix", "")) or "\\ldots" in text or ".." in text:
        return _as_text(text)
    try:
        found = math_answers.meaning(text)
    except TooLarge:
        found = None
    if found is None:
        return _as_text(text)
    if found.values is not None:
        return _scalar(found.values, None)
    return Reading(_as_text(text).key, is_formula=True)


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


def _as_text(text: str) -> Reading:
    r"""Return the reading of a text that is no mathematics: its words, in any case."""
    bare = text.casefold() if _WORDS.search(text) else text
    return Reading(("text", re.sub(r"[\s{}]+", "", bare) or text))


def _scalar(values: tuple[Number, ...], literal: re.Match[str] | None) -> Reading:
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


class _Structure:
    """A reader of one answer in plain notation."""

    def __init__(self, text: str) -> None:
        self.text = text

    def read(self) -> Reading:
        parts = split(self.text)
        if len(parts) > MAX_PARTS:
            raise _Unread
        return _element(parts[0]) if len(parts) == 1 else _bare_list(parts)


def split(text: str, at: str = ",") -> list[str]:
    """Split a text where a character stands outside all brackets; 1,000 is one number.

    Brackets count whatever their kind, as in `[0, 1)`. Escaped braces are brackets, too.
    """
    grouped = {p for match in _THOUSANDS.finditer(text) for p in range(*match.span())}
    parts, depth, start = [], 0, 0
    for place, character in enumerate(text):
        if character in _OPEN:
            depth += 1
        elif character in _CLOSE:
            depth -= 1
        elif character == at and depth == 0 and place not in grouped:
            parts.append(text[start:place])
            start = place + 1
    if depth != 0:
        return [text]
    parts.append(text[start:])
    return [part.strip() for part in parts]


def _element(text: str) -> Reading:
    """Read what is no list: a scalar, a bracketed list, a relation, a matrix, a percentage."""
    text = text.strip()
    if not text:
        raise _Unread
    literal = _LITERAL.fullmatch(text.replace(" ", ""))
    if literal and re.search("[0-9]", text):
        values = arithmetic.evaluate(text)
        if values is None:
            raise _Unread
        return _scalar(values, literal)
    if builder := _BUILDER.fullmatch(text):
        return _element(builder[1])
    if matrix := _MATRIX.fullmatch(text):
        return _matrix(matrix[2])
    if "\\approx" in text:
        first, _, last = text.partition("\\approx")
        return _element(first if first.strip() and not _is_name(first) else last)
    if congruence := _CONGRUENCE.fullmatch(text):
        return _congruence(*congruence.groups())
    sides = _sides(text)
    if len(sides) > 1:
        return _equation(sides)
    if _RELATION.search(text):
        return _inequality(text)
    if "\\in" in text and (member := _MEMBER.fullmatch(text)) and _is_name(member[1]):
        return _element(member[2])
    if "\\cup" in text:
        parts = [_element(part) for part in re.split(r"\\cup(?![a-zA-Z])", text)]
        return _gathered("union", parts)
    if "\\pm" in text or "\\mp" in text:
        return _both_signs(text)
    return _bracketed(text) or _special(text) or _value(text)


def _value(text: str) -> Reading:
    values = arithmetic.evaluate(text)
    if values is None:
        raise _Unread
    return _scalar(values, None)


def _special(text: str) -> Reading | None:
    """Read a percentage, infinity, a number in another base, or a ratio; None for others."""
    if text.endswith("\\%"):
        value = arithmetic.evaluate(text[:-2])
        if value is None or len(value) > 1:
            raise _Unread
        number = value[0]
        whole, share = (_scalar((each,), None).key for each in (number, number / 100))
        return Reading(("percent", whole), (("percent", whole), ("percent", share)))
    if infinity := _INFINITY.fullmatch(text):
        return Reading(("value", "-oo" if infinity[1] == "-" else "oo"))
    if based := _BASED.fullmatch(text):
        written = based[2] or based[3]
        base = int(written) if written.isdigit() else _BASE_WORDS.get(written, 0)
        try:
            value = arithmetic.clean(int(based[1], base)) if base > 1 else None
        except ValueError:
            value = None
        if value is None:
            return Reading(("text", text.replace(" ", "")))
        digits = arithmetic.evaluate(based[1]) if based[1].isdigit() else None
        also: Any = (("digits", _scalar(digits, None).key),) if digits else ()
        return Reading(_scalar((value,), None).key, also)
    if ratio := _RATIO.fullmatch(text):
        is_time = len(ratio[1]) < 3 and len(ratio[2]) == 2
        if is_time or int(ratio[2]) == 0:
            return Reading(("text", f"{int(ratio[1])}:{ratio[2]}"))
        return _scalar((Fraction(int(ratio[1]), int(ratio[2])),), None)
    return None


def _bracketed(text: str) -> Reading | None:
    """Read a list in brackets; None if the text is none."""
    for opening, closing, kind in _BRACKETS:
        if not (text.startswith(opening) and text.endswith(closing)):
            continue
        inside = text[len(opening) : -len(closing)]
        if not _is_balanced(inside):
            continue
        parts = split(inside)
        if len(parts) == 1:
            return _element(parts[0]) if kind in ("{}", "()", "[]") else None
        if len(parts) > MAX_PARTS:
            raise _Unread
        if kind == "{}":
            return _bare_list(parts)
        return _sequence(kind if len(parts) == 2 else "()", [_element(part) for part in parts])
    return None


_BRACKETS = (
    ("\\{", "\\}", "{}"),
    ("(", ")", "()"),
    ("[", "]", "[]"),
    ("(", "]", "(]"),
    ("[", ")", "[)"),
    ("]", "[", "()"),
    ("]", "]", "(]"),
    ("[", "[", "[)"),
)


def _is_balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character in _OPEN) - (character in _CLOSE)
        if depth < 0:
            return False
    return depth == 0


def _sequence(kind: str, parts: Sequence[Reading]) -> Reading:
    """Return the reading of elements in order, or of an interval."""
    return Reading(
        ("sequence", kind, *(part.key for part in parts)),
        rounded=_all_rounded("sequence" + kind, parts),
        is_decimal=any(part.is_decimal for part in parts),
    )


def _all_rounded(kind: str, parts: Sequence[Reading]) -> Key:
    keys = [("=", part.key) if part.rounded is None else part.rounded for part in parts]
    return (kind, *keys)


def _gathered(kind: Literal["set", "union"], parts: Sequence[Reading]) -> Reading:
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


def _bare_list(parts: Sequence[str]) -> Reading:
    """Read elements in any order; written in this order, they may stand for a tuple."""
    sides = [_sides(part) for part in parts]
    names = [
        side[0].replace(" ", "") if len(side) > 1 and _is_name(side[0]) else "" for side in sides
    ]
    stems = {name.split("_")[0] for name in names}
    if all(names) and len(set(names)) == len(names) and len(stems) > 1:
        ordered = sorted(zip(names, (side[-1] for side in sides), strict=True))
        return _sequence("()", [_element(value) for _, value in ordered])
    if all(_RELATION.search(part) for part in parts):
        return _inequalities(parts)
    elements = [
        _element(side[-1] if name else part)
        for name, side, part in zip(names, sides, parts, strict=True)
    ]
    found = _gathered("set", elements)
    ordered_key = _sequence("()", elements).key
    if found.key[0] != "set":
        return found
    return Reading(found.key, (("list", ordered_key),), found.rounded, found.is_decimal)


def _both_signs(text: str) -> Reading:
    upper = text.replace("\\pm", "+").replace("\\mp", "-")
    lower = text.replace("\\pm", "-").replace("\\mp", "+")
    return _gathered("set", [_element(each.strip().removeprefix("+")) for each in (upper, lower)])


def _matrix(inside: str) -> Reading:
    rows = [row for row in inside.split("\\\\") if row.strip()]
    cells = [[_element(cell) for cell in row.split("&")] for row in rows]
    if sum(map(len, cells)) > MAX_PARTS:
        raise _Unread
    flat = [_sequence("row", row) for row in cells]
    return _sequence("matrix", flat)


def _sides(text: str) -> list[str]:
    """Split an equation at its signs of equality, outside of brackets."""
    if "=" not in text or re.search(r"[<>!]=|\\neq|\\equiv", text):
        return [text]
    return split(text, "=")


def _is_name(text: str) -> bool:
    r"""Check whether a text names a value: `x`, `x_1`, `f(x)`, `\angle ABC`, `(x, y)`, `Area`."""
    return bool(text.strip()) and _NAME.fullmatch(text) is not None and "\\frac" not in text


def _is_labelled(sides: Sequence[str]) -> bool:
    return len(sides) > 1 and _is_name(sides[0])


def _equation(sides: list[str]) -> Reading:
    first, last = sides[0], sides[-1]
    if not first:
        return _element(last)
    if _is_labelled(sides):
        value = _element(last)
        difference = _difference(first, last) if _LETTER.fullmatch(first) else None
        if difference is None or value.key[0] != "value" or len(value.key) == 2:
            return value
        also: Any = (("assignment", difference),)
        return Reading(value.key, also, value.rounded, value.is_decimal)
    if _LETTER.fullmatch(last) and len(sides) == 2:
        letter, node = formulas.parse(last), formulas.parse(first)
        if letter and node and not formulas.letters(letter) & formulas.letters(node):
            return _equation([last, first])
    key = _difference(first, last)
    if key is None:
        return _element(last)
    values = arithmetic.evaluate(last)
    if values is None or len(values) > 1:
        return Reading(key)
    return Reading(key, (("equation", _scalar(values, None).key),))


def _congruence(name: str, value: str, modulus: str) -> Reading:
    r"""Read `N \equiv 12 \pmod{7}`, which may stand for 5."""
    values = arithmetic.evaluate(value)
    number = values[0] if values else None
    if not _is_name(name) or not isinstance(number, Fraction) or int(modulus) == 0:
        raise _Unread
    remainder = _scalar((number % int(modulus),), None).key
    return Reading(("congruence", remainder, modulus.lstrip("0")), (("equation", remainder),))


def _difference(left: str, right: str) -> Key | None:
    """Return a key of left = right, the same for all its multiples; None between constants."""
    values = arithmetic.evaluate(f"({left}) - ({right})")
    if values is None:
        raise _Unread
    if len(values) == 1:
        return None
    with mpmath.workdps(arithmetic.DIGITS):
        if any(value == 0 for value in values):
            raise _Unread
        first, *others = (mpmath.mpmathify(arithmetic.real(value)) for value in values)
        ratios = (arithmetic.clean(other / first) for other in others)
        return ("equation", *map(arithmetic.key, ratios))


def _inequality(text: str) -> Reading:
    """Read one or two relations with a letter as the interval that they describe."""
    signs = _RELATION.findall(text)
    sides = [side.strip() for side in _RELATION.split(text)]
    if len(sides) > 3 or not _is_balanced(sides[0]):
        raise _Unread
    less = [sign in ("<", "<=", "\\leq") for sign in signs]
    strict = [sign in ("<", ">") for sign in signs]
    if not any(less):
        sides, strict = sides[::-1], strict[::-1]
    elif not all(less):
        raise _Unread
    if len(sides) == 3:
        low, letter, high = sides
        kind = ("(" if strict[0] else "[") + (")" if strict[1] else "]")
    elif _LETTER.fullmatch(sides[0]):
        low, (letter, high) = "-\\infty", sides
        kind = "()" if strict[0] else "(]"
    else:
        (low, letter), high = sides, "\\infty"
        kind = "()" if strict[0] else "[)"
    if not _LETTER.fullmatch(letter) or letter in ("\\infty", "\\pi", "e"):
        if len(sides) == 2:
            return _linear_inequality(sides[0], sides[1], strict[0])
        raise _Unread
    ends = [_element(low), _element(high)]
    if any(end.key[0] != "value" or len(end.key) > 2 for end in ends):
        raise _Unread
    return _sequence(kind, ends)


def _linear_inequality(less: str, more: str, strict: bool) -> Reading:
    """Read `2x < 6` as the interval that it describes."""
    node = formulas.parse(f"({less}) - ({more})")
    names = formulas.letters(node) if node else set()
    values = arithmetic.values(node) if node else None
    if values is None or len(names) != 1 or len(values) < 3:
        raise _Unread
    with mpmath.workdps(arithmetic.DIGITS):
        points = [arithmetic.letter_value(next(iter(names)), point) for point in range(3)]
        numbers = [mpmath.mpmathify(arithmetic.real(value)) for value in values[:3]]
        slopes = [(numbers[n] - numbers[0]) / (points[n] - points[0]) for n in (1, 2)]
        if arithmetic.clean(slopes[0] / slopes[1]) != 1:
            raise _Unread
        end = _scalar((arithmetic.clean(points[0] - numbers[0] / slopes[0]),), None)
    infinite = Reading(("value", "-oo" if slopes[0] > 0 else "oo"))
    if slopes[0] > 0:
        return _sequence("()" if strict else "(]", [infinite, end])
    return _sequence("()" if strict else "[)", [end, infinite])


def _inequalities(parts: Sequence[str]) -> Reading:
    """Return the interval between two bounds of a letter, or the union of several intervals."""
    if len({letter for part in parts for letter in re.findall("[a-zA-Z]", _bare(part))}) != 1:
        raise _Unread
    readings = [_inequality(part) for part in parts]
    for first, second in (readings, readings[::-1]) if len(readings) == 2 else ():
        (_, kind_a, low_a, high_a), (_, kind_b, low_b, high_b) = first.key, second.key
        bounds = low_a == ("value", "-oo") and high_b == ("value", "oo")
        if bounds and _order(low_b) < _order(high_a):
            return Reading(("sequence", kind_b[0] + kind_a[1], low_b, high_a))
    return _gathered("union", readings)


def _bare(text: str) -> str:
    """Return a text without LaTeX commands."""
    return re.sub(r"\\[a-zA-Z]+", " ", text)


def _order(key: Key) -> Fraction:
    """Return the value of a real constant's key, for sorting."""
    if "/" not in key[1]:
        return Fraction(key[1])
    top, bottom = key[1].split("/")
    return Fraction(int(top, 16), int(bottom, 16))
