from typing import ClassVar

from simulator import Answer, Policy, Problem, Sampler
from simulator.policy.visible import KnowsHindsight


class Oracle(Policy):
    """The floor that no policy passes: the shortest correct trace alone, nothing if there is none.

    It knows every trace's length and correctness beforehand, so it is never ranked.
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
