"""Corrections by hand: read from a file, checked, and applied to the groups of a problem."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.answers.corrections import Correction, corrected, read_corrections
from simulator.answers.equivalence import Classes, classify
from simulator.errors import UserError

ANSWERS = ["7", "7.0", "8", "8.0", "9", None, "10"]
"""By hand, with the gold answer 7: {7, 7.0} right; {8, 8.0}, {9} and {10} wrong."""


def line(answer: str, verdict: str, other: str | None = None) -> Correction:
    return Correction("p", answer, verdict, "read by eye", other)


def groups(*lines: Correction, answers: list[str | None] = ANSWERS, gold: str = "7") -> Classes:
    return corrected(classify(gold, "math", answers), gold, lines)


def as_sets(classes: Classes) -> dict[frozenset[str], bool]:
    """Return the groups as sets of spellings, each with its verdict."""
    found: dict[int, set[str]] = {}
    for text, number in classes.of_text.items():
        found.setdefault(number, set()).add(text)
    return {frozenset(texts): classes.correct[number] for number, texts in found.items()}


def sets(**verdicts: str) -> dict[frozenset[str], bool]:
    return {
        frozenset(group.split(",")): verdict == "right"
        for verdict, listed in verdicts.items()
        for group in listed.split()
    }


def test_without_corrections_nothing_changes() -> None:
    assert as_sets(groups()) == sets(right="7,7.0", wrong="8,8.0 9 10")


def test_a_right_answer_brings_its_group_to_the_right_ones() -> None:
    classes = groups(line("8", "right"))
    assert as_sets(classes) == sets(right="7,7.0,8,8.0", wrong="9 10")
    assert (classes.texts, classes.correct) == (["7", "9", "10"], [True, False, False])


def test_a_right_answer_can_be_the_only_one() -> None:
    assert as_sets(groups(line("9", "right"), gold="2")) == sets(right="9", wrong="7,7.0 8,8.0 10")


def test_a_wrong_spelling_leaves_the_right_ones_alone() -> None:
    assert as_sets(groups(line("7.0", "wrong"))) == sets(right="7", wrong="7.0 8,8.0 9 10")


def test_a_wrong_gold_answer_takes_its_group_along() -> None:
    found = groups(line("7", "wrong"), line("9", "right"))
    assert as_sets(found) == sets(right="9", wrong="7,7.0 8,8.0 10")


def test_answers_can_be_joined_and_taken_apart() -> None:
    assert as_sets(groups(line("9", "same-as", "8.0"))) == sets(right="7,7.0", wrong="8,8.0,9 10")
    assert as_sets(groups(line("9", "same-as", "7"))) == sets(right="7,7.0,9", wrong="8,8.0 10")
    apart = groups(line("8.0", "not-same-as", "8"))
    assert as_sets(apart) == sets(right="7,7.0", wrong="8 8.0 9 10")
    assert as_sets(groups(line("7.0", "not-same-as", "7")))[frozenset(["7.0"])] is False


def test_a_gold_answer_that_nobody_gave_can_be_compared_with() -> None:
    answers: list[str | None] = ["6/2", "5"]
    assert as_sets(groups(line("5", "same-as", "3"), answers=answers, gold="3")) == sets(
        right="6/2,5"
    )
    assert as_sets(groups(line("6/2", "not-same-as", "3"), answers=answers, gold="3")) == sets(
        wrong="6/2 5"
    )


def test_of_a_group_with_one_right_answer_the_wrong_one_is_taken_out() -> None:
    found = groups(line("8", "right"), line("8.0", "wrong"))
    assert as_sets(found) == sets(right="7,7.0,8", wrong="8.0 9 10")


@pytest.mark.parametrize(
    "lines",
    [
        [line("9", "same-as", "10"), line("9", "right"), line("10", "wrong")],
        [line("9", "same-as", "8"), line("10", "same-as", "8"), line("9", "not-same-as", "10")],
        [line("9", "not-same-as", "7"), line("9", "right")],
    ],
)
def test_corrections_that_cannot_all_hold_are_refused(lines: list[Correction]) -> None:
    with pytest.raises(UserError, match="contradicts the other corrections of this problem"):
        groups(*lines)


def test_an_unknown_answer_is_told_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"no trace answers '8\.00'; did you mean 8\.0\?"):
        groups(line("8.00", "right"))
    with pytest.raises(UserError, match="no trace answers 'pear'"):
        groups(line("9", "same-as", "pear"))


@given(st.permutations(ANSWERS), st.permutations([line("9", "same-as", "8"), line("7.0", "wrong")]))
def test_the_order_of_traces_and_of_corrections_does_not_matter(
    answers: list[str | None], lines: list[Correction]
) -> None:
    found = groups(*lines, answers=answers)
    assert as_sets(found) == sets(right="7", wrong="7.0 8,8.0,9 10")
    first = [text for text in dict.fromkeys(answers) if text is not None]
    numbers = [found.of_text[text] for text in first]
    assert list(dict.fromkeys(numbers)) == list(range(len(found.texts)))
    assert all(found.of_text[text] == number for number, text in enumerate(found.texts))


GOOD = r"""
[[corrections]]
problem = "27"
answer = '\text{"7:2", in words}'
verdict = "same-as"
other = '\frac{7}{2}'
reason = "the ratio that was asked for"

