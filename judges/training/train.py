"""Training a judge: one loop, from pairs to a folder that judges `hf` and `embedding` load.

An update is a mean over `batch` pairs. Except for rounding, it is the same whether it is computed
at once, in `accumulate` parts or in several processes (`accelerate launch`). After an interruption
and `resume`, the result has the same bytes, because all random numbers depend only on the seed and
the number of the update.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from judges.kinds.models import JUDGE_FILE, TRAINING, find_model
from judges.kinds.prompting import Template
from judges.pairs.pair_sets import Group, PairSet
from judges.prefixes import Truncation
from judges.protocol import Ints
from judges.training.losses import focal_loss, oversampled
from simulator.errors import UserError
from simulator.storage import disk_error, locked, make_folders

if TYPE_CHECKING:
    from judges.training.learners import Learner

KINDS = ("hf", "embedding")
"""Kinds of judges that can be trained: a causal language model, a sentence encoder."""

LOSSES = ("focal", "cross-entropy")

Progress = Callable[[int, int, float], None]
"""Callback with the number of updates done, the total, and the last loss."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that a trained judge depends on, besides the pairs and the base model.

    Parameters
    ----------
    truncation
        Truncation of the prefixes.
    loss, gamma, alpha
        `focal` with gamma and alpha (see `judges.training.losses`), or `cross-entropy`.
    oversample
        Number of times that each pair of the rarer label occurs in an epoch.
    epochs, batch, accumulate
        Passes over the pairs; pairs per update; parts that an update is computed in.
    learning_rate, warmup, weight_decay, clip
        AdamW's peak learning rate, reached after a share `warmup` of the updates and then falling
        linearly to 0; its weight decay; and the norm that gradients are clipped to.
    lora
        Rank of low-rank adapters; 0 trains every weight.
    bf16
        True to compute in bfloat16.
    seed
        Seed of the order of pairs, the head's initial weights, and dropout.
    """

    truncation: Truncation
    loss: str = "focal"
    gamma: float = 2.0
    alpha: float = 0.25
    oversample: int = 2
    epochs: int = 1
    batch: int = 120
    accumulate: int = 1
    learning_rate: float = 2e-5
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    lora: int = 0
    bf16: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise UserError(f"loss {self.loss!r}: give {' or '.join(LOSSES)}")
        for name in ("gamma", "alpha", "learning_rate"):
            value = getattr(self, name)
            if not 0.0 <= value < float("inf"):
                raise UserError(f"{name.replace('_', ' ')} {value}: give a number from 0")

    @property
    def name(self) -> str:
        """Name in an ablation: `tokens=500, focal, oversampled x2`."""
        parts = [str(self.truncation), self.loss]
        if self.oversample > 1:
            parts.append(f"oversampled x{self.oversample}")
        return ", ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Return the recipe as a JSON-compatible dict."""
        return asdict(self) | {"truncation": str(self.truncation)}


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
    progress: Progress | None = None,
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
        Folder to save the judge in. Loss curve, recipe and checkpoint are saved in `training/`
        inside.
    template
        The prompt, for `hf`; None for the built-in one.
    device
        `cpu`, or `auto` for the GPUs that accelerate finds, if any.
    recompute
        True for gradient checkpointing.
    save_every
        Updates between checkpoints; 0 for no checkpoints.
    resume
        True to continue from the checkpoint in `folder`, if there is one.

    Returns
    -------
    `folder`.

    Raises
    ------
    UserError
        There are no pairs to train on, or only of one label; the folder holds something else, or
        another process is training there; or the model cannot be loaded.
    """
    import torch
    from accelerate import Accelerator, PartialState

    groups = _groups_to_train(pairs, recipe)
    found = find_model(model, revision)
    template = template or Template.read()
    record = {
        "model": model,
        "weights": found.weights,
        "kind": kind,
        "pairs": pairs.fingerprint,
        "template": asdict(template) if kind == "hf" else None,
        "recipe": recipe.as_dict(),
    }
    state = PartialState(cpu=device == "cpu")
    with _held(folder) if state.is_main_process else nullcontext():
        with state.main_process_first():  # it begins what the others then go on with
            start, curve = _begin(folder, record, resume or not state.is_main_process)
        precision = "bf16" if recipe.bf16 else "no"
        accelerator = Accelerator(mixed_precision=precision, cpu=device == "cpu")
        torch.manual_seed(recipe.seed)
        learner = _learner(kind, found.folder, groups, template, recipe, recompute)
        trainer = _Trainer(accelerator, learner, groups, recipe)
        updates = plan_updates(groups, recipe, grouped=learner.grouped)
        _make_updates(trainer, updates, folder / TRAINING, start, curve, save_every, progress)
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            _save(accelerator.unwrap_model(trainer.network), folder, record, recipe, curve)
        accelerator.wait_for_everyone()
        accelerator.free_memory()
    return folder


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Lock the folder of a judge that is trained, against other processes."""

    def taken(holder: str) -> UserError:
        return UserError(
            f"{folder}: another process{holder} is training this judge; wait for it, or choose "
            "another folder"
        )

    try:
        make_folders(folder.parent)
    except OSError as error:
        raise disk_error(error, folder) from None
    with locked(folder, taken):
        yield


