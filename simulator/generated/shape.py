"""Properties of generated problems: lengths, wrong answers, and the points where traces settle.

Measured on real traces of Qwen3-8B on AIME24 and AIME25, 60 problems x 128, that were probed every
500 tokens (SCOUT, arXiv 2602.03845). Only these constants come from them, no question, answer or
trace. `benchmarks/generated_fit.py` shows how well they fit. Within a problem, generated traces are
independent of one another; real ones are so only roughly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.arrays import Bools, Floats
from simulator.generated.draws import correlated, evenly, normal

ACCURACY_KNOTS = (0.0, 0.85, 0.95, 0.99, 1.0)
"""Accuracies at which `LOG_TOKENS` and `SETTLE_LOGIT` are given."""

LOG_TOKENS = (10.15, 9.7, 9.4, 9.2, 8.65)
LOG_TOKENS_DEVIATION = 0.30
"""A problem's mean of log(tokens) at `ACCURACY_KNOTS`, and its deviation around that."""

TOKENS_SPREAD = 0.237
TOKENS_SPREAD_DEVIATION = 0.31
"""Deviation of log(tokens) within a problem: median over problems, deviation of its logarithm."""

WRONG_LOG_TOKENS = 0.33
"""Difference in log(tokens) between a problem's wrong traces and its correct ones."""

WRONG_ANSWERS = 80
WRONG_EXPONENT = (0.4, 2.3)
"""Number of possible wrong answers of a problem, and the range of their Zipf exponent over
problems. Fitted to: among problems with wrong traces the most frequent wrong answer holds 11% to
84% of these (median 30%), and problems that no trace solves have 8 to 58 different ones."""

SETTLE_LOGIT = (1.6, 1.2, 1.1, 0.4, -0.15)
SETTLE_DEVIATION = 0.71
SETTLE_SPREAD = 0.74
SETTLE_WRONG = 0.2
"""Logit of the fraction of a trace after which every probe gives its final answer: a problem's
mean at `ACCURACY_KNOTS`, deviation around that, deviation within a problem, and how much higher it
is for wrong traces. Half of the correct traces settle before 66%, half of the wrong before 85%."""

SETTLE_LENGTH_PROBLEMS = 0.38
SETTLE_LENGTH_TRACES = 0.21
"""Correlation of that logit with log(tokens): over problems of one accuracy, over the traces of a
problem."""

WANDER_EXPONENT = (1.0, 2.2)
"""Range over problems of the Zipf exponent of what unsettled traces answer."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Properties that are drawn once per problem; see the constants."""

    accuracy: float
    log_tokens: float
    tokens_spread: float
    settle_logit: float
    wrong_exponent: float
    wander_exponent: float

    def log_lengths(self, correct: Bools, length: Floats) -> Floats:
        """Return log(tokens) of traces; `length` is standard normal, arrays (traces,)."""
        unlike = ~correct - (1 - self.accuracy)  # averages to zero over the problem
        return self.log_tokens + WRONG_LOG_TOKENS * unlike + self.tokens_spread * length

    def settled_after(self, correct: Bools, length: Floats, settling: Floats) -> Floats:
        """Return the fraction of each trace after which its probes give its final answer.

        `length` is the argument of `log_lengths`, `settling` another standard normal number; all
        arrays have shape (traces,).
        """
        unlike = ~correct - (1 - self.accuracy)
        mixed = correlated(length, settling, SETTLE_LENGTH_TRACES)
        logit = self.settle_logit + SETTLE_WRONG * unlike + SETTLE_SPREAD * mixed
        return 1 / (1 + np.exp(-logit))


def shapes(rng: np.random.Generator, accuracy: Floats) -> list[Shape]:
    """Draw the shape of every problem, given its accuracy.

    Each property takes evenly spaced quantiles of its distribution, in random order: thirty
    problems then spread as the measured ones do, whatever the seed.
    """
    number = len(accuracy)
    length = normal(evenly(rng, number))
    settling = correlated(length, normal(evenly(rng, number)), SETTLE_LENGTH_PROBLEMS)
    log_tokens = np.interp(accuracy, ACCURACY_KNOTS, LOG_TOKENS) + LOG_TOKENS_DEVIATION * length
    settle_logit = np.interp(accuracy, ACCURACY_KNOTS, SETTLE_LOGIT) + SETTLE_DEVIATION * settling
    tokens_spread = TOKENS_SPREAD * np.exp(TOKENS_SPREAD_DEVIATION * normal(evenly(rng, number)))
    wrong_exponent = np.interp(evenly(rng, number), (0, 1), WRONG_EXPONENT)
    wander_exponent = np.interp(evenly(rng, number), (0, 1), WANDER_EXPONENT)
    columns = (
        accuracy,
        log_tokens,
        tokens_spread,
        settle_logit,
        wrong_exponent,
        wander_exponent,
    )
    return [Shape(*row) for row in np.stack(columns, axis=1).tolist()]
