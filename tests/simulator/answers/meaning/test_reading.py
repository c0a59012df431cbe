"""Answers of each kind are equal to their other spellings, and to no near miss."""

from __future__ import annotations

import pytest

from simulator.answers.equivalence import classify, equivalent

SAME = {
    "tiny and huge values": [
        (r"\frac{1}{3^{50}}", r"3^{-50}"),
        (r"\frac{1}{12!}", r"\frac{1}{479001600}"),
        ("4e-11", r"4 \times 10^{-11}"),
        ("0.00000000004", r"4\cdot10^{-11}"),
        (r"6.02 \times 10^{23}", "602000000000000000000000"),
        ("3^{200}", r"9^{100}"),
        ("6.5 x 10^-9", "6.5×10⁻⁹"),
    ],
    "fonts": [
        (r"\mathbf{\frac{1}{58}}", r"\text{$\frac{1}{58}$}"),
        (r"\text{58}", "58"),
        (r"\textcolor{red}{\mathbf{58}}", r"\boxed{58}"),
    ],
    "mixed numbers": [
        ("2 3/7", r"\frac{17}{7}"),
        (r"2\frac37", r"\frac{17}{7}"),
        ("-2 3/7", r"-\frac{17}{7}"),
        ("6 9/4", r"\frac{33}{4}"),
    ],
    "intervals and inequalities": [
        (r"t \ge \frac{3}{2}", r"[1.5, \infty)"),
        (r"-2 \leq k < 7", "[-2, 7)"),
        ("7 > k > -2", "(-2, 7)"),
        (r"\sqrt{3} > y", r"(-\infty, \sqrt3)"),
        ("4z < 10", "(-\\infty, 2.5)"),
        ("-3w <= 6", r"[-2, \infty)"),
        (r"u < -1 \text{ or } u > 6", r"(-\infty, -1) \cup (6, \infty)"),
        (r"u > -1 \text{ and } u < 6", "(-1, 6)"),
        (r"u \in (-1, 6)", "]-1, 6["),
        (r"u \neq 4", r"(-\infty, 4) \cup (4, \infty)"),
        (r"|u| \leq 3", "[-3, 3]"),
        (r"\{u \mid u \geq 4\}", r"[4, \infty)"),
        (r"\{u \in \mathbb{R} : u < 4\}", "u < 4"),
        (r"u < 0 \text{ or } 1 < u < 2 \text{ or } u > 3", r"(3,\infty)\cup(1,2)\cup(-\infty,0)"),
    ],
    "percentages": [(r"12.5\%", "12.5"), (r"12.5\%", r"\frac{1}{8}"), ("64 pct", r"64\%")],
    "decimals": [
        (r"\frac{2}{7}", "0.285714"),
        (r"\frac{2}{7}", "0.285714285714286"),
        (r"\sqrt{5}", "2.236068"),
        (r"0.1\overline{6}", r"\frac16"),
        (r"(\frac{2}{7}, 1)", "(0.285714, 1)"),
    ],
    "points, sets and lists": [
        (r"(0.25, -3)", r"\left(\frac{1}{4}, -3\right)"),
        (r"\{5, 6, 8\}", "8, 5 \\text{ and } 6"),
        ("5, 6", "(5, 6)"),
        (r"\{9\}", "9"),
        (r"\langle 2, 7, 1 \rangle", "(2,7,1)"),
        ("4, 4, 4", "4"),
        ("1,500, 2", "2, 1500"),
    ],
    "the real line": [
        (r"\mathbb{R}", r"(-\infty, \infty)"),
        (r"y \in \mathbb{R}", r"(-\infty, \infty)"),
    ],
    "matrices": [
        (r"\begin{pmatrix} \frac12 & 3 \end{pmatrix}", r"\begin{bmatrix} 0.5 & 3 \end{bmatrix}"),
        (r"\begin{pmatrix} 6 & 5 \\ 4 & 0 \end{pmatrix}", r"\begin{bmatrix}6&5\\4&0\end{bmatrix}"),
        (r"\begin{pmatrix} x \\ -y \end{pmatrix}", r"\begin{pmatrix}x\\[3pt]-y\end{pmatrix}"),
        (
            r"\begin{pmatrix} 6 & -5 \\ \frac14 & 0 \end{pmatrix}",
            r"\left[\begin{array}{rr}6&-5\\0.25&0\end{array}\right]",
        ),
        (
            r"\left(\begin{smallmatrix} 6 \\ 5 \end{smallmatrix}\right)",
            r"\begin{pmatrix}6\\5\end{pmatrix}",
        ),
    ],
    "labels": [
        ("k = 19", "19"),
        ("19 = k", "k=19"),
        (r"\text{Area} = 19", "19"),
        (r"\angle PQR = 48^\circ", "48"),
        ("a = 3 \\text{ or } a = 8", "8, 3"),
        ("a = 3, 8", "a = 8, a = 3"),
        ("p = 3, q = 8", "(3, 8)"),
        ("q = 8, p = 3", "(3, 8)"),
        ("(p, q) = (3, 8)", "(3, 8)"),
        ("Q = (3, 8)", "(3, 8)"),
        ("t = [3, 8)", "[3, 8)"),
        (r"t = 35\%", r"35\%"),
        ("r = 8:3", r"\frac83"),
        (r"u = \pm 3", r"\pm 3"),
        (r"M = \begin{pmatrix} 6 & 5 \end{pmatrix}", r"\begin{bmatrix}6&5\end{bmatrix}"),
        ("g(x) = 4x - 1", "4x-1"),
        ("y = 4x - 1", "4x - y - 1 = 0"),
        ("u + v = 61", "61"),
        ("x_1 = 8, x_2 = 3", r"\{3, 8\}"),
        (r"f^{-1}(x) = \frac{x}{2}", "x/2"),
        ("= 19", "19"),
    ],
    "equations": [("3x + 6y = 9", "x + 2y = 3"), ("x^2 - y^2 = 1", "y^2 + 1 = x^2")],
    "signs": [
        (r"\pm 44", "-44, 44"),
        (r"5 \pm 2\sqrt{6}", r"5-2\sqrt6, 5+2\sqrt6"),
        (r"x = \pm\frac{1}{2}", r"\{0.5, -0.5\}"),
        (r"4 \mp i", "4 - i, 4 + i"),
    ],
    "complex numbers": [
        (
            r"1, \frac{-1 \pm \mathrm{i}\sqrt{3}}{2}",
            r"1, -\frac12 - \frac{\sqrt3}{2}i, \frac{-1+\sqrt{3}\text{i}}{2}",
        ),
        (r"(3+\text{i})^2", "8+6i"),
    ],
    "option labels": [(r"\textbf{(E)}\ 91", "91"), (r"\text{(A) }\frac23", "2/3"), ("(E)", "E")],
    "ordinals and units": [
        (r"9^{\text{th}}", "9"),
        (r"23\text{rd}", "23"),
        (r"9^{\text{th}} \text{ floor}", "9"),
        (r"35\ \text{km/h}", "35"),
        (r"35^\circ", "35"),
        (r"\$35.00", "35"),
        ("8 litres", "8"),
        (r"8\text{m}", "8"),
    ],
    "thousands": [("12 500", "12,500"), (r"12\,500", "12500"), (r"\sqrt{2,500}", "50")],
    "bases": [
        (r"2102_3", r"2102_{3}"),
        (r"\text{2102}_3", "65"),
        ("1F_{16}", "31"),
        (r"(2102)_{\text{three}}", "2102_3"),
        ("2102_3", "2102"),
    ],
    "ratios": [("3:8", r"\frac38"), ("09:15", "9:15")],
    "congruences": [(r"N \equiv 23 \pmod{10}", "3")],
    "words": [
        (r"\text{Blue}", "blue"),
        ("7 + 5 + number of cats", "12 + Number of  cats"),
        (r"\varnothing", r"\emptyset"),
        (r"\{\}", r"\emptyset"),
    ],
    "formulas": [
        (r"\frac{\sin 2a}{2}", r"\sin a \cos a"),
        ("(n+1)!", "(n+1) \\cdot n!"),
        (r"5 \cdot 34^{1/9}", r"\frac{5 \cdot 34^{10/9}}{34}"),
    ],
}

