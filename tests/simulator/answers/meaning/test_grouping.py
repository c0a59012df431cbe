"""Grouping is an equivalence: it depends on no order, and takes no comparison of most pairs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.answers.equivalence import classify, equivalent
from simulator.answers.meaning import math_answers
from simulator.answers.meaning.grouping import MAX_COMPARISONS, groups, means

SPELLINGS = [
    ["7", "7.0", r"\text{7}", "x = 7", r"\frac{14}{2}", "7^{th}", "7 cm", r"\sqrt{49}", r"7\%"],
    ["0.07", r"\frac{7}{100}"],
    [r"\frac13", "0.333333", "0.3333333333", r"0.\overline{3}", r"\frac{2}{6}"],
    [r"\sqrt{3}", "1.732051", r"\frac{3}{\sqrt3}"],
    ["(1, 7)", "x > 1 \\text{ and } x < 7", "1 < t < 7", "a = 1, b = 7"],
    [r"\{1, 7\}", "7, 1", "1, 7", r"4 \pm 3"],
    ["(7, 1)"],
    ["y = 3x + 7", "3x+7", "3x - y + 7 = 0", "6x - 2y = -14"],
    ["u + v = 9", "2u + 2v = 18"],
    ["u - v = 9"],
    ["9", r"\boxed{9}", "9^\\circ", "n = 9"],
    [r"x \neq 4", r"(-\infty, 4) \cup (4, \infty)"],
    ["2^{-55}", r"\frac{1}{2^{55}}"],
    ["2^{-56}"],
    ["28 + number of lines", "27 + 1 + Number of lines"],
    [r"1 + \cdots + 9"],
    ["9^{9^{9}}"],
    ["nothing"],
    ["?", "? "],
]
REAL_LIKE = [text for spellings in SPELLINGS for text in spellings]
ANSWER = st.sampled_from(REAL_LIKE)


def partition(answers: Sequence[str], gold: str = "no such answer") -> set[frozenset[str]]:
    """Return the classes of answers as sets of texts."""
    grouped = classify(gold, "math", answers)
    return {
        frozenset(text for text, number in grouped.of_text.items() if number == each)
        for each in range(len(grouped.texts))
    }


@settings(max_examples=60, deadline=None)
@given(st.lists(ANSWER, max_size=12), st.data())
def test_classes_do_not_depend_on_the_order_of_answers(
    answers: list[str], data: st.DataObject
) -> None:
    shuffled: list[str] = data.draw(st.permutations(answers))
    assert partition(answers) == partition(shuffled)
    assert groups(answers) == groups(shuffled)


@settings(max_examples=100, deadline=None)
@given(ANSWER, ANSWER)
def test_equality_is_symmetric(a: str, b: str) -> None:
    assert means(a, b) == means(b, a)
    assert equivalent("math", a, a)


@settings(max_examples=100, deadline=None)
@given(ANSWER, ANSWER, ANSWER)
def test_equality_is_transitive_within_a_problem(a: str, b: str, c: str) -> None:
    of = groups([a, b, c])
    if of[a] == of[b] and of[b] == of[c]:
        assert of[a] == of[c]
    exact = [text for text in (a, b, c) if "%" not in text and "." not in text]
    loose = {*SPELLINGS[5], *SPELLINGS[8], *SPELLINGS[9]}  # a list for a point, `u - v = 9` for 9
    if len(exact) == 3 and means(a, b) and means(b, c) and not {a, b, c} & loose:
        assert means(a, c)


def test_spellings_of_one_meaning_are_one_class_in_any_company() -> None:
    of = groups(REAL_LIKE)
    for spellings in SPELLINGS:
        apart = [text for text in spellings if of[text] != of[spellings[0]]]
        # Beside (7, 1), a list of 1 and 7 may stand for either point, so it joins none.
        assert apart == [], apart


def test_no_two_meanings_are_one_class() -> None:
    of = groups(REAL_LIKE)
    firsts = [of[spellings[0]] for spellings in SPELLINGS]
    assert len(set(firsts)) == len(firsts)


def test_a_percentage_is_its_number_rather_than_its_value() -> None:
    assert partition(["40", r"40\%", "0.4"]) == {frozenset(["40", r"40\%"]), frozenset(["0.4"])}
    assert partition([r"40\%", "0.4"]) == {frozenset([r"40\%", "0.4"])}


def test_a_list_is_a_point_only_if_there_is_one_such_point() -> None:
    assert partition(["1, 2", "(1, 2)"]) == {frozenset(["1, 2", "(1, 2)"])}
    assert len(partition(["1, 2", "2, 1", "(1, 2)", "(2, 1)"])) == 3


def test_two_equations_with_one_right_side_stay_apart() -> None:
    assert partition(["x + y = 5", "5"]) == {frozenset(["x + y = 5", "5"])}
    assert len(partition(["x + y = 5", "5", "x - y = 5"])) == 3


def test_two_values_with_one_rounding_stay_apart() -> None:
    near = [r"\frac{1}{3}", r"\frac{1000000}{3000001}"]
    assert len(partition(near)) == 2
    assert len(partition([*near, "0.333333"])) == 3


def test_right_answers_are_one_class_of_their_own() -> None:
    grouped = classify("(1, 2)", "math", ["1, 2", "2, 1", "(1,2)", "x = 1, y = 2"])
    assert grouped.texts == ["1, 2", "2, 1"]
    assert grouped.correct == [True, False]
    assert [grouped.class_of(a) for a in ("(1,2)", "x = 1, y = 2")] == [0, 0]


def test_thousands_of_answers_take_no_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(a: str, b: str) -> bool:
        raise AssertionError(f"{a} was compared with {b}")

    monkeypatch.setattr(math_answers, "verified", never)
    fractions = [rf"\frac{{{n}}}{{7}}" for n in range(800)] + [f"{n}/7" for n in range(800)]
    formulas = [rf"{n}x + \sqrt{{{n}}}" for n in range(1, 101)]
    assert len(set(groups([*fractions, *formulas]).values())) == 900


def test_comparisons_end_when_their_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, str]] = []
    clock = iter(range(0, 10_000, 3))
    monkeypatch.setattr(math_answers, "verified", lambda a, b: calls.append((a, b)))
    monkeypatch.setattr(time, "process_time", lambda: float(next(clock)))
    answers = [f"x^2 > {number}" for number in range(10)]
    assert len(set(groups(answers).values())) == 10
    assert len(calls) == 3  # at 3, 6 and 9 seconds, of 10


def test_comparisons_are_bounded_and_the_first_are_the_same_in_any_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[tuple[str, str]] = []
    monkeypatch.setattr(math_answers, "verified", lambda a, b: calls.append((a, b)))
    answers = [f"x^2 > {number}" for number in range(60)]
    groups(answers)
    first, calls[:] = list(calls), []
    groups(reversed(answers))
    assert (
        first
        == calls
        == list(combinations(sorted(answers, key=lambda a: (len(a), a)), 2))[:MAX_COMPARISONS]
    )
