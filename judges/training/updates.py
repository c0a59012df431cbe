"""Updates of a training: which pairs each has, how fast it is, and how it is made."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from judges.pairs.pair_sets import Group
from judges.protocol import Floats, Ints
from judges.training.held_out import labels_of
from judges.training.losses import class_weights, oversampled, pair_loss, repeated_label
from judges.training.recipe import Recipe
from simulator.storage import disk_error

if TYPE_CHECKING:
    from judges.training.learners import Learner


class Trainer:
    """A network, its optimizer and its updates, on all processes that accelerate has started."""

    def __init__(
        self,
        accelerator: Any,
        learner: Learner,
        groups: list[Group],
        recipe: Recipe,
    ) -> None:
        import torch

        optimizer = torch.optim.AdamW(
            learner.parameter_groups(recipe.learning_rate), lr=0.0, weight_decay=recipe.weight_decay
        )
        self.accelerator = accelerator
        self.recipe = recipe
        self.network, self.optimizer = accelerator.prepare(learner, optimizer)
        self._labels = labels_of(groups)
        self.updates = plan_updates(groups, recipe, grouped=learner.grouped)
        every = np.concatenate(self.updates)
        epoch = every[: len(every) // recipe.epochs]
        self._weights = class_weights(self._labels[epoch], recipe)
        self._groups = len(groups)
        self._owner = np.repeat(np.arange(len(groups)), [len(group.same) for group in groups])
        self._first = np.searchsorted(self._owner, np.arange(len(groups)))

    def update(self, number: int, chosen: Ints, rate: float) -> float:
        """Make an update over the pairs `chosen`, at a share `rate` of the peak learning rate.

        Returns the mean loss over the pairs, those of all processes together; NaN instead of an
        update if the loss or its gradient is not finite.
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
        norm = accelerator.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        if not np.isfinite(float(norm)):
            return float("nan")
        self.optimizer.step()
        self.optimizer.zero_grad()
        return float(accelerator.reduce(total, reduction="sum"))

    def chances(self, held_out: Sequence[Group]) -> list[Floats]:
        """Compute P(same) of the pairs of held-out groups, which follow those to train on.

        Each process computes a part of the groups.
        """
        import torch
        from accelerate.utils import gather_object

        accelerator = self.accelerator
        # By itself: processes that compute different numbers of batches must not wait for others.
        network = accelerator.unwrap_model(self.network)
        network.eval()
        mine = []
        for at in range(accelerator.process_index, len(held_out), accelerator.num_processes):
            pairs = len(held_out[at].same)
            size = pairs if network.grouped else -(-self.recipe.batch // self.recipe.accumulate)
            found = []
            for start in range(0, pairs, size):
                rows = [
                    (self._groups + at, pair) for pair in range(start, min(start + size, pairs))
                ]
                with torch.no_grad(), accelerator.autocast():
                    logits = network(rows)
                found += torch.softmax(logits.double(), dim=-1)[:, 1].tolist()
            mine.append((at, found))
        network.train()
        return [np.array(found) for _, found in sorted(gather_object(mine))]

    def store(self, file: Path) -> None:
        """Write the trained weights to a file, in the main process."""
        from safetensors.torch import save_file

        if self.accelerator.is_main_process:
            weights = {name: each.detach().cpu().contiguous() for name, each in self._trained()}
            try:
                save_file(weights, file)
            except OSError as error:
                raise disk_error(error, file) from None

    def load(self, file: Path) -> None:
        """Read the trained weights from a file that `store` wrote."""
        import torch
        from safetensors.torch import load_file

        weights = load_file(file)
        with torch.no_grad():
            for name, each in self._trained():
                each.copy_(weights[name])

    def _trained(self) -> list[tuple[str, Any]]:
        named = self.accelerator.unwrap_model(self.network).named_parameters()
        return [(name, each) for name, each in named if each.requires_grad]

    def _mean_loss(self, pairs: Ints) -> Any:
        import torch

        rows = [(int(self._owner[at]), int(at - self._first[self._owner[at]])) for at in pairs]
        wanted = torch.tensor(self._labels[pairs], device=self.accelerator.device)
        with self.accelerator.autocast():
            logits = self.network(rows)
        return pair_loss(logits, wanted, self.recipe, self._weights).mean()


def plan_updates(groups: list[Group], recipe: Recipe, *, grouped: bool) -> list[Ints]:
    """Return the pairs of each update, as numbers over all groups.

    They are shuffled again in each epoch. `grouped` keeps the pairs of a group together (groups are
    shuffled, and pairs within each). An update then has whole groups until it has at least `batch`
    pairs; only a group with twice as many pairs is divided.
    """
    labels = labels_of(groups)
    repeated = repeated_label(labels, recipe)
    pool = oversampled(labels, recipe.oversample if repeated else 1, repeated == "same")
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
