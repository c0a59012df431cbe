"""Token signals of generated traces: confidences, and what is derived from them with noise.

Deriving signals from confidence makes them agree with it about as a model's do: a token of low
confidence has a high entropy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np

from simulator.arrays import Floats
from simulator.generated.calibration import Outline
from simulator.generated.cells import Size
from simulator.generated.confidence import HIGHEST, confidences
from simulator.generated.draws import normal_table, sixteen_bits

TOP_K = 20
"""Number of probabilities of a token that its entropy is over."""

ENTROPY_SPREAD = 0.35
"""Deviation of the logarithm of entropy around its value for the token's confidence."""


@cache
def _entropy_table() -> Floats:
    """Return the entropy in nats at each thousandth of confidence from 0.

    The log-probabilities of the top tokens are assumed to fall in proportion to rank. The steepness
    then gives both signals: minus the mean of the log-probabilities, and the entropy.
    """
    logits = -np.linspace(0, 10, 4001)[:, None] * np.arange(TOP_K)
    logprobs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    entropies = -(np.exp(logprobs) * logprobs).sum(axis=1)
    confidence = np.arange(round(HIGHEST * 1000) + 1) / 1000
    table: Floats = np.interp(confidence, -logprobs.mean(axis=1), entropies)
    return table


def entropy(rng: np.random.Generator, confidence: Floats) -> Floats:
    """Return a trace's entropies, three decimals, given its confidences, shape (num_tokens,)."""
    typical = _entropy_table()[np.rint(confidence * 1000).astype(np.int64)]
    spread = np.exp(ENTROPY_SPREAD * normal_table()[sixteen_bits(rng, len(confidence))])
    values: Floats = np.rint(np.minimum(typical * spread, np.log(TOP_K)) * 1000) / 1000
    return values


DERIVED: dict[str, Callable[[np.random.Generator, Floats], Floats]] = {"entropy": entropy}
"""Token signals that are drawn given a trace's confidences."""


def token_signals(
    rng: np.random.Generator, seed: Sequence[int], outline: Outline, size: Size
) -> Iterator[dict[str, Floats]]:
    """Yield the token signals of each trace in turn, by name, shape (num_tokens,) each.

    Parameters
    ----------
    rng
        Generator of the confidences.
    seed
        Seed of the problem. With its name, it seeds each other signal, so that none depends on
        which others there are.
    """
    streams = {name: np.random.default_rng([*seed, *name.encode()]) for name in DERIVED}
    for confidence in confidences(rng, outline, size):
        derived = {name: of(streams[name], confidence) for name, of in DERIVED.items()}
        yield {"confidence": confidence, **derived}
