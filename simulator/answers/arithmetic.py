r"""Arithmetic: the value of an answer's formula, read without a computer algebra system.

Numbers, fractions, roots, powers, factorials, logarithms, angles and letters are read by recursive
descent in microseconds, where a full LaTeX parser takes ten milliseconds, and evaluated node by
node: exactly as long as a value is rational, else with 80 digits. A formula with letters is
evaluated at several points, so that equal values mean equal formulas. Whatever is not certainly
understood is refused (None), and what would take for ever to evaluate raises `TooLarge`.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any

import mpmath

MAX_DIGITS = 4000
"""Decimal digits of the largest number that may occur while a formula is evaluated."""

MAX_DEPTH = 12
"""Deepest nesting of brackets and functions that is read."""

DIGITS = 80
"""Decimal digits of what is not rational while it is evaluated."""

SIGNIFICANT = 30
"""Decimal digits to which two irrational values must agree to be equal."""

POINTS = 6
"""Points at which formulas with letters are evaluated; more than one sign and size of each letter,
so that `|107 - x|` is not `107 - x`."""

Number = Any  # a Fraction while the value is rational, else mpmath's mpf or mpc
Node = tuple[Any, ...]

_NOISE = 10.0 ** -(DIGITS - 25)
_MAX_DENOMINATOR = 10**12

_TOKEN = re.compile(
    r"\s*(?:(?P<number>[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
    r"|(?P<phrase>[a-zA-Z]{2,}(?: +[a-zA-Z]+)*)|(?P<command>\\[a-zA-Z]+|\\[{}|%])|(?P<letter>[a-zA-Z])|(?P<sign>[-+*/^_(){}\[\]!|]))"
)
_SCIENTIFIC = re.compile(r"([0-9](?:\.[0-9]+)?)[eE]([-+]?[0-9]{1,3})(?![0-9.])")
_REPEATING = re.compile(
    r"([0-9]*)\.([0-9]*)\\(?:overline|bar|dot)\s*(?:\{([0-9]+)\}|([0-9]))(?![0-9])"
)
_WORD = re.compile(r"[a-zA-Z]{4,}")
_EXPECTED = re.compile(r"\\math(?:bb|cal|scr)\s*\{([A-Z])\}")
GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon"
    " phi chi psi omega Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega ell".split()
)
_FUNCTIONS = frozenset(
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln log exp".split()
)
_CALLED = frozenset("fghFGPE")
_PRODUCT = frozenset(["\\cdot", "\\times", "*"])
_QUOTIENT = frozenset(["\\div", "/"])
_CLOSING = {"(": ")", "[": "]", "{": "}", "\\{": "\\}"}


class TooLarge(Exception):  # noqa: N818  (not an error, an answer)
    """A formula whose evaluation could take for ever."""


class _Unread(Exception):  # noqa: N818  (not an error, an answer)
    """A formula that is not certainly understood."""


def evaluate(formula: str) -> tuple[Number, ...] | None:
    r"""Return a formula's values: one if it is constant, else one a point.

    A value is a `Fraction` if it is rational, else an mpmath number. None if the formula is not
    certainly understood or has no finite value.

    Raises
    ------
    TooLarge
        A number in it has more than `MAX_DIGITS` digits.

    >>> evaluate(r"\frac{3}{4} + 2^{-2}"), evaluate(r"(\sqrt{5}+1)(\sqrt{5}-1)")
    ((Fraction(1, 1),), (Fraction(4, 1),))
    """
    node = parse(formula)
    return None if node is None else values(node)


def parse(formula: str) -> Node | None:
    """Read a formula as a tree of tuples, such as `("+", left, right)`; None if in doubt."""
    try:
        return _Reader(formula).read()
    except (_Unread, ValueError):
        return None


def values(node: Node) -> tuple[Number, ...] | None:
    """Return the values of a tree that `parse` made; see `evaluate`."""
    return computed(lambda point: _Evaluation(point).of(node), bool(letters(node)))


def computed(at: Callable[[int], Number], has_letters: bool) -> tuple[Number, ...] | None:
    """Return what a function gives at each point, cleared of rounding noise; None if not finite."""
    try:
        with mpmath.workdps(DIGITS):
            found = [clean(at(point)) for point in range(POINTS if has_letters else 1)]
            if not all(isinstance(v, Fraction) or mpmath.isfinite(v) for v in found):
                return None
    except (ArithmeticError, _Unread, TypeError, ValueError, NotImplementedError):
        return None
    return (found[0],) if all(value == found[0] for value in found) else tuple(found)


def letters(node: Node) -> set[str]:
    """Return the names of a tree's variables and unknown functions."""
    if node[0] in ("letter", "number"):
        return {node[1]} if node[0] == "letter" else set()
    found = {node[1]} if node[0] == "call" else set()
    return found.union(*(letters(part) for part in node[1:] if isinstance(part, tuple)))


