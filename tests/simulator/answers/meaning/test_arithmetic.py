"""Formulas are evaluated exactly where they are rational, to 30 digits elsewhere, or not at all."""

from __future__ import annotations

import contextlib
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.answers.meaning.arithmetic import TooLarge, evaluate, key

EXACT = [
    (r"\frac{3}{8} - 2^{-3}", Fraction(1, 4)),
    (r"\frac38", Fraction(3, 8)),
    ("3/8", Fraction(3, 8)),
    (".375", Fraction(3, 8)),
    (r"5\frac{3}{8}", Fraction(43, 8)),
    (r"-5\frac38", Fraction(-43, 8)),
    ("12,500.5", Fraction(25001, 2)),
    (r"6.25 \times 10^{-4}", Fraction(1, 1600)),
    ("6.25e-4", Fraction(1, 1600)),
    ("2^-70", Fraction(1, 2**70)),
    (r"\sqrt{49}", Fraction(7)),
    (r"\sqrt[3]{\frac{8}{27}}", Fraction(2, 3)),
    (r"16^{3/4}", Fraction(8)),
    (r"(\sqrt{7}-2)(\sqrt{7}+2)", Fraction(3)),
    ("|2 - 9|", Fraction(7)),
    ("5! - 4!", Fraction(96)),
    (r"\binom{7}{3}", Fraction(35)),
    (r"\lfloor -2.5 \rfloor", Fraction(-3)),
    (r"\lceil \sqrt{50} \rceil", Fraction(8)),
    (r"\log_3 81", Fraction(4)),
    (r"\log 1000", Fraction(3)),
    (r"\ln e^5", Fraction(5)),
    (r"\sin 30^\circ", Fraction(1, 2)),
    (r"\cos(\pi)", Fraction(-1)),
    (r"(2+i)(2-i)", Fraction(5)),
    (r"e^{i\pi}", Fraction(-1)),
    (r"0.1\overline{6}", Fraction(1, 6)),
    (r"2 - -3", Fraction(5)),
    (r"8/2\cdot 3", Fraction(12)),
    (r"3^{14} \bmod 1000", Fraction(969)),
    ("x - x", Fraction(0)),
    (r"\frac{6y}{3y}", Fraction(2)),
]

REFUSED = [
    "",
    "+",
    "3 4",
    "x 3",
    "2..5",
    r"1 + \ldots + 9",
    "(1",
    "1)",
    r"\sqrt{}",
    "0^0",
    "1/0",
    "#",
]


@pytest.mark.parametrize(("formula", "value"), EXACT)
def test_rational_values_are_exact(formula: str, value: Fraction) -> None:
    assert evaluate(formula) == (value,)


@pytest.mark.parametrize("formula", REFUSED)
def test_what_is_not_certainly_understood_is_refused(formula: str) -> None:
    assert evaluate(formula) is None


@pytest.mark.parametrize(
    "formula", ["9^{9^{9}}", "2000!", "(9^{999})^{99}", r"e^{e^{e^{e^{e}}}}", r"\sin(10^{10^6})"]
)
def test_what_would_take_for_ever_is_not_evaluated(formula: str) -> None:
    with pytest.raises(TooLarge):
        evaluate(formula)


@pytest.mark.parametrize(
    ("formula", "digits"),
    [
        (r"\sqrt{2}", "1.41421356237309504880168872421"),
        (r"\pi", "3.14159265358979323846264338328"),
        (r"e", "2.71828182845904523536028747135"),
        (r"\ln 2", "0.693147180559945309417232121458"),
    ],
)
def test_other_values_have_thirty_digits(formula: str, digits: str) -> None:
    (value,) = evaluate(formula) or (None,)
    assert key(value) == digits


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (r"\sin^2 t + \cos^2 t", "1"),
        (r"(a+b)^2", r"a^2 + 2ab + b^2"),
        (r"\tan u", r"\frac{\sin u}{\cos u}"),
        (r"\frac{p^2 - q^2}{p - q}", "p + q"),
        (r"\theta_1 + \theta_2", r"\theta_{2} + \theta_{1}"),
    ],
)
def test_equal_formulas_have_equal_values(a: str, b: str) -> None:
    assert evaluate(a) == pytest.approx(evaluate(b), rel=1e-60)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (r"|50 - x|", "50 - x"),
        (r"|y|", "y"),
        ("x", "y"),
        (r"\alpha", "a"),
        ("x_1", "x_2"),
        ("P(3)", "P(4)"),
        ("2^{-60}", "2^{-61}"),
    ],
)
def test_other_formulas_have_other_values(a: str, b: str) -> None:
    assert [key(v) for v in evaluate(a) or ()] != [key(v) for v in evaluate(b) or ()]


LEAVES = st.integers(0, 99).map(lambda n: (str(n), Fraction(n))) | st.tuples(
    st.integers(1, 40), st.integers(1, 40)
).map(lambda pair: (rf"\frac{{{pair[0]}}}{{{pair[1]}}}", Fraction(*pair)))


def combined(
    parts: st.SearchStrategy[tuple[str, Fraction]],
) -> st.SearchStrategy[tuple[str, Fraction]]:
    """Return sums, differences, products, squares and negatives of formulas with their values."""
    two = st.tuples(parts, parts)
    return st.one_of(
        two.map(lambda p: (f"{p[0][0]} + ({p[1][0]})", p[0][1] + p[1][1])),
        two.map(lambda p: (f"({p[0][0]}) - ({p[1][0]})", p[0][1] - p[1][1])),
        two.map(lambda p: (rf"({p[0][0]}) \cdot ({p[1][0]})", p[0][1] * p[1][1])),
        two.map(lambda p: (f"({p[0][0]})({p[1][0]})", p[0][1] * p[1][1])),
        parts.map(lambda p: (f"({p[0]})^2", p[1] ** 2)),
        parts.map(lambda p: (f"-({p[0]})", -p[1])),
    )


@settings(max_examples=100)
@given(st.recursive(LEAVES, combined, max_leaves=6))
def test_values_are_those_of_exact_arithmetic(formula: tuple[str, Fraction]) -> None:
    assert evaluate(formula[0]) == (formula[1],)


@settings(max_examples=200)
@given(st.text(alphabet=r"0123456789xye+-*/^!(){}[]|\,._ ", max_size=25))
def test_any_text_is_evaluated_or_refused(text: str) -> None:
    with contextlib.suppress(TooLarge):
        evaluate(text)
