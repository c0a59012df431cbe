import numpy as np
import numpy.typing as npt

from simulator import Answer, GroupConfidenceBelow, Policy, Problem, Sampler, Traces, weighted_vote


class DeepConf(Policy):
    """DeepConf online: stop a trace whose group confidence falls below the warm-up's threshold.

    `keep` is η, the percentage of warm-up traces above the threshold s: s is the (100 − η)th
    percentile of their lowest group confidences. Traces that never fall below s vote with their
    lowest group confidence. With a `consensus` (τ of the paper, 0.95; 0: off, as in the published
    program) traces after the warm-up come one at a time until the leading answer holds that share
    of the weight (Algorithm 2).

    With `bar=rounded`, lowest group confidences are rounded to three decimals, as the published
    program does before it takes s and before it leaves out what is below. That program's
    `deepthink()` finally prints the plain majority of the traces that vote here; its weighted vote,
    the paper's, is this one.
    """

    source = "Fu et al. 2025 (DeepConf), arXiv 2508.15260, section 3.3"
    requires = frozenset({"confidence"})
    keep = 10.0
    warm_up = 16
    window = 2048
    consensus = 0.0
    bar = "exact"

    def validate(self) -> None:
        if not 0 <= self.keep <= 100 or not 0 <= self.consensus <= 1:
            raise ValueError("needs 0 <= keep <= 100 (percent) and 0 <= consensus <= 1")
        if self.warm_up < 1 or self.window < 1:
            raise ValueError("warm_up and window must be at least 1")
        if self.bar not in ("exact", "rounded"):
            raise ValueError("bar must be exact or rounded")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        warm_up = sampler.start(min(self.warm_up, sampler.budget))
        sampler.decode(warm_up)
        # The published library's `confidence_percentile` is this percentile from the other end:
        # 90 there keeps 90% and is DeepConf-high, whose s is the 10th percentile. In the authors'
        # first program 90 was the percentile itself, so DeepConf-low.
        s = float(np.percentile(self.lowest(warm_up), 100 - self.keep))
        below = GroupConfidenceBelow(s, self.window)
        answer, share = self.vote(sampler, s)
        while (left := sampler.budget - len(sampler.traces)) and not self.agrees(share):
            sampler.decode(sampler.start(1 if self.consensus else left), until=below)
            answer, share = self.vote(sampler, s)
        return answer

    def lowest(self, traces: Traces) -> npt.NDArray[np.float64]:
        """Return the lowest group confidence of each trace; 0 without a token, as published."""
        lowest = np.nan_to_num(traces.lowest_confidence(self.window))
        if self.bar == "rounded":  # means of whole traces, for want of a group, are not rounded
            rounded = [round(value, 3) for value in lowest.tolist()]
            lowest = np.where(traces.num_tokens >= self.window, rounded, lowest)
        return lowest

    def agrees(self, share: float) -> bool:
        """Check whether the leading answer's share of the weight is enough to stop."""
        return bool(self.consensus) and share >= self.consensus

    def vote(self, sampler: Sampler, s: float) -> tuple[np.int32 | None, float]:
        """Return the answer of the traces that are not below s, and its share of their weight."""
        finished = sampler.traces[sampler.traces.finished]
        lowest = self.lowest(finished)
        answers, weights = finished.answer[lowest >= s], lowest[lowest >= s]
        answer = weighted_vote(answers, weights)
        total = weights[answers >= 0].sum()
        return answer, weights[answers == answer].sum() / total if total else 0.0


class DeepConfLow(DeepConf):
    """DeepConf-low: keeps the top 10% of the warm-up, so s is its 90th percentile."""


class DeepConfHigh(DeepConf):
    """DeepConf-high: keeps the top 90% of the warm-up, so s is its 10th percentile."""

    keep = 90.0
