from math import log

import numpy as np
import numpy.typing as npt

from simulator import Answer, Policy, Problem, Sampler, Traces, majority_vote


class EAT(Policy):
    """EAT, entropy after thinking: a trace stops once its entropy has settled; then all vote.

    With x the entropy at each step, m ← αx + (1 − α)m and v ← α(x − m)² + (1 − α)v, a trace stops
    at the first v < delta. The paper's x is the entropy, in bits, of the first token after thinking
    is closed, at each blank line. In this coarser variant x is the mean entropy of what the trace
    generates between two probes; or, where a pool has it, that of a probe's first token
    (signal=probe_entropy), for which each step is a probe.
    """

    source = "arXiv 2509.26522; interwhen (alpha, steps)"
    requires = frozenset({"entropy", "probes"})
    budget = 64
    signal = "entropy"  # or probe_entropy
    interval = 500  # tokens of a step
    alpha = 0.2
    delta = 0.0078125  # bits²; the paper tries the powers of 1/2
    least_steps = 4

    def validate(self) -> None:
        if self.interval < 1 or not 0 < self.alpha <= 1 or self.delta < 0:
            raise ValueError("needs interval >= 1, 0 < alpha <= 1 and delta >= 0")
        if self.signal not in ("entropy", "probe_entropy"):
            raise ValueError("signal needs one of entropy, probe_entropy")
        self.requires = frozenset({"probes", self.signal})  # type: ignore[misc]

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        traces = live = sampler.start(sampler.budget)
        sampler.decode(live, tokens=self.interval)
        live = live[live.num_tokens > 0]
        mean = self.bits(sampler, live)
        variance = np.zeros(len(live))
        step = 1
        while len(live):
            settled = (variance < self.delta) & (step >= self.least_steps)
            goes_on = ~live.finished & ~settled
            live, mean, variance = live[goes_on], mean[goes_on], variance[goes_on]
            sampler.decode(live, tokens=self.interval)
            bits = self.bits(sampler, live)
            mean = self.alpha * bits + (1 - self.alpha) * mean
            variance = self.alpha * (bits - mean) ** 2 + (1 - self.alpha) * variance
            step += 1
        return majority_vote(sampler.probe(traces))

    def bits(self, sampler: Sampler, live: Traces) -> npt.NDArray[np.float64]:
        """Return the entropy of each trace at this step, in bits."""
        if self.signal == "entropy":
            return live.mean("entropy", self.interval) / log(2)
        sampler.probe(live)
        return live.probed("probe_entropy") / log(2)
