"""Wrong answers that look like the gold answer are pointed out, others are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.answers.likeness import likeness


@pytest.mark.parametrize(
    ("gold", "answer", "way"),
    [
        ("12", r"$12\text{ pears}$", "holds the gold answer"),
        ("12", "x = 12", "holds the gold answer"),
        ("B", "B. The river", "holds the gold answer"),
        (r"\sqrt{3}", "sqrt 3", "the same but for markup"),
        (r"\frac{3}{8}", "3:8", "the same numbers"),
        ("(2, 5)", "(5, 2)", "the same numbers"),
        ("2/7", "0.2857", "close in value"),
        ("75%", "0.75", "the same digits"),
        ("4096", "40.96", "the same digits"),
        ("-6", "6", "the same but for the sign"),
        ("1,250", "1250 m", "holds the gold answer"),
        ("red and blue", "blue", "a part of the gold answer"),
        ("Marie Curie", "Marie Currie", "similar text"),
    ],
)
def test_a_near_miss_is_named(gold: str, answer: str, way: str) -> None:
    assert likeness(gold, answer) == way


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("204", "205"),
        ("20", "200"),
        ("3", r"\frac{3}{4}"),
        ("3", "13"),
        ("3", "3x + 2"),
        ("B", "C"),
        ("0", "0.01"),
        ("5", ""),
        ("Paris", "London"),
    ],
)
def test_another_answer_is_none(gold: str, answer: str) -> None:
    assert likeness(gold, answer) is None


@given(st.text(max_size=400), st.text(max_size=400))
def test_any_text_can_be_compared(gold: str, answer: str) -> None:
    assert likeness(gold, answer) is None or len(likeness(gold, answer) or "") > 5
