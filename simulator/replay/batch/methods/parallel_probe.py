"""All repeats of Parallel-Probe at once, step by step."""

from __future__ import annotations

import numpy as np

from simulator.methods.parallel_probe import ParallelProbe
from simulator.pools.pool import NO_ANSWER
from simulator.replay.batch.played import Played, Repeats, Tally
from simulator.replay.lockstep import lock_step


def play(policy: ParallelProbe, repeats: Repeats, answer_steps: int) -> Played | None:
    """Decode traces in lock step, prune those that disagree, answer when the plurality holds."""
    table = lock_step(repeats.problem, policy.interval)
    if table is None or policy.patience < 1:
        return None
    count, budget = repeats.order.shape
    answer = np.full(count, NO_ANSWER)
    steps = np.zeros((count, budget), dtype=np.int64)  # that each trace takes
    stopped = np.zeros((count, budget), dtype=np.bool_)
    probe_calls, waits = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    # of the repeats that go on, in the order of `on`
    on, order, ends_in = np.arange(count), repeats.order, table.last_step[repeats.order]
    off_track = np.zeros((count, budget), dtype=np.int64)
    winner, stable = np.full(count, NO_ANSWER), np.zeros(count, dtype=np.int64)
    for step in range(policy.max_steps):
        taken = min(step + 2, len(table.num_tokens) - 1)
        votes = np.where(stopped[on], NO_ANSWER, table.answers[taken].take(order))
        unfinished = (ends_in > taken) & ~stopped[on]
        probed = np.count_nonzero(unfinished, axis=1)
        probe_calls[on] += probed
        waits[on] += probed > 0
        previous, winner = winner, Tally(votes).winners()
        if step >= policy.warm_up:
            disagree = (off_track + 1) * ((votes != winner[:, None]) & unfinished)
            off_track = np.where(winner[:, None] >= 0, disagree, off_track)
            pruned = off_track >= policy.patience
            again = np.flatnonzero(pruned.any(axis=1))
            if len(again):
                off_track[pruned] = 0
                stopped[on] |= pruned
                steps[on] += taken * pruned
                unfinished &= ~pruned
                left = np.where(pruned[again], NO_ANSWER, votes[again])
                winner[again] = Tally(left).winners()
        stable = np.where((winner >= 0) & (winner == previous), stable + 1, 0)
        ends = (stable >= policy.stable_steps) | ~unfinished.any(axis=1)
        if step == policy.max_steps - 1:
            ends[:] = True
        if ends.any():
            done, goes_on = on[ends], ~ends
            answer[done] = winner[ends]
            steps[done] += taken * ~stopped[done]
            on, order, ends_in = on[goes_on], order[goes_on], ends_in[goes_on]
            off_track, winner, stable = off_track[goes_on], winner[goes_on], stable[goes_on]
        if not len(on):
            break
    num_tokens = np.minimum(repeats.lengths, steps * policy.interval)
    # No probe comes before the second step, and none delays a trace that it finds finished.
    delays = np.maximum(-(-num_tokens // policy.interval) - 2, 0)
    return Played(
        answer,
        num_tokens,
        np.zeros((count, budget)),
        num_tokens + answer_steps * delays,
        num_tokens.max(axis=1) + answer_steps * waits,
        stopped=stopped,
        halted_by="tokens",
        probe_calls=probe_calls,
    )
