from simulator import Answer, Policy, Problem, Sampler, chance_of_lead, majority_vote, top_two


class BetaSC(Policy):
    """β-SC: traces in parallel, a new one for each that ends, until the majority is certain enough.

    Whenever traces end, all that have ended vote, and with two or more of them the rest is stopped
    once the chance that the leader leads (ASC's, of the two largest counts) reaches the threshold.
    """

    source = "its_hub 1.2.0, beta_self_consistency.py"
    in_flight = 32  # traces decoded at a time; 0: all of them
    threshold = 0.95

    def validate(self) -> None:
        if self.in_flight < 0:
            raise ValueError("in_flight must be at least 1, or 0 for all")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        slots = min(self.in_flight or sampler.budget, sampler.budget)
        running, ended = sampler.start(slots), 0
        while len(running):
            finished = sampler.decode(running, first=1)
            if not len(finished):  # traces without a token never finish, nor do others beside them
                sampler.decode(running)
                break
            ended += len(finished)
            certainty = chance_of_lead(*top_two(sampler.traces))
            if ended >= 2 and certainty >= self.threshold:
                break
            running = running[~running.finished]
            room = sampler.budget - len(sampler.traces)
            running += sampler.start(min(slots - len(running), room))
        return majority_vote(sampler.traces)
