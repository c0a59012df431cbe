"""Token confidences of generated traces: a slow level with dips, and noise from token to token.

Confidence is DeepConf's (arXiv 2508.15260): minus the mean log-probability of the top tokens,
between about 5 and 25. No real series was available, so every number here is an assumption, chosen
so that the lowest group confidence (the least mean of 2048 tokens in a row) tells right traces from
wrong ones of the same problem with an AUROC of `LOWEST_GROUP_AUROC`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import numpy.typing as npt

from simulator.arrays import Floats
from simulator.generated.calibration import Outline
from simulator.generated.cells import Size
from simulator.generated.draws import BITS, normal_table, sixteen_bits

LOWEST_GROUP_AUROC = 0.70
"""Chance that, of a right and a wrong trace of one problem, the right one has the higher lowest
group confidence. It differs by a few points between cells, with lengths and problems. Over all
traces of a pool it is about 0.8, since wrong traces are long ones and those of hard problems."""

GROUP_TOKENS = 2048
"""Number of tokens of a group at paper size."""

LEVEL = 14.0
LEVEL_DEVIATION = 0.5
LEVEL_ACCURACY = 0.6
"""A problem's mean if half of the traces are right, deviation around it, and difference of the mean
between all and no traces being right."""

TRACE_DEVIATION = 0.5
TRACE_WRONG = 0.24
"""Deviation of a trace's mean within its problem, and decrease of the mean for wrong traces."""

DRIFT_DEVIATION = 0.6
DRIFT_TOKENS = 1000
"""The level drifts as an Ornstein-Uhlenbeck process: deviation, and tokens until a correlation of
1/e."""

DIP_EVERY = 3000
DIP_CHANCE = (0.24, 0.36)
DIP_TOKENS = (400, 1200)
DIP_DEPTH = 0.8
DIP_LEAST = 0.4
"""Every `DIP_EVERY` tokens there may be a bell-shaped dip: its chance in right and in wrong traces,
the range of its width (standard deviation), and its depth: the least, and the mean of an
exponential on top."""

NOISE = (-9.0, -6.0, -3.6, -1.6, -0.2, 0.8, 1.6, 2.4, 3.3, 4.4, 7.0)
"""Deciles of the noise of one token: most tokens are easy, a few are hard decisions."""

LOWEST, HIGHEST = 1.0, 40.0
"""Range to which confidences are clipped."""

KNOT_TOKENS = 64
"""Distance in tokens of the knots at which the level is drawn; it is linear between them."""

Float32s = npt.NDArray[np.float32]


@cache
def _noise_table() -> Float32s:
    """Return the noise of a token for each 16 random bits, in thousandths, with a mean of 0."""
    table = np.interp((np.arange(BITS) + 0.5) / BITS, np.linspace(0, 1, len(NOISE)), NOISE)
    thousandths: Float32s = ((table - table.mean()) * 1000).astype(np.float32)
    return thousandths


def confidences(rng: np.random.Generator, outline: Outline, size: Size) -> Iterator[Floats]:
    """Yield the confidences of each trace in turn, three decimals, shape (num_tokens,)."""
    step = size.tokens(KNOT_TOKENS)
    levels = _levels(rng, outline, size, step)
    between = (np.arange(step) / step).astype(np.float32)
    noise = _noise_table()
    for knots, tokens in zip(levels, outline.tokens.tolist(), strict=True):
        rises = np.diff(knots)
        series = (knots[:-1, None] + rises[:, None] * between).reshape(-1)[:tokens]
        series += noise[sixteen_bits(rng, tokens)]
        np.rint(series, out=series)
        np.clip(series, LOWEST * 1000, HIGHEST * 1000, out=series)
        yield series.astype(np.float64) / 1000.0


def _levels(rng: np.random.Generator, outline: Outline, size: Size, step: int) -> Float32s:
    """Draw the level of each trace at each knot, in thousandths, shape (traces, knots)."""
    wrong = ~outline.correct
    traces = len(wrong)
    count = int(outline.tokens.max()) // step + 2
    table = normal_table()
    problem = LEVEL + LEVEL_DEVIATION * table[sixteen_bits(rng, 1)]
    problem = problem + LEVEL_ACCURACY * (outline.shape.accuracy - 0.5)
    mean = problem + TRACE_DEVIATION * table[sixteen_bits(rng, traces)] - TRACE_WRONG * wrong

    levels = np.empty((traces, count), dtype=np.float32)
    stays = float(np.exp(-step / size.tokens(DRIFT_TOKENS)))
    moves = float(np.sqrt(1 - stays**2))
    drift = table[sixteen_bits(rng, traces)]
    for knot in range(count):
        levels[:, knot] = mean + DRIFT_DEVIATION * drift
        drift = stays * drift + moves * table[sixteen_bits(rng, traces)]

    stretch = size.tokens(DIP_EVERY)
    places = np.arange(count) * step
    shortest, longest = (size.tokens(tokens) for tokens in DIP_TOKENS)
    for start in range(0, int(outline.tokens.max()), stretch):
        chance, place, width, depth = rng.random((4, traces))
        centre = start + stretch * place
        there = (chance < np.where(wrong, DIP_CHANCE[1], DIP_CHANCE[0])) & (centre < outline.tokens)
        rows = np.flatnonzero(there)
        wide = (shortest + (longest - shortest) * width[rows])[:, None]
        deep = (DIP_LEAST - DIP_DEPTH * np.log1p(-depth[rows]))[:, None]
        distance = (places - centre[rows][:, None]) / wide
        levels[rows] -= (deep * np.exp(-0.5 * distance**2)).astype(np.float32)
    levels *= 1000
    return levels
