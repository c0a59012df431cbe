"""All repeats of ReASC at once."""

from __future__ import annotations

import numpy as np

from simulator.methods.reasc import ReASC, two_largest
from simulator.policy.posterior import chance_of_lead
from simulator.policy.voting import weighted_vote
from simulator.pools.pool import NO_ANSWER
from simulator.replay.batch.played import Played, Repeats
from simulator.replay.batch.rounds import in_rounds
from simulator.replay.batch.scores import bottoms


def play(policy: ReASC, repeats: Repeats, answer_steps: int) -> Played:
    """Take one trace at a time until the weighted votes are certain enough."""
    count, budget = repeats.order.shape
    stored = bottoms(repeats.problem, "confidence", 0.1, policy.window)
    scores = np.zeros((count, budget))
    rounds, on = np.full(count, budget), np.arange(count)
    for number in range(budget):
        scores[on, number] = np.nan_to_num(stored.of(repeats.order[on, number]))
        goes_on = np.ones(len(on), dtype=bool)
        for place, row in enumerate(on.tolist()):
            so_far = scores[row, : number + 1]
            if number == 0 and policy.enough and so_far[0] >= policy.enough:
                certain = True
            else:
                votes = two_largest(repeats.answers[row, : number + 1], policy.weights(so_far))
                certain = chance_of_lead(*votes) >= policy.threshold
            if certain:
                goes_on[place], rounds[row] = False, number + 1
        on = on[goes_on]
        if not len(on):
            break
    answer = np.full(count, NO_ANSWER)
    for row, last in enumerate(rounds.tolist()):
        vote = weighted_vote(repeats.answers[row, :last], policy.weights(scores[row, :last]))
        answer[row] = NO_ANSWER if vote is None else vote
    return in_rounds(repeats, np.arange(budget), rounds, answer)
