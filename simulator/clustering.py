"""Greedy clustering of traces by pairwise similarity (DeepPrune, arXiv 2510.08483).

Everyone who clusters traces asks here, whatever the scores come from: a policy asks its sampler,
a benchmark a table. A pair is asked for at most once, and only while its answer can still change
where a trace goes, whether scores are probabilities or decisions (0 or 1).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

Ask = Callable[[Ints], Floats]
"""Scores in [0, 1] of pairs of traces, shape (n, 2) to shape (n,): 1 for the same answer."""

UNPLACED = -1
"""The cluster of a trace that was not placed before clustering ended."""

ROUNDING = 1e-9
"""Above the rounding of a sum of scores, far below a score: a count is never one too many by it."""


def greedy_clusters(
    traces: int,
    ask: Ask,
    rng: np.random.Generator,
    *,
    threshold: float,
    max_clusters: int,
    max_members: int,
) -> Ints:
    """Put traces into clusters one after the other.

    A trace joins the cluster that it is most similar to, if that is more than `threshold`; else it
    opens a new one. Its similarity to a cluster is its mean score against members drawn at random.
    A tie goes to the cluster opened first. When `max_clusters` exist and another would be opened,
    clustering ends.

    Parameters
    ----------
    traces
        How many there are; they are placed in the order of their numbers, which `ask` is given.
    ask
        Answers pairs (new trace, member).
    threshold, max_clusters, max_members
        τ, K and K1 of the paper. `max_members` are drawn from a cluster, all if it has fewer.

    Returns
    -------
    The cluster of each trace, counted from 0 in the order of opening, `UNPLACED` for those left
    over; shape (traces,).
    """
    clusters = np.full(traces, UNPLACED)
    opened = 0
    for trace in range(traces):
        drawn = draw_members(clusters[:trace], opened, max_members, rng)
        home = _most_similar(trace, drawn, ask, threshold)
        if home == UNPLACED:
            if opened == max_clusters:
                break
            home, opened = opened, opened + 1
        clusters[trace] = home
    return clusters


def draw_members(clusters: Ints, opened: int, most: int, rng: np.random.Generator) -> Ints:
    """Draw up to `most` members of each cluster, without replacement: the first in one shuffle.

    Parameters
    ----------
    clusters
        The cluster of each trace placed so far, shape (placed,).
    opened
        How many clusters there are.

    Returns
    -------
    Traces, a row a cluster in the order drawn, shape (opened, most drawn); −1 fills up short rows.
    """
    placed = len(clusters)
    if not placed:
        return np.empty((0, 0), dtype=np.int64)
    shuffled = rng.permutation(placed)
    sizes = np.bincount(clusters, minlength=opened)
    cluster = clusters[shuffled].astype(np.int16)  # which numpy sorts in linear time
    members = shuffled[cluster.argsort(kind="stable")]  # cluster by cluster, as shuffled
    row = np.arange(opened).repeat(sizes)
    place = np.arange(placed) - (sizes.cumsum() - sizes)[row]
    drawn = np.full((opened, int(sizes.max())), -1)
    drawn[row, place] = members
    return drawn[:, :most]


def _most_similar(trace: int, drawn: Ints, ask: Ask, threshold: float) -> int:
    """The cluster whose drawn members are most like a trace, `UNPLACED` where none is enough.

    The bar is what has to be passed: the threshold, or the mean that the best cluster has for
    certain, if the rest of its scores were 0. A cluster is asked about while the rest of its scores
    decides whether it passes the bar; the one that set the bar waits until no other can. So many of
    a cluster's members are asked about at once as it takes at least to decide that: none of them
    could have been spared, whatever the others of its cluster say.

    Bounds and means are sums over whole rows, so that rounding cannot set them at odds.
    """
    there = drawn >= 0
    sizes = np.add.reduce(there, axis=1)
    place = np.arange(drawn.shape[1])
    known = np.zeros(len(drawn), dtype=np.int64)
    low, high = np.zeros(drawn.shape), there.astype(np.float64)
    at_least, at_most = np.zeros(len(drawn)), np.ones(len(drawn))
    while len(drawn):
        best = int(at_least.argmax())
        leads = at_least[best] > threshold
        bar = at_least[best] if leads else threshold
        may_pass = at_most > bar
        if leads:
            may_pass[:best] = at_most[:best] >= bar  # a tie goes to the cluster opened first
            may_pass[best] = False
        if not np.count_nonzero(may_pass):
            return best if leads else UNPLACED
        to_decide = np.minimum(at_most - bar, bar - at_least) * sizes
        more = np.maximum(np.ceil(to_decide - ROUNDING), 1).astype(np.int64)
        asked_by_now = np.where(may_pass, known + more, known)
        asked = (place >= known[:, np.newaxis]) & (place < asked_by_now[:, np.newaxis])
        known = asked_by_now
        members = drawn[asked]
        pairs = np.empty((len(members), 2), dtype=np.int64)
        pairs[:, 0], pairs[:, 1] = trace, members
        low[asked] = high[asked] = ask(pairs)
        at_least = np.add.reduce(low, axis=1) / sizes
        at_most = np.add.reduce(high, axis=1) / sizes
    return UNPLACED
