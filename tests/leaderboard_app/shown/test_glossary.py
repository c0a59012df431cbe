"""Texts of figures: signs, digits and zeros."""

from __future__ import annotations

import pytest

from leaderboard_app.shown.glossary import FIGURES, unsigned_zero


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("accuracy_difference", -1e-17, "0.0"),
        ("accuracy_difference", -0.0004, "0.0"),
        ("accuracy_difference", 0.0004, "0.0"),
        ("accuracy_difference", 0.0, "0.0"),
        ("accuracy_difference", -0.0006, "-0.1"),
        ("accuracy_difference", 0.0006, "+0.1"),
        ("accuracy_difference", float("-inf"), "-inf"),
        ("reduction", -1e-17, "0.0"),
        ("reduction", -0.01, "-1.0"),
        ("tokens_1e8", -0.0, "0.00"),
        ("tokens_1e8", 0.00012, "0.00012"),
        ("tokens_per_problem", 1234567.0, "1,234,567"),
        ("accuracy", None, ""),
    ],
)
def test_what_rounds_to_zero_has_no_sign(name: str, value: float | None, text: str) -> None:
    assert FIGURES[name].text(value) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [("-0", "0"), ("+0.0%", "0.0%"), ("-0.05", "-0.05"), ("+nan", "+nan"), ("0.00", "0.00")],
)
def test_only_zeros_lose_their_sign(number: str, text: str) -> None:
    assert unsigned_zero(number) == text
