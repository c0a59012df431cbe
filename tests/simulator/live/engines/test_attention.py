"""Attention of shared heads against transformers' own, which copies keys for each head."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest


@pytest.mark.parametrize(("new", "masked"), [(1, True), (1, False), (5, True), (5, False)])
@pytest.mark.parametrize("shared", [1, 2, 6])
def test_shared_heads_give_what_copied_keys_give(new: int, masked: bool, shared: int) -> None:
    import torch
    from transformers.integrations.sdpa_attention import repeat_kv

    from simulator.live.engines.attention import grouped_attention

    torch.manual_seed(new + shared)
    query = torch.randn(3, 6, new, 8)
    key, value = torch.randn(2, 3, shared, 11, 8)
    mask: Any = None
    seen = torch.ones(new, 11).tril(11 - new).bool()
    if masked:
        seen = seen & (torch.arange(11) >= torch.tensor([0, 2, 5])[:, None, None])
        mask = seen[:, None]
    module = SimpleNamespace(num_key_value_groups=6 // shared, is_causal=True)
    if not masked and new > 1:  # transformers leaves the mask out where all is causal
        key, value, seen = key[:, :, :new], value[:, :, :new], seen[:, 11 - new :]
    output, weights = grouped_attention(module, query, key, value, mask, scaling=0.3)
    scores = query @ repeat_kv(key, 6 // shared).mT * 0.3
    scores = scores.masked_fill(~(seen if seen.ndim == 2 else seen[:, None]), -torch.inf)
    expected = scores.softmax(dim=-1) @ repeat_kv(value, 6 // shared)
    assert weights is None
    torch.testing.assert_close(output, expected.transpose(1, 2))
