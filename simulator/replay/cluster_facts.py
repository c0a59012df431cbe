"""Quality of the clusters that a policy declared, measured by the traces' final answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.arrays import Bools, Ints, Ints32
from simulator.pools.pool import NO_ANSWER


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """Measures of one problem's clusters in one repeat. A cluster's first trace represents it.

    Parameters
    ----------
    clusters
        Number of clusters.
    purity
        Share of the clustered traces whose final answer is the most common one of their cluster. A
        trace without an answer does not count as agreeing.
    tokens_kept
        Tokens of the representatives in full, without the pruned prefixes, as in the "greedy
        clustering only" rows of DeepPrune (arXiv 2510.08483).
    clusters_classes
        Number of answer classes among the representatives.
    clusters_correct
        True if any representative is correct.
    """

    clusters: int
    purity: float
    tokens_kept: int
    clusters_classes: int
    clusters_correct: bool


def cluster_facts(
    clusters: Ints,
    answer_class: Ints32,
    lengths: Ints,
    class_correct: Bools,
) -> ClusterFacts | None:
    """Measure clusters by the final answers; return None if no trace is in a cluster.

    Parameters
    ----------
    clusters
        The cluster of each trace, negative for none, shape (traces,).
    answer_class, lengths
        Final answer and length of each trace, in the same order, shape (traces,).
    class_correct
        True for each correct answer class, shape (classes,).
    """
    placed = np.flatnonzero(clusters >= 0)
    if not len(placed):
        return None
    names, first, cluster = np.unique(clusters[placed], return_index=True, return_inverse=True)
    answers = answer_class[placed]
    votes = np.zeros((len(names), len(class_correct) + 1), dtype=np.int64)
    np.add.at(votes, (cluster, answers), 1)
    votes[:, NO_ANSWER] = 0
    kept = np.unique(answers[first])
    kept = kept[kept != NO_ANSWER]
    return ClusterFacts(
        clusters=len(names),
        purity=int(votes.max(axis=1).sum()) / len(placed),
        tokens_kept=int(lengths[placed[first]].sum()),
        clusters_classes=len(kept),
        clusters_correct=bool(class_correct[kept].any()),
    )


def numbered(clusters: Ints) -> Ints:
    """Renumber clusters from 0 on, in the order of their first traces; −1 for none."""
    placed = clusters >= 0
    _, first, cluster = np.unique(clusters[placed], return_index=True, return_inverse=True)
    numbers = np.full(len(clusters), -1)
    numbers[placed] = first.argsort().argsort()[cluster]
    return numbers
