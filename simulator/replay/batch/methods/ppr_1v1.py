"""All repeats of PPR-1v1 at once."""

from __future__ import annotations

import numpy as np

from simulator.methods.ppr_1v1 import PPR1v1, density_at_half
from simulator.replay.batch.played import Played, Repeats
from simulator.replay.batch.rounds import first_of, in_rounds


def play(policy: PPR1v1, repeats: Repeats, answer_steps: int) -> Played:
    """Take one trace at a time until the test tells the two leaders apart."""
    first, second = repeats.votes.leading_two()
    budget = first.shape[1]
    pairs, places = np.unique(first * (budget + 1) + second, return_inverse=True)
    densities = [density_at_half(*divmod(pair, budget + 1)) for pair in pairs.tolist()]
    rivals = np.maximum(1, repeats.votes.distinct_so_far() - 1)
    stops = np.array(densities)[places].reshape(first.shape) <= policy.delta / rivals
    return in_rounds(repeats, np.arange(budget), first_of(stops))
