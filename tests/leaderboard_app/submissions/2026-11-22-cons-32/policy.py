from simulator import Answer, Policy, Problem, Sampler, majority_vote


class Cons(Policy):
    """cons@N, self-consistency: decode N traces, answer with the majority."""

    source = "Wang et al. 2022, arXiv 2203.11171"

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        traces = sampler.start(sampler.budget)
        sampler.decode(traces)
        return majority_vote(traces)
