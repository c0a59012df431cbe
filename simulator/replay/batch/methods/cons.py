"""All repeats of cons@N at once."""

from __future__ import annotations

import numpy as np

from simulator.methods.cons import Cons
from simulator.replay.batch.played import Played, Repeats


def play(policy: Cons, repeats: Repeats, answer_steps: int) -> Played:
    """Decode all traces to their ends, and answer with the majority."""
    lengths = repeats.lengths
    winners = repeats.votes.winners()
    return Played(winners, lengths, np.zeros(lengths.shape), lengths, lengths.max(axis=1))
