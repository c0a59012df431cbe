"""Greedy clustering of traces by pairwise similarity (DeepPrune, arXiv 2510.08483).

Everyone who clusters traces asks here, whatever the scores come from: a policy asks its sampler,
a benchmark a table. A pair is asked for at most once, and only while its answer can still change
where a trace goes.
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

ROUND = 5
"""How many of a cluster's members are asked for before looking whether more could change anything.

One would ask for the fewest; more make larger batches for a judge, and fewer steps here.
"""


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

    Members are asked for some at a time in each cluster that may still win: one that could pass
    the threshold, and come up to what the best has for certain, if the rest of its scores were 1.
    Bounds and similarities are sums over whole rows, so that rounding cannot set them at odds.
    """
    there = drawn >= 0
    sizes = np.add.reduce(there, axis=1)
    worst, best = np.zeros(drawn.shape), there.astype(np.float64)
    may_win = np.ones((len(drawn), 1), dtype=np.bool_)
    for start in range(0, drawn.shape[1], ROUND):
        now = slice(start, start + ROUND)
        asked = there[:, now] & may_win
        members = drawn[:, now][asked]
        pairs = np.empty((len(members), 2), dtype=np.int64)
        pairs[:, 0], pairs[:, 1] = trace, members
        worst[:, now][asked] = best[:, now][asked] = ask(pairs)
        at_least = np.add.reduce(worst, axis=1) / sizes
        at_most = np.add.reduce(best, axis=1) / sizes
        may_win[:, 0] &= (at_most > threshold) & (at_most >= at_least.max())
        left = np.flatnonzero(may_win)
        if not len(left):
            return UNPLACED
        if len(left) == 1 and at_least[left[0]] > threshold:
            break
    return int(may_win.argmax()) if len(drawn) else UNPLACED
