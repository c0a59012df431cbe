"""All repeats of Certaindex at once, step by step."""

from __future__ import annotations

import numpy as np

from simulator.methods.certaindex import Certaindex
from simulator.pools.pool import NO_ANSWER
from simulator.replay.batch.played import Played, Repeats, Tally
from simulator.replay.lockstep import lock_step
from simulator.rules.text_matching import NEVER


def play(policy: Certaindex, repeats: Repeats, answer_steps: int) -> Played | None:
    """Decode traces in lock step until enough of them agree, and have for long enough."""
    interval = policy.interval
    table = lock_step(repeats.problem, interval) if interval <= NEVER else None
    if table is None:
        return None
    count = len(repeats.order)
    answer, steps = np.full(count, NO_ANSWER), np.zeros(count, dtype=np.int64)
    probe_calls, waits = steps.copy(), steps.copy()
    # of the repeats that go on, in the order of `on`
    on, order, ends_in = np.arange(count), repeats.order, table.last_step[repeats.order]
    votes, kept = np.full(order.shape, NO_ANSWER), np.zeros(order.shape, dtype=np.int64)
    for step in range(1, len(table.num_tokens)):
        unfinished = np.count_nonzero(ends_in > step, axis=1)
        probe_calls[on] += unfinished
        waits[on] += unfinished > 0
        previous, votes = votes, table.answers[step].take(order)
        kept = (kept + interval) * (votes == previous)
        winner = Tally(votes).winners()
        agree = (votes == winner[:, None]) & (winner >= 0)[:, None]
        lasting = agree & (kept >= policy.unchanged)
        share = np.minimum(agree.mean(axis=1), lasting.mean(axis=1))
        ends = (share >= policy.agreement) | (unfinished == 0)
        if ends.any():
            answer[on[ends]], steps[on[ends]] = winner[ends], step
            on, order, ends_in = on[~ends], order[~ends], ends_in[~ends]
            votes, kept = votes[~ends], kept[~ends]
        if not len(on):
            break
    num_tokens = np.minimum(repeats.lengths, steps[:, None] * interval)
    return Played(
        answer,
        num_tokens,
        np.zeros(num_tokens.shape),
        num_tokens + answer_steps * (-(-num_tokens // interval) - 1),
        num_tokens.max(axis=1) + answer_steps * waits,
        halted_by="tokens",
        probe_calls=probe_calls,
    )
