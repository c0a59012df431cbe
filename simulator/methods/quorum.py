import numpy as np

from simulator import (
    Answer,
    Policy,
    Problem,
    Sampler,
    Traces,
    chance_of_lead,
    majority_vote,
    top_two,
)


class Quorum(Policy):
    """Quorum: many traces start, and the first that finish vote until the rest can be spared.

    The majority answers once its chance to lead (ASC's, of the two largest counts) reaches a bar.
    The bar falls from 1 − doubt / starters at the first vote to ½ at the last, so more starters are
    also surer. One vote, or two that agree, suffice if many running traces hold their answer in
    probes, and few another one; a pool without probes does without this. Votes that scatter over
    many answers end the vote, too. Ties go to the answer that was finished first.
    """

    source = "this project, docs/quorum.md"
    optional = frozenset({"probes"})
    starters = 0  # traces that start, the dial from cheap to accurate; 0: the whole budget
    finishers = 0.5  # share of the starters that vote at most
    doubt = 2.0  # starters × (1 − the chance to lead that one vote would need)
    support = 0.4  # share of the running traces that must hold the answer of the first two; 0: none
    scatter = 0.5  # end if the two leading answers have less than this share of four votes or more

    def validate(self) -> None:
        if self.starters < 0:
            raise ValueError("starters must be at least 1, or 0 for the whole budget")
        if not (0 < self.finishers <= 1 and 0 <= self.support <= 1 and 0 <= self.scatter <= 1):
            raise ValueError("finishers is above 0 and at most 1; support and scatter are 0 to 1")
        if self.doubt < 0:
            raise ValueError("doubt must be at least 0")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        running = sampler.start(min(self.starters or sampler.budget, sampler.budget))
        starters, votes = len(running), running[:0]
        most = min(starters, max(3, round(self.finishers * starters)))
        probing = self.support > 0 and "probes" in problem.signals
        while len(running):
            finished = sampler.decode(running, first=1)
            if not len(finished):  # traces without a token never finish, nor do others beside them
                votes += sampler.decode(running)
                break
            votes, running = votes + finished, running[~running.finished]
            first, second = top_two(votes)
            to_come = (most - len(votes)) / max(most - 1, 1)
            bar = 0.5 + (0.5 - self.doubt / starters) * to_come
            certain = len(votes) >= 2 and chance_of_lead(first, second) >= bar
            scattered = len(votes) >= 4 and first + second < self.scatter * len(votes)
            if len(votes) >= most or certain or scattered:
                break
            unanimous = first == len(votes) <= 2 and len(running)
            if probing and unanimous and self.supported(majority_vote(votes), sampler, running):
                break
        return majority_vote(votes)

    def supported(self, answer: Answer, sampler: Sampler, running: Traces) -> bool:
        """Check whether enough running traces hold the answer, and half as many another at most."""
        held = sampler.probe(running)
        others = np.unique(held[(held >= 0) & (held != answer)], return_counts=True)[1]
        enough = self.support * len(running)
        return bool(np.sum(held == answer) >= enough and others.max(initial=0) <= enough / 2)
