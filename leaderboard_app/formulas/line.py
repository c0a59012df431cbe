r"""Formulas as text on a line, for charts: `\frac{a+b}{2}` is `(a+b)/2`, `x^2` is `x²`.

The text is made from the formula's MathML and keeps its meaning: brackets are added where it would
be ambiguous. What has no such text, such as a matrix, stays LaTeX.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from xml.etree.ElementTree import Element

from leaderboard_app.formulas.finding import Part, answer_parts
from leaderboard_app.formulas.mathml import tree

_RAISED = str.maketrans("0123456789+-−=()ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿⁱ")
_LOWERED = str.maketrans("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎")
_ALREADY_RAISED = {"∘": "°", "′": "′", "″": "″", "‴": "‴"}
_ROOTS = {"3": "∛", "4": "∜"}

_VARIANT = "\N{VARIATION SELECTOR-1}"
_INVISIBLE = {"", "\u2061", "\u2062", "\u2063", "\u2064"}
_OPENING, _CLOSING = frozenset("([{⌊⌈⟨"), frozenset(")]}⌋⌉⟩")
_WEAK = frozenset("+-−±∓=≠<>≤≥≈≡∼,;:∈∪∩→") | _OPENING | _CLOSING
"""Signs beside which a fraction needs no brackets."""

_SIMPLE = ("operand", "power", "root")
"""Kinds of pieces that need no brackets in a fraction."""

_ATOM = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]")
"""Number or letter."""
_THOUSANDS = re.compile(r"\d{1,3},\d{3}")
_WORD = re.compile(r"[^\W\d_]{2}")

_Kind = Literal["operand", "power", "script", "fraction", "root", "sign", "space"]


class _NoLineError(Exception):
    """Formula without a text on a line."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """Piece of a line; of a root, `text` is what stands below it, and `sign` the root's own.

    A `power` has raised or lowered signs at its end; a `script` has an exponent or index on the
    line, which would go on with what follows.
    """

    text: str
    kind: _Kind = "operand"
    sign: str = ""


def answer_lines(answers: Sequence[str]) -> tuple[str, ...]:
    """Return a text on a line for each answer; different answers have different texts.

    An answer whose text would be that of another stays as it is written, and so does the other.
    """
    return _answer_lines(tuple(answers))


@lru_cache(maxsize=64)
def _answer_lines(answers: tuple[str, ...]) -> tuple[str, ...]:
    sources = [" ".join(each.split()) for each in answers]
    lines = [_answer_line(each) for each in answers]
    while True:
        counts = Counter(lines)
        kept = [
            source if counts[line] > 1 else line
            for source, line in zip(sources, lines, strict=True)
        ]
        if kept == lines:
            return tuple(lines)
        lines = kept


def _answer_line(answer: str) -> str:
    """Return an answer's text on a line; the answer as it is written if a formula has none."""
    shown = []
    for part in answer_parts(answer):
        text = _part_line(part)
        if text is None:
            return " ".join(answer.split())
        shown.append(text)
    return "".join(shown)


def _part_line(part: Part) -> str | None:
    return part.source if part.formula is None else formula_line(part.formula)


def formula_line(formula: str) -> str | None:
    """Return a formula's text on a line; None if it has none."""
    found = tree(formula)
    if found is None:
        return None
    try:
        text = " ".join(_row(found).split())
    except _NoLineError:
        return None
    return text if text and text.isprintable() else None


def _row(element: Element) -> str:
    return _joined([*_pieces(element)])


def _pieces(element: Element) -> Iterator[_Piece]:
    """Split an element into pieces; rows within rows are one row."""
    name = element.tag
    if name in ("math", "mrow") and element.get("class") in (None, "m-box"):
        for child in element:
            yield from _pieces(child)
    elif name in ("mi", "mn", "mtext"):
        if len(element) or not element.text:
            raise _NoLineError
        yield _Piece(element.text.replace(_VARIANT, ""))
    elif name == "mo":
        if (sign := element.text or "") not in _INVISIBLE:
            yield _Piece(sign, "sign")
    elif name == "mspace":
        if float(element.get("width", "0").removesuffix("em")) > 0:
            yield _Piece(" ", "space")
    elif name == "mfrac" and "linethickness" not in element.attrib:
        over, under = element
        yield _Piece(f"{_over(over)}/{_under(under)}", "fraction")
    elif name == "msqrt":
        yield _Piece(_joined([piece for child in element for piece in _pieces(child)]), "root", "√")
    elif name == "mroot":
        base, index = element
        yield _Piece(_row(base), "root", _of(_ROOTS, _row(index)))
    elif name in ("msup", "msub", "msubsup"):
        yield _scripts(name, [*element])
    else:
        raise _NoLineError


