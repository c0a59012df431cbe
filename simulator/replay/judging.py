"""Use of a judge in a replay: the pairs scored, their scores, and their cost.

The simulator contains no judge. It gets one as an object with two methods, `ReplayJudge`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from simulator.arrays import Array, Floats, Ints
from simulator.errors import SamplerError, UserError

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

    def tokens_read(self, problem: StoredProblem, calls: Sequence[Ints]) -> TokensRead:
        """Return the tokens read for the scored pairs of each call, none of which is empty."""


class Judging:
    """The use of a judge on the traces of one problem in one repeat.

    Traces are numbered in the repeat's order. The order within a pair does not matter.

    Attributes
    ----------
    calls
        Number of pairs scored; a pair that is scored again with the same prefixes counts once.
    """

    def __init__(self, judge: ReplayJudge, problem: StoredProblem, order: Ints) -> None:
        self._judge = judge
        self._problem = problem
        self._order = order
        self._stood = np.zeros(len(order), dtype=np.int64)
        self._asked: list[Ints] = []
        self.calls = 0

    @cached_property
    def _said(self) -> Floats:
        """Square matrix of the scores, the lower number of a pair first, NaN if not scored."""
        return np.full((len(self._order), len(self._order)), np.nan)

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
        if not self._asked:
            return TokensRead(0, 0, 0)
        return self._judge.tokens_read(self._problem, self._asked)

    def close(self) -> None:
        """Free the scores, a large matrix; calls and tokens remain available."""
        self.__dict__.pop("_said", None)

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
        scores = self._judge.score(self._problem, rows, num_tokens[pairs])
        if np.count_nonzero((scores >= 0) & (scores <= 1)) < len(scores):
            raise UserError(
                "the judge gave a score that is not between 0 and 1 (problem "
                f"{self._problem.problem_id}): a fault of the judge, not of the policy"
            )
        self._asked.append(rows)
        self.calls += len(rows)
        return scores
