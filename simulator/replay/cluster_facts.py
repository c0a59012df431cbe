"""What clusters that a policy declared are worth: known once every trace's own end is looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulator.pools.pool import NO_ANSWER

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """Clusters of one problem in one repeat. A cluster is represented by its first trace.

    Parameters
    ----------
    clusters
        How many there are.
    purity
        Share of the clustered traces whose final answer is the commonest of their cluster. One
        without an answer agrees with none.
    tokens_kept
        Tokens of the representatives in full, the pruned prefixes left out: how the "greedy
        clustering only" rows of DeepPrune (arXiv 2510.08483) are counted.
    clusters_classes
        Answer classes of the representatives.
    clusters_correct
        Whether one of the representatives is right.
    """

    clusters: int
    purity: float
    tokens_kept: int
    clusters_classes: int
    clusters_correct: bool


def cluster_facts(
    clusters: Ints,
    answer_class: npt.NDArray[np.int32],
    lengths: Ints,
    class_correct: npt.NDArray[np.bool_],
) -> ClusterFacts | None:
    """Look at clusters with hindsight; None where no trace is in one.

    Parameters
    ----------
    clusters
        The cluster of each trace, negative for none, shape (traces,).
    answer_class, lengths
        Final answer and length of each trace, in the same order, shape (traces,).
    class_correct
        Whether each answer class is right, shape (classes,).
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
    """The same clusters by other numbers: from 0 on, as their first traces come; −1 for none."""
    placed = clusters >= 0
    _, first, cluster = np.unique(clusters[placed], return_index=True, return_inverse=True)
    numbers = np.full(len(clusters), -1)
    numbers[placed] = first.argsort().argsort()[cluster]
    return numbers
