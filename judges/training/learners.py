"""Trainable models: pairs in, logits for different and same out. Imports torch."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from judges.kinds.causal import check_context, load_tokenizer
from judges.kinds.embedding import HEAD_FILE, embed, load_encoder, make_head, pair_features
from judges.kinds.hf import context_of, last_logits, load_causal_model
from judges.kinds.prompting import Template, make_prompter
from judges.pairs.pair_sets import Group
from simulator.errors import UserError

Rows = Sequence[tuple[int, int]]
"""Examples: the number of the group, and of the pair in it."""


class CausalLearner(nn.Module):  # type: ignore[misc]
    """A causal language model that learns to answer the prompt with one of two labels.

    Parameters
    ----------
    folder
        The model to train.
    groups
        The pairs to train on.
    template
        The prompt.
    lora
        Rank of low-rank adapters on all linear layers; only these are then trained. 0 trains every
        weight.
    bf16
        True to keep frozen weights in bfloat16. Trained weights never are, because rounding would
        lose their updates.
    recompute
        True to recompute activations in the backward pass, which takes a third more time and much
        less memory.
    """

    grouped = False

    def __init__(
        self,
        folder: Path,
        groups: Sequence[Group],
        template: Template,
        *,
        lora: int = 0,
        bf16: bool = False,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        self.tokenizer = load_tokenizer(folder)
        self.prompter = make_prompter(template, self.tokenizer, str(folder))
        dtype = torch.bfloat16 if lora and bf16 else torch.float32
        self.model = load_causal_model(folder, dtype)
        if recompute:
            self.model.activation_checkpointing_enable({"use_reentrant": False})
        if lora:
            from peft import LoraConfig, TaskType, get_peft_model

            config = LoraConfig(
                r=lora,
                lora_alpha=2 * lora,
                target_modules="all-linear",
                task_type=TaskType.CAUSAL_LM,
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # peft uses a deprecated name
                self.model = get_peft_model(self.model, config)
            self.model.enable_input_require_grads()
        self.lora = lora
        self.groups = groups
        context, name = context_of(self.model), str(folder)
        self.read = []  # of each group: its prompter, and the tokens of its prefixes
        for group in groups:
            prompter = self.prompter.about(group.question, name)
            tokens = prompter.tokens(group.prefixes)
            longest = prompter.longest(group.prefixes, tokens, group.pairs)
            check_context(context, longest, prompter.template_tokens, name)
            self.read.append((prompter, tokens))

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return the trained parameters with their peak learning rate, for the optimizer."""
        trained = [each for each in self.parameters() if each.requires_grad]
        return [{"params": trained, "peak": learning_rate}]

    def forward(self, rows: Rows) -> torch.Tensor:
        """Compute the logits of different and same, shape (rows, 2)."""
        prompts = []
        for at, pair in rows:
            group, (prompter, tokens) = self.groups[at], self.read[at]
            prompts += prompter.prompts(group.prefixes, tokens, group.pairs[pair : pair + 1])
        device = next(self.model.parameters()).device
        return last_logits(self.model, prompts, device)[:, list(self.prompter.labels)]

    def save(self, folder: Path, dtype: torch.dtype) -> None:
        """Save the model with its tokenizer; adapters are merged into the weights."""
        model = self.model.merge_and_unload() if self.lora else self.model
        model.to(dtype).save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


class EncoderLearner(nn.Module):  # type: ignore[misc]
    """A sentence encoder that is trained together with a head over pairs of embeddings."""

    grouped = True
    """Grouping of a problem's pairs, so that its traces are embedded once for all of them."""

    HEAD_SPEED = 50.0
    """Factor on the learning rate of the head, which starts from random weights."""

    def __init__(self, folder: Path, groups: Sequence[Group], *, lora: int = 0) -> None:
        super().__init__()
        if lora:
            raise UserError("LoRA is for causal language models; remove --lora for an encoder")
        self.encoder = load_encoder(folder, "cpu")
        self.head = make_head(self.encoder.get_embedding_dimension())
        self.pairs = [group.pairs for group in groups]
        self.prefixes = [group.prefixes for group in groups]

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return the trained parameters with their peak learning rates, for the optimizer."""
        return [
            {"params": list(self.encoder.parameters()), "peak": learning_rate},
            {"params": list(self.head.parameters()), "peak": self.HEAD_SPEED * learning_rate},
        ]

    def forward(self, rows: Rows) -> torch.Tensor:
        """Compute the logits of different and same, shape (rows, 2)."""
        index: dict[tuple[int, int], int] = {}
        places = []
        for group, pair in rows:
            for trace in self.pairs[group][pair].tolist():
                places.append(index.setdefault((group, trace), len(index)))
        vectors = embed(self.encoder, [self.prefixes[group][trace] for group, trace in index])
        both = vectors[torch.tensor(places, device=vectors.device)]
        logits: torch.Tensor = self.head(pair_features(both[0::2], both[1::2]))
        return logits

    def save(self, folder: Path, dtype: torch.dtype) -> None:
        """Save the encoder in the format of sentence-transformers, and the head beside it."""
        from safetensors.torch import save_file

        self.encoder.to(torch.float32).save(str(folder), create_model_card=False)
        weights = {key: value.float().cpu() for key, value in self.head.state_dict().items()}
        save_file(weights, folder / HEAD_FILE)


Learner = CausalLearner | EncoderLearner
