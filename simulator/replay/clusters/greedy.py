"""Greedy clustering of a replay's traces if all scores are at hand.

It finds the clusters of `simulator.policy.clustering.greedy_clusters` and the pairs that this
function requests, without thousands of small requests. A trace's cluster follows from its mean
scores against all drawn members; the requests that would have found it are worked out afterwards,
for all traces at once. Other scores decide nothing, and are not charged.

Sums of scores are exact here, hence equal in whatever order they are taken. Scores too small for
that are left to `greedy_clusters`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from simulator.arrays import Array, Floats, Ints
from simulator.policy.clustering import ROUNDING, UNPLACED
from simulator.policy.random_numbers import State, generator_at, has_state, set_state, state_of
from simulator.rules.compiled import compiled

_greedy: Any = compiled("simulator.replay.clusters._greedy")
"""Compiled code of `_Compiled`; None without it."""


MOST_DRAWN = 1 << 18
"""Number of members, drawn for all traces together, that are in memory at once."""

MOST_AT_ONCE = 1 << 14
"""Maximum number of members that a trace may be compared with."""

KEPT_TRACES = 512
"""Number of traces up to which draws are kept for other problems: 0.3 MB for each repeat."""

FEW_TRACES = 128
"""Number of traces up to which a draw takes a 16th of that."""

KEPT_DRAWS = 128
"""Number of draws that are kept; of few traces, 16 times as many."""

MOST_NARROW = 1 << 16
"""Number of traces up to which two bytes hold the number of one."""

STATES = 16
"""Number of traces after which a state of the random generator is kept."""

PADDING = 1 << 40
"""Place of a member that a cluster does not have, beyond all others."""


@dataclass(frozen=True)
class ScoreTable:
    """The scores at hand of a stored problem's pairs.

    Parameters
    ----------
    scores
        Shape (traces, traces), symmetric; NaN for a missing score, and on the diagonal.
    least
        The smallest score above 0; 1 if there is none.
    """

    scores: npt.NDArray[np.float32]
    least: float


class GreedyRule(NamedTuple):
    """Parameters of `greedy_clusters`; `hard` rounds scores to decisions, 0 or 1."""

    threshold: float
    max_clusters: int
    max_members: int
    hard: bool = False


class Requested(NamedTuple):
    """Clusters as `greedy_clusters` finds them, and the pairs that it requests.

    `clusters` has shape (traces,), `pairs` (new trace, member) shape (n, 2). `call` has the number
    of the request of each pair, shape (n,).
    """

    clusters: Ints
    pairs: Ints
    call: Ints


def cluster_at_hand(
    table: ScoreTable,
    rows: Ints,
    rng: np.random.Generator,
    rule: GreedyRule,
    *,
    keeps_draws: bool = True,
) -> Requested | None:
    """Cluster traces like `greedy_clusters`, with the same draws from `rng`.

    Parameters
    ----------
    table
        The scores at hand.
    rows
        Rows of the traces in the table, in the order in which they are placed, shape (traces,).
    rng
        A generator (PCG64).
    rule
        Parameters of the clustering.
    keeps_draws
        Keep what is drawn, for other problems of the repeat.

    Returns
    -------
    None, with `rng` unchanged, if they must be clustered by requests: a score that is needed is
    missing, a sum of scores might be rounded, or there are too many members to compare with.
    """
    traces = len(rows)
    compared = min(rule.max_clusters, traces) * min(rule.max_members, traces)
    # A float32 has 24 bits, a float64 53; the largest sum is `max_members`.
    exact = rule.hard or table.least >= min(rule.max_members, traces) * 2.0**-29
    if (
        not has_state(rng)
        or not exact
        or not rule.threshold < 1
        or not 0 < compared <= MOST_AT_ONCE
    ):
        return None
    state = state_of(rng)
    narrow = _greedy is not None and traces <= MOST_NARROW
    placing = _Compiled(table, rows, rule) if narrow else _Placing(table, rows, rule)
    draw = _draw
    if keeps_draws and traces <= KEPT_TRACES:
        draw = _kept_draw if traces > FEW_TRACES else _kept_draw_of_few
    for first, last in _blocks(traces):
        drawn = draw(state, first, last)
        ended = placing.place(drawn.members, first, last)
        state = drawn.state_after(last - 1 if ended is None else ended)
        if ended is not None:
            break
    found = placing.requested()
    if found is not None:
        set_state(rng, state)
    return found


def _blocks(traces: int) -> Iterator[tuple[int, int]]:
    """Yield the first trace of each block of traces, and the one after its last."""
    first = members = 0
    for trace in range(traces):
        members += trace + 1
        if members > MOST_DRAWN and trace > first:
            yield first, trace
            first, members = trace, trace + 1
    yield first, traces


class _Drawn(NamedTuple):
    """Random orders of the traces placed before each trace of a block.

    `members` has them one after the other, each followed by the trace itself. `states` are those
    of the generator before the traces `first`, `first + STATES` and so on, and after the last.
    """

    members: Array
    states: list[State]
    first: int
    last: int

    def state_after(self, trace: int) -> State:
        """Return the state of the generator after the draw for a trace of the block."""
        if trace + 1 == self.last:
            return self.states[-1]
        number = (trace - self.first) // STATES
        rng = generator_at(self.states[number])
        for each in range(max(self.first + number * STATES, 1), trace + 1):
            rng.permutation(each)
        return state_of(rng)


def _draw(state: State, first: int, last: int) -> _Drawn:
    rng = generator_at(state)
    traces = np.arange(first, last)
    members = traces.astype(np.uint16 if last <= MOST_NARROW else np.int64).repeat(traces + 1)
    states, begin = [], 0
    for trace in range(first, last):
        if (trace - first) % STATES == 0:
            states.append(state_of(rng))
        if trace:
            members[begin : begin + trace] = rng.permutation(trace)
        begin += trace + 1
    return _Drawn(members, [*states, state_of(rng)], first, last)


_kept_draw = lru_cache(maxsize=KEPT_DRAWS)(_draw)
_kept_draw_of_few = lru_cache(maxsize=16 * KEPT_DRAWS)(_draw)
"""`sampler.rng` is the same for all problems of a repeat, and hence the draws."""


class _Placing:
    """The clusters so far, and the pairs requested to find them.

    Sorted by `_key`, the members of the cluster opened last come first: a trace that joins an early
    cluster, which are large, then moves few others. Traces not placed yet come last.
    """

    def __init__(self, table: ScoreTable, rows: Ints, rule: GreedyRule) -> None:
        clusters, members = min(rule.max_clusters, len(rows)), min(rule.max_members, len(rows))
        self._table, self._rows, self._rule = table.scores, rows, rule
        self._key = np.full(len(rows), clusters, dtype=np.min_scalar_type(clusters))
        self._sizes: list[int] = []
        self._drawn = np.ones(clusters)  # number of members of each that are compared
        self._places = np.full((clusters, members), PADDING)  # of these, among the sorted members
        self._found: list[tuple[Ints, Ints, Ints]] = []
        self._missing = False

    def place(self, members: Array, first: int, last: int) -> int | None:
        """Place the traces of a block; return the trace at which clustering ended, if it did.

        `members` are those of `_Drawn`.
        """
        scores = self._table.take(self._rows[first:last], axis=0).take(self._rows[:last], axis=1)
        known = (scores > 0.5 if self._rule.hard else np.fmax(scores, 0)).astype(np.float64)
        key, threshold, ones = self._key, self._rule.threshold, np.ones(self._places.shape[1])
        compared: list[tuple[int, Ints, Floats]] = []
        begin, ended, opened = 0, None, len(self._sizes)
        members = members.astype(np.int64)
        places, drawn = self._places[:opened], self._drawn[:opened]
        for trace in range(first, last):
            home, before = UNPLACED, members[begin : begin + trace + 1]
            begin += trace + 1
            if trace:
                order = before.take(key.take(before).argsort(kind="stable"))
                asked = order.take(places, mode="clip")  # the padding: the trace itself, which is 0
                means = known[trace - first].take(asked).dot(ones) / drawn
                compared.append((trace, asked, drawn))
                best = int(means.argmax())
                if means[best] > threshold:
                    home = best
            if home == UNPLACED:
                home = len(self._sizes)
                if home == len(self._places):
                    ended = trace
                    break
            if self._join(trace, home):
                places, drawn = self._places[: len(self._sizes)], self._drawn[: len(self._sizes)]
        if compared:
            self._request(compared, first, scores, known)
        return ended

    def _join(self, trace: int, home: int) -> bool:
        """Put a trace into a cluster; return True if more members are compared from now on."""
        self._key[trace] = len(self._places) - 1 - home
        if home:
            self._places[:home] += 1
        if home == len(self._sizes):
            self._sizes.append(1)
            self._places[home, 0] = 0
            return True
        had = self._sizes[home]
        self._sizes[home] += 1
        if had >= self._places.shape[1]:
            return False
        self._places[home, had] = self._places[home, 0] + had
        self._drawn = self._drawn.copy()  # that of earlier traces stays as it is
        self._drawn[home] += 1
        return True

    def _request(
        self,
        compared: Sequence[tuple[int, Ints, Floats]],
        first: int,
        scores: npt.NDArray[np.float32],
        known: Floats,
    ) -> None:
        """Work out the requests that decide the comparisons of a block.

        Parameters
        ----------
        compared
            Each trace of the block, the members that it is compared with, a row for each cluster,
            and their number in each row.
        first
            First trace of the block.
        scores, known
            Scores of the block's traces against all up to its last, and the same as compared.
        """
        traces, asked, drawn = zip(*compared, strict=True)
        clusters = np.array([len(each) for each in drawn])
        members = np.concatenate(asked)
        trace = np.repeat(traces, clusters)
        place = members + ((trace - first) * scores.shape[1])[:, np.newaxis]
        cell, request = _requested(
            known.take(place), np.concatenate(drawn), clusters, self._rule.threshold
        )
        if np.isnan(scores.take(place.take(cell))).any():
            self._missing = True
        trace = trace.take(cell // members.shape[1])
        self._found.append((trace, members.take(cell), trace * (MOST_AT_ONCE + 1) + request))

    def requested(self) -> Requested | None:
        """Return clusters and requests; None if a score that a request asks for is missing."""
        if self._missing:
            return None
        nothing = np.empty(0, dtype=np.int64)
        parts = [(nothing, nothing, nothing), *self._found]
        trace, member, call = map(np.concatenate, zip(*parts, strict=True))
        clusters = len(self._places) - 1 - self._key.astype(np.int64)  # of those not placed: -1
        return Requested(clusters, np.stack([trace, member], axis=1), call)


class _Compiled:
    """The same as `_Placing`, by compiled code."""

    def __init__(self, table: ScoreTable, rows: Ints, rule: GreedyRule) -> None:
        self._scores = np.ascontiguousarray(table.scores)
        self._rows = np.ascontiguousarray(rows, dtype=np.int64)
        self._rule = rule
        self._clusters = np.full(len(rows), UNPLACED, dtype=np.int64)
        self._found: list[tuple[Ints, Ints]] = []
        self._missing = False

    def place(self, members: Array, first: int, last: int) -> int | None:
        """Place the traces of a block; see `_Placing.place`."""
        threshold, clusters, most, hard = self._rule
        clusters, most = min(clusters, len(self._rows)), min(most, len(self._rows))
        room = int(np.minimum(np.arange(first, last), clusters * most).sum())
        pairs, call = np.empty((room, 2), dtype=np.int64), np.empty(room, dtype=np.int64)
        ended, number, missing = _greedy.place_block(
            *(self._scores, self._rows, members, first, last),
            (threshold, clusters, most, hard),
            *(ROUNDING, MOST_AT_ONCE + 1, self._clusters, pairs, call),
        )
        self._found.append((pairs[:number], call[:number]))
        self._missing = self._missing or missing
        return None if ended == last else int(ended)

    def requested(self) -> Requested | None:
        """Return clusters and requests; None if a score that a request asks for is missing."""
        if self._missing:
            return None
        pairs, call = map(np.concatenate, zip(*self._found, strict=True))
        return Requested(self._clusters, pairs, call)


def _requested(
    scores: Floats, drawn: Floats, clusters: Ints, threshold: float
) -> tuple[Ints, Ints]:
    """Work out the requests of `greedy_clusters` for traces that are compared with clusters.

    The rules are those of `simulator.policy.clustering`: the members of a cluster are requested as
    long as they decide whether it exceeds the bar. The bar of a trace is the highest lower bound of
    its clusters, or the threshold, which has a row of its own before theirs.

    Parameters
    ----------
    scores
        Scores of the compared members in the order drawn, a row for each trace and cluster; 0
        beyond those that there are.
    drawn
        Number of compared members, shape (rows,).
    clusters
        Number of consecutive rows of each trace, shape (traces,).
    threshold
        As of `greedy_clusters`.

    Returns
    -------
    Place of each requested score in the flattened `scores`, and the number of its request, counted
    for each trace from 0; both of shape (requested,).
    """
    width = scores.shape[1]
    sums = scores.cumsum(axis=1).ravel()
    row = np.arange(len(scores), dtype=np.float64)
    first = np.maximum(np.ceil(min(1 - threshold, threshold) * drawn - ROUNDING), 1)
    spans = [(row, np.zeros_like(first), first, 0)]
    known = sums.take((row * width + first - 1).astype(np.int64))
    begin = clusters.cumsum() - clusters
    state = np.stack([known / drawn, (known + (drawn - first)) / drawn, drawn, first, row])
    state = np.insert(
        state, begin, np.array([threshold, threshold, 1, 1, 0])[:, np.newaxis], axis=1
    )
    rows = clusters + 1
    while True:
        low, high, drawn, known, row = state
        begin = rows.cumsum() - rows
        bar = np.maximum.reduceat(low, begin).repeat(rows)
        at_bar = (low == bar).nonzero()[0]
        best = at_bar[at_bar.searchsorted(begin)]
        ask = high > bar
        even = (high == bar).nonzero()[0]
        ask[even] = even < best.repeat(rows).take(even)
        ask[best] = False
        undecided = np.logical_or.reduceat(ask, begin)
        left = ask.copy()
        left[best] = True
        left &= undecided.repeat(rows)
        kept = left.nonzero()[0]
        if not len(kept):
            break
        rows = np.add.reduceat(left, begin, dtype=np.int64)[undecided]
        state = state.take(kept, axis=1)
        asked = ask.take(kept).nonzero()[0]
        low, high, drawn, known, row = state.take(asked, axis=1)
        bar = bar.take(kept).take(asked)
        to_decide = np.minimum(high - bar, bar - low) * drawn
        more = known + np.maximum(np.ceil(to_decide - ROUNDING), 1)
        spans.append((row, known, more, len(spans)))
        sum_known = sums.take((row * width + more - 1).astype(np.int64))
        state[0, asked] = sum_known / drawn
        state[1, asked] = (sum_known + (drawn - more)) / drawn
        state[3, asked] = more
    return _cells(spans, width)


def _cells(spans: Sequence[tuple[Floats, Floats, Floats, int]], width: int) -> tuple[Ints, Ints]:
    """Return the places and the request of all scores in spans of rows: row, from, to, request."""
    row, since, until = (
        np.concatenate(part).astype(np.int64) for part in list(zip(*spans, strict=True))[:3]
    )
    request = np.repeat([span[3] for span in spans], [len(span[0]) for span in spans])
    size = until - since
    skipped = row * width + since - (size.cumsum() - size)
    return np.arange(size.sum()) + skipped.repeat(size), request.repeat(size)
