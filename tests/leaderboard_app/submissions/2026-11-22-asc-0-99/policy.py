from scipy.special import betainc

from simulator import Answer, Policy, Problem, Sampler, majority_vote, top_two


class ASC(Policy):
    """ASC, Adaptive-Consistency: one trace at a time until the majority is certain enough.

    With v1, v2 the two largest vote counts, the Beta criterion takes P(p1 > p2) to be
    1 − I_0.5(v1 + 1, v2 + 1) and stops above the threshold, from the second trace on.
    """

    source = "Aggarwal et al. 2023, arXiv 2305.11860, section 3.2 (Beta)"
    budget = 40
    threshold = 0.95

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        for n in range(1, sampler.budget + 1):
            sampler.decode(sampler.start(1))
            v1, v2 = top_two(sampler.traces)
            if n >= 2 and 1 - betainc(v1 + 1, v2 + 1, 0.5) > self.threshold:
                break
        return majority_vote(sampler.traces)
