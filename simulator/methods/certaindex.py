import numpy as np

from simulator import Answer, Policy, Problem, Sampler, majority_vote


class Certaindex(Policy):
    """Certaindex: traces in lock step until enough of them agree, and have agreed for long enough.

    The leading answer has to be that of a share of *all* traces, and as large a share has to have
    kept it through the last `unchanged` tokens; a finished trace keeps its answer. The published
    program asks this once, offline, at a budget of tokens; here it is asked at every probe. Its
    shares and tokens are the user's choice, so that the default ones are ours.
    """

    source = "Fu et al. 2024 (Dynasor), arXiv 2412.20993"
    requires = frozenset({"probes"})
    budget = 64
    interval = 500  # tokens between probes
    agreement = 0.75  # share of all traces
    unchanged = 2000  # tokens

    def validate(self) -> None:
        if self.interval < 1 or self.unchanged < 0 or not 0 < self.agreement <= 1:
            raise ValueError("needs interval >= 1, unchanged >= 0 and 0 < agreement <= 1")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        traces = sampler.start(sampler.budget)
        answers = traces.answer
        kept = np.zeros(len(traces), dtype=int)  # tokens through which each has kept its answer
        winner: Answer = None
        while True:
            before = sampler.tokens
            sampler.decode(traces, tokens=self.interval)
            if sampler.tokens == before:  # all have finished
                return winner
            previous, answers = answers, sampler.probe(traces)
            kept = (kept + self.interval) * (answers == previous)
            winner = majority_vote(answers)
            agree = (answers == winner) & (winner is not None)
            if min(agree.mean(), (agree & (kept >= self.unchanged)).mean()) >= self.agreement:
                return winner
