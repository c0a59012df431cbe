"""Probe answers of generated traces: varying ones until a trace settles on its final answer."""

from __future__ import annotations

import numpy as np

from simulator.arrays import Floats, Ints
from simulator.generated.draws import TINY, zipf

WANDER_ANSWERS = 250
WANDER_LEAVE = 1.8
WANDER_NONE = 0.076
WANDER_FINAL = 0.15
"""Answers of a trace before it settles: one answer for a run of probes, then another. The longer a
run, the more likely it goes on: after k equal probes with chance k / (k + `WANDER_LEAVE`); two runs
in a row may also agree. A run gives no answer (chance `WANDER_NONE`), the final answer of some
trace (`WANDER_FINAL`), or one of the problem's `WANDER_ANSWERS` other answers (with a Zipf exponent
from `WANDER_EXPONENT`). Fitted to: 35% of the runs go on after one probe, 55% after two, 74% after
five, 83% after ten; 55% of all probes repeat the one before, 8% give no answer, 8% the trace's own
final one."""

NOTHING = -1
"""Placeholder for a probe that gave no answer."""


def probe(
    rng: np.random.Generator,
    *,
    final: Ints,
    tokens: Ints,
    settled_at: Floats,
    others: Ints,
    exponent: float,
    interval: int,
    longest: int,
) -> list[tuple[Ints, Ints]]:
    """Probe every trace at each multiple of `interval` tokens below its length.

    Returns the positions and the answers of each trace's probes.

    Parameters
    ----------
    final, tokens, settled_at
        Final answer, length, and the tokens after which a trace has settled, shape (traces,).
    others
        Possible answers of unsettled traces, the most frequent first; `exponent` is Zipf's.
    longest
        Maximum number of probes of a trace.
    """
    counts = (tokens - 1) // interval
    starts = np.cumsum(counts) - counts
    trace = np.repeat(np.arange(len(tokens)), counts)
    position = (np.arange(len(trace)) - starts[trace] + 1) * interval
    wander = _wander(rng, final, others[:WANDER_ANSWERS], exponent, counts, longest)
    answer = np.where(position >= settled_at[trace], final[trace], wander)
    each = (np.split(values, starts[1:]) for values in (position, answer))
    return list(zip(*each, strict=True))


def _wander(
    rng: np.random.Generator,
    finals: Ints,
    others: Ints,
    exponent: float,
    counts: Ints,
    longest: int,
) -> Ints:
    """Draw the answer of each probe of an unsettled trace, `NOTHING` for no answer.

    `counts` are the numbers of probes per trace; the answers of all traces come in one array.
    """
    size = int(counts.sum())
    drawn = zipf(others, exponent, rng.random(size))
    borrowed = finals[(rng.random(size) * len(finals)).astype(np.int64)]
    kind = rng.random(size)
    drawn = np.where(kind < WANDER_NONE + WANDER_FINAL, borrowed, drawn)
    drawn = np.where(kind < WANDER_NONE, NOTHING, drawn)
    # Geometric run lengths whose chance to go on is itself drawn, from Beta(1, WANDER_LEAVE).
    goes_on = 1 - (1 - rng.random(size)) ** (1 / WANDER_LEAVE)
    runs = np.log1p(-rng.random(size)) / np.log(np.maximum(goes_on, TINY))
    lengths = np.minimum(1 + np.floor(runs), longest).astype(np.int64)
    return np.concatenate(
        [
            np.repeat(drawn[start : start + count], lengths[start : start + count])[:count]
            for start, count in zip(np.cumsum(counts) - counts, counts, strict=True)
        ]
    )
