"""All repeats of Quorum at once, from the order in which their traces finish."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from simulator.arrays import Bools, Ints, Ints32
from simulator.methods.quorum import Quorum
from simulator.policy.posterior import chance_of_lead
from simulator.pools.pool import NO_ANSWER, StoredProblem
from simulator.replay.batch.played import Played, Repeats, Tally
from simulator.replay.batch.rounds import first_of

_chance_of_lead = lru_cache(maxsize=65536)(chance_of_lead)


def play(policy: Quorum, repeats: Repeats, answer_steps: int) -> Played:
    """Decode all starters until the votes of those that have finished suffice."""
    count, budget = repeats.order.shape
    starters = min(policy.starters or budget, budget)
    most = min(starters, max(3, round(policy.finishers * starters)))
    finishing = np.argsort(repeats.lengths[:, :starters], axis=1, kind="stable")
    ends = np.take_along_axis(repeats.lengths, finishing, axis=1)
    votes = np.take_along_axis(repeats.answers, finishing, axis=1)
    counted = np.ones(ends.shape, dtype=bool)  # after a vote, unless the next has the same step
    counted[:, :-1] = ends[:, :-1] < ends[:, 1:]
    halts = counted.copy()
    halts[:, : most - 1] &= _suffices(policy, votes[:, : most - 1], starters, most)

    asked = np.zeros((count, min(2, starters)), dtype=bool)  # of the running traces after a vote
    if policy.support > 0 and "probes" in repeats.problem.pool.info.signals:
        for place in range(min(2, starters - 1)):
            first = votes[:, :1]
            unanimous = ((votes[:, : place + 1] == first) & (first != NO_ANSWER)).all(axis=1)
            going = ~halts[:, : place + 1].any(axis=1)
            rows = np.flatnonzero(counted[:, place] & unanimous & going)
            running = repeats.order[rows[:, None], finishing[rows, place + 1 :]]
            asked[rows, place] = True
            halts[rows, place] = _supported(
                policy, repeats.problem, running, ends[rows, place], votes[rows, 0]
            )

    number = first_of(halts)
    steps = ends[np.arange(count), number - 1]
    started = np.arange(budget) < starters
    num_tokens = np.minimum(repeats.lengths, steps[:, None]) * started
    waited = asked[:, None] & (num_tokens[:, :, None] > ends[:, None, : asked.shape[1]])
    return Played(
        Tally(np.where(np.arange(starters) < number[:, None], votes, NO_ANSWER)).winners(),
        num_tokens,
        np.zeros(num_tokens.shape),
        num_tokens + answer_steps * np.count_nonzero(waited, axis=2),
        steps + answer_steps * np.count_nonzero(asked, axis=1),
        started=np.full(count, starters),
        halted_by="first",
        probe_calls=asked @ np.arange(starters - 1, starters - 1 - asked.shape[1], -1),
    )


def _suffices(policy: Quorum, votes: Ints32, starters: int, most: int) -> Bools:
    """Check after each of fewer votes than `most` whether they are certain, or scattered."""
    first, second = Tally(votes).leading_two()
    pairs, places = np.unique(first * (starters + 1) + second, return_inverse=True)
    chances = [_chance_of_lead(*divmod(pair, starters + 1)) for pair in pairs.tolist()]
    number = np.arange(1, most)
    bar = 0.5 + (0.5 - policy.doubt / starters) * ((most - number) / (most - 1))
    certain = (number >= 2) & (np.array(chances)[places].reshape(first.shape) >= bar)
    scattered = (number >= 4) & (first + second < policy.scatter * number)
    suffices: Bools = certain | scattered
    return suffices


def _supported(
    policy: Quorum, problem: StoredProblem, running: Ints, tokens: Ints, answer: Ints32
) -> Bools:
    """Check in each row whether enough running traces, all with these tokens, hold its answer."""
    rows = running.ravel()
    columns = problem.probes.columns(rows, np.repeat(tokens, running.shape[1]))
    held = problem.probes.table[rows, columns].reshape(running.shape)
    agree = held == answer[:, None]
    others = Tally(np.where(agree, NO_ANSWER, held)).counts.max(axis=1)
    enough = policy.support * running.shape[1]
    supported: Bools = (np.count_nonzero(agree, axis=1) >= enough) & (others <= enough / 2)
    return supported
