r"""Formulas as MathML, which browsers show and read aloud without a script.

math-core converts them and refuses LaTeX that it does not know. Answers come from other people's
traces, and math-core does not escape all of their signs (`\operatorname{<}`). What it returns is
parsed, therefore: only the elements and attributes of `ELEMENTS` and `ATTRIBUTES` are taken over,
and a formula with anything else is shown as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from html import unescape
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, ParseError, fromstring, tostring

from markupsafe import Markup, escape

from leaderboard_app.formulas.finding import Part, answer_parts, parts, renders

if TYPE_CHECKING:
    from math_core import LatexToMathML

ELEMENTS = frozenset(
    """
    math mrow mi mn mo mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover
    mtable mtr mtd mpadded b i span
    """.split()  # noqa: SIM905
)
"""Elements of the MathML that is shown; `b`, `i` and `span` stand within `mtext`."""

ATTRIBUTES = {
    "accent": "true|false",
    "accentunder": "true|false",
    "class": "(?:m-(?:left|right|back|box|line-(?:left|right|top|bottom)|tight-(?:left|right)) ?)+",
    "columnspan": r"\d{1,2}",
    "display": "block",
    "displaystyle": "true|false",
    "form": "prefix|infix|postfix",
    "linethickness": "0",
    "mathvariant": "normal",
    "movablelimits": "true|false",
    "scriptlevel": r"[+-]?\d",
    "stretchy": "true|false",
    "symmetric": "true|false",
    **dict.fromkeys(("lspace", "rspace", "width", "minsize", "maxsize"), r"-?\d?\.?\d{1,8}(?:em)?"),
}
"""Attributes of the MathML that is shown, with patterns of their values."""

_MACROS = {"dotsb": r"\cdots", "dotsc": r"\ldots", "lcm": r"\operatorname{lcm}"}
"""Commands that math-core does not know."""

_LINE = "\N{COMBINING LOW LINE}"
_LINES = {"mover": "m-line-top", "munder": "m-line-bottom"}

LARGEST, DEEPEST = 20_000, 100
"""Maximum number of characters of a formula's MathML, and of elements within each other."""

_ENTITY = re.compile(r"&(?!(?:lt|gt|amp|quot|apos);)[A-Za-z]+;")
_CLASSES = {
    "m-left": "text-align: left",
    "m-right": "text-align: right",
    **{f"m-line-{side}": f"border-{side}: " for side in ("left", "right", "top", "bottom")},
    "m-tight-left": "padding-left: 0",
    "m-tight-right": "padding-right: 0",
    "m-back": "margin-left:-",
}
"""Classes of the style sheet, and the styles that they stand for."""


@lru_cache(maxsize=4_096)
def formula_html(formula: str, *, wide: bool = False) -> Markup | None:
    """Return a formula as a `<math>` element; None if it cannot be shown.

    `wide`: on a line of its own.
    """
    found = tree(formula, wide=wide)
    if found is None:
        return None
    text = tostring(found, encoding="unicode", short_empty_elements=False)
    return Markup(text) if len(text) <= LARGEST else None


def text_html(text: str) -> Markup:
    """Return a text as HTML: MathML for its formulas, the rest escaped."""
    return _joined(parts(text))


def answer_html(text: str) -> Markup:
    """Return a final answer as HTML: MathML if it is LaTeX that renders, else its text, escaped."""
    return _joined(answer_parts(text))


def _joined(found: Iterable[Part]) -> Markup:
    shown = []
    for each in found:
        math = None if each.formula is None else formula_html(each.formula, wide=each.wide)
        shown.append(escape(each.source) if math is None else math)
    return Markup("").join(shown)


def tree(formula: str, *, wide: bool = False) -> Element | None:
    """Return the elements of a formula's MathML; None if it cannot be shown."""
    from math_core import LatexError

    if not renders(formula):
        return None
    try:
        found = _converter().convert_with_local_state(formula, displaystyle=wide)
        return _checked(fromstring(_ENTITY.sub(lambda each: unescape(each[0]), found)))
    except (LatexError, ParseError, _UnfitError):
        return None


class _UnfitError(Exception):
    """MathML that is not shown."""


@cache
def _converter() -> LatexToMathML:
    from math_core import LatexToMathML

    return LatexToMathML(macros=_MACROS, allow_unreliable_rendering=True, fancy_error=False)


def _checked(found: Element, depth: int = 0) -> Element:
    """Return a copy that has elements and attributes on the lists only.

    Styles, which pages with a content security policy ignore, become classes. So do boxes, which
    are not in MathML Core, and lines above and below, which need a font for mathematics.
    """
    name, attributes, children = found.tag, dict(found.attrib), [*found]
    texts = (found.text or "") + (found.tail or "")
    style = attributes.pop("style", "")
    classes = [each for each, said in _CLASSES.items() if said in style]
    attributes.pop("class", None)
    if name == "menclose" and attributes.pop("notation", None) == "box":
        name, classes = "mrow", ["m-box"]
    if name in _LINES and children[1].text == _LINE:
        name, attributes, classes, children = "mrow", {}, [_LINES[name]], children[:1]
    if classes:
        attributes["class"] = " ".join(classes)
    if name not in ELEMENTS or depth > DEEPEST or "\\" in texts:
        raise _UnfitError
    for key, value in attributes.items():
        if key not in ATTRIBUTES or not re.fullmatch(ATTRIBUTES[key], value):
            raise _UnfitError
    copy = Element(name, dict(sorted(attributes.items())))
    copy.text, copy.tail = found.text, found.tail
    copy.extend([_checked(each, depth + 1) for each in children])
    return copy
