"""Kind and value of a parsed answer, found without ever evaluating anything large.

sympy evaluates whatever it is given, in exponential time if unevaluated nodes are nested. So a tree
is first walked to bound the size of every number in it, and then evaluated as
`arithmetic` does, each node once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import mpmath
import sympy
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational

from simulator.answers.meaning import arithmetic
from simulator.answers.meaning.arithmetic import Number
from simulator.answers.meaning.formulas import GREEK

MAX_DIGITS = 1000
"""Decimal digits of the largest number that may occur while an answer is evaluated."""

MAX_DEPTH = 14
"""Levels of the deepest expression tree that is evaluated; sympy's time doubles with each."""

MAX_NODES = 400
"""Nodes of the largest expression tree that is evaluated."""

MAX_FUNCTIONS = 8
"""Maximum sines, logarithms and the like in one answer; sympy needs minutes to simplify many."""

MAX_EXPANSION = 20
"""Largest power of a sum with variables in it, which sympy might multiply out."""

MAX_ROOT = 100
"""Largest denominator of an exponent: the 2016th root of a sum keeps sympy busy for minutes."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """A parsed answer; `values` are those of `arithmetic.evaluate`, if it is an expression.

    An equation's value is that of its last right-hand side; a list has `size` elements.
    """

    expression: Any
    kind: Literal["scalar", "equation", "list", "other"]
    values: tuple[Number, ...] | None = None
    size: int = 1


class _Unsafe(Exception):  # noqa: N818  (not an error, an answer)
    """An expression whose evaluation could take for ever."""


def describe(expression: Any) -> Meaning | None:
    """Return the meaning of a sympy object, or None if evaluating it could take for ever."""
    try:
        _Bounds().walk(expression, MAX_DEPTH)
    except (_Unsafe, OverflowError):
        return None
    if isinstance(expression, sympy.FiniteSet | sympy.Tuple):
        return Meaning(expression, "list", size=len(expression.args))
    if isinstance(expression, sympy.Expr):
        return Meaning(expression, "scalar", _values(expression))
    last = expression
    while isinstance(last, sympy.And) and last.args:
        last = getattr(last, "_unsorted_args", last.args)[-1]
    return Meaning(expression, "equation" if isinstance(last, sympy.Eq) else "other")


class _Bounds:
    """Bounds of the numbers in a tree. Any node that is not known to be harmless is unsafe."""

    def __init__(self) -> None:
        self.nodes = 0
        self.functions = 0

    def walk(self, node: Any, depth: int) -> tuple[float, float]:
        """Return the digits of the largest numerator or denominator, and a bound of the value."""
        self.nodes += 1
        self.functions += isinstance(node, sympy.Function)
        if depth < 0 or self.nodes > MAX_NODES or self.functions > MAX_FUNCTIONS:
            raise _Unsafe
        if isinstance(node, sympy.MatrixBase):
            if not all(isinstance(element, sympy.Expr) for element in node.flat()):
                raise _Unsafe
            return max((self.walk(element, depth - 1) for element in node.flat()), default=(1, 1))
        if not isinstance(node, sympy.Basic):
            raise _Unsafe
        if not node.args:
            return _leaf_bounds(node)
        parts = [self.walk(part, depth - 1) for part in node.args]
        digits, bound = self._combine(node, parts)
        if not digits <= MAX_DIGITS:
            raise _Unsafe
        return digits, bound

    def _combine(self, node: Any, parts: list[tuple[float, float]]) -> tuple[float, float]:
        digits = sum(part[0] for part in parts)
        if isinstance(node, sympy.Add):
            return digits, sum(part[1] for part in parts)
        if isinstance(node, sympy.Mul):
            return digits, math.prod(part[1] for part in parts)
        if isinstance(node, sympy.Pow | sympy.exp):
            base, (_, power) = parts if isinstance(node, sympy.Pow) else ((1.0, 2.72), parts[0])
            return _power_bounds(node, base[0], power)
        if isinstance(node, sympy.factorial | sympy.binomial):
            largest = max(part[1] for part in parts)
            if largest > MAX_DIGITS:
                raise _Unsafe
            digits = largest * math.log10(largest + 10)
            return digits, 10 ** min(digits, 300)
        if isinstance(node, _HARMLESS):
            return digits, max(part[1] for part in parts)
        raise _Unsafe


_HARMLESS = (
    sympy.UnevaluatedExpr,
    sympy.Abs,
    sympy.floor,
    sympy.ceiling,
    sympy.Mod,
    sympy.Max,
    sympy.Min,
    sympy.log,
    sympy.sin,
    sympy.cos,
    sympy.tan,
    sympy.cot,
    sympy.sec,
    sympy.csc,
    sympy.asin,
    sympy.acos,
    sympy.atan,
    sympy.sinh,
    sympy.cosh,
    sympy.tanh,
    sympy.Tuple,
    sympy.FiniteSet,
    sympy.Interval,
    sympy.Union,
    sympy.Complement,
    sympy.And,
    Relational,
    AppliedUndef,
)


def _leaf_bounds(leaf: Any) -> tuple[float, float]:
    if isinstance(leaf, sympy.Rational) and leaf.is_finite:
        digits = max(abs(leaf.p), leaf.q).bit_length() * math.log10(2) + 1
        return digits, abs(leaf.p) / leaf.q if digits < 300 else math.inf
    if isinstance(leaf, sympy.Float) and leaf.is_finite:
        size = float(mpmath.log10(abs(leaf._to_mpmath(53)) or 1))
        return abs(size) + 17, 10 ** min(size + 1, 300)
    if leaf in (sympy.nan, sympy.zoo):
        raise _Unsafe
    if isinstance(leaf, sympy.Symbol):
        return 0.1, 10.0  # so that its powers may be large, but not so large as to fill the memory
    return 1.0, 10.0  # a constant such as pi, infinity, a named set, true or false


def _power_bounds(node: Any, base_digits: float, power: float) -> tuple[float, float]:
    """Return the bounds of a power, given its base's digits and a bound of its exponent."""
    base, exponent = node.as_base_exp()
    if isinstance(exponent, sympy.Rational) and exponent.q > MAX_ROOT:
        raise _Unsafe
    if isinstance(base, sympy.Add) and base.free_symbols and power > MAX_EXPANSION:
        raise _Unsafe
    digits = base_digits * max(1.0, power)
    return digits, 10 ** min(digits, 300)


