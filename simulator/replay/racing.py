"""Reach of a decode that ends once some of its traces have finished.

With `first=m` a trace is halted where others finish, and with a stop rule it is open which ones do.
The functions here find out without reading any trace further than it is then decoded.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from simulator.arrays import Bools, Ints

Reader = Callable[[Ints, Ints], Ints]
"""Function of places and numbers of tokens, both of shape (n,): the tokens that each trace at these
places decodes, of at most that many, before a rule halts it."""


def reach(work: Ints, finishes: Bools, first: int, slots: int | None, reads: Reader) -> Ints:
    """Return the most tokens that each trace decodes before `first` have finished, shape (n,).

    Parameters
    ----------
    work
        Tokens that each trace would decode without a rule and without `first`, shape (n,).
    finishes
        True for traces that finish with these tokens, shape (n,).
    first
        Number of traces that end the decode when they have finished.
    slots
        Number of traces that are decoded together, the others in turn; None: all.
    reads
        Function that tells how far a rule lets traces go.
    """
    if first <= 0:
        return np.zeros_like(work)
    if slots is None or slots >= np.count_nonzero(work):
        return _reach_together(work, finishes, first, reads)
    return _reach_in_turn(work, finishes, first, slots, reads)


def _reach_together(work: Ints, finishes: Bools, first: int, reads: Reader) -> Ints:
    """Read the shortest traces, as many as have yet to finish, until enough have."""
    candidates = np.flatnonzero(finishes & (work > 0))
    candidates = candidates[np.argsort(work[candidates], kind="stable")]
    while len(candidates) >= first:
        shortest, candidates = candidates[:first], candidates[first:]
        first -= int(np.count_nonzero(reads(shortest, work[shortest]) == work[shortest]))
        if not first:
            reached: Ints = np.minimum(work, work[shortest[-1]])
            return reached
    return work


def _reach_in_turn(work: Ints, finishes: Bools, first: int, slots: int, reads: Reader) -> Ints:
    """Follow the slots from one trace's end to the next."""
    reached = np.zeros_like(work)
    queue = np.flatnonzero(work)
    shortest = np.minimum.accumulate(work[queue][::-1])[::-1]  # of those from each place on
    active = queue[:0]
    began = queue[:0]
    step = taken = 0
    while first > 0:
        free = queue[taken : taken + slots - len(active)]
        taken += len(free)
        active = np.append(active, free)
        began = np.append(began, np.full(len(free), step))
        if not len(active):
            return reached
        # No trace finishes before this step, so that the active ones are decoded up to it.
        until = int((began + work[active]).min())
        if taken < len(queue):
            until = min(until, step + int(shortest[taken]))
        reached[active] = until - began
        decoded = reads(active, reached[active])
        ends = began + decoded
        done = (decoded < reached[active]) | (decoded == work[active])
        step = int(ends[done].min()) if done.any() else until
        done &= ends == step
        first -= int(np.count_nonzero(done & finishes[active] & (decoded == work[active])))
        active, began = active[~done], began[~done]
    return reached
