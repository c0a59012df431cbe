from math import exp, log

from scipy.special import betaln

from simulator import Answer, Policy, Problem, Sampler, count_votes, majority_vote, top_two


class PPR1v1(Policy):
    """PPR-1v1: one trace at a time until a test, valid at any time, tells the two leaders apart.

    With v1, v2 the two largest vote counts, it stops once the density of Beta(v1 + 1, v2 + 1) at a
    half is at most delta / (K − 1). K, the number of answers that a problem can have, is taken to
    be the number seen so far, at least 2, which is ours.
    """

    source = "PPR-1v1 as in arXiv 2511.12309"
    budget = 64
    delta = 0.05

    def validate(self) -> None:
        if not 0 < self.delta < 1:
            raise ValueError("needs 0 < delta < 1")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        for _ in range(sampler.budget):
            sampler.decode(sampler.start(1))
            rivals = max(1, len(count_votes(sampler.traces)) - 1)
            if density_at_half(*top_two(sampler.traces)) <= self.delta / rivals:
                break
        return majority_vote(sampler.traces)


def density_at_half(first: int, second: int) -> float:
    """Return the density of Beta(first + 1, second + 1) at a half."""
    return exp(-(first + second) * log(2) - betaln(first + 1, second + 1))
