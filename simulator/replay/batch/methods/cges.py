"""All repeats of CGES at once."""

from __future__ import annotations

import numpy as np

from simulator.methods.cges import CGES, posteriors
from simulator.pools.pool import NO_ANSWER
from simulator.replay.batch.played import Played, Repeats
from simulator.replay.batch.rounds import in_rounds
from simulator.replay.batch.scores import means


def play(policy: CGES, repeats: Repeats, answer_steps: int) -> Played:
    """Take one trace at a time until the posterior of an answer is certain."""
    count, budget = repeats.order.shape
    scores = means(repeats.problem, "entropy")
    entropy = np.full((count, budget), np.nan)
    answer, rounds, on = np.full(count, NO_ANSWER), np.full(count, budget), np.arange(count)
    for number in range(budget):
        entropy[on, number] = scores.of(repeats.order[on, number])
        goes_on = np.ones(len(on), dtype=bool)
        for place, row in enumerate(on.tolist()):
            voted = repeats.answers[row, : number + 1] >= 0
            if not voted.any():
                continue
            answers = repeats.answers[row, : number + 1][voted]
            posterior = posteriors(answers, np.exp(-entropy[row, : number + 1][voted]))
            answer[row] = answers[posterior.argmax()]
            if posterior.max() >= policy.gamma:
                goes_on[place], rounds[row] = False, number + 1
        on = on[goes_on]
        if not len(on):
            break
    return in_rounds(repeats, np.arange(budget), rounds, answer)
