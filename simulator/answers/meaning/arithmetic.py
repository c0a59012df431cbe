r"""Arithmetic: the values of formulas, exact where they are rational.

A tree that `formulas` read is evaluated node by node: exactly as long as a value is rational, else
with 80 digits. A formula with letters is evaluated at several points, so that equal values mean
equal formulas. What would take for ever to evaluate raises `TooLarge`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any

import mpmath

from simulator.answers.meaning.formulas import Node, Unread, letters, parse

MAX_DIGITS = 10_000
"""Decimal digits of the largest number that may occur while a formula is evaluated."""

DIGITS = 80
"""Decimal digits of what is not rational while it is evaluated."""

SIGNIFICANT = 30
"""Decimal digits to which two irrational values must agree to be equal."""

POINTS = 6
"""Points at which formulas with letters are evaluated; more than one sign and size of each letter,
so that `|107 - x|` is not `107 - x`."""

Number = Any  # a Fraction while the value is rational, else mpmath's mpf or mpc

_NOISE = 10.0 ** -(DIGITS - 25)
_MAX_DENOMINATOR = 10**12


class TooLarge(Exception):  # noqa: N818  (not an error, an answer)
    """A formula whose evaluation could take for ever."""


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
    except (ArithmeticError, Unread, TypeError, ValueError, NotImplementedError):
        return None
    return (found[0],) if all(value == found[0] for value in found) else tuple(found)


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
            raise Unread
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
            raise Unread
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
        raise Unread
    return value


def _factorial(value: Number) -> Number:
    number = _exact(value)
    if number > 1000:
        raise TooLarge
    if number.denominator != 1 or number < 0:
        raise Unread
    return Fraction(math.factorial(int(number)))


def _binomial(n: Number, k: Number) -> Number:
    top, bottom = _exact(n), _exact(k)
    if top.denominator != 1 or bottom.denominator != 1 or top < 0 or bottom < 0:
        raise Unread
    if top > 10_000:
        raise TooLarge
    return _bounded(Fraction(math.comb(int(top), int(bottom))))


def _rounded(how: Callable[[Number], int]) -> Callable[[Number], Number]:
    def rounded(value: Number) -> Number:
        value = clean(value)
        if isinstance(value, Fraction):
            return Fraction(how(value))
        if isinstance(value, mpmath.mpc) or abs(value) > 10**30:
            raise Unread
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
        raise Unread
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
}
for _name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh"):
    _FUNCTION_VALUES[_name] = _angle(_name)
