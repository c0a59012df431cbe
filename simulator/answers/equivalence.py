"""Answers: grouping by meaning, comparison with the gold answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from simulator.answers import math_answers
from simulator.errors import UserError

ANSWER_KINDS = ("math", "choice", "text")
"""Ways to compare the answers of a problem: by math-verify, by the letter, or by the words."""

MAX_COMPARISONS = 1000
"""Maximum calls to math-verify while one problem's answers are grouped; no real pool comes near it.
Beyond it, answers are compared by their normal form only. Comparisons with the gold answer do not
count and are never skipped."""

_CHOICE = re.compile(r"[(\[]?\s*([A-Za-z])\s*(?:[)\].:]+(?:\s.*)?)?", re.DOTALL)
_WRAPPER = re.compile(r"\\(?:text|textbf|mathrm|mathbf|mathsf|boxed)\s*\{([^{}]*)\}")


@dataclass(frozen=True)
class Classes:
    """The answers of one problem, grouped by meaning.

    `texts[c]` is the first text of class c, `correct[c]` is true if it means the gold answer, and
    `of_text` gives the class of each text. Classes are numbered in order of first appearance.
    """

    texts: list[str]
    correct: list[bool]
    of_text: dict[str, int]

    def class_of(self, answer: str | None) -> int:
        """Return the class of one of the grouped answers; −1 for None."""
        return -1 if answer is None else self.of_text[answer]


def classify(
    gold_answer: str,
    answer_kind: str,
    answers: Sequence[str | None],
    probe_answers: Iterable[str | None] = (),
) -> Classes:
    """Group a problem's answers by meaning: final answers first, then probe answers.

    Each distinct answer is compared with the gold answer first, so that its correctness does not
    depend on the other answers or their order. A wrong answer joins the first class of wrong
    answers that means the same.

    Parameters
    ----------
    gold_answer
        The gold answer. It has a class only if a trace or a probe gave it.
    answer_kind
        One of `ANSWER_KINDS`.
    answers, probe_answers
        Answers as written; None for no answer, which has no class.

    Raises
    ------
    UserError
        `answer_kind` is not in `ANSWER_KINDS`.
    """
    form = _form_of(answer_kind)
    is_math = answer_kind == "math"
    gold_form = form(gold_answer)
    texts: list[str] = []
    correct: list[bool] = []
    of_text: dict[str, int] = {}
    of_form: dict[str, int] = {}
    right_class: int | None = None
    comparisons_left = MAX_COMPARISONS
    for text in chain(answers, probe_answers):
        if text is None or text in of_text:
            continue
        key = form(text)
        found = of_form.get(key)
        right = False
        if found is None:
            right = key == gold_form or (is_math and math_answers.same(gold_answer, text))
            if right:
                found = right_class
            elif is_math:
                for number, other in enumerate(texts):
                    if correct[number] or not math_answers.may_be_same(other, text):
                        continue
                    if comparisons_left == 0:
                        break
                    comparisons_left -= 1
                    if math_answers.verified(other, text):
                        found = number
                        break
        if found is None:
            found = len(texts)
            texts.append(text)
            correct.append(right)
            if right:
                right_class = found
        of_form[key] = of_text[text] = found
    return Classes(texts, correct, of_text)


def equivalent(answer_kind: str, gold: str, answer: str) -> bool:
    """Check whether two answers of a kind mean the same.

    `gold` is the one to compare with: a gold answer or the text of a class. Raises `UserError`
    if `answer_kind` is not in `ANSWER_KINDS`.
    """
    form = _form_of(answer_kind)
    if form(gold) == form(answer):
        return True
    return answer_kind == "math" and math_answers.same(gold, answer)


def _form_of(answer_kind: str) -> Callable[[str], str]:
    """Return the function that normalises answers of a kind, so that obvious equals are equal."""
    if answer_kind not in _FORMS:
        raise UserError(f"unknown answer kind {answer_kind!r}; use one of {', '.join(_FORMS)}")
    return _FORMS[answer_kind]


def _text_form(answer: str) -> str:
    return " ".join(answer.casefold().split())


def _choice_form(answer: str) -> str:
    r"""Return the letter of `C`, `c`, `(C)`, `C.`, `C) because …` or `\text{C}`; else the text."""
    bare = answer
    for _ in range(3):
        bare = _WRAPPER.sub(r"\1", bare)
    bare = bare.replace("*", "").strip(" \t\r\n$`_")
    match = _CHOICE.fullmatch(bare)
    return match[1].upper() if match else _text_form(answer)


_FORMS: dict[str, Callable[[str], str]] = {
    "math": math_answers.form,
    "choice": _choice_form,
    "text": _text_form,
}
