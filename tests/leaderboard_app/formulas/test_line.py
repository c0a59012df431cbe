"""Formulas as text on a line: with the brackets they need, and different for different answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard_app.formulas.line import answer_lines, formula_line


@pytest.mark.parametrize(
    ("formula", "line"),
    [
        (r"\frac{1}{2}", "1/2"),
        (r"\dfrac12", "1/2"),
        (r"\sqrt{2}", "√2"),
        (r"\pi", "π"),
        ("x^2", "x²"),
        (r"\frac{a+b}{c}", "(a+b)/c"),
        (r"\frac{1}{2x}", "1/(2x)"),
        (r"\frac{3\sqrt{3}}{4}", "3√3/4"),
        (r"-\frac{1}{17}", "−1/17"),
        (r"3\frac{1}{2}", "3(1/2)"),
        (r"\frac12 x", "(1/2)x"),
        (r"\frac{\frac12}{3}", "(1/2)/3"),
        (r"2\cdot\frac12", "2⋅(1/2)"),
        (r"\sqrt{3}x", "√(3)x"),
        (r"\sqrt{a+b}", "√(a+b)"),
        (r"\sqrt[3]{2}", "∛2"),
        (r"{x^2}^3", "(x²)³"),
        (r"{-1}^2", "(−1)²"),
        (r"(-1)^n", "(−1)ⁿ"),
        ("10^{-4}", "10⁻⁴"),
        (r"x^{\frac12}", "x^(1/2)"),
        (r"\left( \frac{45}{2} \right)^{13/9}", "(45/2)^(13/9)"),
        (r"\left(3, \frac{\pi}{2}\right)", "(3, π/2)"),
        (r"90^\circ", "90°"),
        (r"10\%", "10%"),
        (r"1,\!000", "1,000"),
        ("17_b", "17_b"),
        (r"\log_2 3", "log₂ 3"),
        (r"\sin^2 x \cos y", "sin² x cos y"),
        (r"ab\sin x", "ab sin x"),
        (r"\boxed{7}", "7"),
        (r"a \equiv 1 \pmod{1000}", "a≡1 (mod 1000)"),
        (r"\emptyset", "∅"),
    ],
)
def test_lines_worked_by_hand(formula: str, line: str) -> None:
    assert formula_line(formula) == line


@pytest.mark.parametrize(
    "formula",
    [
        r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}",
        r"\overline{AB}",
        r"\binom{5}{2}",
        r"\sum_{i=1}^n i",
        r"\frac{}{2}",
        "17_b3",
        r"\rule{9em}{9em}",
        "{a",
    ],
)
def test_what_has_no_line_stays_latex(formula: str) -> None:
    assert formula_line(formula) is None
    assert answer_lines([rf"\pi {formula}"]) == (rf"\pi {formula}",)


def test_answers_that_would_be_the_same_line_stay_as_they_are_written() -> None:
    assert answer_lines([r"\frac{1}{2}", "1/2", r"\sqrt2"]) == (r"\frac{1}{2}", "1/2", "√2")
    assert answer_lines([r"\frac{1}{2}", r"\dfrac12"]) == (r"\frac{1}{2}", r"\dfrac12")
    assert answer_lines([r"\boxed{7}", "7", "$8$"]) == (r"\boxed{7}", "7", "8")


def test_a_source_that_is_the_line_of_another_answer_takes_it_along() -> None:
    answers = ["x^{2}", "x^2", r"x\text{^}2"]
    assert answer_lines(answers) == tuple(answers)


PIECES = st.sampled_from(
    [
        *("\\frac{1}{2}", "\\frac12", "1/2", "(1/2)", "\\sqrt{2}", "√2", "√(2)", "\\sqrt2", "x^2"),
        *("x²", "x^{2}", "$", "$x$", "x", "2", "3", "+", "-", "−", "\\pi", "π", " ", "\\text{x}"),
        *("\\left(", "\\right)", "(", ")", "_1", "₁", "\\boxed{2}", "{", "}", "\\,", "^"),
    ]
)


@given(st.lists(st.lists(PIECES, max_size=4).map("".join), max_size=6))
def test_different_answers_have_different_lines(answers: list[str]) -> None:
    sources = [" ".join(each.split()) for each in answers]
    lines = answer_lines(answers)
    assert len(lines) == len(answers)
    assert len(set(lines)) == len(set(sources))
