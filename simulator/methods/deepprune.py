from __future__ import annotations

import re

import numpy as np

from simulator import (
    UNPLACED,
    Answer,
    Policy,
    Problem,
    ReasoningWords,
    Sampler,
    greedy_clusters,
    majority_vote,
    weighted_vote,
)


class DeepPrune(Policy):
    """DeepPrune: cluster unfinished traces with a judge, finish the largest cluster and vote.

    `truncation` is the length at which traces are judged: `tokens=500` or `words=25` (reasoning
    words). Members of a cluster are finished in the replay's order; with `confident`, those of the
    highest mean confidence first, and votes weigh what their traces' mean confidence does.
    """

    source = "DeepPrune, arXiv 2510.08483"
    requires = frozenset({"judge"})
    truncation = "tokens=500"
    tau = 0.5
    K = 16  # clusters at most
    K1 = 20  # members of each cluster that a trace is compared with
    K2 = 20  # traces of the largest cluster that are finished
    K3 = 32  # traces finished instead if no two are alike
    hard = False  # True: round scores to decisions, 0 or 1
    confident = False  # True: finish the most confident of the cluster; votes weighed by confidence

    def validate(self) -> None:
        if not re.fullmatch(r"(tokens|words)=[1-9][0-9]{0,8}", self.truncation):
            raise ValueError("truncation must be tokens=N or words=N, such as tokens=500")
        if not 0 <= self.tau <= 1:
            raise ValueError("tau must be between 0 and 1")
        if min(self.K, self.K1, self.K2, self.K3) < 1:
            raise ValueError("K, K1, K2 and K3 must be at least 1")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        traces = sampler.start(sampler.budget)
        unit, _, count = self.truncation.partition("=")
        if unit == "tokens":
            sampler.decode(traces, tokens=int(count))
        else:
            sampler.decode(traces, until=ReasoningWords(int(count)))
        clusters = greedy_clusters(
            len(traces),
            sampler.judge,
            sampler.rng,
            threshold=self.tau,
            max_clusters=self.K,
            max_members=self.K1,
            hard=self.hard,
        )
        sampler.declare_clusters(clusters)
        sizes = np.bincount(clusters[clusters != UNPLACED])
        if sizes.max() > 1:
            members = np.flatnonzero(clusters == sizes.argmax())
            if self.confident:
                members = members[np.argsort(-traces[members].confidence(), kind="stable")]
            chosen = members[: self.K2]
        else:
            chosen = sampler.rng.permutation(len(traces))[: self.K3]
        kept = traces[np.sort(chosen)]
        sampler.stop(traces - kept)
        sampler.decode(kept)
        return weighted_vote(kept, kept.confidence()) if self.confident else majority_vote(kept)
