"""Use of a judge in a replay: the pairs scored, their scores, and their cost.

The simulator contains no judge. It gets one as an object with two methods, `ReplayJudge`.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np

from simulator.arrays import Array, Floats, Ints
from simulator.errors import SamplerError, UserError
from simulator.replay.clusters.greedy import GreedyRule, Requested, ScoreTable, cluster_at_hand

if TYPE_CHECKING:  # slow to import
    from simulator.pools.pool import StoredProblem


class TokensRead(NamedTuple):
    """Tokens that a judge reads for the pairs it is asked about on one problem, its own tokens.

    Parameters
    ----------
    in_full
        Without reuse: both prefixes of each pair; for an encoder, each prefix once.
    reused
        With all prefixes reused that come first in several pairs.
    charged
        What this judge computes, which is what it costs.
    """

    in_full: int
    reused: int
    charged: int


class ReplayJudge(Protocol):
    """A judge that a replay uses. It gets whole stored traces, and must read only the prefixes."""

    def score(self, problem: StoredProblem, pairs: Ints, num_tokens: Ints) -> Floats:
        """Return P(same final answer) of pairs of stored traces.

        Parameters
        ----------
        problem
            The stored problem.
        pairs
            Rows of its traces, shape (n, 2); the order within a pair does not matter.
        num_tokens
            Number of tokens that each has generated, shape (n, 2): only these may be read.

        Returns
        -------
        Numbers in [0, 1], shape (n,), each depending on its own pair alone.

        Raises
        ------
        SamplerError
            The judge cannot score prefixes of these lengths.
        UserError
            The judge is not able to score these pairs now.
        """

    def tokens_read(self, problem: StoredProblem, pairs: Ints, call: Ints) -> TokensRead:
        """Return the tokens read for scored pairs.

        Parameters
        ----------
        problem, pairs
            As of `score`.
        call
            Number that the pairs of one call have in common, shape (n,).
        """


@runtime_checkable
class HasScores(Protocol):
    """A judge that may have all scores at hand, so that a replay need not ask for them one by one.

    Policies do not see them: the replay charges what they would have asked for.
    """

    def at_hand(self, problem: StoredProblem, rows: Ints, num_tokens: Ints) -> ScoreTable | None:
        """Return the scores of a problem; None if `score` must be called.

        Parameters
        ----------
        problem
            The stored problem.
        rows
            Rows of the traces whose pairs are needed, shape (n,).
        num_tokens
            Number of tokens that each has generated, shape (n,).
        """


class Judging:
    """The use of a judge on the traces of one problem in one repeat.

    Traces are numbered in the repeat's order. The order within a pair does not matter.

    Attributes
    ----------
    calls
        Number of pairs scored; a pair that is scored again with the same prefixes counts once.
    is_asking
        True while the judge scores pairs, which may take long.
    keeps_draws
        False to keep nothing of a clustering that a later one would be faster with.
    """

    def __init__(self, judge: ReplayJudge, problem: StoredProblem, order: Ints) -> None:
        self._judge = judge
        self._problem = problem
        self._order = order
        self._stood = np.zeros(len(order), dtype=np.int64)
        self._asked: list[Ints] = []
        self._clustering: tuple[ScoreTable, Requested] | None = None
        self._read: TokensRead | None = None
        self.calls = 0
        self.is_asking = False
        self.keeps_draws = True

    @cached_property
    def _said(self) -> Floats:
        """Square matrix of the scores, the lower number of a pair first, NaN if not scored."""
        said = np.full((len(self._order), len(self._order)), np.nan)
        if self._clustering is not None:
            table, requested = self._clustering
            later, earlier = requested.pairs.T
            said[earlier, later] = table.scores[self._order[later], self._order[earlier]]
        return said

    def scores(self, pairs: Array, num_tokens: Ints) -> Floats:
        """Return P(same final answer) of pairs, shape (n, 2) to shape (n,).

        `num_tokens` are the tokens that each started trace has generated, shape (started,).
        """
        if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
            raise SamplerError("judge: give pairs of trace ids as an array of shape (n, 2)")
        if not len(pairs):
            return np.empty(0)
        # There are many calls with small arrays: the code below uses numpy's fastest functions.
        low = np.minimum(pairs[:, 0], pairs[:, 1]).astype(np.int64, copy=False)
        high = np.maximum(pairs[:, 0], pairs[:, 1]).astype(np.int64, copy=False)
        started = len(num_tokens)
        if low[low.argmin()] < 0 or high[high.argmax()] >= started:
            raise SamplerError(f"judge: a pair's trace has not been started ({started} have)")
        if np.count_nonzero(low == high):
            raise SamplerError("judge: a trace is paired with itself")
        self._forget_moved(num_tokens)
        said = self._said.reshape(-1)
        place = low * len(self._order) + high
        scores: Floats = said[place]
        new = np.isnan(scores)
        if np.count_nonzero(new):
            places = np.sort(place[new])
            if np.count_nonzero(places[1:] == places[:-1]):
                places = np.unique(places)
            asked = np.empty((len(places), 2), dtype=np.int64)
            np.divmod(places, len(self._order), out=(asked[:, 0], asked[:, 1]))
            said[places] = self._ask(asked, num_tokens)
            scores = said[place]
        return scores

    @property
    def tokens(self) -> TokensRead:
        """Number of tokens that the judge has read."""
        if not self.calls:
            return TokensRead(0, 0, 0)
        if self._read is None:
            pairs = np.concatenate(self._asked)
            call = np.repeat(np.arange(len(self._asked)), [len(each) for each in self._asked])
            if self._clustering is not None:  # the first of them, and has many calls
                requested = self._clustering[1].call
                call += requested.max()
                call[: len(requested)] = requested
            self._read = self._judge.tokens_read(self._problem, pairs, call)
        return self._read

    def close(self) -> None:
        """Free scores and pairs, which are large; calls and tokens remain available."""
        self._read = self.tokens
        self._asked, self._clustering = [], None
        self.__dict__.pop("_said", None)

    def greedy_clusters(
        self, traces: int, num_tokens: Ints, rng: np.random.Generator, rule: GreedyRule
    ) -> Ints | None:
        """Cluster the first `traces` traces, and charge what `greedy_clusters` would have asked.

        Returns
        -------
        Their clusters, shape (traces,); None if they must be found by `scores`, with nothing
        charged and `rng` unchanged.
        """
        if self.calls or not 1 < traces <= len(num_tokens):
            return None
        if not isinstance(self._judge, HasScores):
            return None
        rows = self._order[:traces]
        table = self._judge.at_hand(self._problem, rows, num_tokens[:traces])
        if table is None:
            return None
        found = cluster_at_hand(table, rows, rng, rule, keeps_draws=self.keeps_draws)
        if found is None:
            return None
        self._stood[: len(num_tokens)] = num_tokens
        if len(found.pairs):
            self._clustering = table, found
            self._asked.append(rows[found.pairs])
            self.calls = len(found.pairs)
            self._read = None
        return found.clusters

    def _forget_moved(self, num_tokens: Ints) -> None:
        """Discard the scores of traces that have decoded since: they were of shorter prefixes."""
        elsewhere = num_tokens != self._stood[: len(num_tokens)]
        if np.count_nonzero(elsewhere):
            moved = np.flatnonzero(elsewhere)
            self._stood[moved] = num_tokens[moved]
            if self.calls:
                self._said[moved] = np.nan
                self._said[:, moved] = np.nan

    def _ask(self, pairs: Ints, num_tokens: Ints) -> Floats:
        rows = self._order[pairs]
        self.is_asking = True
        try:
            scores = self._judge.score(self._problem, rows, num_tokens[pairs])
        finally:
            self.is_asking = False
        if np.count_nonzero((scores >= 0) & (scores <= 1)) < len(scores):
            raise UserError(
                "the judge gave a score that is not between 0 and 1 (problem "
                f"{self._problem.problem_id}): a fault of the judge, not of the policy"
            )
        self._asked.append(rows)
        self.calls += len(rows)
        self._read = None
        return scores
