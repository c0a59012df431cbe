"""Measures of a whole trace by the confidences of its tokens."""

from __future__ import annotations

import numpy as np

from simulator.arrays import Floats
from simulator.policy.sampler import Traces

TRACE_MEASURES = ("mean", "tail", "bottom", "lowest")
"""Names of the trace measures of arXiv 2508.15260, section 3.1."""


def trace_confidence(traces: Traces, measure: str, window: int) -> Floats:
    """Compute a trace measure of arXiv 2508.15260, section 3.1, shape (len(traces),).

    `mean` of all tokens; `tail`, the last `window` tokens; `bottom`, the mean of the lowest 10% of
    groups of `window` tokens; `lowest`, the lowest group. It is 0 for a trace without a token.
    """
    if measure == "mean":
        values = traces.confidence()
    elif measure == "tail":
        values = traces.confidence(window)
    elif measure == "bottom":
        values = traces.bottom_confidence(0.1, window)
    else:
        values = traces.lowest_confidence(window)
    return np.nan_to_num(values)
