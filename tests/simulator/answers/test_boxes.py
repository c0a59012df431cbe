"""Boxes are found by their braces."""

from __future__ import annotations

import pytest

from simulator.answers.boxes import boxed, last_boxed


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("no box", None),
        (r"\boxed{1} then \boxed{2}", "2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"first \boxed{7}, cut off in \boxed{8 + \frac{1", "7"),
        (r"\boxed{" * 3, None),
        (r"}} \boxed{1} }", "1"),
        (r"{ an open brace, \boxed{5}", "5"),
        (r"\fbox{3}", "3"),
        (r"\boxed {4}", "4"),
        (r"\boxed{9}, as asked in \boxed{}", "9"),
        (r"\boxed{a \boxed{b}}", "b"),
        (r"$\boxed 12$", "12"),
        (r"$\boxed \frac{1}{2}$", r"\frac{1}{2}"),
        (r"\boxed \frac{1", None),
    ],
)
def test_last_boxed(text: str, content: str | None) -> None:
    assert last_boxed(text) == content


def test_all_boxes_are_found_in_their_order() -> None:
    text = r"\boxed{a \fbox{b}} { \boxed 3 \boxed{} \boxed{c}"
    boxes = boxed(text)
    assert [box.content(text) for box in boxes] == [r"a \fbox{b}", "b", "3", "c"]
    assert [text[box.place :][:2] for box in boxes] == ["\\b", "\\f", "\\b", "\\b"]


@pytest.mark.parametrize(
    "text",
    [
        "\\boxed{" * 300_000,
        "{" * 2_000_000,
        "\\boxed" + " " * 2_000_000,
        "\\boxed{1}" * 200_000,
        "\\boxed{" * 200_000 + "}" * 200_000,
    ],
)
def test_long_odd_texts_come_to_an_end(text: str) -> None:
    last_boxed(text)  # minutes, if time were quadratic in their length
