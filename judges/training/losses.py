"""Loss and sampling of training: focal loss, and oversampling of one label.

Both are used by DeepPrune (arXiv 2510.08483, section 4.1.2), because labels are imbalanced: about
80% of pairs of recorded traces have the same answer, so a judge that always predicts "same" would
be right for 80% of them. DeepPrune repeats pairs of different answers, which are the rarer ones
there; they are not in every pool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from judges.training.recipe import LABELS, RARER, Recipe
from simulator.arrays import Bools, Ints

if TYPE_CHECKING:
    import torch


def focal_loss(
    logits: torch.Tensor, labels: torch.Tensor, gamma: float = 2.0, alpha: float = 0.25
) -> torch.Tensor:
    """Compute −α (1 − p)^γ log p of each pair, where p is the probability of its label.

    Lin et al. 2017 (arXiv 1708.02002), with one α for both labels, as in DeepPrune. α then scales
    the loss, and does not weight one label against the other, which `class_weights` do. γ=0 and α=1
    give cross-entropy.

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


def oversampled(labels: Bools, factor: int, same: bool) -> Ints:
    """Return the indices of all pairs in order; those labelled `same` occur `factor` times."""
    if factor < 1:
        raise ValueError(f"oversampling factor {factor} is below 1")
    return np.repeat(np.arange(len(labels)), np.where(labels == same, factor, 1))


def repeated_label(labels: Bools, recipe: Recipe) -> str | None:
    """Return the label whose pairs the recipe repeats, `different` or `same`; None for neither.

    Neither is the rarer label if both are equally frequent.
    """
    same = int(labels.sum())
    if recipe.oversample == 1:
        return None
    if recipe.oversample_label != RARER:
        return recipe.oversample_label
    if 2 * same == len(labels):
        return None
    return LABELS[2 * same < len(labels)]


def class_weights(labels: Bools, recipe: Recipe) -> tuple[float, float]:
    """Return the factors on the losses of different and same pairs.

    `labels` are those of an epoch, oversampled. Balanced factors are those of scikit-learn: half
    the number of pairs over the number with the label.
    """
    if recipe.class_weights != "balanced":
        return recipe.class_weights
    same = int(labels.sum())
    return len(labels) / (2 * (len(labels) - same)), len(labels) / (2 * same)


def pair_loss(
    logits: torch.Tensor, labels: torch.Tensor, recipe: Recipe, weights: tuple[float, float]
) -> torch.Tensor:
    """Compute the recipe's loss of each pair times its label's weight, shape (pairs,)."""
    gamma, alpha = (recipe.gamma, recipe.alpha) if recipe.loss == "focal" else (0.0, 1.0)
    losses = focal_loss(logits, labels, gamma, alpha)
    return losses if weights == (1.0, 1.0) else losses * losses.new_tensor(weights)[labels.long()]
