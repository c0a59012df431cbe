"""Token signals of a step, in the thousandths that a recording keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from simulator.live.source import Thousandths

ALTERNATIVES = 20
"""Most likely tokens that signals are taken over (arXiv 2508.15260, section 3.1)."""

SIGNALS = ("confidence", "entropy")


def of_step(log_probabilities: Any) -> dict[str, Thousandths]:
    """Return the signals of one step from the log-probabilities of its most likely tokens.

    Parameters
    ----------
    log_probabilities
        Natural logarithms, descending, shape (traces, at least ALTERNATIVES); fewer only if the
        vocabulary is smaller. Only the first ALTERNATIVES count.

    Returns
    -------
    `confidence`, minus their mean, and `entropy` of their renormalised probabilities, in
    thousandths of nats, each of shape (traces,).
    """
    top = np.asarray(log_probabilities, dtype=np.float64)[:, :ALTERNATIVES]
    present = np.isfinite(top)
    counts = np.maximum(present.sum(axis=1), 1)
    confidence = -np.where(present, top, 0.0).sum(axis=1) / counts
    probabilities = np.exp(top)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    logs = np.log(probabilities, where=probabilities > 0, out=np.zeros_like(probabilities))
    entropy = -(probabilities * logs).sum(axis=1)
    return {"confidence": _thousandths(confidence), "entropy": _thousandths(entropy)}


def of_alternatives(alternatives: Sequence[Sequence[float]]) -> dict[str, Thousandths]:
    """Return the signals of tokens from the log-probabilities of each one's alternatives.

    These come in any order; the ALTERNATIVES greatest count. Signals are as `of_step` returns them,
    of shape (tokens,).
    """
    top = np.full((len(alternatives), ALTERNATIVES), -np.inf)
    for place, values in enumerate(alternatives):
        greatest = sorted(values, reverse=True)[:ALTERNATIVES]
        top[place, : len(greatest)] = greatest
    return of_step(top)


def _thousandths(values: Any) -> Thousandths:
    stored: Thousandths = np.clip(np.round(values * 1000.0), 0, 65535).astype(np.uint16)
    return stored
