"""Several repeats of a problem played at once: arrays with a row for each repeat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from simulator.arrays import Bools, Floats, Ints, Ints32
from simulator.pools.pool import NO_ANSWER, StoredProblem
from simulator.pools.probe_cost import ProbeCost


@dataclass(frozen=True, eq=False)
class Repeats:
    """The traces of a problem in each of several repeats.

    Attributes
    ----------
    problem
        The stored problem.
    numbers
        Numbers of the repeats, shape (repeats,).
    order
        Rows of its traces in the order in which each repeat starts them, shape (repeats, budget).
    probe_cost
        Tokens of a probe.
    """

    problem: StoredProblem
    numbers: Sequence[int]
    order: Ints
    probe_cost: ProbeCost

    @cached_property
    def lengths(self) -> Ints:
        """Tokens of each trace at its end, shape (repeats, budget)."""
        return self.problem.lengths.take(self.order)

    @cached_property
    def answers(self) -> Ints32:
        """Answer class of each trace at its end, −1 for none, shape (repeats, budget)."""
        return self.problem.answer_class.take(self.order)

    @cached_property
    def votes(self) -> Tally:
        """Votes of all traces at their ends."""
        return Tally(self.answers)


@dataclass(frozen=True, eq=False)
class Played:
    """Decisions and answers of a method in several repeats.

    Attributes
    ----------
    answer
        Answer class of each repeat, −1 for no answer, shape (repeats,).
    num_tokens
        Tokens generated on each trace, shape (repeats, budget).
    began, ended
        Clock readings before each trace's first token and after its last, both 0 for a trace
        without tokens, shape (repeats, budget).
    clock
        Clock readings at the answers, shape (repeats,).
    started
        Number of traces started, shape (repeats,); None: all.
    stopped
        True for traces that the method pruned, shape (repeats, budget); None: none.
    halted_by
        What halted the last decode of traces that neither finished nor were pruned: one name for
        all repeats, or one for each.
    labels
        Names of what halted any decode, in the order in which `solve` has them recorded; () where
        that is `halted_by` alone.
    probe_calls
        Probes of unfinished traces, shape (repeats,); None: none.
    rule_halts
        Halts by each kind of stop rule, over all repeats.
    """

    answer: Ints | Ints32
    num_tokens: Ints
    began: Ints | Floats
    ended: Ints | Floats
    clock: Ints | Floats
    started: Ints | None = None
    stopped: Bools | None = None
    halted_by: str | Sequence[str] = ""
    labels: Sequence[str] = ()
    probe_calls: Ints | None = None
    rule_halts: Mapping[str, int] = field(default_factory=dict)


class Tally:
    """Votes in each row of answer classes, shape (rows, votes); −1 is no vote.

    Attributes
    ----------
    counts
        Number of votes by class, shape (rows, 1 + classes); column 0, for no answer, is 0.
    """

    def __init__(self, answers: Ints | Ints32) -> None:
        width = int(answers.max(initial=NO_ANSWER)) + 2
        self._answers = answers
        self._places = answers + np.arange(1, len(answers) * width + 1, width)[:, None]
        counted = np.bincount(self._places.ravel(), minlength=len(answers) * width)
        self.counts: Ints = counted.reshape(len(answers), width)
        self.counts[:, 0] = 0

    def winners(self) -> Ints:
        """Return the majority vote of each row, −1 without votes, shape (rows,).

        Same as `voting.majority_vote`: a tie goes to the class that comes first in the row.
        """
        best = self.counts.ravel().take(self._places).argmax(axis=1)
        rows = np.arange(len(best))
        winners: Ints = self._answers[rows, best].astype(np.int64)
        return winners

    def distinct(self) -> Ints:
        """Count the classes with a vote in each row, shape (rows,)."""
        found: Ints = np.count_nonzero(self.counts, axis=1)
        return found

    def distinct_so_far(self) -> Ints:
        """Count the classes of each row after each vote, shape (rows, votes)."""
        inside = np.argsort(self._answers, axis=1, kind="stable")
        ordered = np.take_along_axis(self._answers, inside, axis=1)
        is_first = ordered != NO_ANSWER
        is_first[:, 1:] &= ordered[:, 1:] != ordered[:, :-1]
        new = np.empty(ordered.shape, dtype=np.int64)
        np.put_along_axis(new, inside, is_first.astype(np.int64), axis=1)
        found: Ints = np.cumsum(new, axis=1)
        return found

    def any_of(self, chosen: Bools) -> Bools:
        """Return True for rows with a vote for a class that is `chosen`, shape (classes,)."""
        width = self.counts.shape[1] - 1
        found: Bools = (self.counts[:, 1:] @ chosen[:width].astype(np.int64)) > 0
        return found

    def leading_two(self) -> tuple[Ints, Ints]:
        """Return the two largest numbers of votes of a row after each vote, shape (rows, votes)."""
        answers = self._answers
        inside = np.argsort(answers, axis=1, kind="stable")  # votes for a class, one by one
        ordered = np.take_along_axis(answers, inside, axis=1)
        places = np.broadcast_to(np.arange(answers.shape[1]), answers.shape)
        begins = np.ones(answers.shape, dtype=np.bool_)
        begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
        number = places - np.maximum.accumulate(np.where(begins, places, 0), axis=1) + 1
        so_far = np.empty_like(number)  # votes for the class of each vote, up to it
        np.put_along_axis(so_far, inside, np.where(ordered == NO_ANSWER, 0, number), axis=1)
        first = np.maximum.accumulate(so_far, axis=1)
        before = np.zeros_like(first)
        before[:, 1:] = first[:, :-1]
        second = np.maximum.accumulate(np.where(so_far > before, 0, so_far), axis=1)
        return first, second
