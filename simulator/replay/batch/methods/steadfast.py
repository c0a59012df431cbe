"""All repeats of Steadfast at once, from one vote to the next."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from simulator.arrays import Bools, Floats, Ints, Ints32
from simulator.methods.steadfast import Steadfast
from simulator.policy.posterior import chance_of_lead
from simulator.pools.pool import NO_ANSWER, StoredProblem
from simulator.replay.batch.played import Played, Repeats, Tally
from simulator.replay.lockstep import lock_step
from simulator.replay.recording import AT_ONCE
from simulator.rules.text_matching import NEVER

MOST_TRACES = 3000
"""Traces and answer classes up to which `solve` has the names of halts recorded as `_labels` has.

With more, it records fewer repeats than AT_ONCE together.
"""

_chance_of_lead = lru_cache(maxsize=65536)(chance_of_lead)


def play(policy: Steadfast, repeats: Repeats, answer_steps: int) -> Played | None:
    """Decode and probe all starters until the votes of those that have finished suffice."""
    count, budget = repeats.order.shape
    starters = min(policy.starters or budget, budget)
    most = min(starters, max(3, round(policy.finishers * starters)))
    probing = "probes" in repeats.problem.pool.info.signals
    interval = min(policy.interval, 2**60) if probing else NEVER
    traces = _holding(repeats.problem, interval, probing)
    if traces is None:
        return None
    game = _Votes(repeats, starters, most, interval, *traces)
    answer, steps = np.full(count, NO_ANSWER), np.zeros(count, dtype=np.int64)
    on = np.arange(count)
    for place in range(game.slots.shape[1]):
        game.numbers[on, game.slots[on, place]] += 1
        rows = on[game.counted[on, place]]
        if not len(rows):
            continue
        now = game.now(rows, place)
        weights = game.weights(rows, place, now, policy.power)
        if place < most - 1:
            done = _suffices(policy, game, rows, place, weights, most)
            if place < 2:
                done |= game.supported(rows, place, now)
            rows, weights = rows[done], weights[done]
        answer[rows] = game.winners(rows, place, weights)
        steps[rows] = game.ends[rows, place]
        on = on[steps[on] == 0]
        if not len(on):
            break

    started = np.arange(budget) < starters
    num_tokens = np.minimum(repeats.lengths, steps[:, None]) * started
    before = (repeats.lengths - 1) // interval * started  # probes of a trace that is not halted
    probes = np.minimum(before, steps[:, None] // interval)
    in_full = (steps % interval == 0) | (steps == game.lengths.max(axis=1))
    return Played(
        answer,
        num_tokens,
        np.zeros(num_tokens.shape),
        num_tokens + answer_steps * (np.maximum(num_tokens - 1, 0) // interval),
        steps + answer_steps * probes.max(axis=1),
        started=np.full(count, starters),
        halted_by=np.where(in_full & probing, "tokens", "first").tolist(),
        labels=_labels(game.lengths, steps, interval) if probing else (),
        probe_calls=probes.sum(axis=1),
    )


def _holding(problem: StoredProblem, interval: int, probing: bool) -> tuple[Ints32, Ints] | None:
    """Return which answers traces hold, and since when; None if the tables would be too large.

    Returns
    -------
    The answer by number of probes asked and stored trace, while it runs, and the tokens at which
    a trace first holds or gives an answer, by answer class (the last row is for none) and trace.
    """
    traces = np.arange(len(problem.lengths))
    shape = (len(problem.class_texts) + 1, len(traces))
    if max(shape) > MOST_TRACES:
        return None
    since = np.full(shape, NEVER)
    if not probing:
        since[problem.answer_class, traces] = problem.lengths
        return np.full((1, len(traces)), NO_ANSWER, dtype=np.int32), since
    table = lock_step(problem, interval)
    if table is None:
        return None
    held = table.answers.copy()
    held[0] = NO_ANSWER  # also where a pool has probes before the first token
    np.minimum.at(since, (held[1:], traces), table.num_tokens[1:])
    return held, since


class _Votes:
    """Votes in the order in which traces finish, and the answers that the starters hold.

    Attributes
    ----------
    lengths, ends
        Tokens at the end of each starter, in the order of starting and of finishing.
    counted
        True for a vote after which the next has not the same step, shape (repeats, votes).
    kinds
        Answer classes with a vote in the order of the first one, filled up with −1, shape
        (repeats, kinds): at least two columns, then one that is −1 in all rows.
    slots
        Column of each vote in `kinds`, the last one for −1, shape (repeats, votes).
    numbers
        Votes so far for each class in `kinds`.
    """

    def __init__(
        self,
        repeats: Repeats,
        starters: int,
        most: int,
        interval: int,
        held: Ints32,
        since: Ints,
    ) -> None:
        self._order, self._interval, self._held = repeats.order[:, :starters], interval, held
        self._answers = repeats.answers[:, :starters]
        self.lengths = repeats.lengths[:, :starters]
        finishing = np.argsort(self.lengths, axis=1, kind="stable")
        self.ends = np.take_along_axis(self.lengths, finishing, axis=1)
        self.counted = np.ones(self.ends.shape, dtype=bool)
        self.counted[:, :-1] = self.ends[:, :-1] < self.ends[:, 1:]
        may_vote = np.count_nonzero(self.ends <= self.ends[:, most - 1 : most], axis=1).max()
        votes = np.take_along_axis(self._answers, finishing[:, :may_vote], axis=1)
        self.kinds, self.slots = _kinds(votes, len(since))
        self.numbers = np.zeros(self.kinds.shape, dtype=np.int64)
        self._since = since[self.kinds[:, :, None], self._order[:, None, :]]

    def now(self, rows: Ints, place: int) -> Ints32:
        """Return the answers that all traces of some repeats hold, or gave, after a vote."""
        tokens = self.ends[rows, place, None]
        held = self._held[tokens // self._interval, self._order[rows]]
        now: Ints32 = np.where(self.lengths[rows] <= tokens, self._answers[rows], held)
        return now

    def weights(self, rows: Ints, place: int, now: Ints32, power: float) -> Floats:
        """Return the weight of a vote for each class in `kinds`; any for those without one."""
        some = np.count_nonzero(self.numbers[rows, :-1].any(axis=0))
        have = np.count_nonzero(now[:, None] == self.kinds[rows, :some, None], axis=2)
        tokens = self.ends[rows, place, None, None]
        had = np.count_nonzero(self._since[rows, :some] <= tokens, axis=2)
        pairs, places = np.unique((have + 1) * (now.shape[1] + 2) + had + 1, return_inverse=True)
        # numpy's own powers may differ in the last digit
        powers = [
            (a / b) ** power for a, b in (divmod(p, now.shape[1] + 2) for p in pairs.tolist())
        ]
        weights = np.zeros((len(rows), self.kinds.shape[1]))
        weights[:, :some] = np.array(powers)[places].reshape(have.shape)
        return weights

    def supported(self, rows: Ints, place: int, now: Ints32) -> Bools:
        """Check whether all votes agree and half of the running traces hold their answer."""
        running = self.lengths[rows] > self.ends[rows, place, None]
        agree = running & (now == self.kinds[rows, :1])
        others = Tally(np.where(running & ~agree, now, NO_ANSWER)).counts.max(axis=1)
        left = np.count_nonzero(running, axis=1)
        behind = np.count_nonzero(agree, axis=1)
        unanimous = self.numbers[rows, 0] == place + 1
        supported: Bools = unanimous & (behind >= left / 2) & (others <= left / 4)
        return supported

    def winners(self, rows: Ints, place: int, weights: Floats) -> Ints32:
        """Return the answer with the largest sum of weights, on a tie the one voted for first."""
        width = weights.shape[1]
        voted = self.slots[rows, : place + 1] + width * np.arange(len(rows))[:, None]
        sums = np.bincount(voted.ravel(), weights.take(voted).ravel(), minlength=weights.size)
        totals = sums.reshape(weights.shape)
        best = self.kinds[rows, totals.argmax(axis=1)]
        return np.where(self.numbers[rows, 0] > 0, best, NO_ANSWER)


def _kinds(votes: Ints32, width: int) -> tuple[Ints32, Ints]:
    """Return `kinds` and `slots` of votes, whose classes with −1 are `width`."""
    rows, places = np.arange(len(votes))[:, None], np.arange(votes.shape[1])
    first = np.full((len(votes), width), votes.shape[1])
    np.minimum.at(first, (rows, votes), places)
    first_here = first[rows, votes]
    new = (first_here == places) & (votes != NO_ANSWER)
    number = np.cumsum(new, axis=1) - 1
    most = max(int(number.max()) + 1, 2)
    kinds = np.full((len(votes), most + 1), NO_ANSWER, dtype=np.int32)
    kinds[np.nonzero(new)[0], number[new]] = votes[new]
    return kinds, np.where(votes == NO_ANSWER, most, number[rows, first_here])


def _suffices(
    policy: Steadfast, game: _Votes, rows: Ints, place: int, weights: Floats, most: int
) -> Bools:
    """Check whether fewer votes than `most` are certain, or scattered."""
    starters, votes = game.lengths.shape[1], place + 1
    suffices = np.zeros(len(rows), dtype=bool)
    counts = game.numbers[rows, :-1]
    if votes >= 2:
        scores = np.sort(counts * weights[:, :-1], axis=1)[:, -2:].tolist()
        to_come = (most - votes) / (most - 1)
        bar = 0.5 + (0.5 - policy.doubt / starters) * to_come
        suffices |= np.array([_chance_of_lead(first, second) for second, first in scores]) >= bar
    if votes >= 4:
        suffices |= np.sort(counts, axis=1)[:, -2:].sum(axis=1) < votes / 2
    return suffices


def _labels(lengths: Ints, steps: Ints, interval: int) -> list[str]:
    """Return names of what halted traces in the order in which `solve` has them recorded.

    A decode to the end of some traces, not all, names both reasons, and is recorded as "" first.
    Within a part of the repeats the names of such decodes come after those of the others.
    """
    longest = lengths.max(axis=1)
    ends = (lengths <= steps[:, None]) & (lengths < longest[:, None])
    if not (ends & (lengths % interval != 0)).any():
        return ["tokens"]
    shortest = lengths[0].min()
    if shortest >= min(interval, longest[0]):
        return ["tokens", "", "first"]
    part = slice(AT_ONCE)
    named = ((steps >= interval) | (steps == longest))[part].any() or lengths[0, 0] == shortest
    return ["", "tokens", "first"] if named else ["", "first", "tokens"]