DIFFERENT = {
    "tiny and huge values": [
        ("3^{-50}", "3^{-51}"),
        ("4e-11", "5e-11"),
        (r"\frac{1}{12!}", r"\frac{1}{13!}"),
        ("3^{200}", "3^{200} + 1"),
        (r"2 - \frac{1}{\pi}", r"2 + \frac{1}{\pi}"),
        (r"\sqrt{10^{40}+1}", "10^{20}"),
    ],
    "mixed numbers": [("4 4/5", "4"), ("6 9/4", "13.5"), ("2 3/7", r"\frac{6}{7}")],
    "intervals and inequalities": [
        ("t > 3", "t \\geq 3"),
        ("[1, 2)", "[1, 2]"),
        ("t < 3", "t > 3"),
        (r"t \geq 0, u \geq 0", r"[0, \infty)"),
        (r"0 < t < 9", "(0, 9.5)"),
        ("(1, 2)", "(2, 1)"),
    ],
    "percentages": [(r"64\%", r"65\%"), (r"64\%", "6.4"), (r"64\%", "0.064")],
    "decimals": [
        (r"\frac{2}{7}", "0.2857"),
        (r"\frac{2}{7}", "0.285715"),
        ("0.2857142", "0.2857143"),
        (r"\frac{1}{3 \cdot 10^{7}}", "0.00000003"),
        (r"\frac14", "0.2500001"),
    ],
    "points, sets and lists": [
        ("(3, 8)", "(8, 3)"),
        (r"\{3, 8\}", "(8, 3)"),
        ("3, 8", "3, 8, 9"),
        ("m = 3, 8, 9", "m = 2, 3, 8"),
        ("38", "3,8"),
    ],
    "matrices": [
        (r"\begin{pmatrix} 1 & 3 \end{pmatrix}", r"\begin{pmatrix} 1 \\ 3 \end{pmatrix}"),
        (r"\begin{pmatrix} 1 & 3 \end{pmatrix}", r"\begin{pmatrix} 1 & -3 \end{pmatrix}"),
        (r"\begin{pmatrix} 3 \\ 14 \end{pmatrix}", r"\begin{pmatrix} 31 \\ 4 \end{pmatrix}"),
        (r"\begin{pmatrix} 3 \\ -4 \end{pmatrix}", r"\begin{pmatrix} -1 \end{pmatrix}"),
    ],
    "labels": [("p = 3, q = 8", "p = 8, q = 3"), ("E = (0, 4)", "E = (0, 4.5)"), ("k = 19", "18")],
    "equations": [("x^2 + y^2 = 9", "x + y = 9"), ("x + y = 9", "x - y = 9")],
    "signs": [(r"\pm 44", "44"), (r"\pm 44", "-44")],
    "ordinals and units": [(r"9^{\text{th}}", "8"), ("35s", "35"), ("3^{n}", "3")],
    "bases": [("2102_3", "2102_4"), ("2102_3", "66"), ("x_2", "x")],
    "times": [("4:00", "4"), ("4:30", "5:30"), ("10:20", r"\frac12")],
    "words": [("listen", "silent"), ("27", r"1 + 27 + \ldots"), ("arc ABCD", "arc ABDC")],
    "formulas": [
        ("|40 - x|", "40 - x"),
        ("C(20, 4)", "C(16, 8)"),
        (r"\sin(a \sin b)", r"\sin a \sin b"),
    ],
}


