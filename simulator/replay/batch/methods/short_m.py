"""All repeats of short-m@k at once."""

from __future__ import annotations

import numpy as np

from simulator.methods.short_m import ShortM
from simulator.pools.pool import NO_ANSWER
from simulator.replay.batch.played import Played, Repeats, Tally


def play(policy: ShortM, repeats: Repeats, answer_steps: int) -> Played:
    """Decode all traces until m have finished, whose majority answers."""
    lengths = repeats.lengths
    num_tokens = lengths
    if policy.m <= lengths.shape[1]:
        halt = np.partition(lengths, policy.m - 1, axis=1)[:, policy.m - 1]
        num_tokens = np.minimum(lengths, halt[:, None])
    votes = Tally(np.where(num_tokens == lengths, repeats.answers, NO_ANSWER))
    return Played(
        votes.winners(),
        num_tokens,
        np.zeros(lengths.shape),
        num_tokens,
        num_tokens.max(axis=1),
        halted_by="first",
    )
