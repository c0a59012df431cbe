"""Attention for decoding many traces at a time on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "grouped_sdpa"
"""Name of the attention in transformers."""


def grouped_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Compute attention as `sdpa` does, heads that share keys as one head with more queries.

    Keys are thus neither copied for each head nor left to torch's grouped kernel, both of which
    take a CPU ten times as long (64 traces, 14 heads over 2 of keys).

    Parameters
    ----------
    query
        Shape (traces, heads, new tokens, size).
    key, value
        Shape (traces, heads of keys, tokens, size).
    attention_mask
        Shape (traces, 1, new tokens, tokens), or None where each new token sees all.

    Returns
    -------
    Output of shape (traces, new tokens, heads, size), and no weights.
    """
    traces, heads, new, size = query.shape
    shared = key.shape[1]
    special = any(kwargs.get(name) for name in ("dropout", "softcap", "output_attentions"))
    if special or "position_bias" in kwargs or (new > 1 and attention_mask is None):
        return sdpa_attention_forward(  # type: ignore[no-any-return]
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
    if attention_mask is not None and new > 1:
        attention_mask = attention_mask.repeat(1, 1, heads // shared, 1)
    output = torch.nn.functional.scaled_dot_product_attention(
        query.reshape(traces, shared, -1, size), key, value, attention_mask, scale=scaling
    )
    return output.reshape(traces, heads, new, size).transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, grouped_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
