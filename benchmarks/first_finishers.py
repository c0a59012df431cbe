"""The rule that quorum was to beat: N traces start, the first M that finish vote, early stop."""

from deepprune_sim import Answer, Policy, Problem, Sampler, chance_of_lead, majority_vote, top_two


class FirstFinishers(Policy):
    """N traces start; the first M that finish vote, fewer if the lead is certain or large.

    With three votes or more, it ends once the leader's chance to lead is above 0.9; with any, once
    its lead is more than 0.7 of the votes that are still to come.
    """

    source = "a rule found on the AIME24 pools of SCOUT and AutoTTS"
    starters = 16
    finishers = 8

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        running = sampler.start(min(self.starters, sampler.budget))
        votes = running[:0]
        while len(running):
            finished = sampler.decode(running, first=1)
            if not len(finished):  # a trace without a token never finishes
                break
            votes, running = votes + finished, running - finished
            first, second = top_two(votes)
            certain = len(votes) >= 3 and chance_of_lead(first, second) > 0.9
            to_come = self.finishers - len(votes)
            if to_come <= 0 or certain or first - second > 0.7 * to_come:
                break
        return majority_vote(votes)
