from __future__ import annotations

from dataclasses import replace
from math import log
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.prefixes import TOKENS_500
from judges.training.losses import (
    class_weights,
    focal_loss,
    oversampled,
    pair_loss,
    repeated_label,
)
from judges.training.recipe import Recipe


def logits_of(same: list[float]) -> Any:
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


def test_oversampling_repeats_one_label() -> None:
    labels = np.array([True, True, False, True])
    assert oversampled(labels, 2, False).tolist() == [0, 1, 2, 2, 3]
    assert oversampled(labels, 3, True).tolist() == [0, 0, 0, 1, 1, 1, 2, 3, 3, 3]
    assert oversampled(labels, 1, False).tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="below 1"):
        oversampled(labels, 0, True)


@given(st.lists(st.booleans(), min_size=1, max_size=50), st.integers(1, 4), st.booleans())
def test_oversampling_counts(labels: list[bool], factor: int, same: bool) -> None:
    array = np.array(labels)
    counts = np.bincount(array[oversampled(array, factor, same)], minlength=2)
    before = np.bincount(array, minlength=2)
    assert counts[int(same)] == factor * before[int(same)]
    assert counts[int(not same)] == before[int(not same)]


@pytest.mark.parametrize(
    ("label", "same", "different", "repeated"),
    [
        ("rarer", 3, 7, "same"),  # as on OTIS, where the paper's label would be the other
        ("rarer", 7, 3, "different"),
        ("rarer", 5, 5, None),
        ("different", 3, 7, "different"),
        ("same", 3, 7, "same"),
    ],
)
def test_the_oversampled_label_is_named(
    label: str, same: int, different: int, repeated: str | None
) -> None:
    labels = np.array([True] * same + [False] * different)
    recipe = Recipe(TOKENS_500, oversample=2, oversample_label=label)
    assert repeated_label(labels, recipe) == repeated
    assert repeated_label(labels, replace(recipe, oversample=1)) is None


def test_class_weights_by_hand_and_balanced_as_scikit_learn() -> None:
    import torch
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.array([True] * 6 + [False] * 2)
    balanced = class_weights(labels, Recipe(TOKENS_500, class_weights="balanced"))
    theirs = compute_class_weight("balanced", classes=np.array([False, True]), y=labels)
    np.testing.assert_allclose(balanced, theirs)
    recipe = Recipe(TOKENS_500, alpha=1.0, class_weights=(0.75, 0.25))  # an α for each label
    weights = class_weights(labels, recipe)
    losses = pair_loss(logits_of([0.9, 0.8]), torch.tensor([1, 0]), recipe, weights)
    expected = [0.25 * 0.1**2 * 0.1053605, 0.75 * 0.8**2 * 1.6094379]
    np.testing.assert_allclose(losses.numpy(), expected, rtol=1e-5)
