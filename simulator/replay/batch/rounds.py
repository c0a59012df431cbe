"""Rounds: what methods do that decode some traces to their ends, then more, until they answer."""

from __future__ import annotations

import numpy as np

from simulator.arrays import Bools, Ints, Ints32
from simulator.pools.pool import NO_ANSWER
from simulator.replay.batch.played import Played, Repeats, Tally


def in_rounds(
    repeats: Repeats, starts: Ints, rounds: Ints, answer: Ints | Ints32 | None = None
) -> Played:
    """Return that traces were started and decoded to their ends in rounds, one after the other.

    Parameters
    ----------
    starts
        First trace of each round that the budget allows, ascending from 0, shape (n,).
    rounds
        Number of rounds in each repeat, shape (repeats,).
    answer
        Answer class of each repeat, −1 for none; None: the majority of all traces started.
    """
    lengths = repeats.lengths
    budget, last = lengths.shape[1], rounds - 1
    ends = np.append(starts[1:], budget)
    started = ends[last]
    used = np.arange(budget) < started[:, None]
    longest = np.maximum.reduceat(lengths, starts, axis=1)
    clock = np.cumsum(longest, axis=1)
    began = np.repeat(clock - longest, ends - starts, axis=1) * used
    num_tokens = lengths * used
    if answer is None:
        answer = Tally(np.where(used, repeats.answers, NO_ANSWER)).winners()
    return Played(
        answer,
        num_tokens,
        began,
        began + num_tokens,
        clock[np.arange(len(clock)), last],
        started=started,
    )


def first_of(holds: Bools) -> Ints:
    """Return the number of the first column that holds in each row, from 1; else of the last."""
    rounds: Ints = np.where(holds.any(axis=1), holds.argmax(axis=1) + 1, holds.shape[1])
    return rounds
