"""Progress of a training in TensorBoard, trackio or W&B, through the reporters of transformers."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from judges.training.recipe import Recipe
from simulator.errors import UserError

REPORTERS = {
    "tensorboard": ("tensorboard", "tensorboardX"),
    "trackio": ("trackio",),
    "wandb": ("wandb",),
}
"""Reporter to the packages of which it needs one."""

PROJECT = "deepprune-judges"


def check_reporters(names: Sequence[str]) -> None:
    """Raise `UserError` for an unknown reporter, or one that is not installed."""
    for name in names:
        if name not in REPORTERS:
            raise UserError(f"--report-to {name}: give {', '.join(REPORTERS)}")
        if not any(importlib.util.find_spec(package) for package in REPORTERS[name]):
            package = REPORTERS[name][0]
            raise UserError(
                f"--report-to {name}: {package} is not installed; pip install {package}"
            )


class Reporting:
    """Reporters of one training; without names, nothing is reported.

    Parameters
    ----------
    names
        Reporters, of `REPORTERS`. Their own environment variables hold (WANDB_PROJECT,
        TRACKIO_SPACE_ID, TENSORBOARD_LOGGING_DIR).
    folder
        The judge's folder, whose name the run gets; TensorBoard's files are in `training/` inside.
    record
        The settings of the training.
    main
        False in processes other than the first, which report nothing.
    cpu
        True for a training on the CPU.

    An `Accelerator` is made afterwards: transformers resets the state that accelerators share.
    """

    def __init__(
        self,
        names: Sequence[str],
        folder: Path,
        record: Mapping[str, Any],
        recipe: Recipe,
        *,
        main: bool,
        cpu: bool = False,
    ) -> None:
        self._callbacks: list[Any] = []
        if not names or not main:
            return
        check_reporters(names)
        from transformers import PretrainedConfig, TrainerControl, TrainerState, TrainingArguments
        from transformers.integrations import get_reporting_integration_callbacks

        self._arguments = TrainingArguments(
            output_dir=str(folder / "training"),
            run_name=folder.name,
            project=PROJECT,
            report_to=list(names),
            trackio_static_space_id=False,
            per_device_train_batch_size=recipe.batch,
            gradient_accumulation_steps=recipe.accumulate,
            learning_rate=recipe.learning_rate,
            num_train_epochs=recipe.epochs,
            weight_decay=recipe.weight_decay,
            max_grad_norm=recipe.clip,
            seed=recipe.seed,
            use_cpu=cpu,
        )
        _ = self._arguments.device  # resets that state now, and not while training
        self._state = TrainerState()
        self._control = TrainerControl()
        self._model = SimpleNamespace(config=PretrainedConfig(judge=dict(record)))
        self._callbacks = [each() for each in get_reporting_integration_callbacks(list(names))]
        self._tell("on_train_begin")

    def log(self, update: int, values: Mapping[str, float | None]) -> None:
        """Report values after an update; those of held-out problems begin with `eval_`."""
        if self._callbacks:
            self._state.global_step = update
            known = {name: value for name, value in values.items() if value is not None}
            self._tell("on_log", logs=known)

    def close(self) -> None:
        """End the reports."""
        if self._callbacks:
            self._tell("on_train_end")

    def _tell(self, event: str, **values: Any) -> None:
        for callback in self._callbacks:
            getattr(callback, event)(
                self._arguments, self._state, self._control, model=self._model, **values
            )