def _groups_to_train(pairs: PairSet, recipe: Recipe) -> list[Group]:
    """Return the pairs of the train side, by problem; `UserError` without pairs of both labels."""
    groups = list(pairs.groups("train", pairs.choose(recipe.truncation)))
    labels = _labels(groups)
    if not len(labels) or labels.all() or not labels.any():
        raise UserError(
            f"{pairs.folder}: {len(labels)} pairs to train on, of {len(set(labels.tolist()))} "
            "label(s); make the pairs of more problems or with a smaller --test-share"
        )
    return groups


def _make_updates(
    trainer: _Trainer,
    updates: list[Ints],
    work: Path,
    start: int,
    curve: list[dict[str, float]],
    save_every: int,
    progress: Progress | None,
) -> None:
    """Make `updates`, the pairs of each, from number `start` on; add their losses to `curve`."""
    if start:
        trainer.accelerator.load_state(str(work / "checkpoint"))
    trainer.network.train()
    for number, chosen in enumerate(updates[start:], start):
        rate = speed(number, len(updates), trainer.recipe.warmup)
        value = trainer.update(number, chosen, rate)
        if not np.isfinite(value):
            raise UserError(
                f"the loss is not finite from update {number + 1} on; lower --learning-rate"
            )
        reached = trainer.optimizer.param_groups[0]["lr"]
        curve.append({"update": number + 1, "loss": value, "learning_rate": reached})
        if save_every and (number + 1) % save_every == 0 and number + 1 < len(updates):
            _checkpoint(trainer.accelerator, work, number + 1, curve)
        if progress is not None:
            progress(number + 1, len(updates), value)


class _Trainer:
    """A network and its optimizer, on as many processes as accelerate was started with."""

    def __init__(
        self, accelerator: Any, learner: Learner, groups: list[Group], recipe: Recipe
    ) -> None:
        import torch

        optimizer = torch.optim.AdamW(
            learner.parameter_groups(recipe.learning_rate), lr=0.0, weight_decay=recipe.weight_decay
        )
        self.accelerator = accelerator
        self.recipe = recipe
        self.network, self.optimizer = accelerator.prepare(learner, optimizer)
        self._labels = _labels(groups)
        self._owner = np.repeat(np.arange(len(groups)), [len(group.same) for group in groups])
        self._first = np.searchsorted(self._owner, np.arange(len(groups)))

    def update(self, number: int, chosen: Ints, rate: float) -> float:
        """Make an update over the pairs `chosen`, at a share `rate` of the peak learning rate.

        Returns the mean loss over the pairs, those of all processes together.
        """
        import torch

        accelerator = self.accelerator
        torch.manual_seed(_seed(self.recipe.seed, number, accelerator.process_index))
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * rate
        total = torch.zeros((), device=accelerator.device)
        parts = np.array_split(chosen, min(self.recipe.accumulate, len(chosen)))
        for index, part in enumerate(parts):
            mine = part[accelerator.process_index :: accelerator.num_processes]
            share = len(mine) / len(chosen)
            if not len(mine):  # every process has to take part in every pass
                mine = part[:1]
            waits = index < len(parts) - 1  # processes share gradients once an update
            with accelerator.no_sync(self.network) if waits else nullcontext():
                loss = self._mean_loss(mine) * share
                accelerator.backward(loss * accelerator.num_processes)
            total += loss.detach()
        accelerator.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return float(accelerator.reduce(total, reduction="sum"))

    def _mean_loss(self, pairs: Ints) -> Any:
        import torch

        rows = [(int(self._owner[at]), int(at - self._first[self._owner[at]])) for at in pairs]
        wanted = torch.tensor(self._labels[pairs], device=self.accelerator.device)
        with self.accelerator.autocast():
            logits = self.network(rows)
        return pair_loss(logits, wanted, self.recipe).mean()


def _labels(groups: Sequence[Group]) -> npt.NDArray[np.bool_]:
    """Return the labels of all pairs of all groups."""
    return np.concatenate([group.same for group in groups] or [np.zeros(0, dtype=bool)])


def pair_loss(logits: Any, labels: Any, recipe: Recipe) -> Any:
    """Compute the recipe's loss of each pair, shape (pairs,)."""
    gamma, alpha = (recipe.gamma, recipe.alpha) if recipe.loss == "focal" else (0.0, 1.0)
    return focal_loss(logits, labels, gamma, alpha)


