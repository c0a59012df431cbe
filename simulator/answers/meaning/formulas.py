r"""Formulas: plain LaTeX arithmetic read as a tree, by recursive descent.

Numbers, fractions, roots, powers, factorials, logarithms, angles and letters are read in
microseconds, where a full LaTeX parser takes ten milliseconds. Words are one name. Whatever is not
certainly understood is refused.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

MAX_DEPTH = 12
"""Deepest nesting of brackets and functions that is read."""

Node = tuple[Any, ...]  # an operation's name and its operands, as in ("+", left, right)

_TOKEN = re.compile(
    r"\s*(?:(?P<number>[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
    r"|(?P<phrase>[a-zA-Z]{2,}(?: +[a-zA-Z]+)*)"
    r"|(?P<command>\\[a-zA-Z]+|\\[{}|%])|(?P<letter>[a-zA-Z])"
    r"|(?P<sign>[-+*/^_(){}\[\]!|]))"
)
_SCIENTIFIC = re.compile(r"([0-9](?:\.[0-9]+)?)[eE]([-+]?[0-9]{1,3})(?![0-9.])")
_REPEATING = re.compile(
    r"([0-9]*)\.([0-9]*)\\(?:overline|bar|dot)\s*(?:\{([0-9]+)\}|([0-9]))(?![0-9])"
)
_WORD = re.compile(r"[a-zA-Z]{4,}")
_EXPECTED = re.compile(r"\\math(?:bb|cal|scr)\s*\{([A-Z])\}")
GREEK = frozenset(
    re.findall(
        "[a-zA-Z]+",
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau"
        " upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega ell",
    )
)
_ANGLES = ("sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan")
_FUNCTIONS = frozenset([*_ANGLES, "sinh", "cosh", "tanh", "ln", "log", "exp"])
_CALLED = frozenset("fghFGPE")
_PRODUCT = frozenset(["\\cdot", "\\times", "*"])
_QUOTIENT = frozenset(["\\div", "/"])
_CLOSING = {"(": ")", "[": "]", "{": "}", "\\{": "\\}"}


class Unread(Exception):  # noqa: N818  (not an error, an answer)
    """A formula that is not certainly understood."""


def parse(formula: str) -> Node | None:
    """Read a formula as a tree of tuples, such as `("+", left, right)`; None if in doubt."""
    try:
        return _Reader(formula).read()
    except (Unread, ValueError):
        return None


def letters(node: Node) -> set[str]:
    """Return the names of a tree's variables and unknown functions."""
    if node[0] in ("letter", "number"):
        return {node[1]} if node[0] == "letter" else set()
    found = {node[1]} if node[0] == "call" else set()
    return found.union(*(letters(part) for part in node[1:] if isinstance(part, tuple)))


