import numpy as np

from simulator import (
    Answer,
    GroupConfidenceBelow,
    Policy,
    Problem,
    Sampler,
    count_votes,
    top_two,
    trace_confidence,
)


class DeepConfOptillm(Policy):
    """DeepConf as in optillm: its bar is of mean confidences, its vote of answers' mean confidence.

    After the warm-up, whose traces all vote, traces come one at a time, and stop where their group
    confidence falls below a percentile of the warm-up's *mean* confidences. Once an answer has the
    consensus' share of all traces, they end. An answer scores 0.7 times the mean confidence of its
    traces plus 0.3 times their share. The program also lets the texts of stopped traces vote, by
    their last sentence; here these have no answer, and count in the shares alone.
    """

    source = "optillm 0.4.0, optillm/deepconf"
    requires = frozenset({"confidence"})
    budget = 128
    keep = 10.0  # percent of the warm-up above the bar: 10 is the program's low, 90 its high
    warm_up = 16
    window = 2048
    consensus = 0.95
    certainty = 0.7  # of an answer's score; the rest is of its share

    def validate(self) -> None:
        if not 0 <= self.keep <= 100 or not 0 <= self.certainty <= 1:
            raise ValueError("needs 0 <= keep <= 100 (percent) and 0 <= certainty <= 1")
        if self.warm_up < 1 or self.window < 1:
            raise ValueError("warm_up and window must be at least 1")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        warm_up = sampler.start(min(self.warm_up, sampler.budget))
        sampler.decode(warm_up)
        means = trace_confidence(warm_up, "mean", self.window)
        below = GroupConfidenceBelow(float(np.percentile(means, 100 - self.keep)), self.window)
        while len(sampler.traces) < sampler.budget:
            sampler.decode(sampler.start(1), until=below)
            if top_two(sampler.traces)[0] >= self.consensus * len(sampler.traces):
                break
        confidence = trace_confidence(sampler.traces, "mean", self.window)
        answers = sampler.traces.answer
        scores = {
            answers[answers == answer][0]: self.certainty * confidence[answers == answer].mean()
            + (1 - self.certainty) * votes / len(answers)
            for answer, votes in count_votes(answers).items()
        }
        return max(scores, key=lambda answer: scores[answer], default=None)
