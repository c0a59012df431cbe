"""Answers: grouping by meaning, comparison with the gold answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from simulator.counting import Equality
from simulator.errors import UserError

ANSWER_KINDS = ("math", "choice", "text")
"""Ways to compare the answers of a problem: by math-verify, by the letter, or by the words."""

NO_ANSWER_TEXT = "(no answer)"
"""Text of the class of traces without an answer, where these vote."""

_CHOICE = re.compile(r"[(\[]?\s*([A-Za-z])\s*(?:[)\].:]+(?:\s.*)?)?", re.DOTALL)
_WRAPPER = re.compile(r"\\(?:text|textbf|mathrm|mathbf|mathsf|boxed)\s*\{([^{}]*)\}")


@dataclass(frozen=True)
class Classes:
    """The answers of one problem, grouped by meaning.

    `texts[c]` is the first text of class c, `correct[c]` is true if it means the gold answer, and
    `of_text` gives the class of each text. Classes are numbered in order of first appearance.
    `unparsed` is the class of None, −1 (which does not vote) unless it has one of its own.
    """

    texts: list[str]
    correct: list[bool]
    of_text: dict[str, int]
    unparsed: int = -1

    def class_of(self, answer: str | None) -> int:
        """Return the class of one of the grouped answers; `unparsed` for None."""
        return self.unparsed if answer is None else self.of_text[answer]

    def with_unparsed(self) -> Classes:
        """Return these classes and one more, wrong, for traces and probes without an answer."""
        text = NO_ANSWER_TEXT
        while text in self.of_text:
            text = f"({text})"
        return Classes([*self.texts, text], [*self.correct, False], self.of_text, len(self.texts))

    def accepting(self, others: Iterable[Classes]) -> Classes:
        """Return classes in which all answers that are right here or in `others` form one class.

        `others` group the same answers by other gold answers.
        """
        right = {
            self.of_text[text]
            for classes in (self, *others)
            for text, number in classes.of_text.items()
            if classes.correct[number]
        }
        texts: list[str] = []
        renumbered: dict[int, int] = {}
        for number, text in enumerate(self.texts):
            joins = min(right) if number in right else number
            if joins == number:
                texts.append(text)
            renumbered[number] = len(texts) - 1 if joins == number else renumbered[joins]
        correct = [False] * len(texts)
        for number in right:
            correct[renumbered[number]] = True
        return Classes(texts, correct, {t: renumbered[n] for t, n in self.of_text.items()})


def classify(
    gold_answer: str,
    answer_kind: str,
    answers: Sequence[str | None],
    probe_answers: Iterable[str | None] = (),
    *,
    equality: Equality = "meaning",
) -> Classes:
    """Group a problem's answers by meaning: final answers first, then probe answers.

    Each distinct answer is compared with the gold answer, so that its correctness does not depend
    on the other answers. The right ones are one class; the wrong ones are grouped by meaning,
    whatever their order.

    Parameters
    ----------
    gold_answer
        The gold answer. It has a class only if a trace or a probe gave it.
    answer_kind
        One of `ANSWER_KINDS`.
    answers, probe_answers
        Answers as written; None for no answer, which has no class.
    equality
        `exact` compares the strings as they stand, whatever the kind: `1/2` is not `0.5`.

    Raises
    ------
    UserError
        `answer_kind` is not in `ANSWER_KINDS`.
    """
    _form_of(answer_kind)
    if equality == "exact":
        return _as_written(gold_answer, chain(answers, probe_answers))
    distinct = dict.fromkeys(text for text in chain(answers, probe_answers) if text is not None)
    right = {text for text in distinct if equivalent(answer_kind, gold_answer, text)}
    group = _groups(answer_kind, [text for text in distinct if text not in right])
    texts: list[str] = []
    of_group: dict[str | None, int] = {}
    of_text: dict[str, int] = {}
    for text in distinct:
        name = None if text in right else group[text]
        if name not in of_group:
            of_group[name] = len(texts)
            texts.append(text)
        of_text[text] = of_group[name]
    return Classes(texts, [text in right for text in texts], of_text)


def _as_written(gold_answer: str, answers: Iterable[str | None]) -> Classes:
    """Group answers that are the same string."""
    of_text: dict[str, int] = {}
    for text in answers:
        if text is not None:
            of_text.setdefault(text, len(of_text))
    texts = list(of_text)
    return Classes(texts, [text == gold_answer for text in texts], of_text)


def equivalent(answer_kind: str, gold: str, answer: str, *, equality: Equality = "meaning") -> bool:
    """Check whether two answers of a kind mean the same.

    The order of the two is no matter. Raises `UserError` if `answer_kind` is not in
    `ANSWER_KINDS`.
    """
    form = _form_of(answer_kind)
    if gold == answer or equality == "exact":
        return gold == answer
    if answer_kind != "math":
        return form(gold) == form(answer)
    from simulator.answers.meaning import grouping  # imported when needed, for a fast start

    return grouping.means(gold, answer)


def _groups(answer_kind: str, answers: Sequence[str]) -> dict[str, str]:
    """Return a name of each answer's group, the same for answers that mean the same."""
    if answer_kind != "math":
        form = _form_of(answer_kind)
        return {text: form(text) for text in answers}
    from simulator.answers.meaning import grouping

    return grouping.groups(answers)


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
    bare = bare.replace("*", "").replace("\\ ", " ").strip(" \t\r\n$`_")
    match = _CHOICE.fullmatch(bare)
    return match[1].upper() if match else _text_form(answer)


_FORMS: dict[str, Callable[[str], str]] = {
    "math": str.strip,  # `simulator.answers.meaning.grouping` knows more
    "choice": _choice_form,
    "text": _text_form,
}
