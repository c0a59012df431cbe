"""Reach of a decode that ends once some of its traces have finished.

With `first=m` a trace is halted where others finish, and with a stop rule it is open which ones do.
The functions here find out without reading any trace further than it is then decoded.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from simulator.arrays import Bools, Ints
from simulator.replay.serving import Serving, Slots

Reader = Callable[[Ints, Ints], Ints]
"""Function of places and numbers of tokens, both of shape (n,): the tokens that each trace at these
places decodes, of at most that many, before a rule halts it."""


def reach(
    work: Ints, finishes: Bools, first: int, serving: Serving, reads: Reader, before: Ints
) -> Ints:
    """Return the most tokens that each trace decodes before `first` have finished, shape (n,).

    Parameters
    ----------
    work
        Tokens that each trace would decode without a rule and without `first`, shape (n,).
    finishes
        True for traces that finish with these tokens, shape (n,).
    first
        Number of traces that end the decode when they have finished.
    serving
        The engine, which may not decode all of them together.
    reads
        Function that tells how far a rule lets traces go.
    before
        Tokens that each trace has decoded before, shape (n,).
    """
    if first <= 0:
        return np.zeros_like(work)
    slots = serving.concurrency
    if serving.kv_tokens is None and (slots is None or slots >= np.count_nonzero(work)):
        return _reach_together(work, finishes, first, reads)
    return _reach_in_turn(work, finishes, first, Slots(serving, work, before), reads)


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


def _reach_in_turn(work: Ints, finishes: Bools, first: int, slots: Slots, reads: Reader) -> Ints:
    """Follow the slots from one trace's end to the next."""
    reached = np.zeros_like(work)
    while first > 0:
        for _ in slots.admit():
            pass
        if not slots.active:
            return reached
        active = np.fromiter(slots.active, dtype=np.int64)
        began = np.fromiter(slots.active.values(), dtype=np.int64)
        # No trace finishes before this step, so that the active ones are decoded up to it.
        until = min(int((began + work[active]).min()), slots.step + slots.room())
        for trace in slots.waiting:
            until = min(until, slots.step + int(work[trace]) - slots.decoded.get(trace, 0))
        if until == slots.step:
            slots.preempt()
            continue
        reached[active] = until - began
        decoded = reads(active, reached[active])
        ends = began + decoded
        done = (decoded < reached[active]) | (decoded == work[active])
        step = int(ends[done].min()) if done.any() else until
        done &= ends == step
        first -= int(np.count_nonzero(done & finishes[active] & (decoded == work[active])))
        slots.advance(step - slots.step)
        for trace in active[done].tolist():
            slots.leave(trace)
    return reached
