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
    completeness
        Share of the information about clusters that answers give: 1 if all traces with the same
        answer are in one cluster. A trace without an answer is alone in its class.
    adjusted_rand
        Adjusted Rand index of clusters and answers: 1 if they are the same partition, about 0 for
        clusters by chance. Both are over the clustered traces.
    savable
        Largest share of the tokens of all traces that clusters can save while every answer is kept:
        all that come after the
        tokens that were generated to cluster them, but for those of the cheapest trace to finish of
        each answer.
    """

    clusters: int
    purity: float
    tokens_kept: int
    clusters_classes: int
    clusters_correct: bool
    completeness: float
    adjusted_rand: float
    savable: float


def cluster_facts(
    clusters: Ints,
    answer_class: Ints32,
    lengths: Ints,
    prefixes: Ints,
    class_correct: Bools,
) -> ClusterFacts | None:
    """Measure clusters by the final answers; return None if no trace is in a cluster.

    Parameters
    ----------
    clusters
        The cluster of each trace, negative for none, shape (traces,).
    answer_class, lengths, prefixes
        Final answer and length of each trace, and the tokens generated to cluster it, in the same
        order, shape (traces,).
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
    silent = votes[:, NO_ANSWER].copy()
    votes[:, NO_ANSWER] = 0
    kept = np.unique(answers[first])
    kept = kept[kept != NO_ANSWER]
    return ClusterFacts(
        clusters=len(names),
        purity=int(votes.max(axis=1).sum()) / len(placed),
        tokens_kept=int(lengths[placed[first]].sum()),
        clusters_classes=len(kept),
        clusters_correct=bool(class_correct[kept].any()),
        completeness=_completeness(votes, silent),
        adjusted_rand=_adjusted_rand(votes, silent),
        savable=savable(answer_class, lengths, prefixes),
    )


def _completeness(votes: Ints, silent: Ints) -> float:
    """Return the mutual information of clusters and answers over the clusters' entropy.

    The same as scikit-learn's `completeness_score`, which takes longer than a short replay. `votes`
    counts traces by cluster and answer, shape (clusters, classes); `silent` those without an
    answer, shape (clusters,).
    """
    sizes = votes.sum(axis=1) + silent
    total = int(sizes.sum())
    entropy = float(np.log(total / sizes) @ sizes)
    if len(sizes) == 1:
        return 1.0
    row, answer = np.nonzero(votes)
    both = votes[row, answer]
    expected = sizes[row] * votes.sum(axis=0)[answer] / total
    shared = float(np.log(both / expected) @ both) + float(np.log(total / sizes) @ silent)
    return min(max(shared / entropy, 0.0), 1.0)


def _adjusted_rand(votes: Ints, silent: Ints) -> float:
    """Return the adjusted Rand index as scikit-learn does; arguments as `_completeness`."""
    sizes = votes.sum(axis=1) + silent
    together = int((votes**2).sum() + silent.sum())
    in_clusters, total = int((sizes**2).sum()), int(sizes.sum())
    in_classes = int((votes.sum(axis=0) ** 2).sum() + silent.sum())
    alike = together - total  # ordered pairs of traces that are together in both
    split, mixed = in_classes - together, in_clusters - together
    apart = total**2 - together - split - mixed
    if not split and not mixed:
        return 1.0
    least = (alike + split) * (split + apart) + (alike + mixed) * (mixed + apart)
    return 2 * (alike * apart - split * mixed) / least


def savable(answer_class: Ints32, lengths: Ints, prefixes: Ints) -> float:
    """Return the largest share of tokens that clustering can save; arguments as `cluster_facts`."""
    rest = lengths - prefixes
    order = np.lexsort((rest, answer_class))
    answers = answer_class[order]
    cheapest = np.flatnonzero(np.diff(answers, prepend=NO_ANSWER))
    return float((rest.sum() - rest[order][cheapest].sum()) / lengths.sum())


def numbered(clusters: Ints) -> Ints:
    """Renumber clusters from 0 on, in the order of their first traces; −1 for none."""
    placed = clusters >= 0
    _, first, cluster = np.unique(clusters[placed], return_index=True, return_inverse=True)
    numbers = np.full(len(clusters), -1)
    numbers[placed] = first.argsort().argsort()[cluster]
    return numbers
