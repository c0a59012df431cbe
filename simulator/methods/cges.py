import numpy as np
import numpy.typing as npt

from simulator import Answer, Policy, Problem, Sampler


class CGES(Policy):
    """CGES: one trace at a time until the posterior of an answer, from the confidences, is certain.

    A trace of confidence c says its answer with probability c, and each other hypothesis with an
    equal part of 1 − c. The hypotheses are the answers seen so far and one more, any other; its
    posterior counts, but it does not win, as in scorio. The paper's mapping to confidences was not
    to be found; here c is the inverse perplexity that a trace expects, exp(−mean token entropy).
    """

    source = "arXiv 2511.02603; scorio 0.2.3"
    requires = frozenset({"entropy"})
    budget = 16
    gamma = 0.95

    def validate(self) -> None:
        if not 0 < self.gamma <= 1:
            raise ValueError("gamma must be above 0 and at most 1")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        answer: Answer = None
        for _ in range(sampler.budget):
            sampler.decode(sampler.start(1))
            answered = sampler.traces[sampler.traces.answer >= 0]
            if not len(answered):
                continue
            posterior = posteriors(answered.answer, np.exp(-answered.mean("entropy")))
            answer = answered.answer[posterior.argmax()]
            if posterior.max() >= self.gamma:
                break
        return answer


def posteriors(
    answers: npt.NDArray[np.int32], confidence: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the posterior of the answer of each trace, shape (n,).

    With K hypotheses, that of an answer is proportional to the product, over all traces, of c where
    the trace gave it and (1 − c) / (K − 1) where it did not.
    """
    sure = np.clip(confidence, 1e-9, 1 - 1e-9)
    seen, place = np.unique(answers, return_inverse=True)
    against = np.log1p(-sure) - np.log(len(seen))  # K − 1 other hypotheses
    scores = np.full(len(seen) + 1, against.sum())  # the last is that of any other answer
    np.add.at(scores, place, np.log(sure) - against)
    weights = np.exp(scores - scores.max())
    found: npt.NDArray[np.float64] = (weights / weights.sum())[place]
    return found
