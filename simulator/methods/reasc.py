import numpy as np
import numpy.typing as npt

from simulator import Answer, Policy, Problem, Sampler, chance_of_lead, count_votes, weighted_vote


class ReASC(Policy):
    """ReASC: adaptive consistency whose votes weigh more where traces are confident.

    A trace's score is the mean of its lowest tenth of groups of tokens. The first trace alone
    answers if its score reaches `enough`. Otherwise each votes with max(1, exp(slope · z)), where z
    is its score in standard deviations above the mean, until the leader's chance to lead, from the
    two largest sums of votes, reaches the threshold. The paper calibrates `enough`, `mean` and `sd`
    on other questions; 0, the default, stands for no `enough`, and for the mean and deviation of
    the problem's traces so far, which is ours.
    """

    source = "arXiv 2601.02970"
    requires = frozenset({"confidence"})
    budget = 16
    threshold = 0.95
    slope = 0.7
    window = 128
    enough = 0.0  # score with which the first trace answers alone; 0: it never does
    mean = 0.0  # of the scores of other questions' first traces
    sd = 0.0  # of those; 0: mean and deviation of this problem's traces so far

    def validate(self) -> None:
        if self.window < 1 or self.sd < 0 or self.enough < 0:
            raise ValueError("needs window >= 1, sd >= 0 and enough >= 0")
        if not 0 <= self.slope <= 10:
            raise ValueError("slope must be between 0 and 10")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        answer: Answer = None
        for n in range(1, sampler.budget + 1):
            sampler.decode(sampler.start(1))
            traces = sampler.traces
            scores = np.nan_to_num(traces.bottom_confidence(0.1, self.window))
            if n == 1 and self.enough and scores[0] >= self.enough:
                return traces[0].answer if traces[0].answer >= 0 else None
            weights = self.weights(scores)
            answer = weighted_vote(traces, weights)
            if chance_of_lead(*two_largest(traces.answer, weights)) >= self.threshold:
                break
        return answer

    def weights(self, scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the votes of traces with these scores, at least 1 each."""
        mean, sd = (self.mean, self.sd) if self.sd else (scores.mean(), scores.std())
        z = (scores - mean) / sd if sd else np.zeros(len(scores))
        votes: npt.NDArray[np.float64] = np.exp(np.clip(self.slope * z, 0, 50))
        return votes


def two_largest(
    answers: npt.NDArray[np.int32], weights: npt.NDArray[np.float64]
) -> tuple[float, float]:
    """Return the two largest sums of weights of an answer, 0 if there are fewer answers."""
    sums = [weights[answers == answer].sum() for answer in count_votes(answers)]
    first, second, *_ = [*sorted(sums, reverse=True), 0.0, 0.0]
    return float(first), float(second)
