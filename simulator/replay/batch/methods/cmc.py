"""All repeats of CMC at once, round by round."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from simulator.arrays import Bools, Floats, Ints, Ints32
from simulator.methods.cmc import CMC
from simulator.policy.posterior import chance_of_lead
from simulator.pools.pool import NO_ANSWER
from simulator.replay.batch.played import Played, Repeats, Tally

_chance_of_lead = lru_cache(maxsize=65536)(chance_of_lead)


def play(policy: CMC, repeats: Repeats, answer_steps: int) -> Played:
    """Open, prune and decode traces in rounds, until the smoothed certainty is high enough."""
    b, interval = policy.beta, min(policy.interval, 2**60)
    warm_up, patience = max(2, round(2 + 8 * b)), max(3, round(3 + 9 * b))
    burst, widen = max(1, round(1 + 2 * b)), max(1, round(1 + 3 * b))
    most, least_done = min(repeats.order.shape[1], round(4 + 60 * b)), max(2, round(2 + 3 * b))
    gate, slack = 0.85 + 0.12 * b, 0.04 - 0.03 * b
    weight, window = 0.7 - 0.4 * b, max(2, round(2 + 6 * b))

    game = _Traces(repeats, answer_steps)
    game.start(np.full(len(repeats.order), min(most, max(2, round(2 + 6 * b)))), interval)
    astray = np.zeros(repeats.order.shape, dtype=np.int64)
    level = np.zeros(len(repeats.order))
    levels: list[Floats] = []
    for r in range(policy.max_rounds):
        level = level + weight * (game.certainty - level)
        levels.append(level)
        agree = np.zeros(astray.shape, dtype=bool)
        if r >= warm_up:
            asked = game.live & (game.winner >= 0)[:, None]
            agree = asked & (game.probe(asked) == game.winner[:, None])
            astray = np.where(agree, 0, astray + asked)
            game.leave(_led_astray(astray, asked, patience))
        game.decode(game.live, interval)
        game.decode(agree & game.live, (burst - 1) * interval)
        game.count()
        level = level + weight * (game.certainty - level)
        levels[-1] = level
        trend = level - levels[max(0, r - window + 1)]
        certain = level >= gate
        if r >= warm_up:
            done = np.count_nonzero(game.finished, axis=1)
            game.on &= ~((done >= least_done) & certain & (trend >= -slack))
        game.on &= game.live.any(axis=1)
        if not game.on.any():
            break
        if r >= max(1, warm_up // 2):
            more = np.minimum(widen, np.maximum(0, most - game.started))
            game.start(more * ((trend <= slack) & ~certain & game.on), interval)
    return game.end()


def _led_astray(astray: Ints, live: Bools, patience: int) -> Bools:
    """Return the traces that have disagreed for long, the longest first, all but two live ones."""
    order = np.argsort(np.where(live, -astray, 1), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(order.shape[1])[None], axis=1)
    spared = np.count_nonzero(live, axis=1)[:, None] - 2
    found: Bools = live & (rank < spared) & (astray >= patience)
    return found


class _Traces:
    """Traces of all repeats; those of repeats that are not `on` stand still.

    All but `on`, `started`, `clock`, `winner` and `certainty`, which have one element a repeat, are
    of shape (repeats, budget).
    """

    def __init__(self, repeats: Repeats, answer_steps: int) -> None:
        self.repeats, self.answer_steps = repeats, answer_steps
        count = len(repeats.order)
        self.num_tokens = np.zeros_like(repeats.order, dtype=np.int64)
        self.began, self.ended = self.num_tokens.copy(), self.num_tokens.copy()
        self.finished, self.stopped, self.begun = (self.num_tokens > 0 for _ in range(3))
        self.started = np.zeros(count, dtype=np.int64)
        self.clock, self.probe_calls = self.started.copy(), self.started.copy()
        self.on = np.ones(count, dtype=bool)
        self._votes = -1
        self.winner: Ints = np.full(count, NO_ANSWER)
        self.certainty = np.zeros(count)

    @property
    def live(self) -> Bools:
        """Traces that have begun and go on, of repeats that do."""
        live: Bools = self.begun & ~self.finished & ~self.stopped & self.on[:, None]
        return live

    def start(self, more: Ints, tokens: int) -> None:
        """Start `more` traces of each repeat and decode them together."""
        if not more.any():
            return
        place = np.arange(self.begun.shape[1]) - self.started[:, None]
        opened = (place >= 0) & (place < more[:, None])
        self.begun |= opened
        self.started += more
        self.began = np.where(opened, self.clock[:, None], self.began)
        self.decode(opened, tokens)
        self.count()

    def decode(self, chosen: Bools, tokens: int) -> None:
        """Decode some traces together."""
        left = np.minimum(self.repeats.lengths - self.num_tokens, tokens) * chosen
        self.num_tokens += left
        self.ended = np.where(left > 0, self.clock[:, None] + left, self.ended)
        self.clock += left.max(axis=1)
        self.finished |= chosen & (self.num_tokens == self.repeats.lengths)

    def count(self) -> None:
        """Count the votes of the traces that have finished, if more have."""
        done = int(np.count_nonzero(self.finished))
        if done == self._votes:
            return
        self._votes = done
        tally = Tally(np.where(self.finished, self.repeats.answers, NO_ANSWER))
        self.winner = tally.winners()
        two = np.sort(np.pad(tally.counts, ((0, 0), (1, 0))), axis=1)[:, -2:].tolist()
        self.certainty = np.array([_chance_of_lead(v1, v2) if v1 else 0.0 for v2, v1 in two])

    def probe(self, chosen: Bools) -> Ints32:
        """Ask some unfinished traces for their answers; others have no meaning in the result."""
        probes = self.repeats.problem.probes
        rows, tokens = self.repeats.order[chosen], self.num_tokens[chosen]
        answers = np.full(chosen.shape, NO_ANSWER, dtype=np.int32)
        answers[chosen] = probes.table[rows, probes.columns(rows, tokens)]
        asked = np.count_nonzero(chosen, axis=1)
        self.probe_calls += asked
        self.clock += self.answer_steps * (asked > 0)
        return answers

    def leave(self, chosen: Bools) -> None:
        """Prune some traces."""
        self.stopped |= chosen

    def end(self) -> Played:
        """Answer with the majority of the finished or, where none answered, by probes."""
        left = self.begun & ~self.finished & ~self.stopped & (self.winner < 0)[:, None]
        probed = Tally(self.probe(left)).winners()
        return Played(
            np.where(self.winner >= 0, self.winner, probed),
            self.num_tokens,
            self.began * (self.num_tokens > 0),
            self.ended,
            self.clock,
            started=self.started,
            stopped=self.stopped,
            halted_by="tokens",
            probe_calls=self.probe_calls,
        )
