import numpy as np

from simulator import (
    TRACE_MEASURES,
    Answer,
    Policy,
    Problem,
    Sampler,
    majority_vote,
    trace_confidence,
    weighted_vote,
)


class DeepConfOffline(Policy):
    """DeepConf offline: decode all, keep the most confident, vote weighted by confidence.

    `keep` is η: of the traces with an answer, those at or above the (100 − η)th percentile of the
    measure stay, as in the published program. The seven published votes: plain majority (keep=100,
    weighted=false); weighted by mean, tail, bottom or lowest (keep=100); top 10% by tail or by
    bottom (keep=10).
    """

    source = "Fu et al. 2025 (DeepConf), arXiv 2508.15260, section 3.2"
    requires = frozenset({"confidence"})
    measure = "tail"
    keep = 10.0
    weighted = True
    window = 2048

    def validate(self) -> None:
        if self.measure not in TRACE_MEASURES:
            raise ValueError(f"measure must be one of {', '.join(TRACE_MEASURES)}")
        if not 0 <= self.keep <= 100 or self.window < 1:
            raise ValueError("needs 0 <= keep <= 100 (percent) and window >= 1")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        traces = sampler.start(sampler.budget)
        sampler.decode(traces)
        traces = traces[traces.answer >= 0]
        if not len(traces):
            return None
        confidence = trace_confidence(traces, self.measure, self.window)
        kept = confidence >= np.percentile(confidence, 100 - self.keep)
        if not self.weighted:
            return majority_vote(traces[kept])
        return weighted_vote(traces[kept], confidence[kept])