def key(value: Number) -> str:
    """Return a text that is the same for equal values of `evaluate`, and only for those."""
    if isinstance(value, Fraction):
        return f"{value.numerator:x}/{value.denominator:x}"
    with mpmath.workdps(DIGITS):
        if isinstance(value, mpmath.mpc):
            parts = (clean(value.real), clean(value.imag))
            return "{}+{}i".format(*(key(part) for part in parts))
        return str(mpmath.nstr(value, SIGNIFICANT, strip_zeros=False))


def letter_value(name: str, point: int) -> Number:
    """Return the value of a variable at a point, which is unrelated to all others.

    A word of two or three letters is their product, in any case, as in math-verify.
    """
    whole = "_" in name or "\\" in name or len(name) > 3
    value = mpmath.mpf(1)
    for part in [name] if whole else list(name.lower()):
        value *= mpmath.e if part == "e" else _hashed(part, point)
    return value


def call_value(name: str, arguments: list[Number], point: int) -> Number:
    """Return the value of an unknown function at its arguments."""
    parts = [_hashed(f"argument {n}", 0) * real(part) for n, part in enumerate(arguments)]
    return _hashed(f"{name.lower()}()", point) + mpmath.fsum(parts)


@lru_cache(maxsize=1024)
def _hashed(name: str, point: int) -> Number:
    digest = hashlib.sha256(f"{point} {name}".encode()).digest()
    with mpmath.workdps(DIGITS):
        size = 1 + mpmath.mpf(int.from_bytes(digest, "big")) / mpmath.mpf(2) ** 256
        if point == 0:
            return size
        if point < 3:
            return size * (1000 if point == 1 else -1000)
        return size * (-1) ** (digest[0] & 1) * 10 ** (digest[1] & 3)


def clean(value: Number) -> Number:
    """Return a value without rounding noise: as a fraction if it certainly is one."""
    if isinstance(value, int):
        return Fraction(value)
    if isinstance(value, Fraction):
        return value
    if isinstance(value, mpmath.mpc):
        size = abs(value)
        if abs(value.imag) <= _NOISE * size:
            return clean(value.real)
        return mpmath.mpc(0, value.imag) if abs(value.real) <= _NOISE * size else value
    value = mpmath.mpf(value)
    if not mpmath.isfinite(value) or value == 0:
        return Fraction(0) if value == 0 else value
    if not 1e-9 < abs(value) < 1e30:
        return value
    sign, mantissa, exponent, _ = value._mpf_
    whole = Fraction(-mantissa if sign else mantissa) * Fraction(2) ** exponent
    near = whole.limit_denominator(_MAX_DENOMINATOR)
    return near if abs(whole - near) <= Fraction(_NOISE) * abs(whole) else value


