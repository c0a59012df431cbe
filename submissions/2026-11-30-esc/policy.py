from simulator import Answer, Policy, Problem, Sampler, majority_vote, top_two


class ESC(Policy):
    """ESC, Early-stopping self-consistency: windows of traces until one is unanimous."""

    source = "Li et al. 2024, arXiv 2401.10480"
    budget = 40
    window = 5

    def validate(self) -> None:
        if self.window < 1:
            raise ValueError("window must be at least 1")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        while len(sampler.traces) < sampler.budget:
            room = sampler.budget - len(sampler.traces)
            window = sampler.start(min(self.window, room))
            sampler.decode(window)
            if top_two(window)[0] == self.window:  # unanimous; a last one that is short is not
                return majority_vote(window)
        return majority_vote(sampler.traces)
