import numpy as np
import numpy.typing as npt

from simulator.policy import Answer, Policy, Problem
from simulator.sampler import Sampler, Traces
from simulator.voting import majority_vote, weighted_vote

MEASURES = ("mean", "tail", "bottom", "lowest")


def trace_confidence(traces: Traces, measure: str, window: int) -> npt.NDArray[np.float64]:
    """A trace measure of arXiv 2508.15260, section 3.1, shape (len(traces),).

    `mean` of all tokens; `tail`, the last `window` tokens; `bottom`, the mean of the lowest 10% of
    groups of `window` tokens; `lowest`, the lowest group. 0 of a trace without a token.
    """
    if measure == "mean":
        values = traces.confidence()
    elif measure == "tail":
        values = traces.confidence(window)
    elif measure == "bottom":
        values = traces.bottom_confidence(0.1, window)
    else:
        values = traces.lowest_confidence(window)
    return np.nan_to_num(values)


class DeepConfOffline(Policy):
    """DeepConf offline: decode all, keep the most confident, vote weighted by confidence.

    `keep` is η: the traces at or above the (100 − η)th percentile of the measure stay. The seven
    published votes: plain majority (keep=100, weighted=false); weighted by mean, tail, bottom or
    lowest (keep=100); top 10% by tail or by bottom (keep=10).
    """

    source = "Fu et al. 2025 (DeepConf), arXiv 2508.15260, section 3.2"
    requires = frozenset({"confidence"})
    measure = "tail"
    keep = 10.0
    weighted = True
    window = 2048

    def validate(self) -> None:
        if self.measure not in MEASURES:
            raise ValueError(f"measure must be one of {', '.join(MEASURES)}")
        if not 0 <= self.keep <= 100 or self.window < 1:
            raise ValueError("needs 0 <= keep <= 100 (percent) and window >= 1")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        traces = sampler.start(sampler.budget)
        sampler.decode(traces)
        confidence = trace_confidence(traces, self.measure, self.window)
        kept = confidence >= np.percentile(confidence, 100 - self.keep)
        if not self.weighted:
            return majority_vote(traces[kept])
        return weighted_vote(traces[kept], confidence[kept])
