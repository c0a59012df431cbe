r"""Reading of mathematical answers: values, lists, tuples, intervals, equations, matrices.

`read` gives every answer a key; answers with equal keys mean the same, so that thousands are
grouped by one dictionary. Some may also stand for something else, as `28\%` for 28 or a decimal
for the fraction it rounds; `Reading.stands_for` and `Reading.rounded` say for what.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

import mpmath

from simulator.answers.meaning import arithmetic, formulas, math_answers
from simulator.answers.meaning.arithmetic import TooLarge
from simulator.answers.meaning.inequalities import (
    LETTER,
    RELATION,
    inequalities,
    inequality,
    infinity,
)
from simulator.answers.meaning.notation import MAX_LENGTH, plain
from simulator.answers.meaning.readings import (
    WORDS,
    Key,
    Reading,
    Unread,
    as_text,
    gathered,
    same,
    scalar,
    sequence,
)

MAX_PARTS = 60
"""Elements of the longest list that is read; a longer one is compared as text."""

_OPEN, _CLOSE = "([{", ")]}"
_THOUSANDS = re.compile(r"(?<![0-9,.])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9]|,[0-9])")
_LITERAL = re.compile(r"[-+]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(?:\.([0-9]*))?")
_NAME = re.compile(r"(?:\^\{-1\}|[a-zA-Z|\s(),']|\\[a-zA-Z]+|_\s*(?:[0-9a-zA-Z]|\{[^{}]*\})|[{}])+")
_MEMBER = re.compile(r"(.{1,40}?)\\in(?![a-zA-Z])(.*)", re.DOTALL)
_BASED = re.compile(
    r"\(?([0-9A-F]*[0-9][0-9A-F]*)\)?_\s*(?:\{\s*([0-9]{1,2}|[a-z]{3,7})\s*\}|([0-9]))"
)
_BASE_WORDS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8}
_BASE_WORDS |= {"nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "sixteen": 16}
_BUILDER = re.compile(r"\\\{\s*[a-zA-Z]\s*(?:\\in\s*\\mathbb\s*\{R\}\s*)?[|:](.*)\\\}", re.DOTALL)
_REALS = re.compile(r"\\mathbb\s*(?:\{\s*R\s*\}|R)")
_RATIO = re.compile(r"\s*([0-9]+(?:\s*:\s*[0-9]+)+)\s*")
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*([ap])\.?\s?m\.?", re.IGNORECASE)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}")
_NO_SOLUTION = re.compile(
    r"(?:there (?:is|are|exists?) )?no (?:(?:real|integer|positive|valid) )*(?:solution|root)s?"
    r"(?: exists?)?|(?:the )?(?:empty|null) set",
    re.IGNORECASE,
)
_GROUPS = re.compile(r"[-+]?[1-9][0-9]{0,2}(?:,[1-9][0-9]{2})+")
"""Numbers in brackets that are no thousands: `(100,200)` is a pair, unlike `(1,000)`."""
_CONGRUENCE = re.compile(r"(.+)\\equiv(.+?)\(?\\(?:pmod|bmod|mod)\s*\{?\s*([0-9]+)\s*\}?\)?")
_IMPLIED = re.compile(
    r".+\\(?:Rightarrow|Longrightarrow|implies)(?![a-zA-Z])((?:[^a-zA-Z]|(?<=\\)frac)*[0-9][^a-zA-Z]*)",
    re.S,
)
"""A number after the steps to it: `\\frac{2}{5} \\Rightarrow 7`."""

_RESIDUE = re.compile(r"([^=<>]+?)\(?\\pmod\s*\{?\s*([0-9]+)\s*\}?\)?")
_MATRIX = re.compile(
    r"[(\[]?\s*\\begin\s*\{([pbB]?matrix|smallmatrix|array)\}(?:\{[lcr|]*\})?(.*)\\end\s*\{\1\}\s*[)\]]?",
    re.DOTALL,
)


@lru_cache(maxsize=65536)
def read(answer: str) -> Reading:
    r"""Return the reading of an answer; every text has one.

    >>> read("x = 0.5") == read(r"\frac{1}{2}"), read("(1, 2)") == read("(2, 1)")
    (True, False)
    """
    text = plain(answer)
    text = "\\emptyset" if _NO_SOLUTION.fullmatch(text) else text
    if len(text) > MAX_LENGTH or not text:
        return as_text(text)
    try:
        return _Structure(text).read()
    except TooLarge:
        return as_text(text)
    except (Unread, RecursionError):
        pass
    if WORDS.search(text.replace("matrix", "")) or "\\ldots" in text or ".." in text:
        return as_text(text)
    try:
        found = math_answers.meaning(text)
    except TooLarge:
        found = None
    if found is None:
        return as_text(text)
    if found.values is not None:
        return scalar(found.values, None)
    return Reading(as_text(text).key, is_formula=True)


class _Structure:
    """A reader of one answer in plain notation."""

    def __init__(self, text: str) -> None:
        self.text = text

    def read(self) -> Reading:
        parts = split(self.text)
        if len(parts) > MAX_PARTS:
            raise Unread
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
        raise Unread
    literal = _LITERAL.fullmatch(text.replace(" ", ""))
    if literal and re.search("[0-9]", text):
        values = arithmetic.evaluate(text)
        if values is None:
            raise Unread
        return scalar(values, literal)
    if builder := _BUILDER.fullmatch(text):
        return _element(builder[1])
    if matrix := _MATRIX.fullmatch(text):
        return _matrix(matrix[2])
    if implied := _IMPLIED.fullmatch(text):
        return _element(implied[1])
    if "\\approx" in text:
        first, _, last = text.partition("\\approx")
        return _element(first if first.strip() and not _is_name(first) else last)
    if congruence := _CONGRUENCE.fullmatch(text):
        return _congruence(*congruence.groups())
    if residue := _RESIDUE.fullmatch(text):
        return _congruence(None, *residue.groups())
    sides = _sides(text)
    if len(sides) > 1:
        return _equation(sides)
    if RELATION.search(text):
        return inequality(text)
    if "\\in" in text and (member := _MEMBER.fullmatch(text)) and _is_name(member[1]):
        return _element(member[2])
    if "\\cup" in text:
        parts = [_element(part) for part in re.split(r"\\cup(?![a-zA-Z])", text)]
        return gathered("union", parts)
    if "\\pm" in text or "\\mp" in text:
        return _both_signs(text)
    if _REALS.fullmatch(text):
        return _element("(-\\infty,\\infty)")
    return _bracketed(text) or _special(text) or _value(text)


def _value(text: str) -> Reading:
    values = arithmetic.evaluate(text)
    if values is None:
        raise Unread
    return scalar(values, None)


def _special(text: str) -> Reading | None:
    """Read a percentage, infinity, a number in another base, or a ratio; None for others."""
    if text.endswith("\\%"):
        value = arithmetic.evaluate(text[:-2])
        if value is None or len(value) > 1:
            raise Unread
        number = value[0]
        whole, share = (scalar((each,), None).key for each in (number, number / 100))
        return Reading(("percent", whole), (("percent", whole), ("percent", share)))
    if infinite := infinity(text):
        return infinite
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
        also: Any = (("digits", scalar(digits, None).key),) if digits else ()
        return Reading(scalar((value,), None).key, also)
    if clock := _CLOCK.fullmatch(text):
        time = f"{int(clock[1])}:{clock[2]}"
        return Reading(("text", time + clock[3].lower()), (("clock", ("text", time)),))
    if _DATE.fullmatch(text):
        return Reading(("text", re.sub(r"(?<![0-9])0", "", text)))
    ratio = _RATIO.fullmatch(text)
    return _ratio([part.strip() for part in ratio[1].split(":")]) if ratio else None


def _ratio(parts: list[str]) -> Reading:
    """Read a ratio of two numbers as their quotient, of more as a ratio; a time as text."""
    numbers = [int(part) for part in parts]
    is_time = len(parts[0]) < 3 and all(len(part) == 2 for part in parts[1:])
    if is_time or 0 in numbers[1:]:
        return Reading(("text", ":".join([str(numbers[0]), *parts[1:]])))
    if len(numbers) == 2:
        return scalar((Fraction(*numbers),), None)
    common = math.gcd(*numbers)
    return Reading(("ratio", *(number // common for number in numbers)))


def _bracketed(text: str) -> Reading | None:
    """Read a list in brackets; None if the text is none."""
    for opening, closing, kind in _BRACKETS:
        if not (text.startswith(opening) and text.endswith(closing)):
            continue
        inside = text[len(opening) : -len(closing)]
        if not _is_balanced(inside):
            continue
        pair = _GROUPS.fullmatch(inside.strip())
        parts = inside.split(",") if pair else split(inside)
        if len(parts) == 1:
            return _element(parts[0]) if kind in ("{}", "()", "[]") else None
        if len(parts) > MAX_PARTS:
            raise Unread
        if kind == "{}":
            return _bare_list(parts)
        found = sequence(kind if len(parts) == 2 else "()", [_element(part) for part in parts])
        rows = [_bracketed(part) if part.startswith("[") else None for part in parts]
        if kind == "[]" and all(row is not None and row.key[0] == "sequence" for row in rows):
            cells = [split(part[1:-1]) for part in parts]
            return Reading(
                found.key, (("list", _rows(cells).key),), found.rounded, found.is_decimal
            )
        return found
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


def _bare_list(parts: Sequence[str]) -> Reading:
    """Read elements in any order; written in this order, they may stand for a tuple."""
    sides = [_sides(part) for part in parts]
    names = [
        side[0].replace(" ", "") if len(side) > 1 and _is_name(side[0]) else "" for side in sides
    ]
    stems = {name.split("_")[0] for name in names}
    if all(names) and len(set(names)) == len(names) and len(stems) > 1:
        ordered = sorted(zip(names, (side[-1] for side in sides), strict=True))
        return sequence("()", [_element(value) for _, value in ordered])
    if all(RELATION.search(part) for part in parts):
        return inequalities(parts)
    elements = [
        _element(side[-1] if name else part)
        for name, side, part in zip(names, sides, parts, strict=True)
    ]
    for element in elements:
        if all(same(element, other) for other in elements):
            return element  # one value in several spellings: `0.3333333, \frac{1}{3}`
    found = gathered("set", elements)
    ordered_key = sequence("()", elements).key
    if found.key[0] != "set":
        return found
    return Reading(found.key, (("list", ordered_key),), found.rounded, found.is_decimal)


def _both_signs(text: str) -> Reading:
    upper = text.replace("\\pm", "+").replace("\\mp", "-")
    lower = text.replace("\\pm", "-").replace("\\mp", "+")
    return gathered("set", [_element(each.strip().removeprefix("+")) for each in (upper, lower)])


def _matrix(inside: str) -> Reading:
    return _rows([row.split("&") for row in inside.split("\\\\") if row.strip()])


def _rows(rows: Sequence[Sequence[str]]) -> Reading:
    cells = [[_element(cell) for cell in row] for row in rows]
    if sum(map(len, cells)) > MAX_PARTS:
        raise Unread
    if len(cells) == 1 and len(cells[0]) == 1:
        return cells[0][0]
    flat = [sequence("row", row) for row in cells]
    return sequence("matrix", flat)


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
        if value.key[0] != "value" or len(value.key) == 2 or not LETTER.fullmatch(first):
            return value
        difference = _difference(first, last)
        if difference is None:
            return value
        also: Any = (("assignment", difference),)
        return Reading(value.key, also, value.rounded, value.is_decimal)
    if LETTER.fullmatch(last) and len(sides) == 2:
        letter, node = formulas.parse(last), formulas.parse(first)
        if letter and node and not formulas.letters(letter) & formulas.letters(node):
            return _equation([last, first])
    key = _difference(first, last)
    if key is None:
        return _element(last)
    values = arithmetic.evaluate(last)
    if values is None or len(values) > 1:
        return Reading(key)
    return Reading(key, (("equation", scalar(values, None).key),))


def _congruence(name: str | None, value: str, modulus: str) -> Reading:
    r"""Read `N \equiv 12 \pmod{7}`, which may stand for 5."""
    values = arithmetic.evaluate(value)
    number = values[0] if values else None
    if (name and not _is_name(name)) or not isinstance(number, Fraction) or int(modulus) == 0:
        raise Unread
    remainder = scalar((number % int(modulus),), None).key
    return Reading(("congruence", remainder, modulus.lstrip("0")), (("equation", remainder),))


def _difference(left: str, right: str) -> Key | None:
    """Return a key of left = right, the same for all its multiples; None between constants."""
    values = arithmetic.evaluate(f"({left}) - ({right})")
    if values is None:
        raise Unread
    if len(values) == 1:
        return None
    with mpmath.workdps(arithmetic.DIGITS):
        if any(value == 0 for value in values):
            raise Unread
        first, *others = (mpmath.mpmathify(arithmetic.real(value)) for value in values)
        ratios = (arithmetic.clean(other / first) for other in others)
        return ("equation", *map(arithmetic.key, ratios))
