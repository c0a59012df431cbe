"""Answers are taken out of texts, grouped by meaning and graded, whatever is thrown at them."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.answers.equivalence import classify, equivalent
from simulator.errors import UserError

SAME = [
    ("204", "0204"),
    ("1,234", "1234"),
    ("1{,}234.50", "1234.5"),
    ("$42$", "42."),
    ("\\$42", "+42"),
    ("-0", "0"),
    ("1.5e3", "1500"),
    ("\\frac{1}{2}", "0.5"),
    ("\\dfrac{1}{2}", "\\frac{1}{2}"),
    ("\\frac12", "1/2"),
    ("1/3", "0.333333"),
    ("x = 5", "5"),
    ("\\sqrt{8}", "2\\sqrt2"),
    ("2(x+1)", "2x + 2"),
    ("(1, 2)", "(1,2)"),
    ("\\{1, 2\\}", "2, 1"),
    ("\\text{No}", "No"),
    ("x^{2024}", "x^{2000} x^{24}"),
    ("5 \\text{ cm}", "5"),
    ("\\boldsymbol\\Phi@", "\\boldsymbol \\Phi@"),
]

DIFFERENT = [
    ("5", "005.1"),
    ("0.3333333", "0.3333334"),
    ("\\frac{1}{3}", "0.333"),
    ("x", "y"),
    ("x + 1", "2"),
    ("\\sqrt{2}", "\\sqrt{3}"),
    ("(1, 2)", "(2, 1)"),
    ("1, 2", "1, 2, 3"),
    ("27", "1 + 27 + ..."),
    ("1", "1}^{25} E_k"),
    ("x > 2", "x > 3"),
]

HOSTILE = [
    "9^{9^{9}}",
    "9^{-9^{9^{9}}}",
    "99999999!",
    "((9!)!)!",
    "\\binom{1000000000}{500000000}",
    "\\gcd(9^{9^9}, 3)",
    "\\lfloor 9^{9^9} \\rfloor",
    "\\sin(10^{10^6})",
    "e^{e^{e^{e^{e}}}}",
    "\\sum_{i=1}^{10000000000} i^2",
    "\\int_0^1 e^{x^x} dx",
    "(1+x)^{100000}",
    "x = 1000000000!",
    "\\{1, 2, 3^{9^{9^9}}\\}",
    "\\sqrt[2016]{3} + 1",
    "\\frac{" * 30 + "1" + "}{2}" * 30,
    "(" * 120 + "1" + ")" * 120,
    "|x" * 100,
    "2^" * 60 + "2",
    "x_" * 100 + "1",
    "\\log x" * 40,
    "1" * 100_000,
    "0." + "1" * 100_000,
    "1," * 50_000,
    "\\" * 10_000,
    "{" * 10_000,
    "1/0",
    "\\infty - \\infty",
    "\x00",
    "日本",
    "$",
    "$$$$",
    "",
    " ",
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_answers_that_mean_the_same_are_equivalent(a: str, b: str) -> None:
    assert equivalent("math", a, b)
    assert equivalent("math", b, a)


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_answers_that_mean_something_else_are_not(a: str, b: str) -> None:
    assert not equivalent("math", a, b)
    assert not equivalent("math", b, a)


@pytest.mark.parametrize(
    "letter", ["C", "c", "(C)", "C.", "C)", "[c]", "\\text{C}", "$\\mathrm{C}$"]
)
def test_a_choice_is_its_letter(letter: str) -> None:
    assert equivalent("choice", "C", letter)
    assert not equivalent("choice", "D", letter)


def test_a_choice_may_be_explained_but_a_sentence_is_no_choice() -> None:
    assert equivalent("choice", "C", "(C) because of the tax")
    assert equivalent("choice", "C", "**C**: 12")
    assert not equivalent("choice", "A", "a long answer")


def test_texts_are_equal_but_for_case_and_spacing() -> None:
    assert equivalent("text", "New  York", " new york\n")
    assert not equivalent("text", "7", "7.0")


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UserError, match="unknown answer kind 'essay'; use one of math"):
        classify("1", "essay", ["1"])


def test_classes_by_hand() -> None:
    grouped = classify("0.5", "math", ["2", None, "1/2", "7", "4/2"], ["\\frac{14}{2}", "3", None])
    assert grouped.texts == ["2", "1/2", "7", "3"]
    assert grouped.correct == [False, True, False, False]
    classes = [grouped.class_of(a) for a in ["2", None, "1/2", "7", "4/2", "\\frac{14}{2}", "3"]]
    assert classes == [0, -1, 1, 2, 0, 2, 3]


def test_gold_has_no_class_unless_somebody_gave_it() -> None:
    assert classify("7", "math", ["1", "2"]).correct == [False, False]
    assert classify("7", "math", []).texts == []


ANSWERS = st.sampled_from(
    [None, "1", "1.0", "01", "2", "4/2", "\\frac{2}{1}", "x", "x+0", "y", "?", "\\sqrt{4}", "1,2"]
)


@settings(max_examples=60)
@given(st.sampled_from(["1", "2", "x", "?"]), st.lists(ANSWERS), st.lists(ANSWERS))
def test_classes_partition_the_answers_in_order_of_first_appearance(
    gold: str, answers: list[str | None], probes: list[str | None]
) -> None:
    grouped = classify(gold, "math", answers, probes)
    both = [*answers, *probes]
    classes = [grouped.class_of(answer) for answer in both]
    assert [kind == -1 for kind in classes] == [answer is None for answer in both]
    firsts = list(dict.fromkeys(kind for kind in classes if kind != -1))
    assert firsts == list(range(len(grouped.texts)))
    assert [both[classes.index(kind)] for kind in firsts] == grouped.texts
    assert len(grouped.correct) == len(grouped.texts)
    assert sum(grouped.correct) <= 1
    assert set(grouped.of_text) == {answer for answer in both if answer is not None}


@settings(max_examples=60)
@given(st.sampled_from(["1", "2", "x", "?"]), st.data())
def test_grading_does_not_depend_on_the_order_of_answers(gold: str, data: st.DataObject) -> None:
    answers: list[str | None] = data.draw(st.lists(ANSWERS, min_size=1))
    shuffled: Sequence[str | None] = data.draw(st.permutations(answers))

    def right(order: Sequence[str | None]) -> dict[str, bool]:
        grouped = classify(gold, "math", order)
        return {text: grouped.correct[kind] for text, kind in grouped.of_text.items()}

    assert right(answers) == right(shuffled)
    for answer, verdict in right(answers).items():
        assert verdict == equivalent("math", gold, answer)


@settings(max_examples=200)
@given(st.decimals(allow_nan=False, allow_infinity=False, places=3))
def test_plain_numbers_are_compared_exactly(value: object) -> None:
    assert equivalent("math", f"{value}", f"{value}0")
    assert not equivalent("math", f"{value}", f"{value}1")


@settings(max_examples=150)
@given(st.text(alphabet="0123456789xe+-*/^!(){}[]|\\,.=_ $", max_size=25))
def test_any_text_can_be_an_answer(text: str) -> None:
    started = time.monotonic()
    grouped = classify("42", "math", [text, f"{text} ", "7"])
    assert grouped.class_of(text) == grouped.class_of(f"{text} ")
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("text", HOSTILE, ids=[f"{t[:12]!r}" for t in HOSTILE])
def test_hostile_answers_are_grouped_in_no_time(text: str) -> None:
    started = time.monotonic()
    grouped = classify("42", "math", [text, "0", "x", "1/3", f"{text}+1", "(1, 2)", "42", text])
    assert grouped.class_of("42") != grouped.class_of(text)
    assert time.monotonic() - started < 10
    assert not equivalent("math", "42", text)


def test_grouping_works_off_the_main_thread() -> None:
    found: list[list[str]] = []
    answers = ["\\frac{9}{8}", "1.125", "9^{9^{9}}", "\\sqrt{81}/8"]
    thread = threading.Thread(target=lambda: found.append(classify("1", "math", answers).texts))
    thread.start()
    thread.join(30)
    assert found == [["\\frac{9}{8}", "9^{9^{9}}"]]


def test_pools_of_plain_numbers_never_import_math_verify() -> None:
    code = (
        "import sys; from simulator.answers.equivalence import classify;"
        "print(classify('42', 'math', ['042', '1,000', '-0.50', None], ['7.', '$7$']).texts,"
        "{'math_verify', 'sympy'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "['042', '1,000', '-0.50', '7.'] set()\n"


def test_further_right_answers_join_the_class_of_the_gold_answer() -> None:
    answers = ["b", "x", "a", "c", "x ", "y"]
    grouped = classify("a", "text", answers)
    both = grouped.accepting([classify(right, "text", answers) for right in ("c", "b", "none")])
    assert (both.texts, both.correct) == (["b", "x", "y"], [True, False, False])
    assert [both.class_of(answer) for answer in answers] == [0, 1, 0, 0, 1, 2]
    assert grouped.accepting([]) == grouped
    no = classify("z", "text", answers)
    assert no.accepting([]) == no


def test_exact_equality_compares_strings_as_they_stand() -> None:
    answers = ["0.5", "1/2", None, " 0.5", "0.5", "C"]
    for kind in ("math", "choice", "text"):
        grouped = classify("0.5", kind, answers, ["1/2", "c"], equality="exact")
        assert grouped.texts == ["0.5", "1/2", " 0.5", "C", "c"]
        assert grouped.correct == [True, False, False, False, False]
        classes = [grouped.class_of(answer) for answer in answers]
        assert classes == [0, 1, -1, 2, 0, 3]
        assert equivalent(kind, "0.5", "0.5", equality="exact")
        assert not equivalent(kind, "0.5", "0.50", equality="exact")
    with pytest.raises(UserError, match="unknown answer kind 'essay'"):
        classify("1", "essay", ["1"], equality="exact")


def test_a_class_of_its_own_for_no_answer_is_wrong_whatever_the_gold_answer_is() -> None:
    for gold, text in (("7", "(no answer)"), ("(no answer)", "((no answer))")):
        grouped = classify(gold, "text", ["7", None, gold]).with_unparsed()
        assert grouped.class_of(None) == len(grouped.texts) - 1
        assert grouped.texts[-1] == text
        assert not grouped.correct[-1]
        assert grouped.correct[grouped.class_of(gold)]
