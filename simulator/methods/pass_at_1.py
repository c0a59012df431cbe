from simulator import Answer, Policy, Problem, Sampler


class PassAt1(Policy):
    """pass@1: the answer of a single trace. Its accuracy over repeats estimates the pool's mean."""

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        trace = sampler.start(1)[0]
        sampler.decode(trace)
        return trace.answer
