"""Formulas are rendered, and everything else stays text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard_app.formulas.finding import renders
from leaderboard_app.shown.mathematics import answer, with_formulas

ACTIVE = re.compile(r"(?<!\\)(?:\\\\)*[`*_{}\[\]()<>#|~$&]")
"""A sign of Markdown that is not escaped."""


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("Bases $b>9$ and $17_b$.", "Bases $b>9$ and $17_b$\\."),
        (r"\(x^2\), then \[y = \frac{1}{2}\]", r"$x^2$, then $\displaystyle y = \frac{1}{2}$"),
        ("$$a\n+ b$$", r"$\displaystyle a + b$"),
        ("for $ x^2 = 1. $ or", "for $x^2 = 1.$ or"),
        ("$ 5 and $ 6 each", r"\$ 5 and \$ 6 each"),
        ("costs $5 and $6 each", r"costs \$5 and \$6 each"),
        ("one\ntwo\n\nthree", "one  \ntwo\n\nthree"),
        ("a\n===\n    b", "a  \n\\===  \nb"),
        ("**b** <i>x</i>", r"\*\*b\*\* \<i\>x\</i\>"),
        ("", ""),
        ("$a % b$", r"\$a % b\$"),
    ],
)
def test_formulas_in_a_text(text: str, markdown: str) -> None:
    assert with_formulas(text) == markdown


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        (r"\frac{5}{4}", r"$\frac{5}{4}$"),
        ("x^2", "$x^2$"),
        ("12", "12"),
        ("$3$", "$3$"),
        (r"\boxed{7}", r"$\boxed{7}$"),
        (r"\lcm(2, 3)", r"$\operatorname{lcm}(2, 3)$"),
        ("my_name", r"my\_name"),
        (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"$\begin{pmatrix} 1 \\ 2 \end{pmatrix}$"),
        ("{", r"\{"),
        (None, "none"),
    ],
)
def test_an_answer_is_a_formula_if_it_is_latex(text: str | None, markdown: str) -> None:
    assert answer(text) == markdown


PIECES = st.sampled_from(
    [
        *("$", "$$", "\\(", "\\)", "\\[", "\\]", "\\frac{1}{2}", "\\rule{9em}{9em}", "x", "<b>"),
        *("**", "`", "\n", "\n\n", "[y](javascript:z)", ":material/home:", "#", "|", "=", "1."),
        *("    ", "\\"),
    ]
)


@given(st.lists(PIECES | st.text(max_size=3), max_size=12).map("".join))
def test_no_sign_of_markdown_is_active_outside_of_known_formulas(text: str) -> None:
    for found in (with_formulas(text), answer(text)):
        rest = found
        for formula in re.findall(r"(?<!\\)\$((?:\\.|[^$\\])+)\$", found):
            assert renders(formula)
            rest = rest.replace(f"${formula}$", "", 1)
        assert not ACTIVE.search(rest)
        assert not any(line.startswith(("    ", "\t", "=")) for line in rest.split("\n")[1:])
        assert ":material/home:" not in found.replace("\\", "")
