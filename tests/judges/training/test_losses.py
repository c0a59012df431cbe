from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.training.losses import focal_loss, oversampled


def logits_of(same: list[float]) -> object:
    """Logits (different, same) that give these chances of same."""
    import torch

    return torch.tensor([[log(1 - p), log(p)] for p in same], dtype=torch.float32)


def test_focal_loss_by_hand() -> None:
    import torch

    # p of the label: .9, .2 (label different, chance of same .8), .5
    losses = focal_loss(logits_of([0.9, 0.8, 0.5]), torch.tensor([1, 0, 1]))
    expected = [
        0.25 * 0.1**2 * 0.1053605,  # -log .9
        0.25 * 0.8**2 * 1.6094379,  # -log .2
        0.25 * 0.5**2 * 0.6931472,  # -log .5
    ]
    np.testing.assert_allclose(losses.numpy(), expected, rtol=1e-5)


def test_focal_loss_with_gamma_0_and_alpha_1_is_cross_entropy() -> None:
    import torch

    torch.manual_seed(0)
    logits = torch.randn(50, 2) * 5
    labels = torch.randint(2, (50,))
    ours = focal_loss(logits, labels, gamma=0.0, alpha=1.0)
    theirs = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(ours, theirs)


def test_focal_loss_turns_to_what_is_hard() -> None:
    """A pair judged at .9 weighs (.1/.5)² = 1/25 of its cross-entropy against one at .5."""
    import torch

    labels = torch.tensor([1, 1])
    plain = focal_loss(logits_of([0.9, 0.5]), labels, gamma=0.0, alpha=1.0)
    focal = focal_loss(logits_of([0.9, 0.5]), labels, gamma=2.0, alpha=1.0)
    shares = (focal / plain).tolist()
    assert shares[0] / shares[1] == pytest.approx(1 / 25, rel=1e-4)


def test_focal_loss_of_certain_pairs_has_finite_gradients() -> None:
    import torch

    logits = torch.tensor([[-90.0, 90.0], [90.0, -90.0]], requires_grad=True)
    for gamma in (0.0, 0.5, 2.0):
        focal_loss(logits, torch.tensor([1, 1]), gamma=gamma).sum().backward()
        assert logits.grad is not None
        assert torch.isfinite(logits.grad).all()


def test_oversampling_repeats_the_rarer_label() -> None:
    labels = np.array([True, True, False, True])
    assert oversampled(labels, 2).tolist() == [0, 1, 2, 2, 3]
    assert oversampled(~labels, 3).tolist() == [0, 1, 2, 2, 2, 3]
    assert oversampled(labels, 1).tolist() == [0, 1, 2, 3]
    assert oversampled(np.array([True, False]), 5).tolist() == [0, 1]
    with pytest.raises(ValueError, match="below 1"):
        oversampled(labels, 0)


@given(st.lists(st.booleans(), min_size=1, max_size=50), st.integers(1, 4))
def test_oversampling_counts(labels: list[bool], factor: int) -> None:
    array = np.array(labels)
    counts = np.bincount(array[oversampled(array, factor)], minlength=2)
    before = np.bincount(array, minlength=2)
    rarer, other = before.argmin(), before.argmax()
    if before[rarer] == before[other]:
        assert counts.tolist() == before.tolist()
    else:
        assert counts[rarer] == factor * before[rarer]
        assert counts[other] == before[other]
