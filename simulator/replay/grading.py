"""Grading of the answers that policies return."""

from __future__ import annotations

from functools import partial

from simulator.answers.equivalence import equivalent
from simulator.errors import PolicyError
from simulator.policy.base import Answer
from simulator.pools.pool import NO_ANSWER, StoredProblem
from simulator.replay.recording import GradedAnswer


class Grader:
    """A grader of `solve`'s answers to one problem; `file` is named in errors."""

    def __init__(self, problem: StoredProblem, file: str) -> None:
        self._problem = problem
        self._file = file
        self._texts: dict[str, GradedAnswer] = {}

    def grade(self, answer: Answer) -> GradedAnswer:
        """Grade a text, an answer class (as in votes and traces), or None.

        Raises
        ------
        PolicyError
            No trace of the problem gave an answer of that class.
        """
        problem = self._problem
        if answer is None:
            return GradedAnswer(None, NO_ANSWER, False)
        if isinstance(answer, str):
            if answer not in self._texts:
                self._texts[answer] = self._grade_text(answer)
            return self._texts[answer]
        kind = int(answer)
        if kind == NO_ANSWER:
            return GradedAnswer(None, NO_ANSWER, False)
        if not 0 <= kind < len(problem.class_texts):
            raise PolicyError(
                f"{self._file}: solve returned class {kind}, which no answer of the problem has"
            )
        return GradedAnswer(problem.class_texts[kind], kind, bool(problem.class_correct[kind]))

    def _grade_text(self, answer: str) -> GradedAnswer:
        problem = self._problem
        kind = problem.answer_kind
        means = partial(equivalent, kind, equality=problem.pool.info.equality)
        if answer in problem.class_texts:
            same = problem.class_texts.index(answer)
        else:
            matches = (i for i, text in enumerate(problem.class_texts) if means(text, answer))
            same = next(matches, NO_ANSWER)
        if same == NO_ANSWER:
            return GradedAnswer(answer, same, means(problem.gold_answer, answer))
        return GradedAnswer(answer, same, bool(problem.class_correct[same]))
