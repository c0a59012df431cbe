"""All repeats of pass@1 at once."""

from __future__ import annotations

import numpy as np

from simulator.methods.pass_at_1 import PassAt1
from simulator.replay.batch.played import Played, Repeats
from simulator.replay.batch.rounds import in_rounds


def play(policy: PassAt1, repeats: Repeats, answer_steps: int) -> Played:
    """Decode the first trace, and answer with its answer."""
    count, budget = repeats.order.shape
    ones = np.ones(count, dtype=np.int64)
    return in_rounds(repeats, np.arange(budget), ones, repeats.answers[:, 0])
