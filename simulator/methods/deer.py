import numpy as np

from simulator import Answer, Policy, Problem, Sampler, majority_vote


class DEER(Policy):
    """DEER, dynamic early exit: a trace stops at a probe whose answer is certain; then all vote.

    The certainty of a probe is the mean probability of its answer's tokens. In this coarser variant
    probes are as far apart as stored, not at each "Wait"; the first comes after an interval, not
    before any thought; the answer's first token counts; and the probe's answer is taken, where the
    program closes the thinking and generates one anew, for Qwen3 only if the probe closed it. The
    program has a single trace, and no limit here stands for its budget of thinking.
    """

    source = "arXiv 2504.15895; vllm-deer.py, vllm-deer-qwen3.py"
    requires = frozenset({"probes", "probe_gmean"})
    budget = 64
    interval = 500  # tokens between probes
    certainty = "probe_gmean"  # the program's for Qwen3; else probe_mean; also probe_min
    threshold = 0.95
    tries = 10  # probes of a trace

    def validate(self) -> None:
        if self.certainty not in ("probe_mean", "probe_gmean", "probe_min"):
            raise ValueError("certainty needs one of probe_mean, probe_gmean, probe_min")
        if self.interval < 1 or self.tries < 1 or not 0 <= self.threshold <= 1:
            raise ValueError("needs interval >= 1, tries >= 1 and 0 <= threshold <= 1")
        self.requires = frozenset({"probes", self.certainty})  # type: ignore[misc]

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        traces = live = sampler.start(sampler.budget)
        answers = traces.answer
        for _ in range(self.tries):
            sampler.decode(live, tokens=self.interval)
            live = live[~live.finished & (live.num_tokens > 0)]
            probes = sampler.probe(live)
            certain = (live.probed(self.certainty) > self.threshold) & (probes >= 0)
            answers[live[certain].ids] = probes[certain]
            sampler.stop(live[certain])
            live = live[~certain]
        sampler.decode(live)
        return majority_vote(np.where(traces.finished, traces.answer, answers))