class _Reader:
    """A recursive-descent reader of one formula."""

    def __init__(self, formula: str) -> None:
        if "\\ldots" in formula or ".." in formula:
            raise Unread
        formula = _EXPECTED.sub(r"\1", formula)
        formula = _REPEATING.sub(_repeated, formula)
        formula = _SCIENTIFIC.sub(r"(\1*10^{\2})", formula)
        self.tokens: list[tuple[str, str]] = []
        place = 0
        formula = formula.rstrip()
        while place < len(formula):
            match = _TOKEN.match(formula, place)
            if match is None:
                raise Unread
            self._add(match.lastgroup or "", match[match.lastgroup or 0])
            place = match.end()
        self.at = 0
        self.depth = 0
        self.bars = 0

    def read(self) -> Node:
        node = self._fraction()
        if self.at < len(self.tokens):
            raise Unread
        return node

    def _add(self, kind: str, text: str) -> None:
        """Add a token; words are one name if one of them is longer than a product of letters."""
        if kind != "phrase":
            self.tokens.append((kind, text))
        elif _WORD.search(text):
            self.tokens.append((kind, " ".join(text.casefold().split())))
        else:
            self.tokens += [("letter", letter) for letter in text if letter != " "]

    def _peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def _kind(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def _take(self) -> str:
        text = self._peek()
        self.at += 1
        return text

    def _expect(self, text: str) -> None:
        if self._take() != text:
            raise Unread

    def _sum(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unread
        parts = []
        sign = self._sign() if self._peek() in ("+", "-") else 1
        while True:
            term = self._term()
            parts.append(term if sign > 0 else ("-", term))
            if self._peek() not in ("+", "-"):
                break
            sign = self._sign()
        self.depth -= 1
        return parts[0] if len(parts) == 1 else ("+", *parts)

    def _sign(self) -> int:
        sign = 1 if self._take() == "+" else -1
        if self._peek() in ("+", "-"):  # `1 + -2`, but not `1 + - -2`
            sign *= 1 if self._take() == "+" else -1
        return sign

    def _term(self) -> Node:
        node = self._juxtaposed()
        while self._peek() in _PRODUCT or self._peek() in _QUOTIENT or self._is_modulo():
            operator = self._take()
            if operator in ("\\bmod", "\\mod", "\\pmod"):
                return ("mod", node, self._juxtaposed())
            sign = self._sign() if self._peek() in ("+", "-") else 1
            right = self._juxtaposed()
            right = right if sign > 0 else ("-", right)
            node = ("*", node, right) if operator in _PRODUCT else ("/", node, right)
        return node

    def _is_modulo(self) -> bool:
        return self._peek() in ("\\bmod", "\\mod")

    def _juxtaposed(self) -> Node:
        """Read factors without a sign between them, which bind more tightly than a slash."""
        first_is_number = self._kind() == "number"
        node = self._power()
        mixed = self._peek() == "\\frac" and first_is_number and node[0] == "number"
        if mixed and node[1].denominator == 1:
            fraction = self._power()
            if fraction[0] == "/" and all(part[0] == "number" for part in fraction[1:]):
                node = ("+", node, fraction)
            else:
                node = ("*", node, fraction)
        while self._starts_factor():
            if self._kind() == "number":  # `2 3` and `x 3` are no products
                raise Unread
            node = ("*", node, self._power())
        return node

    def _starts_factor(self) -> bool:
        kind, text = self._kind(), self._peek()
        if kind in ("number", "letter", "phrase"):
            return True
        if kind == "command":
            name = text[1:]
            return name in _FUNCTIONS or name in GREEK or name in _ATOMS or text == "\\{"
        return text in ("(", "[", "{") or (text == "|" and self.bars == 0)

    def _power(self) -> Node:
        node = self._atom()
        while True:
            if self._peek() == "!":
                self._take()
                if self._peek() == "!":
                    raise Unread  # a double factorial
                node = ("factorial", node)
            elif self._peek() == "^":
                self._take()
                script = self._script()
                node = ("*", node, _DEGREE) if script == ("circ",) else ("^", node, script)
                if self._peek() == "^":
                    raise Unread
            elif self._peek() in ("\\%", "\\prime"):
                raise Unread
            else:
                return node

    def _script(self) -> Node:
        """Read what is raised: a group, or a number with its sign."""
        if self._peek() == "{":
            return self._group("{")
        sign = self._sign() if self._peek() in ("+", "-") else 1
        node = self._atom()
        return node if sign > 0 else ("-", node)

    def _fraction(self) -> Node:
        r"""Read a sum, or two of them with `\over` between."""
        node = self._sum()
        if self._peek() != "\\over":
            return node
        self._take()
        return ("/", node, self._sum())

    def _group(self, opening: str) -> Node:
        self._expect(opening)
        node = self._fraction() if opening == "{" else self._sum()
        self._expect(_CLOSING[opening])
        return node

    def _argument(self) -> Node:
        r"""Read an argument of `\frac` or `\sqrt`, of which one digit needs no braces."""
        if self._peek() == "{":
            return self._group("{")
        kind, text = self._kind(), self._peek()
        if kind == "number" and text.isdigit():
            if len(text) == 1:
                self._take()
            else:
                self.tokens[self.at] = (kind, text[1:])
            return ("number", Fraction(int(text[0])))
        if kind == "letter" or (kind == "command" and text[1:] in GREEK | {"pi"}):
            return self._atom()
        raise Unread

    def _atom(self) -> Node:
        kind, text = self._kind(), self._peek()
        if kind == "number":
            self._take()
            return ("number", Fraction(text.replace(",", "").rstrip(".") or "0"))
        if kind == "letter":
            return self._letter()
        if kind == "phrase":
            return ("letter", self._take())
        if text in ("(", "[", "{"):
            return self._group(text)
        if text == "|":
            self._take()
            self.bars += 1
            node = self._sum()
            self._expect("|")
            self.bars -= 1
            return ("abs", node)
        if kind != "command":
            raise Unread
        return self._command(self._take()[1:])

    def _letter(self) -> Node:
        name = self._take()
        if self._peek() == "_":
            return ("letter", name.lower() + self._subscript())
        if self._peek() in ("(", "[") and name in _CALLED:
            return ("call", name, self._group(self._peek()))
        if name == "i":
            return ("i",)
        return ("e",) if name in "eE" else ("letter", name.lower())

    def _subscript(self) -> str:
        self._expect("_")
        if self._peek() != "{":
            if self._kind() not in ("number", "letter"):
                raise Unread
            return "_" + self._take().lower()
        self._expect("{")
        inside = ""
        while self._peek() != "}":
            if self._kind() not in ("number", "letter", "phrase") and self._peek() not in "+-":
                raise Unread
            inside += self._take().lower()
        self._expect("}")
        return "_" + inside

    def _command(self, name: str) -> Node:
        if name == "frac":
            return ("/", self._argument(), self._argument())
        if name in ("binom", "dbinom", "tbinom"):
            return ("binomial", self._argument(), self._argument())
        if name == "sqrt":
            degree: Node = ("number", Fraction(2))
            if self._peek() == "[":
                degree = self._group("[")
            bare = self._kind() == "number"  # `\sqrt 19`, unlike `\frac 19`
            return ("root", self._atom() if bare else self._argument(), degree)
        if name in ("pi", "circ"):
            return (name,)
        if name in GREEK:
            return self._greek("\\" + name)
        if name in ("lfloor", "lceil"):
            node = self._sum()
            self._expect("\\rfloor" if name == "lfloor" else "\\rceil")
            return ("floor" if name == "lfloor" else "ceiling", node)
        if name in _FUNCTIONS:
            return self._function(name)
        raise Unread

    def _greek(self, name: str) -> Node:
        r"""Read a Greek letter; a capital one before brackets is a function, as in `\Gamma(x)`."""
        if self._peek() == "_":
            name += self._subscript()
        if name[1].isupper() and self._peek() == "(":
            return ("call", name, self._group("("))
        return ("letter", name)

    def _function(self, name: str) -> Node:
        base: Node | None = None
        power: Node | None = None
        while self._peek() in ("_", "^"):
            if self._take() == "_":
                base = self._script()
            else:
                power = self._script()
        if power == ("-", ("number", Fraction(1))):
            raise Unread  # `sin^{-1}` is an arcsine to some
        if base is not None and name != "log":
            raise Unread
        node = self._function_argument()
        ten = ("number", Fraction(10))  # the base of a logarithm without one, as for math-verify
        node = ("log", node, base or ten) if name == "log" else (name, node)
        return node if power is None else ("^", node, power)

    def _function_argument(self) -> Node:
        if self._peek() in ("(", "[", "{"):
            node = self._atom()
            if self._peek() == "^":  # `\sin(x)^2` means the square of the sine to some
                raise Unread
            return node
        node = self._power()
        while self._starts_factor() and self._peek()[1:] not in _FUNCTIONS:
            if self._peek() in ("(", "[", "{", "|") or self._kind() == "number":
                raise Unread  # `\sin x (1 + x)`
            node = ("*", node, self._power())
        return node


_DEGREE = ("/", ("pi",), ("number", Fraction(180)))
_ATOMS = frozenset(["frac", "sqrt", "pi", "binom", "lfloor", "lceil"])


def _repeated(match: re.Match[str]) -> str:
    """Return the fraction that a repeating decimal is."""
    whole, fixed = match[1] or "0", match[2]
    period = match[3] or match[4]
    value = Fraction(int(whole + fixed or "0"), 10 ** len(fixed))
    value += Fraction(int(period), 10 ** len(fixed) * (10 ** len(period) - 1))
    return f"(\\frac{{{value.numerator}}}{{{value.denominator}}})"
