"""All repeats of β-SC at once, from one end of traces to the next."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from simulator.arrays import Bools, Ints
from simulator.methods.beta_sc import BetaSC
from simulator.policy.posterior import chance_of_lead
from simulator.replay.batch.played import Played, Repeats, Tally
from simulator.rules.text_matching import NEVER

_chance_of_lead = lru_cache(maxsize=65536)(chance_of_lead)


def play(policy: BetaSC, repeats: Repeats, answer_steps: int) -> Played:
    """Decode as many traces as may be in flight, a new one for each that ends."""
    lengths, budget = repeats.lengths, repeats.lengths.shape[1]
    started = np.full(len(lengths), min(policy.in_flight or budget, budget))
    began = np.where(np.arange(budget) < started[:, None], 0, NEVER)
    ends = np.where(began < NEVER, lengths, NEVER)
    finished, on = np.zeros(lengths.shape, dtype=bool), np.ones(len(lengths), dtype=bool)
    clock = np.zeros(len(lengths), dtype=np.int64)
    while on.any():
        clock[on] = np.where(finished, NEVER, ends).min(axis=1)[on]
        done = (ends == clock[:, None]) & ~finished & on[:, None]
        finished |= done
        ended = np.count_nonzero(finished, axis=1)
        on &= ~((ended >= 2) & _certain(policy, repeats, finished)) & (ended < budget)
        more = np.minimum(np.count_nonzero(done, axis=1), budget - started) * on
        places = np.arange(budget) - started[:, None]
        new = (places >= 0) & (places < more[:, None])
        began = np.where(new, clock[:, None], began)
        ends = np.where(new, clock[:, None] + lengths, ends)
        started += more
    num_tokens = np.clip(clock[:, None] - began, 0, lengths)
    began = np.where(num_tokens > 0, began, 0)
    votes = Tally(np.where(finished, repeats.answers, -1))
    return Played(
        votes.winners(),
        num_tokens,
        began,
        began + num_tokens,
        clock,
        started=started,
        halted_by="first",
    )


def _certain(policy: BetaSC, repeats: Repeats, finished: Bools) -> Bools:
    """Check for each repeat whether the votes of the finished traces are certain enough."""
    counts: Ints = Tally(np.where(finished, repeats.answers, -1)).counts
    two = np.sort(np.pad(counts, ((0, 0), (1, 0))), axis=1)[:, -2:].tolist()
    return np.array([_chance_of_lead(v1, v2) >= policy.threshold for v2, v1 in two], dtype=bool)
