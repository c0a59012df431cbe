"""All repeats of SPRT and mSPRT at once."""

from __future__ import annotations

from math import log

import numpy as np

from simulator.methods.sprt import SPRT
from simulator.replay.batch.played import Played, Repeats
from simulator.replay.batch.rounds import first_of, in_rounds


def play(policy: SPRT, repeats: Repeats, answer_steps: int) -> Played | None:
    """Take one trace at a time until the test tells the top two answers apart."""
    accept_h1 = log((1 - policy.beta) / policy.alpha)
    accept_h0 = log(policy.beta / (1 - policy.alpha))
    first, second = repeats.votes.leading_two()
    budget = first.shape[1]
    pairs, places = np.unique(first * (budget + 1) + second, return_inverse=True)
    try:
        ratios = np.array(
            [policy.log_likelihood_ratio(*divmod(pair, budget + 1)) for pair in pairs.tolist()]
        )
    except (ArithmeticError, ValueError):
        return None  # of votes that no repeat may come to
    stops = (ratios >= accept_h1) | (ratios <= accept_h0)
    return in_rounds(repeats, np.arange(budget), first_of(stops[places].reshape(first.shape)))
