"""Greedy clustering of traces by pairwise similarity (DeepPrune, arXiv 2510.08483).

The caller passes the function that scores pairs: a policy uses its sampler's judge, a benchmark a
table. A pair is scored at most once, and only while its score can still change where a trace goes,
whether scores are probabilities or decisions (0 or 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import MethodType

import numpy as np

from simulator.arrays import Floats, Ints
from simulator.policy.sampler import Sampler

Ask = Callable[[Ints], Floats]
"""Function from pairs of traces, shape (n, 2), to scores in [0, 1], shape (n,); 1: same answer."""

UNPLACED = -1
"""The cluster of a trace that was not placed before clustering ended."""

ROUNDING = 1e-9
"""Tolerance subtracted before a count is rounded up, so that rounding errors of a sum of scores do
not make it one too large."""


def greedy_clusters(
    traces: int,
    ask: Ask,
    rng: np.random.Generator,
    *,
    threshold: float,
    max_clusters: int,
    max_members: int,
    hard: bool = False,
) -> Ints:
    """Put traces into clusters one after the other.

    A trace joins the most similar cluster if the similarity is above `threshold`; otherwise it
    opens a new one. Its similarity to a cluster is its mean score against members drawn at random.
    A tie goes to the cluster opened first. When `max_clusters` exist and another would be opened,
    clustering ends.

    Parameters
    ----------
    traces
        Number of traces; they are placed in the order of their numbers, which `ask` gets.
    ask
        Scores pairs (new trace, member). With `sampler.judge`, a replay that has the scores at hand
        finds the same clusters and charges the same pairs, only faster.
    threshold, max_clusters, max_members
        τ, K and K1 of the paper. `max_members` members of a cluster are drawn, or all if fewer.
    hard
        True to round scores to decisions: 1 above 0.5, else 0.

    Returns
    -------
    The cluster of each trace, counted from 0 in the order of opening, `UNPLACED` for those left
    over; shape (traces,).
    """
    sampler = ask.__self__ if isinstance(ask, MethodType) and ask.__name__ == "judge" else None
    if isinstance(sampler, Sampler):
        engine = sampler._engine
        found = engine.greedy_clusters(traces, rng, threshold, max_clusters, max_members, hard)
        if found is not None:
            return found
    if hard:
        ask = _decisions(ask)
    clusters = _Clusters(traces, threshold, max_clusters, max_members)
    for trace in range(traces):
        home = _most_similar(trace, clusters, clusters.shuffled(rng), ask, threshold)
        if home == UNPLACED:
            if len(clusters.sizes) == max_clusters:
                break
            home = len(clusters.sizes)
        clusters.place(trace, home)
    return clusters.of_trace


def _decisions(ask: Ask) -> Ask:
    return lambda pairs: (ask(pairs) > 0.5).astype(np.float64)


class _Clusters:
    """The clusters so far, and the arrays from which every comparison with them starts.

    The arrays are recomputed only when they change: not when a trace joins a cluster that had
    `max_members` already.

    Attributes
    ----------
    of_trace
        The cluster of each trace, `UNPLACED` for those not placed yet, shape (traces,).
    sizes, starts
        Number of members of each cluster, and the index of its first one in the result of
        `shuffled`, shape (clusters,).
    drawn, first
        Number of members of each cluster that a trace is compared with at most, and in the first
        round: the fewest scores that can put the mean on one side of the threshold for certain.
        Shape (clusters,).
    bounds
        Lower and upper bounds of the scores before any is known, 0 and 1: one row per cluster, one
        column per member; short rows are padded with 0. Shape (2, clusters, most drawn).
    first_cluster, first_place
        Cluster of each member of the first round, and its place there, shape (sum of `first`,).
    first_low, first_high
        Indices of their scores in the flattened `bounds`, shape (sum of `first`,).
    """

    def __init__(self, traces: int, threshold: float, max_clusters: int, max_members: int) -> None:
        self.of_trace = np.full(traces, UNPLACED)
        self.sizes = np.zeros(0, dtype=np.int64)
        self.starts = np.zeros(0, dtype=np.int64)
        self._placed = 0
        narrow = np.min_scalar_type(min(max_clusters, traces))  # numpy sorts it in linear time
        self._narrow = np.zeros(traces, dtype=narrow)
        self._to_decide = min(1 - threshold, threshold)  # least share of the scores that decides
        self._max_members = max_members

    def shuffled(self, rng: np.random.Generator) -> Ints:
        """Return all traces placed so far, cluster by cluster, each cluster in random order.

        So the first few of a cluster are that many of its members drawn without replacement.
        """
        if not self._placed:
            return np.empty(0, dtype=np.int64)
        shuffled: Ints = rng.permutation(self._placed)
        if len(self.sizes) == 1:
            return shuffled
        return shuffled[self._narrow[shuffled].argsort(kind="stable")]

    def place(self, trace: int, home: int) -> None:
        """Put the next trace into a cluster; `home` opens a new one if it is the next number."""
        self.of_trace[trace] = self._narrow[trace] = home
        self._placed += 1
        if home == len(self.sizes):
            self.sizes = np.append(self.sizes, 0)
            self.starts = np.append(self.starts, trace)
        self.sizes[home] += 1
        self.starts[home + 1 :] += 1
        if self.sizes[home] <= self._max_members:
            self._count()

    def _count(self) -> None:
        self.drawn = np.minimum(self.sizes, self._max_members).astype(np.float64)
        least = np.ceil(self._to_decide * self.drawn - ROUNDING).astype(np.int64)
        self.first = np.maximum(least, 1)
        place = np.arange(self.drawn.max())
        self.first_cluster, self.first_place = np.nonzero(place < self.first[:, np.newaxis])
        self.bounds = np.zeros((2, len(self.sizes), len(place)))
        self.bounds[1] = place < self.drawn[:, np.newaxis]
        self.first_low = self.first_cluster * len(place) + self.first_place
        self.first_high = self.first_low + self.bounds[0].size


def _most_similar(
    trace: int, clusters: _Clusters, shuffled: Ints, ask: Ask, threshold: float
) -> int:
    """Find the cluster whose drawn members are most like a trace, `UNPLACED` if none is enough.

    A cluster's mean must exceed the bar: the threshold, or the mean that the best cluster has if
    all its unknown scores are 0. A cluster's members are scored as long as its unknown scores
    decide whether it exceeds the bar; the cluster that set the bar waits until no other can. Each
    request scores the fewest members that can decide this: none of them could have been saved,
    whatever the other scores of the cluster are.

    Bounds and means are sums over whole rows, so that rounding cannot make them disagree. The first
    round is the same for all clusters and done with arrays; few clusters are left after it.
    """
    if not len(shuffled) or threshold >= 1:
        return UNPLACED
    pairs = np.empty((len(shuffled), 2), dtype=np.int64)
    pairs[:, 0], pairs[:, 1] = trace, shuffled
    bounds = clusters.bounds.copy()
    cells = bounds.reshape(-1)
    asked = clusters.starts.take(clusters.first_cluster) + clusters.first_place
    cells[clusters.first_low] = cells[clusters.first_high] = ask(pairs.take(asked, axis=0))
    means = np.add.reduce(bounds, axis=2) / clusters.drawn
    at_least, at_most = means[0], means[1]
    top = at_least[at_least.argmax()]
    # The bar never falls, so a cluster that cannot pass it now is out for good.
    left = (at_most >= top if top > threshold else at_most > threshold).nonzero()[0]
    if not len(left):
        return UNPLACED
    bounds, drawn = bounds.take(left, axis=1), clusters.drawn.take(left)
    least, most, sizes = at_least.take(left).tolist(), at_most.take(left).tolist(), drawn.tolist()
    known, starts = clusters.first.take(left).tolist(), clusters.starts.take(left).tolist()
    rows = list(range(len(left)))
    while True:
        bar = max(least)
        best = least.index(bar) if bar > threshold else UNPLACED
        bar = max(bar, threshold)
        rows = [row for row in rows if most[row] > bar or (row <= best and most[row] == bar)]
        spans = []
        for row in rows:
            if row != best:
                to_decide = min(most[row] - bar, bar - least[row]) * sizes[row]
                more = max(math.ceil(to_decide - ROUNDING), 1)
                spans.append((row, known[row], known[row] + more))
                known[row] += more
        if not spans:
            return best if best == UNPLACED else int(left[best])
        more_pairs = [pairs[starts[row] + a : starts[row] + b] for row, a, b in spans]
        said = ask(np.concatenate(more_pairs))
        for row, a, b in spans:
            bounds[:, row, a:b] = said[: b - a]
            said = said[b - a :]
        least, most = (np.add.reduce(bounds, axis=2) / drawn).tolist()
