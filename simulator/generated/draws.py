"""Random draws that are the same in every version of numpy.

Everything generated is drawn from uniform numbers or raw bits, because numpy may change how it
draws from other distributions, which would change a pool's bytes.
"""

from __future__ import annotations

from functools import cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from simulator.arrays import Floats, Ints

BITS = 1 << 16
"""Number of values of `sixteen_bits`."""

TINY = 2.0**-54
"""Replacement for a uniform number of 0, whose quantile or logarithm would be infinite."""


def evenly(rng: np.random.Generator, size: int) -> Floats:
    """Return evenly spaced quantiles, (i + 1/2) / size, in random order.

    Even a few draws then spread as their distribution does, whatever the seed.
    """
    quantiles = (np.arange(size) + 0.5) / size
    return quantiles[np.argsort(rng.random(size))]


def zipf(values: Ints, exponent: float, uniform: Floats) -> Ints:
    """Draw one of `values` for each uniform number; the r-th has a weight of r ** -exponent."""
    weights = np.cumsum(np.arange(1, len(values) + 1, dtype=np.float64) ** -exponent)
    return values[np.searchsorted(weights / weights[-1], uniform, side="right")]


def correlated(one: Floats, other: Floats, correlation: float) -> Floats:
    """Mix `one` into `other` until the two have this correlation; both are standard normal."""
    return correlation * one + float(np.sqrt(1 - correlation**2)) * other


def normal(probabilities: Floats) -> Floats:
    """Return the standard normal quantiles of probabilities."""
    quantile = NormalDist().inv_cdf
    return np.array([quantile(max(p, TINY)) for p in probabilities.tolist()])


def sixteen_bits(rng: np.random.Generator, size: int) -> npt.NDArray[np.uint16]:
    """Draw `size` whole numbers from 0 to 65,535: fast indices into a table of quantiles."""
    raw = rng.bit_generator.random_raw(size // 4 + 1)
    return np.asarray(raw, dtype="<u8").view("<u2")[:size]


@cache
def normal_table() -> Floats:
    """Return the standard normal quantile for each value of `sixteen_bits`."""
    return normal((np.arange(BITS) + 0.5) / BITS)
