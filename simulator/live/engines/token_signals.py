"""Token signals of a step, in the thousandths that a recording keeps, and signals of a probe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from simulator.live.source import Thousandths
from simulator.signals import PROBE_SIGNALS

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
    return {"confidence": _thousandths(confidence), "entropy": _thousandths(_entropy(top))}


def _entropy(top: Any) -> Any:
    """Return the entropy of the renormalised probabilities in each row of logarithms."""
    probabilities = np.exp(top)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    logs = np.log(probabilities, where=probabilities > 0, out=np.zeros_like(probabilities))
    return -(probabilities * logs).sum(axis=1)


def of_probe(log_probabilities: Sequence[float], first: Sequence[float]) -> dict[str, float]:
    """Return the probe signals of an answer (`simulator.signals.PROBE_SIGNALS`).

    Parameters
    ----------
    log_probabilities
        Natural logarithms of the probabilities of the answer's tokens.
    first
        Those of the alternatives at its first token, in any order; the ALTERNATIVES greatest count.
    """
    entropy = np.nan
    if first:
        entropy = _entropy(np.array([sorted(first, reverse=True)[:ALTERNATIVES]]))[0]
    logs = np.array(log_probabilities, dtype=np.float64)
    logs = np.minimum(logs, 0.0)  # a sum of rounded numbers may be above
    means = [np.nan] * 3
    if len(logs):
        means = [np.exp(logs).mean(), np.exp(logs.mean()), np.exp(logs.min())]
    numbers = np.array([*means, entropy], dtype=np.float32)
    return dict(zip(PROBE_SIGNALS, map(float, numbers), strict=True))


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
