"""The answers to a problem in groups of the same meaning, for a person who judges them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.answers.likeness import likeness
from simulator.pools.pool import Pool, StoredProblem

BEFORE, AFTER = 80, 30
"""Characters of a text that are shown before and after an answer in it."""


@dataclass(frozen=True, kw_only=True)
class AnswerGroup:
    """The traces of a problem whose answers mean the same; `right` if that is the gold answer.

    `answer` is the most frequent spelling and `spellings` counts the traces of each, the most
    frequent first. `like` says in which way a wrong answer looks like the gold answer, unless it
    was judged by hand. `probes` is the number of probes with this answer, None in a pool without.
    `corrections` are verdicts by hand on it, with their reasons. `trace_id` is an example and
    `example` the text around its answer, None in a pool without text.
    """

    answer: str
    right: bool
    traces: int
    spellings: dict[str, int]
    like: str | None
    probes: int | None = None
    corrections: tuple[str, ...] = ()
    trace_id: int | None = None
    example: str | None = None

    @property
    def others(self) -> dict[str, int]:
        """Spellings other than `answer`, with their traces."""
        return {text: count for text, count in self.spellings.items() if text != self.answer}


@dataclass(frozen=True, kw_only=True)
class ProblemAnswers:
    """The groups of a problem's answers, the largest first.

    `accepted` are right answers beside the gold answer. `no_answer` is the number of traces without
    an answer; `trace_id` is one of them, and `example` the end of its text. Unfinished traces do
    not count.
    """

    problem_id: str
    question: str | None
    gold_answer: str
    accepted: tuple[str, ...]
    answer_kind: str
    traces: int
    no_answer: int
    groups: tuple[AnswerGroup, ...]
    trace_id: int | None = None
    example: str | None = None

    @property
    def right(self) -> int:
        """Number of right traces."""
        return sum(group.traces for group in self.groups if group.right)

    @property
    def merged(self) -> int:
        """Number of traces whose answer is spelled otherwise than most of its group."""
        return sum(sum(group.others.values()) for group in self.groups)

    @property
    def near(self) -> int:
        """Number of traces with a wrong answer that looks like the gold answer."""
        return sum(group.traces for group in self.groups if group.like)

    @property
    def doubtful(self) -> int:
        """Number of traces that are worth a look: without an answer, merged or a near miss."""
        return self.no_answer + self.merged + self.near


def answer_groups(pool: Pool, problem: StoredProblem, *, examples: bool = False) -> ProblemAnswers:
    """Group the answers to a problem of a pool; `examples` also reads its texts and probes."""
    spelled = [row["answer"] for row in pool.trace_rows(problem)]
    classes = problem.answer_class.tolist()
    counts: list[Counter[str]] = [Counter() for _ in problem.class_texts]
    for text, number in zip(spelled, classes, strict=True):
        if text is not None:
            counts[number][text] += 1
    probes = _probes_by_class(problem) if examples else None
    texts = problem.texts if examples and "text" in pool.info.signals else None
    by_hand = _corrections_by_answer(pool, problem.problem_id)
    groups = []
    for number, count in enumerate(counts):
        spellings = dict(count.most_common()) or {problem.class_texts[number]: 0}
        answer = next(iter(spellings))
        right = bool(problem.class_correct[number])
        example = spelled.index(answer) if count else None
        judged = tuple(line for text in spellings for line in by_hand.get(text, ()))
        groups.append(
            AnswerGroup(
                answer=answer,
                right=right,
                traces=count.total(),
                spellings=spellings,
                like=None if right or judged else _like(problem.gold_answer, spellings),
                probes=None if probes is None else int(probes[number]),
                corrections=judged,
                trace_id=None if example is None else int(problem.trace_ids[example]),
                example=None
                if example is None or texts is None
                else around(texts[example], answer),
            )
        )
    groups.sort(key=lambda group: -group.traces)
    silent = [row for row, text in enumerate(spelled) if text is None and problem.ended[row]]
    missing = silent[0] if silent else None
    return ProblemAnswers(
        problem_id=problem.problem_id,
        question=problem.question,
        gold_answer=problem.gold_answer,
        accepted=tuple(pool.info.accepted.get(problem.problem_id, ())),
        answer_kind=problem.answer_kind,
        traces=int(problem.ended.sum()),
        no_answer=len(silent),
        groups=tuple(groups),
        trace_id=None if missing is None else int(problem.trace_ids[missing]),
        example=None if missing is None or texts is None else around(texts[missing], ""),
    )


def around(text: str, answer: str) -> str:
    """Return the text around the last place of an answer on one line, else its end."""
    start, end = _last_place(text, answer)
    first, last = max(0, start - BEFORE), min(len(text), end + AFTER)
    shown = " ".join(text[first:last].split())
    return f"{'…' * (first > 0)}{shown}{'…' * (last < len(text))}"


def _last_place(text: str, answer: str) -> tuple[int, int]:
    """Return where an answer stands in a text last, not as a piece of a word; else its end."""
    start = len(text)
    while answer and (start := text.rfind(answer, 0, start)) >= 0:
        end = start + len(answer)
        around = text[max(0, start - 1) : start + 1], text[end - 1 : end + 1]
        if not any(len(pair) == 2 and pair.isalnum() for pair in around):
            return start, end
        start = end - 1
    return len(text), len(text)


def _like(gold_answer: str, spellings: Sequence[str] | dict[str, int]) -> str | None:
    return next(filter(None, (likeness(gold_answer, text) for text in spellings)), None)


def _probes_by_class(problem: StoredProblem) -> list[int] | None:
    if "probes" not in problem.pool.info.signals:
        return None
    answers = problem.probes.answers
    counts = np.bincount(answers[answers >= 0], minlength=len(problem.class_texts))
    return [int(each) for each in counts]


def _corrections_by_answer(pool: Pool, problem_id: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in pool.info.corrections:
        if each["problem"] == problem_id:
            than = f" {each['other']}" if "other" in each else ""
            line = f"{each['answer']} {each['verdict']}{than}: {each['reason']}"
            found.setdefault(each["answer"], []).append(line)
    return found
