"""All repeats of ESC at once."""

from __future__ import annotations

import numpy as np

from simulator.methods.esc import ESC
from simulator.replay.batch.played import Played, Repeats
from simulator.replay.batch.rounds import first_of, in_rounds


def play(policy: ESC, repeats: Repeats, answer_steps: int) -> Played:
    """Take windows of traces until one is unanimous."""
    answers = repeats.answers
    count, budget = answers.shape
    starts = np.arange(0, budget, min(policy.window, budget))
    sizes = np.diff(starts, append=budget)
    leads = answers[:, starts]  # a window's first answer
    differs = answers != np.repeat(leads, sizes, axis=1)
    unanimous = ~np.logical_or.reduceat(differs, starts, axis=1) & (leads >= 0)
    unanimous &= sizes == policy.window
    rounds = first_of(unanimous)
    last = np.arange(count), rounds - 1
    answer = np.where(unanimous[last], leads[last], repeats.votes.winners())
    return in_rounds(repeats, starts, rounds, answer)
