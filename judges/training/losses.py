"""Loss and sampling of training: focal loss, and oversampling of the rarer label.

Both are used by DeepPrune (arXiv 2510.08483, section 4.1.2), because labels are imbalanced: about
80% of pairs of recorded traces have the same answer, so a judge that always predicts "same" would
be right for 80% of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.arrays import Bools, Ints

if TYPE_CHECKING:
    import torch


def focal_loss(
    logits: torch.Tensor, labels: torch.Tensor, gamma: float = 2.0, alpha: float = 0.25
) -> torch.Tensor:
    """Compute −α (1 − p)^γ log p of each pair, where p is the probability of its label.

    Lin et al. 2017 (arXiv 1708.02002), with one α for both labels, as in DeepPrune. α then scales
    the loss, and does not weight one label against the other. γ=0 and α=1 give cross-entropy.

    Parameters
    ----------
    logits
        Shape (pairs, 2): different, same.
    labels
        Shape (pairs,): 1 for same, 0 for different.

    Returns
    -------
    Losses in nats, shape (pairs,), float32.
    """
    import torch

    log_p = torch.log_softmax(logits.float(), dim=-1)
    log_p = log_p.gather(-1, labels.long().unsqueeze(-1)).squeeze(-1)
    if gamma == 0.0:  # (1 − p)^0 has no gradient where p is 1
        return -alpha * log_p
    missing = (-torch.expm1(log_p)).clamp_min(1e-12)  # a root of 0 has no gradient
    return -alpha * missing**gamma * log_p


def oversampled(labels: Bools, factor: int) -> Ints:
    """Return the indices of all pairs in order; those of the rarer label occur `factor` times.

    If both labels are equally frequent, each pair occurs once.
    """
    if factor < 1:
        raise ValueError(f"oversampling factor {factor} is below 1")
    same = int(labels.sum())
    different = len(labels) - same
    repeats = np.ones(len(labels), dtype=np.int64)
    if same != different:
        repeats[labels == (same < different)] = factor
    return np.repeat(np.arange(len(labels)), repeats)
