from simulator import Answer, Policy, Problem, Sampler, majority_vote, top_two


class Doubling(Policy):
    """Doubling: 2, 4, 8, … traces until one answer has a given share of them."""

    first_round = 2
    share = 0.75

    def validate(self) -> None:
        if self.first_round < 1:
            raise ValueError("first_round must be at least 1")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        target = self.first_round
        while len(sampler.traces) < sampler.budget:
            target = min(target, sampler.budget)
            sampler.decode(sampler.start(target - len(sampler.traces)))
            if top_two(sampler.traces)[0] >= self.share * target:
                break
            target *= 2
        return majority_vote(sampler.traces)
