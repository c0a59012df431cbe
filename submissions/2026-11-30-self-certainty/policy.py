import numpy as np

from simulator import (
    TRACE_MEASURES,
    Answer,
    Policy,
    Problem,
    Sampler,
    trace_confidence,
    weighted_vote,
)

LARGEST_P = 50
"""Largest p: votes, at most N^p, then stay finite numbers for up to a million traces."""


class SelfCertainty(Policy):
    """Self-certainty with Borda voting: of N traces the r-th most certain has (N − r + 1)^p votes.

    With `best` the most certain trace that has an answer gives it (best-of-N). The paper's score is
    the mean divergence from uniform over a trace's tokens; here it is a measure of whatever
    confidence a pool stores. Ties rank in the order in which the traces were started.
    """

    source = "Kang et al. 2025 (self-certainty), arXiv 2502.18581, section 4"
    requires = frozenset({"confidence"})
    p = 0.5
    best = False
    measure = "mean"
    window = 2048

    def validate(self) -> None:
        if self.measure not in TRACE_MEASURES:
            raise ValueError(f"measure must be one of {', '.join(TRACE_MEASURES)}")
        if not 0 <= self.p <= LARGEST_P or self.window < 1:
            raise ValueError(
                f"p must be between 0 and {LARGEST_P} (best=true is its limit), window at least 1"
            )

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        traces = sampler.start(sampler.budget)
        sampler.decode(traces)
        ranked = traces[
            np.argsort(-trace_confidence(traces, self.measure, self.window), kind="stable")
        ]
        if self.best:
            answered = ranked.answer[ranked.answer >= 0]
            return answered[0] if len(answered) else None
        votes = np.arange(len(ranked), 0, -1) ** self.p
        in_order = np.argsort(ranked.ids)  # a tie goes to the class seen first
        return weighted_vote(ranked[in_order], votes[in_order])
