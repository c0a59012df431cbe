"""All repeats of Adaptive-Consistency at once."""

from __future__ import annotations

import numpy as np
from scipy.special import betainc

from simulator.methods.asc import ASC
from simulator.replay.batch.played import Played, Repeats
from simulator.replay.batch.rounds import first_of, in_rounds


def play(policy: ASC, repeats: Repeats, answer_steps: int) -> Played:
    """Take one trace at a time, from the second on until the majority is certain enough."""
    v1, v2 = repeats.votes.leading_two()
    pairs, places = np.unique(v1 * (v1.shape[1] + 1) + v2, return_inverse=True)
    first, second = np.divmod(pairs, v1.shape[1] + 1)
    certain = 1 - betainc(first + 1, second + 1, 0.5) > policy.threshold
    stops = certain[places].reshape(v1.shape)
    stops[:, 0] = False
    return in_rounds(repeats, np.arange(v1.shape[1]), first_of(stops))
