"""Recipes of trained judges: loss, sampling, schedule and choice of the weights to keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from judges.prefixes import Truncation
from simulator.errors import UserError

LOSSES = ("focal", "cross-entropy")

LABELS = ("different", "same")
"""Names of the labels, in the order of logits and weights."""

RARER = "rarer"
"""Name that stands for the label with fewer pairs, wherever one is oversampled."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that a trained judge depends on, besides the pairs and the base model.

    Parameters
    ----------
    truncation
        Truncation of the prefixes.
    loss, gamma, alpha
        `focal` with gamma and alpha (see `judges.training.losses`), or `cross-entropy`.
    class_weights
        Factors on the losses of pairs of different and of same answers, or `balanced`: factors for
        which both labels weigh the same in an epoch, 1 on average. With alpha=1 they are the focal
        loss's α of each label.
    oversample, oversample_label
        Number of times that each pair of a label occurs in an epoch, and the label: `different`,
        `same`, or `rarer` for the one with fewer pairs.
    epochs, batch, accumulate
        Passes over the pairs; pairs per update; parts that an update is computed in.
    learning_rate, warmup, weight_decay, clip
        AdamW's peak learning rate, reached after a share `warmup` of the updates and then falling
        linearly to 0; its weight decay; and the norm that gradients are clipped to.
    lora
        Rank of low-rank adapters; 0 trains every weight.
    bf16
        True to compute in bfloat16.
    held_out, evaluate_every
        Share of the training problems that are held out: not trained on, but measured after every
        `evaluate_every` updates (0: ten times in a training) and at the end.
    keep
        Weights that are saved of a training with held-out problems: `best`, those with the highest
        AUROC within held-out problems, or `last`.
    patience
        Number of measurements in a row without a new best after which training stops; 0 for none.
    seed
        Seed of the order of pairs, the held-out problems, the head's initial weights, and dropout.
    """

    truncation: Truncation
    loss: str = "focal"
    gamma: float = 2.0
    alpha: float = 0.25
    class_weights: tuple[float, float] | Literal["balanced"] = (1.0, 1.0)
    oversample: int = 2
    oversample_label: str = RARER
    epochs: int = 1
    batch: int = 120
    accumulate: int = 1
    learning_rate: float = 2e-5
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    lora: int = 0
    bf16: bool = False
    held_out: float = 0.0
    evaluate_every: int = 0
    keep: str = "best"
    patience: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in (
            ("loss", LOSSES),
            ("keep", ("best", "last")),
            ("oversample_label", (RARER, *LABELS)),
        ):
            if (given := getattr(self, name)) not in known:
                shown = name.replace("_", " ")
                raise UserError(f"{shown} {given!r}: give {', '.join(known[:-1])} or {known[-1]}")
        for name in ("gamma", "alpha", "learning_rate"):
            value = getattr(self, name)
            if not 0.0 <= value < float("inf"):
                raise UserError(f"{name.replace('_', ' ')} {value}: give a number from 0")
        if self.class_weights != "balanced" and not all(
            0.0 < each < float("inf") for each in self.class_weights
        ):
            raise UserError(f"class weights {self.class_weights}: give numbers above 0")
        if not 0.0 <= self.held_out < 1.0:
            raise UserError(f"held out {self.held_out}: give a share from 0, below 1")
        if self.patience and not self.held_out:
            raise UserError(
                "patience without held-out problems: training stops by their AUROC; give a share "
                "of them (--held-out 0.1)"
            )

    @property
    def name(self) -> str:
        """Name in an ablation: `tokens=500, focal, different x2`."""
        parts = [str(self.truncation), self.loss]
        if self.oversample > 1:
            parts.append(f"{self.oversample_label} x{self.oversample}")
        if self.class_weights == "balanced":
            parts.append("balanced")
        elif self.class_weights != (1.0, 1.0):
            parts.append(
                ", ".join(
                    f"{label} weighs {weight:g}"
                    for label, weight in zip(LABELS, self.class_weights, strict=True)
                )
            )
        return ", ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Return the recipe as a JSON-compatible dict."""
        weights = self.class_weights
        return asdict(self) | {
            "truncation": str(self.truncation),
            "class_weights": weights if weights == "balanced" else list(weights),
        }


def grid(
    recipe: Recipe,
    truncations: Sequence[Truncation],
    losses: Sequence[str],
    oversamples: Sequence[tuple[str, int]],
) -> list[Recipe]:
    """Return every combination, truncations outermost: the ablation of DeepPrune's Table 4.

    `oversamples` are labels and factors.
    """
    return [
        replace(recipe, truncation=truncation, loss=loss, oversample=factor, oversample_label=label)
        for truncation in truncations
        for loss in losses
        for label, factor in oversamples
    ]