[[corrections]]
problem = "3"
answer = "x, y"
verdict = "wrong"
reason = "y is missing"
"""


def read(tmp_path: Path, text: str) -> list[Correction]:
    file = tmp_path / "corrections.toml"
    file.write_text(text, encoding="utf-8")
    return read_corrections(file)


def test_a_file_has_answers_with_any_characters(tmp_path: Path) -> None:
    first, second = read(tmp_path, GOOD)
    assert first == Correction(
        "27",
        r'\text{"7:2", in words}',
        "same-as",
        "the ratio that was asked for",
        r"\frac{7}{2}",
    )
    assert second.as_dict() == {
        "problem": "3",
        "answer": "x, y",
        "verdict": "wrong",
        "reason": "y is missing",
    }


WRONG = '[[corrections]]\nproblem = "3"\nanswer = "x"\nverdict = "wrong"\nreason = "why"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"holds no \[\[corrections\]\]"),
        ("[corrections]\nproblem = '3'", r"holds no \[\[corrections\]\]"),
        ("corrections = [3]", "correction 1: not a table"),
        (WRONG + "title = 3", "correction 1: no field 'title'"),
        (WRONG.replace('reason = "why"\n', ""), "correction 1: no reason; say in a few words why"),
        (WRONG.replace('"why"', '" "'), "correction 1: reason is not a text; put it in quotes"),
        (WRONG.replace('"x"', "7"), "correction 1: answer is not a text; put it in quotes"),
        (WRONG.replace('"wrong"', '"wron"'), "no verdict 'wron'; did you mean wrong"),
        (WRONG.replace('"wrong"', '"same-as"'), "same-as of 'x'; name another answer as other"),
        (WRONG + 'other = "y"', "wrong of 'x'; remove other"),
        (WRONG + WRONG, r"correction 2 \(problem '3', 'x' wrong\) is there twice"),
        (
            WRONG + WRONG.replace('"wrong"', '"right"'),
            "problem '3', 'x' wrong and problem '3', 'x' right contradict each other; remove one",
        ),
        (WRONG.replace('"x"', r'"\frac{1}{2}"'), "control character; put answers in single quotes"),
        (WRONG.replace('"x"', r'"\sqrt{2}"'), "not TOML .*; put answers in single quotes"),
        (WRONG.replace('"why"', f'"{"w" * 501}"'), "the reason has more than 500 characters"),
    ],
)
def test_a_wrong_file_says_what_to_do(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=rf"corrections\.toml: .*{message}") as error:
        read(tmp_path, text)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.toml: cannot be read .*check --corrections"):
        read_corrections(tmp_path / "none.toml")
