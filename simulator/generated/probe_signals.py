"""Probe signals of generated traces: certain answers once a trace has settled, else less so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simulator.arrays import Bools, Floats
from simulator.generated.draws import TINY
from simulator.signals import PROBE_SIGNALS

TOKENS = 4
"""Tokens of an answer, whose probabilities are drawn, and from which the signals follow."""

SETTLED, UNSETTLED = 25.0, 2.0
"""Probabilities of tokens are U^(1/k) for U uniform: 0.96 on average, or 0.67. Made up: probes of
traces that have settled are more certain. What a probability of p leaves is spread evenly over 19
other tokens."""

OTHERS = 19


def probe_signals(rng: np.random.Generator, settled: Sequence[Bools]) -> list[dict[str, Floats]]:
    """Draw the probe signals of each trace, by name, shape (probes,) each.

    `settled` says of each probe of each trace if the trace has settled on its answer.
    """
    flat = np.concatenate(settled)
    power = np.where(flat, SETTLED, UNSETTLED)[:, None]
    chances = np.maximum(rng.random((len(flat), TOKENS)), TINY) ** (1 / power)
    first = chances[:, 0]
    rest = np.maximum(1 - first, TINY)
    signals = (
        chances.mean(axis=1),
        np.exp(np.log(chances).mean(axis=1)),
        chances.min(axis=1),
        -first * np.log(first) - rest * np.log(rest / OTHERS),
    )
    ends = np.cumsum([len(each) for each in settled])[:-1]
    parts = zip(*(np.split(values, ends) for values in signals), strict=True)
    return [dict(zip(PROBE_SIGNALS, each, strict=True)) for each in parts]
