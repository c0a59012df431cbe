from simulator import Answer, GroupConfidenceBelow, Policy, Problem, Sampler, majority_vote


class DeepConfVllm(Policy):
    """DeepConf as in vLLM: every trace stops where its group confidence is below one fixed bar.

    There is no warm-up. The pull request stops traces and leaves the vote to the client: here those
    that finish vote by majority. It leaves the sampled token out of a token's confidence, pools may
    not.
    """

    source = "vLLM, pull request 23201"
    requires = frozenset({"confidence"})
    threshold = 17.0
    window = 2048

    def validate(self) -> None:
        if self.window < 1:
            raise ValueError("window must be at least 1")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        traces = sampler.start(sampler.budget)
        sampler.decode(traces, until=GroupConfidenceBelow(self.threshold, self.window))
        return majority_vote(traces)