def _values(expression: sympy.Expr) -> tuple[Number, ...] | None:
    """Return an expression's values, as `arithmetic.evaluate` would; None if not computed here."""
    nodes = list(sympy.preorder_traversal(expression))
    if any(isinstance(node, sympy.UnevaluatedExpr) for node in nodes):
        return None  # a percentage, which math-verify compares with and without its sign
    has_letters = any(isinstance(node, sympy.Symbol | AppliedUndef) for node in nodes)
    return arithmetic.computed(lambda point: _evaluate(expression, point), has_letters)


def _evaluate(node: Any, point: int) -> Number:
    if isinstance(node, sympy.Rational):
        return Fraction(int(node.p), int(node.q))
    if isinstance(node, sympy.Float):
        return Fraction(str(node))  # as written, not as it is stored
    if isinstance(node, sympy.NumberSymbol | sympy.core.numbers.ImaginaryUnit):
        return node._to_mpmath(mpmath.mp.prec)
    if isinstance(node, sympy.Symbol):
        return arithmetic.letter_value(_letter(node.name), point)
    parts = [_evaluate(part, point) for part in node.args]
    if isinstance(node, sympy.Add):
        return arithmetic.add(parts)
    if isinstance(node, sympy.Mul):
        return mpmath.fprod(map(arithmetic.real, parts))
    if isinstance(node, sympy.Pow):
        return arithmetic.power(parts[0], parts[1])
    if isinstance(node, AppliedUndef):
        return arithmetic.call_value(node.func.__name__, parts, point)
    function = _FUNCTIONS.get(type(node).__name__)
    if function is None:
        raise ValueError(f"no value of {type(node).__name__}")
    return function(*map(arithmetic.real, parts))


def _letter(name: str) -> str:
    r"""Return the name that a variable has in `arithmetic`: `\alpha`, `x_10`."""
    bare = re.sub(r"[{}\s]", "", name)
    stem = bare.split("_")[0]
    return f"\\{bare}" if stem in GREEK else bare


def _off_the_edge(value: Any) -> Any:
    """Return `value`; raise ValueError if rounding errors may decide how it is rounded."""
    distance = abs(value - mpmath.nint(value))
    if 0 < distance < 1e-12:
        raise ValueError("on the edge")
    return value


_FUNCTIONS: dict[str, Callable[..., Any]] = (
    {
        "exp": mpmath.exp,
        "log": mpmath.log,
        "Abs": abs,
        "floor": lambda value: mpmath.floor(_off_the_edge(value)),
        "ceiling": lambda value: mpmath.ceil(_off_the_edge(value)),
        "Mod": lambda a, b: a - b * mpmath.floor(_off_the_edge(a / b)),
        "Max": max,
        "Min": min,
        "factorial": mpmath.factorial,
        "binomial": mpmath.binomial,
    }
    | {
        name: getattr(mpmath, name)
        for name in ("sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos", "atan")
    }
    | {name: getattr(mpmath, name) for name in ("sinh", "cosh", "tanh")}
)
