from simulator import Answer, Policy, ProbesAgree, Problem, Sampler, majority_vote


class SAC(Policy):
    """SAC, self-answer convergence: each trace stops once its probes agree; then all vote."""

    source = "Parallel-Probe, arXiv 2602.03845 (SC + SAC)"
    requires = frozenset({"probes"})
    budget = 64
    in_a_row = 14

    def validate(self) -> None:
        if self.in_a_row < 1:
            raise ValueError("in_a_row must be at least 1")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        traces = sampler.start(sampler.budget)
        sampler.decode(traces, until=ProbesAgree(self.in_a_row))
        return majority_vote(sampler.probe(traces))
