import numpy as np
import numpy.typing as npt

from simulator import Answer, Policy, Problem, Sampler, Traces


class SoftSC(Policy):
    """Soft self-consistency: the answer of the trace whose answer's tokens are most probable.

    The program reads the probabilities of the tokens of each answer where it stands. Pools do not
    store these; in this coarser variant they are those of the last probe before the trace's end,
    0 if it gave another answer or there was none. For that, each trace is probed at each interval.

    `adaptive`: one trace after another, until their smallest probabilities add up to `enough`.
    """

    source = "arXiv 2402.13212; score_eval_bash.py"
    requires = frozenset({"probes", "probe_mean"})
    budget = 20
    interval = 500  # tokens between probes
    score = "probe_mean"  # or probe_min, probe_gmean (as by the mean logarithm)
    adaptive = False
    enough = 0.8

    def validate(self) -> None:
        if self.score not in ("probe_mean", "probe_gmean", "probe_min"):
            raise ValueError("score needs one of probe_mean, probe_gmean, probe_min")
        if self.interval < 1 or self.enough < 0:
            raise ValueError("needs interval >= 1 and enough >= 0")
        needs = {"probes", self.score} | ({"probe_min"} if self.adaptive else set())
        self.requires = frozenset(needs)  # type: ignore[misc]

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        total = 0.0
        scores = np.zeros(0)
        while len(sampler.traces) < sampler.budget and (total < self.enough or not self.adaptive):
            traces = sampler.start(1 if self.adaptive else sampler.budget)
            probes = self.run(sampler, traces)
            scores = np.append(scores, probabilities(traces, probes, self.score))
            if self.adaptive:
                total += probabilities(traces, probes, "probe_min").sum()
        traces = sampler.traces
        answered = traces.answer >= 0
        return traces.answer[answered][scores[answered].argmax()] if answered.any() else None

    def run(self, sampler: Sampler, traces: Traces) -> npt.NDArray[np.int32]:
        """Decode traces to their ends; return the answers that their last probes gave."""
        probes = np.full(len(traces), -1, dtype=np.int32)
        going = traces.num_tokens == 0
        while going.any():
            sampler.decode(traces[going], tokens=self.interval)
            going &= ~traces.finished & (traces.num_tokens > 0)
            probes[going] = sampler.probe(traces[going])
        return probes


def probabilities(
    traces: Traces, probes: npt.NDArray[np.int32], signal: str
) -> npt.NDArray[np.float64]:
    """Return a signal of each trace's last probe; 0 if that gave none or another answer."""
    same = (probes == traces.answer) & (probes >= 0)
    return np.where(same, np.nan_to_num(traces.probed(signal)), 0.0)
