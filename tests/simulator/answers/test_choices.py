"""An answer names an option only if it names exactly one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.answers.choices import is_letter, letter_of


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        *(
            (text, "B")
            for text in ("B", "b", "(B)", "[B]", "B.", "**B**", "$B$", "`B`", '"B"', "B)")
        ),
        *((rf"\{name}{{B}}", "B") for name in ("text", "textbf", "mathrm", "mathbf", "boxed")),
        (r"\textbf{(B) }8", "B"),
        (r"\textbf{(B)}\ 8", "B"),
        (r"\text{B. } 8", "B"),
        ("B: A metal", "B"),
        ("B. Vitamin C", "B"),
        ("B - a metal", "B"),
        ("B — a metal", "B"),
        ("(B - a metal)", "B"),
        ("B (a metal)", "B"),
        ("B\nas it is a metal", "B"),
        ("B, not C", "B"),
        ("B, C is wrong", "B"),
        ("B rather than C", "B"),
        ("B is correct", "B"),
        ("B (B)", "B"),
        ("Option B", "B"),
        ("option (B): a metal", "B"),
        ("The correct answer is B", "B"),
        ("Ｂ", "B"),
        ("（Ｂ）", "B"),
        ("[[B]]", "B"),
        ("I, II", None),
        ("I and III", None),
        ("I, II and IV", None),
        ("B or C", None),
        ("B, or maybe C", None),
        ("B and C", None),
        ("B, C", None),
        ("B, C are right", None),
        ("(B), (C)", None),
        ("B/C", None),
        ("BC", None),
        ("B: C", None),
        ("B?", None),
        ("B is wrong", None),
        ("B is not the answer", None),
        ("not B", None),
        ("either B or C", None),
        ("A metal", None),
        ("I think it is C", None),
        ("X-ray", None),
        ("e.g. zinc", None),
        ("8.9", None),
        ("", None),
    ],
)
def test_letters(text: str, letter: str | None) -> None:
    assert letter_of(text) == letter


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("B", True),
        ("(B)", True),
        ("B.", True),
        (r"\text{(B)}", True),
        ("b", False),
        ("B. Zn", False),
    ],
)
def test_letters_that_stand_alone(text: str, alone: bool) -> None:
    assert is_letter(text) == alone


@given(st.text(alphabet="AB ()[],.:-or\n\\{}text*$", max_size=30) | st.text(max_size=30))
def test_an_option_named_is_a_capital_letter_that_names_itself(text: str) -> None:
    letter = letter_of(text)
    if letter is not None:
        assert letter.isalpha()
        assert letter_of(letter) == letter
