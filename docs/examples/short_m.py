from deepprune_sim import Policy, majority_vote


class ShortM(Policy):
    """short-m@k: answer with the majority of the first m traces to finish."""

    m = 3

    def solve(self, problem, sampler):
        traces = sampler.start(sampler.budget)
        finished = sampler.decode(traces, first=self.m)
        return majority_vote(finished)
