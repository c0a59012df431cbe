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

SLACK = 1e-9
"""Bounds are trusted to this: sums of the same scores differ by rounding with their order."""


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
    members = shuffled[clusters[shuffled].argsort(kind="stable")]  # cluster by cluster, as shuffled
    row = np.arange(opened).repeat(sizes)
    place = np.arange(placed) - (sizes.cumsum() - sizes)[row]
    drawn = np.full((opened, int(sizes.max())), -1)
    drawn[row, place] = members
    return drawn[:, :most]


def _most_similar(trace: int, drawn: Ints, ask: Ask, threshold: float) -> int:
    """The cluster whose drawn members are most like a trace, `UNPLACED` where none is enough.

    Members are asked for some at a time in each cluster that may still win: one that could pass
    the threshold, and come up to what the best has for certain, if the rest of its scores were 1.
    """
    there = drawn >= 0
    sizes = there.sum(axis=1)
    scores = np.zeros(drawn.shape)
    may_win = np.ones(len(drawn), dtype=np.bool_)
    width = drawn.shape[1]
    for start in range(0, width, ROUND):
        now = there & may_win[:, None]
        now[:, :start] = False
        now[:, start + ROUND :] = False
        members = drawn[now]
        scores[now] = ask(np.stack([np.full(len(members), trace), members], axis=1))
        open_ = np.maximum(sizes - (start + ROUND), 0)
        total = scores.sum(axis=1)
        at_least, at_most = total / sizes, (total + open_) / sizes
        slack = SLACK if start + ROUND < width else 0.0
        may_win &= (at_most > threshold - slack) & (at_most >= at_least.max() - slack)
        left = int(np.count_nonzero(may_win))
        if left == 0:
            return UNPLACED
        first = int(may_win.argmax())
        if left == 1 and at_least[first] > threshold + slack:
            return first
    return int(may_win.argmax()) if width else UNPLACED
