"""All repeats of doubling at once."""

from __future__ import annotations

import numpy as np

from simulator.methods.doubling import Doubling
from simulator.replay.batch.played import Played, Repeats
from simulator.replay.batch.rounds import first_of, in_rounds


def play(policy: Doubling, repeats: Repeats, answer_steps: int) -> Played:
    """Double the number of traces until one answer has its share of them."""
    budget = repeats.order.shape[1]
    targets = [min(policy.first_round, budget)]
    while targets[-1] < budget:
        targets.append(min(2 * targets[-1], budget))
    most = repeats.votes.leading_two()[0][:, np.array(targets) - 1]
    enough = most >= np.array([policy.share * target for target in targets])
    return in_rounds(repeats, np.array([0, *targets[:-1]]), first_of(enough))
