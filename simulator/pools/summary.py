"""Summary of a pool's answers: the figures that show at a glance if an import went well."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean, median

import numpy as np

from simulator.pools.pool import NO_ANSWER, Pool, StoredProblem

MANY = 0.10
"""Share of traces without an answer above which every command that uses the pool says so."""


@dataclass(frozen=True, kw_only=True)
class AnswerSummary:
    """Figures of the answers of a pool.

    `pass_at_1` is the mean over problems of the share of right traces, `cons` that of the accuracy
    of a majority vote over all traces of a problem, as `expected_vote` has it; problems have
    `least_traces` to `most_traces`. `no_answer` counts traces without an answer and
    `unanswered_problems` problems without any. `forms` counts traces by how their answer was found.
    `classes` is the smallest, median and largest number of distinct answers of a problem's traces.
    """

    pass_at_1: float
    cons: float
    least_traces: int
    most_traces: int
    no_answer: int
    no_answer_share: float
    unanswered_problems: int
    forms: dict[str, int]
    classes: tuple[int, float, int]

    @property
    def cons_name(self) -> str:
        """Name of the vote: `cons@N`, or `cons@all` where problems differ in their traces."""
        return f"cons@{self.least_traces if self.least_traces == self.most_traces else 'all'}"


def summarise_answers(pool: Pool) -> AnswerSummary:
    """Compute the figures of a pool's answers from its small files."""
    problems = pool.problems
    counts = [len(problem.lengths) for problem in problems]
    missing = [int((~problem.answered).sum()) for problem in problems]
    classes = [len(np.unique(problem.answer_class[problem.answered])) for problem in problems]
    return AnswerSummary(
        pass_at_1=fmean(float(problem.correct.mean()) for problem in problems),
        cons=fmean(expected_vote(problem) for problem in problems),
        least_traces=min(counts),
        most_traces=max(counts),
        no_answer=sum(missing),
        no_answer_share=sum(missing) / sum(counts),
        unanswered_problems=sum(n == count for n, count in zip(missing, counts, strict=True)),
        forms=dict(pool.info.answer_forms),
        classes=(min(classes), float(median(classes)), max(classes)),
    )


def unanswered_share(pool: Pool) -> float:
    """Return the share of a pool's traces that have no answer."""
    missing = sum(int((~problem.answered).sum()) for problem in pool.problems)
    return missing / max(1, pool.info.traces)


def expected_vote(problem: StoredProblem) -> float:
    """Return the chance that a majority vote over all traces of a problem is right.

    Classes that tie for the most votes win equally often: `cons@N` answers with the one seen first,
    and every order of the traces is as likely. Without any answer, the vote is wrong.
    """
    voting = problem.answer_class[problem.answer_class != NO_ANSWER]
    if not len(voting):
        return 0.0
    votes = np.bincount(voting)
    return float(problem.class_correct[: len(votes)][votes == votes.max()].mean())
