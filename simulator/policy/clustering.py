"""Greedy clustering of traces by pairwise similarity (DeepPrune, arXiv 2510.08483).

Everyone who clusters traces asks here, whatever the scores come from: a policy asks its sampler,
a benchmark a table. A pair is asked for at most once, and only while its answer can still change
where a trace goes, whether scores are probabilities or decisions (0 or 1).
"""

from __future__ import annotations

import math
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
    clusters = _Clusters(traces, threshold, max_clusters, max_members)
    for trace in range(traces):
        home = _most_similar(trace, clusters, clusters.shuffled(rng), ask, threshold)
        if home == UNPLACED:
            if len(clusters.sizes) == max_clusters:
                break
            home = len(clusters.sizes)
        clusters.place(trace, home)
    return clusters.of_trace


class _Clusters:
    """The clusters so far, and what every trace that is compared with them starts from.

    The latter is worked out only when it changes: not when a trace joins a cluster of which no more
    members could be drawn anyway.

    Attributes
    ----------
    of_trace
        The cluster of each trace, `UNPLACED` for those not placed yet, shape (traces,).
    sizes, starts
        How many members each cluster has, and where they begin in what `shuffled` returns, shape
        (clusters,).
    drawn, first
        How many members of each a trace is compared with at most, and how many it is compared with
        in any case: it takes so many for their mean to be on one side of the threshold for certain.
        Shape (clusters,).
    bounds
        What scores are at least and at most before any is known, 0 and 1: a row a cluster, a column
        a member; 0 fills up short rows. Shape (2, clusters, most drawn).
    first_cluster, first_place
        The cluster of each of the first ones and its place in it, shape (sum of `first`,).
    first_low, first_high
        Where their scores go in `bounds`, read row by row; shape (sum of `first`,).
    """

    def __init__(self, traces: int, threshold: float, max_clusters: int, max_members: int) -> None:
        self.of_trace = np.full(traces, UNPLACED)
        self.sizes = np.zeros(0, dtype=np.int64)
        self.starts = np.zeros(0, dtype=np.int64)
        self._placed = 0
        narrow = np.min_scalar_type(min(max_clusters, traces))  # which numpy sorts in linear time
        self._narrow = np.zeros(traces, dtype=narrow)
        self._to_decide = min(1 - threshold, threshold)  # by a mean of which nothing is known
        self._max_members = max_members

    def shuffled(self, rng: np.random.Generator) -> Ints:
        """All traces placed so far, cluster by cluster, those of each in random order.

        So the first few of a cluster are that many of its members drawn without replacement.
        """
        if not self._placed:
            return np.empty(0, dtype=np.int64)
        shuffled: Ints = rng.permutation(self._placed)
        if len(self.sizes) == 1:
            return shuffled
        by_cluster: Ints = shuffled[self._narrow[shuffled].argsort(kind="stable")]
        return by_cluster

    def place(self, trace: int, home: int) -> None:
        """Put the next trace into a cluster, a new one where it is one more than there are."""
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
    """The cluster whose drawn members are most like a trace, `UNPLACED` where none is enough.

    The bar is what has to be passed: the threshold, or the mean that the best cluster has for
    certain, if the rest of its scores were 0. A cluster is asked about while the rest of its scores
    decides whether it passes the bar; the one that set the bar waits until no other can. So many of
    a cluster's members are asked about at once as it takes at least to decide that: none of them
    could have been spared, whatever the others of its cluster say.

    Bounds and means are sums over whole rows, so that rounding cannot set them at odds. The first
    round is the same for all clusters and done with arrays; few are left after it.
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
