"""Probes that a stop rule asks while traces decode: each makes its trace wait for the answer."""

from __future__ import annotations

from copy import copy

import numpy as np

from simulator.arrays import Ints
from simulator.pools.pool import StoredProblem


class RuleProbes:
    """Stored probes of traces that a rule reads in one call of `decode`.

    A rule reads each stored probe of a trace once, from the trace's start to where the trace halts;
    not the one at the end of a finished trace, whose answer is known. The trace waits `pause`
    decode steps for each. Arrays have one element per trace, shape (n,).

    Parameters
    ----------
    rows, before, length
        Rows of the traces in the problem, their tokens before the call and in the end.
    read
        Number of probes of each trace that rules have read before.
    pause
        Decode steps that the answer to a probe takes.
    """

    def __init__(
        self,
        problem: StoredProblem,
        *,
        rows: Ints,
        before: Ints,
        length: Ints,
        read: Ints,
        pause: int,
    ) -> None:
        self._probes, self._rows = problem.probes, rows
        self._before, self.read, self._pause = before, read, pause
        self._last = length - 1

    def of(self, places: Ints) -> RuleProbes:
        """Return the probes of the traces at these places."""
        some = copy(self)
        some._rows, some._before = self._rows[places], self._before[places]
        some.read, some._last = self.read[places], self._last[places]
        return some

    def passed(self, after: Ints) -> Ints:
        """Count the probes that the rule reads of traces that come to have `after` tokens."""
        number = self._probes.columns(self._rows, np.minimum(after, self._last))
        np.minimum(number, self._probes.counts[self._rows], out=number)
        number -= self.read
        number *= self._before <= self._last
        return number

    def steps(self, after: Ints, asked: Ints) -> Ints:
        """Count the decode steps until traces have `after` tokens and `asked` answers."""
        steps: Ints = self._pause * asked
        steps += after
        steps -= self._before
        return steps

    def halted(self, after: Ints, asked: Ints, steps: Ints) -> tuple[Ints, Ints]:
        """Halt traces when they have taken `steps`; else they come to `after` tokens and `asked`.

        Returns
        -------
        The tokens of each trace, and the number of its probes that have begun.
        """
        tokens, begun = after.copy(), asked.copy()
        for place in np.flatnonzero(steps < self.steps(after, asked)).tolist():
            first = self._probes.offsets[self._rows[place]] + self.read[place]
            positions = self._probes.positions[first : first + asked[place]]
            before, spent = int(self._before[place]), int(steps[place])
            reached = np.maximum(positions, before)
            begins = reached - before + self._pause * np.arange(len(positions))
            done = int(np.searchsorted(begins + self._pause, spent, side="right"))
            most = reached[done] if done < len(reached) else after[place]
            tokens[place] = min(before + spent - self._pause * done, most)
            begun[place] = np.searchsorted(begins, spent)
        return tokens, begun
