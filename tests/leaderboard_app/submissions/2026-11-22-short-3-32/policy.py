from simulator import Answer, Policy, Problem, Sampler, majority_vote


class ShortM(Policy):
    """short-m@k: k traces in parallel; the majority of the first m to finish answers."""

    source = "Hassid et al. 2025, arXiv 2505.17813"
    m = 3

    def validate(self) -> None:
        if self.m < 1:
            raise ValueError("m must be at least 1")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        traces = sampler.start(sampler.budget)
        finished = sampler.decode(traces, first=self.m)
        return majority_vote(finished)