def _of(texts: dict[str, str], key: str) -> str:
    if key not in texts:
        raise _NoLineError
    return texts[key]


def _joined(pieces: Sequence[_Piece]) -> str:
    """Join pieces, with brackets where a fraction or a root would take in its neighbours."""
    text = ""
    for place, piece in enumerate(pieces):
        after = [each for each in pieces[place + 1 :] if each.kind != "space"][:1]
        before = [each for each in pieces[:place] if each.kind != "space"][-1:]
        if piece.kind == "script" and after and after[0].kind != "sign":
            raise _NoLineError
        own = _piece_text(piece, before, after)
        words = any(_WORD.match(each.text) for each in (piece, *pieces[place - 1 : place]))
        apart = words and text[-1:].isalnum() and own[:1].isalnum()
        text += f" {own}" if apart else own
    return text


def _piece_text(piece: _Piece, before: Sequence[_Piece], after: Sequence[_Piece]) -> str:
    """Return the text of a piece between its neighbours, of which there is one at most each."""
    if piece.kind == "fraction":
        weak = all(each.text in _WEAK for each in (*before, *after))
        return piece.text if weak else f"({piece.text})"
    if piece.kind == "root":
        ends = all(each.kind == "sign" for each in after)
        fits = ends and _ATOM.fullmatch(piece.text)
        return piece.sign + (piece.text if fits else f"({piece.text})")
    if piece.text in (",", ";"):
        thousands = "".join(each.text for each in (*before, piece, *after))
        return piece.text if _THOUSANDS.fullmatch(thousands) else f"{piece.text} "
    return piece.text


def _over(element: Element) -> str:
    """Return a numerator: in brackets if it is a sum or a fraction."""
    pieces = [*_pieces(element)]
    rest = pieces[1:] if pieces and pieces[0].text in ("-", "−") else pieces
    return _in_brackets(pieces, unless=all(each.kind in _SIMPLE for each in rest))


def _under(element: Element) -> str:
    """Return a denominator: in brackets unless it is one number, letter, power or root."""
    pieces = [*_pieces(element)]
    return _in_brackets(pieces, unless=len(pieces) == 1 and pieces[0].kind in _SIMPLE)


def _in_brackets(pieces: Sequence[_Piece], *, unless: bool) -> str:
    """Join pieces in brackets, `unless` they need none or have their own."""
    text = _joined(pieces)
    if not text:
        raise _NoLineError
    return text if unless or _have_brackets(pieces) else f"({text})"


def _have_brackets(pieces: Sequence[_Piece]) -> bool:
    depth = 0
    for place, piece in enumerate(pieces):
        depth += (piece.text in _OPENING) - (piece.text in _CLOSING)
        if depth <= 0 and place < len(pieces) - 1:
            return False
    return depth == 0 and len(pieces) > 1


def _scripts(name: str, elements: Sequence[Element]) -> _Piece:
    """Return a base with its index and exponent."""
    base = _base(elements[0])
    below, above = "", ""
    kind: _Kind = "power"
    if name != "msup":
        below = _row(elements[1])
        lowered = below.translate(_LOWERED)
        if below and all(each in "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎" for each in lowered):
            below = lowered
        elif name == "msub" and _ATOM.fullmatch(below):
            below, kind = f"_{below}", "script"
        else:
            raise _NoLineError
    if name != "msub":
        above = _row(elements[-1])
        raised = _ALREADY_RAISED.get(above) or above.translate(_RAISED)
        if above in _ALREADY_RAISED or all(each in "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ" for each in raised):
            above = raised
        elif _ATOM.fullmatch(above):
            above, kind = f"^{above}", "script"
        else:
            above = f"^({above})"
    if not below + above:
        raise _NoLineError
    return _Piece(f"{base}{below}{above}", kind)


def _base(element: Element) -> str:
    """Return what an exponent or index stands at: in brackets unless it is a number or a word."""
    pieces = [*_pieces(element)]
    if len(pieces) != 1:
        return _in_brackets(pieces, unless=False)
    if pieces[0].kind == "sign" and pieces[0].text not in _CLOSING:
        raise _NoLineError
    return _in_brackets(pieces, unless=pieces[0].kind in ("operand", "sign"))
