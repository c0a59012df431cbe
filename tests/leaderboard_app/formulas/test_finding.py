"""Formulas are found in texts; those that could do more than show mathematics are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard_app.formulas.finding import COMMANDS, Part, answer_parts, parts, renders


@given(st.lists(st.sampled_from(["$", "$$", "\\(", "\\)", "x", " ", "\n", "\\pi", "\\rule"])))
def test_the_parts_of_a_text_are_the_whole_text(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert "".join(each.source for each in parts(text)) == text


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        (r"\frac{5}{4}", [r"\frac{5}{4}"]),
        (r"10\%", [r"10\%"]),
        (r"1,\!000", [r"1,\!000"]),
        (r"\{1, 2\}", [r"\{1, 2\}"]),
        (r"$\pi$ or $-\pi$", [r"\pi", r"-\pi"]),
        (r"\rule{1em}{1em}", []),
        ("1/2", []),
        ("", []),
    ],
)
def test_formulas_of_an_answer(text: str, formulas: list[str]) -> None:
    assert [each.formula for each in answer_parts(text) if each.formula] == formulas


@pytest.mark.parametrize(
    "formula",
    [
        r"\rule{99em}{99em}",
        r"\href{javascript:alert(1)}{x}",
        r"\def\a{\a\a}\a",
        r"\includegraphics{x}",
        r"\htmlClass{x}{y}",
        r"\kern-99em x",
        r"a \\[99em] b",
        r"\begin{document} \end{document}",
        r"{a",
        r"a}{b",
        "a % b",
        "a$b",
        "a\\",
        "a\0b",
        "{" * 21 + "}" * 21,
        "x" * 2_001,
        r"\bar " * 101 + "x",
        "(" * 30 + "x",
        r"\lfloor (" * 15 + "x",
        "{(" * 15 + "x" + "}" * 15 + ")" * 15,
        r"\left." + "(" * 15 + r"\right." + ")" * 15,
        r"\sqrt[" + "(" * 15 + "]x" + ")" * 15,
        r"\begin{array}{c}" + "(" * 15 + "&" + ")" * 15 + r"\end{array}",
        " ",
    ],
)
def test_a_formula_that_could_do_more_than_show_mathematics_stays_text(formula: str) -> None:
    assert not renders(formula)
    if "$" not in formula and "\n" not in formula:
        assert [*parts(f"${formula}$")] == [Part(f"${formula}$")]


def test_common_formulas_of_benchmarks_render() -> None:
    for formula in (
        r"\left(3, \frac{\pi}{2}\right)",
        r"\{1, 2, \ldots, n\}",
        r"\sqrt[3]{2} \cdot 10^{-4}\%",
        r"\triangle ABC, \angle A = 90^\circ, \overline{AB} \perp \overline{CD}",
        r"\binom{n}{k} \equiv 1 \pmod{1000}",
        "(x)" * 20,
        r"\begin{pmatrix}" + "f(x)&" * 10 + r"1\end{pmatrix}",
        "[0, 1)" * 20,
        r"\left(\frac{(a)(b)}{(c)(d)(e)}\right)\left[(f)(g)(h)(i)\right)",
        r"\left[1, \sqrt[3]{2}\right)",
    ):
        assert renders(formula), formula
    assert "rule" not in COMMANDS
