"""All repeats of Bayesian L=3 at once."""

from __future__ import annotations

import numpy as np

from simulator.methods.bayes_3 import Bayes3, chance_of_first
from simulator.replay.batch.played import Played, Repeats
from simulator.replay.batch.rounds import first_of, in_rounds


def play(policy: Bayes3, repeats: Repeats, answer_steps: int) -> Played:
    """Take one trace at a time until the leader is likely enough the most likely answer."""
    first, second = repeats.votes.leading_two()
    rest = np.cumsum(repeats.answers >= 0, axis=1) - first - second
    stops = np.zeros(first.shape, dtype=bool)
    for row in range(len(stops)):  # one by one, as counts after a stop may take long
        for place in np.flatnonzero(first[row]):
            counts = int(first[row, place]), int(second[row, place]), int(rest[row, place])
            if chance_of_first(*counts, policy.priors) >= 1 - policy.delta:
                stops[row, place] = True
                break
    return in_rounds(repeats, np.arange(first.shape[1]), first_of(stops))