class _Reader:
    """A recursive-descent reader of one formula."""

    def __init__(self, formula: str) -> None:
        if "\\ldots" in formula or ".." in formula:
            raise _Unread
        formula = _EXPECTED.sub(r"\1", formula)
        formula = _REPEATING.sub(_repeated, formula)
        formula = _SCIENTIFIC.sub(r"(\1*10^{\2})", formula)
        self.tokens: list[tuple[str, str]] = []
        place = 0
        formula = formula.rstrip()
        while place < len(formula):
            match = _TOKEN.match(formula, place)
            if match is None:
                raise _Unread
            self._add(match.lastgroup or "", match[match.lastgroup or 0])
            place = match.end()
        self.at = 0
        self.depth = 0
        self.bars = 0

    def read(self) -> Node:
        node = self._sum()
        if self.at < len(self.tokens):
            raise _Unread
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
            raise _Unread

    def _sum(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _Unread
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
                raise _Unread
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
                    raise _Unread  # a double factorial
                node = ("factorial", node)
            elif self._peek() == "^":
                self._take()
                script = self._script()
                node = ("*", node, _DEGREE) if script == ("circ",) else ("^", node, script)
                if self._peek() == "^":
                    raise _Unread
            elif self._peek() in ("\\%", "\\prime"):
                raise _Unread
            else:
                return node

    def _script(self) -> Node:
        """Read what is raised: a group, or a number with its sign."""
        if self._peek() == "{":
            return self._group("{")
        sign = self._sign() if self._peek() in ("+", "-") else 1
        node = self._atom()
        return node if sign > 0 else ("-", node)

    def _group(self, opening: str) -> Node:
        self._expect(opening)
        node = self._sum()
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
        raise _Unread

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
            raise _Unread
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
                raise _Unread
            return "_" + self._take().lower()
        self._expect("{")
        inside = ""
        while self._peek() != "}":
            if self._kind() not in ("number", "letter") and self._peek() not in ("+", "-"):
                raise _Unread
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
            name = "\\" + name
            return ("letter", name + self._subscript() if self._peek() == "_" else name)
        if name in ("lfloor", "lceil"):
            node = self._sum()
            self._expect("\\rfloor" if name == "lfloor" else "\\rceil")
            return ("floor" if name == "lfloor" else "ceiling", node)
        if name in _FUNCTIONS:
            return self._function(name)
        raise _Unread

    def _function(self, name: str) -> Node:
        base: Node | None = None
        power: Node | None = None
        while self._peek() in ("_", "^"):
            if self._take() == "_":
                base = self._script()
            else:
                power = self._script()
        if power == ("-", ("number", Fraction(1))):
            raise _Unread  # `sin^{-1}` is an arcsine to some
        if base is not None and name != "log":
            raise _Unread
        node = self._function_argument()
        if name == "log":
            node = ("log", node, base or ("number", Fraction(10)))  # as math-verify has it
        else:
            node = (name, node)
        return node if power is None else ("^", node, power)

    def _function_argument(self) -> Node:
        if self._peek() in ("(", "[", "{"):
            node = self._atom()
            if self._peek() == "^":  # `\sin(x)^2` means the square of the sine to some
                raise _Unread
            return node
        node = self._power()
        while self._starts_factor() and self._peek()[1:] not in _FUNCTIONS:
            if self._peek() in ("(", "[", "{", "|") or self._kind() == "number":
                raise _Unread  # `\sin x (1 + x)`
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


class _Evaluation:
    """The values of a tree's nodes at one point."""

    def __init__(self, point: int) -> None:
        self.point = point

    def of(self, node: Node) -> Number:
        name = node[0]
        if name == "number":
            return node[1]
        if name in ("letter", "pi", "e", "i"):
            return self._constant(node)
        if name == "circ":
            raise _Unread
        if name == "call":
            return call_value(node[1], [self.of(node[2])], self.point)
        parts = [self.of(part) for part in node[1:]]
        if name == "+":
            return add(parts)
        if name == "-":
            return -parts[0]
        if name == "*":
            return _product(parts[0], parts[1])
        if name == "/":
            return _quotient(parts[0], parts[1])
        if name == "^":
            return power(parts[0], parts[1])
        if name == "root":
            return power(parts[0], _quotient(Fraction(1), parts[1]))
        if name == "mod":
            return parts[0] - parts[1] * math.floor(_exact(parts[0]) / _exact(parts[1]))
        return _FUNCTION_VALUES[name](*parts)

    def _constant(self, node: Node) -> Number:
        if node[0] == "letter":
            return letter_value(node[1], self.point)
        return {"pi": mpmath.mp.pi, "e": mpmath.mp.e, "i": mpmath.mpc(0, 1)}[node[0]] * 1


def real(value: Number) -> Number:
    """Return a value for mpmath, a fraction with its full precision."""
    if isinstance(value, Fraction):
        return mpmath.mpf(value.numerator) / value.denominator
    return value


def add(parts: list[Number]) -> Number:
    """Return a sum: exact for fractions, and 0 where rounding noise is all that is left."""
    if all(isinstance(part, Fraction) for part in parts):
        return _bounded(sum(parts, Fraction(0)))
    numbers = [real(part) for part in parts]
    total = mpmath.fsum(numbers)
    if abs(total) <= _NOISE * max(abs(number) for number in numbers):
        return Fraction(0)
    return total


def _product(a: Number, b: Number) -> Number:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return _bounded(a * b)
    return real(a) * real(b)


def _quotient(a: Number, b: Number) -> Number:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return _bounded(a / b)
    return real(a) / real(b)


def _bounded(value: Fraction) -> Fraction:
    if max(abs(value.numerator), value.denominator).bit_length() > MAX_DIGITS * 3.33:
        raise TooLarge
    return value


def power(base: Number, exponent: Number) -> Number:
    """Return a power; exact if base and exponent are fractions and the power is one.

    Raises
    ------
    TooLarge
        It has more than `MAX_DIGITS` digits.
    """
    exponent = clean(exponent)
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        if exponent == 0 and base == 0:
            raise _Unread
        size = max(abs(base.numerator), base.denominator).bit_length()
        if size > 1 and size * abs(exponent) > MAX_DIGITS * 3.33:
            raise TooLarge
        if exponent.denominator == 1:
            if abs(exponent) > 10**6:
                raise TooLarge
            return base ** int(exponent)
        root = _exact_root(base, exponent.denominator)
        if root is not None:
            return root**exponent.numerator
    if abs(exponent) > 10**6 or (abs(real(base)) > 10 and _large(base, exponent)):
        raise TooLarge
    return mpmath.power(real(base), real(exponent))


def _large(base: Number, exponent: Number) -> bool:
    return bool(abs(mpmath.log10(abs(real(base)))) * abs(exponent) > 10**9)


def _exact_root(value: Fraction, degree: int) -> Fraction | None:
    """Return the root of a positive fraction if it is a fraction."""
    if value <= 0 or degree > 100:
        return None
    roots = []
    for part in (value.numerator, value.denominator):
        if degree == 2:
            root = math.isqrt(part)
        elif part.bit_length() > 1000:
            return None
        else:
            root = round(float(mpmath.root(part, degree))) if part < 10**300 else 0
        if root**degree != part:
            return None
        roots.append(root)
    return Fraction(roots[0], roots[1])


def _exact(value: Number) -> Fraction:
    if not isinstance(value, Fraction):
        raise _Unread
    return value


def _factorial(value: Number) -> Number:
    number = _exact(value)
    if number > 1000:
        raise TooLarge
    if number.denominator != 1 or number < 0:
        raise _Unread
    return Fraction(math.factorial(int(number)))


def _binomial(n: Number, k: Number) -> Number:
    top, bottom = _exact(n), _exact(k)
    if top.denominator != 1 or bottom.denominator != 1 or top < 0 or bottom < 0:
        raise _Unread
    if top > 10_000:
        raise TooLarge
    return _bounded(Fraction(math.comb(int(top), int(bottom))))


def _rounded(how: Callable[[Number], int]) -> Callable[[Number], Number]:
    def rounded(value: Number) -> Number:
        value = clean(value)
        if isinstance(value, Fraction):
            return Fraction(how(value))
        if isinstance(value, mpmath.mpc) or abs(value) > 10**30:
            raise _Unread
        return Fraction(int(mpmath.floor(value) if how is math.floor else mpmath.ceil(value)))

    return rounded


def _angle(name: str) -> Callable[[Number], Number]:
    def of(value: Number) -> Number:
        number = real(value)
        if abs(number) > 10**20:
            raise TooLarge
        found = getattr(mpmath, name)(number)
        return Fraction(0) if abs(found) < _NOISE else found

    return of


def _exponential(value: Number) -> Number:
    return power(mpmath.mp.e * 1, value)


def _logarithm(value: Number, base: Number) -> Number:
    if clean(value) == 0:
        raise _Unread
    return mpmath.log(real(value)) / mpmath.log(real(base))


_FUNCTION_VALUES: dict[str, Callable[..., Number]] = {
    "abs": abs,
    "factorial": _factorial,
    "binomial": _binomial,
    "floor": _rounded(math.floor),
    "ceiling": _rounded(math.ceil),
    "log": _logarithm,
    "ln": lambda value: _logarithm(value, mpmath.mp.e * 1),
    "exp": _exponential,
    "arcsin": _angle("asin"),
    "arccos": _angle("acos"),
    "arctan": _angle("atan"),
} | {name: _angle(name) for name in "sin cos tan cot sec csc sinh cosh tanh".split()}
