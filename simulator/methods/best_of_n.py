import numpy as np
import numpy.typing as npt

from simulator import (
    TRACE_MEASURES,
    Answer,
    Policy,
    Problem,
    Sampler,
    Traces,
    trace_confidence,
    weighted_vote,
)

# Measures of each score: which of a trace's tokens count.
MEASURES = {"confidence": TRACE_MEASURES, "entropy": ("mean", "tail"), "length": ("mean",)}


class BestOfN(Policy):
    """best-of-N: of N whole traces the one with the best stored score answers.

    High `confidence` is good, and so are low `entropy` and a short `length`. By confidence it is
    `self-certainty` with best=true.
    """

    source = "arXiv 2110.14168"
    requires = frozenset({"entropy"})
    score = "entropy"  # confidence, entropy or length
    measure = "mean"  # mean or tail; of confidence also bottom or lowest
    window = 2048  # tokens of the tail, or of a group

    def validate(self) -> None:
        if self.score not in MEASURES:
            raise ValueError(f"score needs one of {', '.join(MEASURES)}")
        if self.measure not in MEASURES[self.score]:
            raise ValueError(f"measure needs one of {', '.join(MEASURES[self.score])}")
        if self.window < 1:
            raise ValueError("needs window >= 1")
        self.requires = frozenset({self.score} - {"length"})  # type: ignore[misc]

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        traces = sampler.start(sampler.budget)
        sampler.decode(traces)
        answered = traces[traces.answer >= 0]
        return answered.answer[self.quality(answered).argmax()] if len(answered) else None

    def quality(self, traces: Traces) -> npt.NDArray[np.float64]:
        """Return a number above 0 for each trace with tokens, larger for a better score."""
        if self.score == "confidence":
            return trace_confidence(traces, self.measure, self.window)
        if self.score == "length":
            return 1 / np.maximum(traces.num_tokens, 1)
        window = self.window if self.measure == "tail" else None
        return np.nan_to_num(np.exp(-traces.mean("entropy", window)))


class WeightedVote(BestOfN):
    """Weighted vote: N whole traces vote, each with its stored score to a power.

    The weight is confidence^power, exp(−power · entropy) or length^−power. By confidence with a
    power of 1 it is `deepconf-offline` with keep=100.
    """

    source = "arXiv 2206.02336"
    power = 1.0  # 0: a majority vote

    def validate(self) -> None:
        super().validate()
        if not 0 <= self.power <= 1000:
            raise ValueError("needs 0 <= power <= 1000")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        traces = sampler.start(sampler.budget)
        sampler.decode(traces)
        answered = traces[traces.answer >= 0]
        if not len(answered):
            return None
        quality = self.quality(answered)
        relative = quality / quality.max() if quality.max() else quality
        return weighted_vote(answered, relative**self.power)
