"""Draws of the next tokens from a model's logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulator.live.source import Sampling

BLOCK = 256
"""Tokens whose probabilities are summed first where a token is drawn of all."""

NUCLEUS = (64, 1024)
"""Numbers of most likely tokens among which a nucleus is looked for before it is among all."""


def drawn(logits: Any, numbers: Sequence[float], sampling: Sampling) -> list[int]:
    """Choose a token of each row of logits, shape (traces, vocabulary).

    `numbers` in [0, 1) decide: the token at which the sum of probabilities, the most likely first
    where `top_p` or `top_k` leaves tokens out, passes the number's share of their total.
    """
    import torch

    if sampling.temperature == 0:
        return list(logits.argmax(dim=-1).tolist())
    greatest = logits.amax(dim=-1, keepdim=True)
    weights = logits.sub(greatest).div_(sampling.temperature).exp_()
    threshold = weights.new_tensor(numbers, dtype=torch.float64)[:, None]
    if sampling.top_p >= 1 and not sampling.top_k:
        return _of_all(weights, threshold)
    total = weights.sum(dim=-1, keepdim=True)
    for most in (sampling.top_k,) if sampling.top_k else (*NUCLEUS, weights.shape[-1]):
        values, ids = weights.topk(min(most, weights.shape[-1]), dim=-1)
        if bool((values.sum(dim=-1) >= sampling.top_p * total[:, 0]).all()):
            break
    before = values.cumsum(dim=-1) - values
    whole = values.sum(dim=-1, keepdim=True) if sampling.top_k else total
    kept = values.masked_fill(before >= sampling.top_p * whole, 0.0)
    sums = kept.double().cumsum(dim=-1)
    places = _passed(sums, threshold * sums[:, -1:])
    return [int(row[place]) for row, place in zip(ids.tolist(), places.tolist(), strict=True)]


def _of_all(weights: Any, threshold: Any) -> list[int]:
    """Return the place of each row at which its running sum passes a share of the total.

    Blocks of places are summed first: a running sum over a whole vocabulary takes longer than the
    rest of sampling.
    """
    from torch.nn.functional import pad

    rows, places = weights.shape
    blocks = pad(weights, (0, -places % BLOCK)).view(rows, -1, BLOCK)
    sums = blocks.sum(dim=-1).double().cumsum(dim=-1)
    aim = threshold * sums[:, -1:]
    block = _passed(sums, aim)
    row = block.new_tensor(range(rows))
    within = blocks[row, block].double().cumsum(dim=-1)
    before = sums[row, block] - within[:, -1]
    place = _passed(within, (aim - before[:, None]).clamp(min=0))
    return list((block * BLOCK + place).tolist())


def _passed(sums: Any, aim: Any) -> Any:
    """Return the first place of each row at which a running sum is greater than a number.

    It is the last place that adds to the sum if none is.
    """
    last = (sums < sums[:, -1:]).sum(dim=-1)
    return (sums <= aim).sum(dim=-1).minimum(last)
