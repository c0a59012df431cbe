"""Draws of tokens against probabilities worked out by hand and a plain running sum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simulator.live.engines.drawing import drawn
from simulator.live.source import Sampling


def test_draws_follow_the_probabilities() -> None:
    import torch

    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log() + 3
    numbers = (np.arange(1000) + 0.5) / 1000

    def share(**settings: Any) -> list[float]:
        rows = logits.expand(1000, -1)
        chosen = drawn(rows, numbers.tolist(), Sampling(**settings))
        return [float(share) for share in np.bincount(chosen, minlength=4) / 1000]

    assert share(temperature=1, top_p=1) == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.002)
    assert share(temperature=1, top_p=0.6) == pytest.approx([0.625, 0.375, 0, 0], abs=0.002)
    assert share(temperature=1, top_p=1, top_k=1) == [1, 0, 0, 0]
    squared = np.array([0.25, 0.09, 0.0225, 0.0025])
    assert share(temperature=0.5, top_p=1) == pytest.approx(squared / squared.sum(), abs=0.002)


@pytest.mark.parametrize("places", [1, 255, 256, 257, 5000])
def test_blocks_draw_as_one_running_sum_over_the_vocabulary(places: int) -> None:
    import torch

    random = np.random.default_rng(places)
    logits = torch.tensor(random.normal(0, 4, (64, places)), dtype=torch.float32)
    logits[random.random((64, places)) < 0.3] = -torch.inf
    logits[:, random.integers(places)] = 1.0  # no row without any token
    numbers = random.random(64)
    numbers[0], numbers[1] = 0.0, np.nextafter(1.0, 0.0)
    chosen = drawn(logits, numbers.tolist(), Sampling(temperature=0.7, top_p=1))
    sums = (logits.double() / 0.7).softmax(dim=-1).cumsum(dim=-1).numpy()
    for row, place in enumerate(chosen):
        assert torch.isfinite(logits[row, place])
        before = sums[row, place - 1] if place else 0.0
        assert before - 1e-6 <= numbers[row] <= sums[row, place] + 1e-6


@pytest.mark.parametrize("scale", [0.1, 1, 6])
def test_a_nucleus_is_found_however_many_tokens_it_has(scale: float) -> None:
    import torch

    random = np.random.default_rng(int(scale * 10))
    logits = torch.tensor(random.normal(0, scale, (40, 3000)), dtype=torch.float32)
    numbers = random.random(40)
    chosen = drawn(logits, numbers.tolist(), Sampling(temperature=1, top_p=0.9))
    for row, place in enumerate(chosen):
        probabilities = logits[row].double().softmax(dim=-1).numpy()
        order = np.argsort(-probabilities, kind="stable")
        sums = probabilities[order].cumsum()
        size = int(np.searchsorted(sums, 0.9)) + 1  # fewest tokens that have nine tenths
        rank = int(np.flatnonzero(order == place)[0])
        assert rank < size
        share = numbers[row] * sums[size - 1]
        assert (sums[rank - 1] if rank else 0) - 1e-6 <= share <= sums[rank] + 1e-6
