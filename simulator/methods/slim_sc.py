import re

import numpy as np

from simulator import Answer, Policy, Problem, ReasoningWords, Sampler, majority_vote


class SlimSC(Policy):
    """Slim-SC: of two traces whose beginnings are alike, one is dropped; the others vote.

    `keep` says which of the two stays: a `random` one, or the more `diverse`, which is less like
    the others on average. The paper compares thought by thought, with embeddings; here the judge
    (`--judge embedding`) compares once, at the truncation. Its threshold was not to be found.
    """

    source = "Slim-SC, arXiv 2509.13990"
    requires = frozenset({"judge"})
    budget = 64
    truncation = "tokens=500"
    threshold = 0.95  # similarity above which two are alike
    keep = "random"

    def validate(self) -> None:
        if not re.fullmatch(r"(tokens|words)=[1-9][0-9]{0,8}", self.truncation):
            raise ValueError("truncation must be tokens=N or words=N, such as tokens=500")
        if not 0 <= self.threshold <= 1 or self.keep not in ("random", "diverse"):
            raise ValueError("threshold must be between 0 and 1, and keep random or diverse")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        traces = sampler.start(sampler.budget)
        unit, _, count = self.truncation.partition("=")
        if unit == "tokens":
            sampler.decode(traces, tokens=int(count))
        else:
            sampler.decode(traces, until=ReasoningWords(int(count)))
        alike = np.zeros((len(traces), len(traces)))
        pairs = np.argwhere(np.triu(alike + 1, 1))
        alike[pairs[:, 0], pairs[:, 1]] = alike[pairs[:, 1], pairs[:, 0]] = sampler.judge(pairs)
        kept = np.ones(len(traces), dtype=bool)
        for one, other in pairs[alike[pairs[:, 0], pairs[:, 1]] > self.threshold].tolist():
            if kept[one] and kept[other]:
                if self.keep == "diverse":
                    closer = alike[other] @ kept > alike[one] @ kept
                else:
                    closer = sampler.rng.random() < 0.5
                kept[other if closer else one] = False
        sampler.stop(traces[~kept])
        sampler.decode(traces[kept])
        return majority_vote(traces[kept])