def plan_updates(groups: list[Group], recipe: Recipe, *, grouped: bool) -> list[Ints]:
    """Return the pairs of each update, as numbers over all groups.

    They are shuffled again in each epoch. `grouped` keeps the pairs of a group together (groups are
    shuffled, and pairs within each). An update then has whole groups until it has at least `batch`
    pairs; only a group with twice as many pairs is divided.
    """
    labels = _labels(groups)
    pool = oversampled(labels, recipe.oversample)
    owner = np.repeat(np.arange(len(groups)), [len(group.same) for group in groups])
    updates = []
    for epoch in range(recipe.epochs):
        generator = np.random.default_rng([recipe.seed, epoch])
        order = generator.permutation(pool)
        ends = [len(order)]
        if grouped:
            rank = generator.permutation(len(groups))
            order = order[np.argsort(rank[owner[order]], kind="stable")]
            ends = [*(np.flatnonzero(np.diff(owner[order])) + 1).tolist(), len(order)]
        start = 0
        for end in ends:
            while end - start >= (2 * recipe.batch if grouped else recipe.batch):
                updates.append(order[start : start + recipe.batch])
                start += recipe.batch
            if end - start >= recipe.batch or (end == len(order) and end > start):
                updates.append(order[start:end])
                start = end
    return updates


def speed(update: int, updates: int, warmup: float) -> float:
    """Return the learning rate of an update as a share of its peak: linear up, then down."""
    rising = warmup * updates
    if update + 1 < rising:
        return (update + 1) / rising
    return min((updates - update) / max(updates - rising, 1.0), 1.0)


def _seed(seed: int, update: int, process: int) -> int:
    digest = hashlib.sha256(f"{seed}/{update}/{process}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


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


def _begin(
    folder: Path, record: dict[str, Any], resume: bool
) -> tuple[int, list[dict[str, float]]]:
    """Check the folder; return the number of updates done and their losses, for a resume."""
    work = folder / TRAINING
    file = work / "training.json"
    if (folder / JUDGE_FILE).exists():
        raise UserError(f"{folder}: holds a trained judge already; choose another folder")
    if file.exists():
        if not resume:
            raise UserError(
                f"{folder}: an unfinished training; go on with --resume, or choose another folder"
            )
        before = json.loads(file.read_text(encoding="utf-8"))
        changed = sorted(key for key in record if before.get(key) != record[key])
        if changed:
            raise UserError(
                f"{folder}: the training there has another {' and another '.join(changed)}; "
                "repeat its command, or choose another folder"
            )
        checkpoint = work / "checkpoint" / "progress.json"
        if not checkpoint.parent.exists() and (work / "checkpoint.old").exists():
            (work / "checkpoint.old").rename(checkpoint.parent)  # killed while they were swapped
        if not checkpoint.exists():
            return 0, []
        state = json.loads(checkpoint.read_text(encoding="utf-8"))
        return int(state["updates"]), list(state["curve"])
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder}: not empty, and not a judge's training; choose another folder")
    try:
        make_folders(work)
        file.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise disk_error(error, folder) from None
    return 0, []


def _checkpoint(accelerator: Any, work: Path, updates: int, curve: list[dict[str, float]]) -> None:
    """Save a checkpoint for `resume`; a complete one is on the disk at any time."""
    new, current, old = (work / name for name in ("checkpoint.new", "checkpoint", "checkpoint.old"))
    if accelerator.is_main_process:
        shutil.rmtree(new, ignore_errors=True)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(new))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        state = {"updates": updates, "curve": curve}
        (new / "progress.json").write_text(json.dumps(state), encoding="utf-8")
        shutil.rmtree(old, ignore_errors=True)
        if current.exists():
            current.rename(old)
        new.rename(current)
        shutil.rmtree(old, ignore_errors=True)
    accelerator.wait_for_everyone()


def _save(
    learner: Learner,
    folder: Path,
    record: dict[str, Any],
    recipe: Recipe,
    curve: list[dict[str, float]],
) -> None:
    """Save the model, the loss curve, and last `judge.json`, which marks the judge as complete."""
    import torch

    from judges.evaluation.plots import loss_plot

    work = folder / TRAINING
    try:
        learner.save(folder, torch.bfloat16 if recipe.bf16 else torch.float32)
        pd.DataFrame(curve).to_csv(work / "loss.csv", index=False, lineterminator="\n")
        (work / "loss.svg").write_bytes(loss_plot([row["loss"] for row in curve], recipe.name))
        asked = {
            "kind": record["kind"],
            "truncation": str(recipe.truncation),
            "template": record["template"],
        }
        (folder / JUDGE_FILE).write_text(
            json.dumps(asked, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        shutil.rmtree(work / "checkpoint", ignore_errors=True)
    except OSError as error:
        raise disk_error(error, folder) from None


def grid(
    recipe: Recipe,
    truncations: list[Truncation],
    losses: list[str],
    oversamples: list[int],
) -> list[Recipe]:
    """Return every combination, truncations outermost: the ablation of DeepPrune's Table 4."""
    return [
        replace(recipe, truncation=truncation, loss=loss, oversample=factor)
        for truncation in truncations
        for loss in losses
        for factor in oversamples
    ]
