"""Answers: taken out of texts, grouped by meaning, compared with the gold answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Classes:
    """The answers of one problem, grouped by meaning.

    `texts[c]` is how class c was first written, `correct[c]` whether it means the gold answer.
    Classes are numbered in order of first appearance.
    """

    texts: list[str]
    correct: list[bool]
    of_text: dict[str, int]

    def class_of(self, answer: str | None) -> int:
        """The class of an answer that was among those grouped; −1 for None."""
        return -1 if answer is None else self.of_text[answer]


def classify(
    gold_answer: str,
    answer_kind: str,
    answers: Sequence[str | None],
    probe_answers: Iterable[str | None] = (),
) -> Classes:
    """Group a problem's answers (final ones first, then probes')."""
    raise NotImplementedError
