"""Training a judge: one loop, from pairs to a folder that judges `hf` and `embedding` load.

An update is a mean over `batch` pairs. Except for rounding, it is the same whether it is computed
at once, in `accumulate` parts or in several processes (`accelerate launch`). After an interruption
and `resume`, the result has the same bytes, because all random numbers depend only on the seed and
the number of the update.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from judges.kinds.models import JUDGE_FILE, TRAINING, FoundModel, find_model
from judges.kinds.prompting import Template
from judges.pairs.pair_sets import Group, PairSet
from judges.training.folders import (
    BEST,
    SUMMARY,
    Progress,
    begin,
    check_same,
    drop_checkpoint,
    held,
    save_checkpoint,
    tidied,
    write_json,
)
from judges.training.held_out import (
    Measured,
    best_of,
    hold_out,
    is_over,
    labels_of,
    measure,
)
from judges.training.losses import repeated_label
from judges.training.recipe import LABELS, Recipe
from judges.training.reporting import Reporting, check_reporters
from judges.training.updates import Trainer, speed
from simulator.errors import UserError
from simulator.storage import disk_error

if TYPE_CHECKING:
    from judges.training.learners import Learner

KINDS = ("hf", "embedding")
"""Kinds of judges that can be trained: a causal language model, a sentence encoder."""

Shown = Callable[[int, int, float], None]
"""Callback with the number of updates done, the total, and the last loss."""


def train(
    pairs: PairSet,
    kind: str,
    model: str,
    folder: Path,
    recipe: Recipe,
    *,
    revision: str | None = None,
    template: Template | None = None,
    device: str = "auto",
    recompute: bool = False,
    save_every: int = 200,
    resume: bool = False,
    report_to: Sequence[str] = (),
    progress: Shown | None = None,
    measured: Callable[[Measured], None] | None = None,
) -> Path:
    """Train a judge on one side of a set of pairs and save it.

    Parameters
    ----------
    pairs
        The set of pairs; its `train` side is used.
    kind
        `hf`, a causal language model, or `embedding`, a sentence encoder with a head over pairs.
    model, revision
        The base model: a folder, or a repository of the Hugging Face hub.
    folder
        Folder to save the judge in; curves, recipe and checkpoint are in `training/` inside.
    template
        The prompt, for `hf`; None for the built-in one.
    device, recompute
        `cpu`, or `auto` for any GPUs that accelerate finds; True for gradient checkpointing.
    save_every, resume
        Updates between checkpoints, 0 for none; True to go on from one in `folder`, if it has one.
    report_to
        Reporters of transformers that receive the progress: `tensorboard`, `trackio`, `wandb`.
    progress, measured
        Callbacks after each update, and after each measurement on held-out problems.

    Returns
    -------
    `folder`.

    Raises
    ------
    UserError
        There are no pairs of both labels; the folder holds something else, or another process is
        training there; the model cannot be loaded, or gives NaN; or a reporter is not installed.
    """
    import torch
    from accelerate import Accelerator, PartialState

    check_reporters(report_to)
    groups, held_out = hold_out(_groups_to_train(pairs, recipe), recipe)
    found = find_model(model, revision)
    template = template or Template.read()
    record = record_of(pairs, kind, model, found, recipe, template)
    state = PartialState(cpu=device == "cpu")
    main = state.is_main_process
    with held(folder) if main else nullcontext(), tidied(folder) if main else nullcontext():
        with state.main_process_first():  # it begins what the others then go on with
            done = begin(folder, record, resume or not main)
        reporting = Reporting(report_to, folder, record, recipe, main=main, cpu=device == "cpu")
        with closing(reporting):
            precision = "bf16" if recipe.bf16 else "no"
            accelerator = Accelerator(mixed_precision=precision, cpu=device == "cpu")
            torch.manual_seed(recipe.seed)
            texts = [*groups, *held_out]
            learner = _learner(kind, found.folder, texts, template, recipe, recompute)
            trainer = Trainer(accelerator, learner, groups, recipe)
            shown = (reporting, progress, measured)
            _Training(model, folder, trainer, held_out, done, *shown).run(save_every)
        accelerator.wait_for_everyone()
        if main:
            summary = _summary(pairs, recipe, groups, held_out, done)
            _save(accelerator.unwrap_model(trainer.network), folder, record, recipe, done, summary)
        accelerator.wait_for_everyone()
        accelerator.free_memory()
    return folder


def record_of(
    pairs: PairSet, kind: str, model: str, found: FoundModel, recipe: Recipe, template: Template
) -> dict[str, Any]:
    """Describe a training by all its settings, as its folder records them."""
    return {
        "model": model,
        "weights": found.weights,
        "kind": kind,
        "pairs": pairs.fingerprint,
        "template": asdict(template) if kind == "hf" else None,
        "recipe": recipe.as_dict(),
    }


def is_trained(
    pairs: PairSet,
    kind: str,
    model: str,
    folder: Path,
    recipe: Recipe,
    revision: str | None = None,
    template: Template | None = None,
) -> bool:
    """Check whether a folder holds the judge that `train` would make there.

    Raises
    ------
    UserError
        It holds one that was trained with other settings; they are named.
    """
    if not (folder / JUDGE_FILE).exists():
        return False
    found = find_model(model, revision)
    check_same(folder, record_of(pairs, kind, model, found, recipe, template or Template.read()))
    return True


def is_first_process() -> bool:
    """Check whether this is the first of the processes that accelerate started, or the only one."""
    from accelerate import PartialState

    return bool(PartialState().is_main_process)


def _groups_to_train(pairs: PairSet, recipe: Recipe) -> list[Group]:
    """Return the pairs of the train side, by problem; `UserError` without pairs of both labels."""
    groups = list(pairs.groups("train", pairs.choose(recipe.truncation)))
    labels = labels_of(groups)
    if not len(labels) or labels.all() or not labels.any():
        raise UserError(
            f"{pairs.folder}: {len(labels)} pairs to train on, of {len(set(labels.tolist()))} "
            "label(s); make the pairs of more problems or with a smaller --test-share"
        )
    return groups


@dataclass
class _Training:
    """The updates of one training, from the progress `done` on, which it extends."""

    model: str
    folder: Path
    trainer: Trainer
    held_out: list[Group]
    done: Progress
    reporting: Reporting
    progress: Shown | None
    measured: Callable[[Measured], None] | None

    def run(self, save_every: int) -> None:
        """Make the updates that are left, and load the best weights if they are to be kept."""
        trainer, recipe = self.trainer, self.trainer.recipe
        updates, total = trainer.updates, len(trainer.updates)
        work = self.folder / TRAINING
        if self.done.updates:
            trainer.accelerator.load_state(str(work / "checkpoint"))
        trainer.network.train()
        every = recipe.evaluate_every or max(1, total // 10)
        for number, chosen in enumerate(updates[self.done.updates :], self.done.updates):
            if is_over(self.done.measured, recipe.patience):
                break
            value = trainer.update(number, chosen, speed(number, total, recipe.warmup))
            if not np.isfinite(value):
                raise self._broken(number)
            reached = trainer.optimizer.param_groups[0]["lr"]
            self.done.updates = number + 1
            self.done.curve.append({"update": number + 1, "loss": value, "learning_rate": reached})
            self.reporting.log(number + 1, {"loss": value, "learning_rate": reached})
            if self.progress is not None:
                self.progress(number + 1, total, value)
            if self.held_out and ((number + 1) % every == 0 or number + 1 == total):
                self._measure()
            if save_every and (number + 1) % save_every == 0 and number + 1 < total:
                save_checkpoint(trainer.accelerator, work, self.done)
        if self.held_out and recipe.keep == "best" and trainer.accelerator.is_main_process:
            trainer.load(work / BEST)

    def _measure(self) -> None:
        """Measure AUROC on held-out problems, and store the weights if they are the best so far."""
        found = self.trainer.chances(self.held_out)
        if not all(np.isfinite(each).all() for each in found):
            raise self._broken(self.done.updates)
        here: Measured = {"update": self.done.updates, **measure(self.held_out, found)}
        self.done.measured.append(here)
        self.reporting.log(
            self.done.updates, {"eval_auroc": here["auroc"], "eval_within": here["within"]}
        )
        if self.measured is not None:
            self.measured(here)
        is_best = best_of(self.done.measured) == len(self.done.measured) - 1
        if is_best and self.trainer.recipe.keep == "best":
            self.trainer.store(self.folder / TRAINING / BEST)

    def _broken(self, number: int) -> UserError:
        """Make the error for update `number` (from 0) that is not finite; drop the checkpoint."""
        if self.trainer.accelerator.is_main_process:
            drop_checkpoint(self.folder / TRAINING)
        if number == 0:
            remedy = "; its weights are damaged"
            if self.trainer.recipe.bf16:
                remedy += " or overflow in bfloat16, try --no-bf16"
            return UserError(
                f"{self.model}: its loss or gradient is not finite (NaN) before the first "
                f"update{remedy}"
            )
        return UserError(
            f"the loss or its gradient is not finite from update {number + 1} on; lower "
            "--learning-rate"
        )


def _learner(
    kind: str,
    source: Path,
    groups: list[Group],
    template: Template,
    recipe: Recipe,
    recompute: bool,
) -> Learner:
    from judges.training.learners import CausalLearner, EncoderLearner

    if kind == "embedding":
        return EncoderLearner(source, groups, lora=recipe.lora)
    return CausalLearner(
        source, groups, template, lora=recipe.lora, bf16=recipe.bf16, recompute=recompute
    )


def _summary(
    pairs: PairSet,
    recipe: Recipe,
    groups: list[Group],
    held_out: list[Group],
    done: Progress,
) -> dict[str, Any]:
    """Describe the data and the course of a training, for its folder and its model card."""
    labels = labels_of(groups)
    kept = done.updates
    if held_out and recipe.keep == "best":
        kept = int(done.measured[best_of(done.measured)]["update"] or 0)
    return {
        "pairs": pairs.info,
        "trained_on": {label: int((labels == (label == "same")).sum()) for label in LABELS},
        "repeated": repeated_label(labels, recipe),
        "held_out_problems": len({group.problem for group in held_out}),
        "held_out_pairs": len(labels_of(held_out)),
        "updates": done.updates,
        "kept_update": kept,
        "measured": done.measured,
    }


def _save(
    learner: Learner,
    folder: Path,
    record: dict[str, Any],
    recipe: Recipe,
    done: Progress,
    summary: dict[str, Any],
) -> None:
    """Save the model, the loss curve, and last `judge.json`, which marks the judge as complete."""
    import torch

    from judges.evaluation.plots import loss_plot

    work = folder / TRAINING
    try:
        learner.save(folder, torch.bfloat16 if recipe.bf16 else torch.float32)
        pd.DataFrame(done.curve).to_csv(work / "loss.csv", index=False, lineterminator="\n")
        losses = [row["loss"] for row in done.curve]
        (work / "loss.svg").write_bytes(loss_plot(losses, recipe.name))
        write_json(work / SUMMARY, summary)
        asked = {
            "kind": record["kind"],
            "truncation": str(recipe.truncation),
            "template": record["template"],
        }
        write_json(folder / JUDGE_FILE, asked)
        drop_checkpoint(work)
    except OSError as error:
        raise disk_error(error, folder) from None