@pytest.mark.parametrize(
    ("kind", "a", "b"), [(kind, *pair) for kind, pairs in SAME.items() for pair in pairs]
)
def test_other_spellings_mean_the_same(kind: str, a: str, b: str) -> None:
    assert equivalent("math", a, b)
    assert equivalent("math", b, a)
    assert len(classify("gold", "math", [a, b]).texts) == 1 or kind == "bases"


@pytest.mark.parametrize(
    ("kind", "a", "b"), [(kind, *pair) for kind, pairs in DIFFERENT.items() for pair in pairs]
)
def test_near_misses_do_not(kind: str, a: str, b: str) -> None:
    assert not equivalent("math", a, b)
    assert not equivalent("math", b, a)
    assert len(classify("gold", "math", [a, b]).texts) == 2


def test_a_digit_string_is_right_for_a_base_but_no_class_with_it() -> None:
    """Where the question asks for base 3, `2102` is right; beside `2102_3` it may be another."""
    assert classify("2102_3", "math", ["2102", "65"]).correct == [True]
    assert classify("7", "math", ["2102", "2102_3"]).texts == ["2102", "2102_3"]


def test_an_option_with_its_value_is_its_letter_where_letters_are_asked_for() -> None:
    for answer in (r"\textbf{(D) }91", r"\textbf{(D)}\ 91", "D. 91", "(D)"):
        assert equivalent("choice", "D", answer)
        assert not equivalent("choice", "C", answer)
