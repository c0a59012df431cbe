import numpy as np

from simulator import Answer, Policy, Problem, Sampler, weighted_vote


class TailEntropy(Policy):
    """Tail-entropy vote: whole traces vote with exp(−median entropy of their last tokens).

    How many tokens are the last ones follows from the problem: √(mean length) / mean entropy,
    within bounds. With enough traces, the shortest and the longest have no weight. The published
    program reads entropies of the top 20 probabilities as they are, pools those renormalised.
    """

    source = "its_hub, pull request 281"
    requires = frozenset({"entropy"})
    tail = 2048  # last tokens of each trace that the mean entropy is of
    least = 64  # bounds of the window
    most = 2048
    outside = 5.0  # percent of lengths at either end that have no weight
    trimmed_from = 16  # traces from which on they have none

    def validate(self) -> None:
        if not 1 <= self.least <= self.most or self.tail < 1:
            raise ValueError("needs 1 <= least <= most and tail >= 1")
        if not 0 <= self.outside <= 50 or self.trimmed_from < 1:
            raise ValueError("needs 0 <= outside <= 50 (percent) and trimmed_from >= 1")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        traces = sampler.start(sampler.budget)
        sampler.decode(traces)
        traces = traces[traces.num_tokens > 0]
        if not len(traces):
            return None
        lengths = traces.num_tokens
        entropy = max(float(traces.mean("entropy", self.tail).mean()), 1e-6)
        window = int(np.clip(np.sqrt(lengths.mean()) / entropy, self.least, self.most))
        scores = np.array([np.median(trace.signal("entropy")[-window:]) for trace in traces])
        weights = np.exp(-scores)
        if len(traces) >= self.trimmed_from:
            low, high = np.percentile(lengths, [self.outside, 100 - self.outside])
            weights[(lengths < low) | (lengths > high)] = 0
        return weighted_vote(traces, weights)
