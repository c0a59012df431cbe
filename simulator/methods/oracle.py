from typing import ClassVar

from simulator import Answer, Policy, Problem, Sampler
from simulator.policy.visible import KnowsHindsight


class Oracle(Policy):
    """Oracle: the shortest correct trace alone, or nothing; the lower bound on tokens.

    It uses ground truth, the length and correctness of every trace, so it is never ranked.
    """

    unranked: ClassVar[bool] = True

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        engine = sampler._engine
        assert isinstance(engine, KnowsHindsight)  # what a policy file drives knows no hindsight
        hindsight = engine.hindsight()
        right = [i for i, correct in enumerate(hindsight.correct) if correct]
        if not right:
            return None
        cheapest = min(right, key=lambda i: int(hindsight.lengths[i]))
        trace = sampler.start(sampler.budget)[cheapest]
        sampler.decode(trace)
        return trace.answer
