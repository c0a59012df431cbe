"""Ways to count answers and tokens, ours and those of other programs. Imports nothing heavy.

A pool records how its answers were counted, a run how its tokens are.
"""

from __future__ import annotations

from typing import Literal, get_args

Equality = Literal["meaning", "exact"]
"""Ways to decide that two answers are the same: by what they mean, or as strings as they stand."""

Unparsed = Literal["abstain", "vote"]
"""Traces and probes without an answer do not vote, or vote for a class of their own."""

COUNTING = {"equality": "meaning", "unparsed": "abstain"}
"""Ways of counting answers that a pool need not state, by the field that states others."""

Charging = Literal["generated", "scout"]
"""Tokens counted for a trace: those generated, or as the programs of SCOUT and AutoTTS count, whole
steps from probe to probe (`simulator.pools.charging`) over the orders that these programs shuffle.
"""

GENERATED: Charging = "generated"
"""The charging of submissions, and of runs that name no other."""

Order = Literal["drawn", "stored"]
"""Order in which a repeat starts traces: drawn for each, or that of their numbers in the pool."""

DRAWN: Order = "drawn"
"""The order of submissions, and of runs that name no other."""

EQUALITY: tuple[Equality, ...] = get_args(Equality)
UNPARSED: tuple[Unparsed, ...] = get_args(Unparsed)
CHARGING: tuple[Charging, ...] = get_args(Charging)
ORDERS: tuple[Order, ...] = get_args(Order)
"""Values of the options `--equality`, `--unparsed`, `--charging` and `--order`."""

CHARGED = {
    "scout": "Tokens are counted in whole steps from probe to probe, and the last step for what "
    "remains of a trace, over the orders of SCOUT's program (--charging scout)."
}
"""Notes on ways of charging."""

ORDERED = {"stored": "Traces are started in the order of the pool (--order stored)."}
"""Notes on orders."""

COUNTED = {
    "equality": "Answers are the same only as strings (--equality exact)",
    "unparsed": "Answers that could not be read vote (--unparsed vote)",
}
"""Notes on ways of counting answers, by the field of the pool."""
