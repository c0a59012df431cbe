"""Judge `hf`: a causal language model in transformers, prompted for one of two labels.

P(same) is the probability of the label for "same" as the token after the prompt, normalized over
the two labels.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from judges.kinds.causal import DEFAULT_MODEL, CausalJudge, check_context, not_numbers
from judges.prefixes import Truncation
from judges.protocol import Floats, Ints, Reads
from simulator.errors import UserError, one_line

if TYPE_CHECKING:
    import torch

IN_PARTS = "sdpa_in_parts"
"""Name under which `read_tails_faster` registers its attention in transformers."""

PART = 200
"""Number of tokens after a shared cache whose attention is computed at a time."""


class HfJudge(CausalJudge):
    """A causal language model as a judge. The model is loaded on first use.

    Parameters
    ----------
    model, revision, prompt, same, different, system, tokenized, truncation, other_cut
        As for `judges.kinds.causal.CausalJudge`.
    device
        `cpu`, `cuda`, `cuda:1`; `auto` selects a GPU if there is one.
    dtype
        `float32`, `bfloat16`; `auto` selects bfloat16 on a GPU.
    batch_tokens
        Largest number of tokens in memory at once, including padding.
    share
        True to read the common part of all pairs of a trace A only once. The probabilities are the
        same except for rounding. Models whose cache holds more than keys and values (linear
        attention, Mamba) always read each pair separately, and so do prompts that are tokenized as
        a whole; give false, so that it is counted.

    Raises
    ------
    UserError
        On first use: the model cannot be found or loaded, a label is not a single token, the
        template lacks a field, or a prompt is longer than the model's context.
    """

    kind = "hf"

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        revision: str | None = None,
        prompt: str | None = None,
        same: str | None = None,
        different: str | None = None,
        system: str | None = None,
        tokenized: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        batch_tokens: int = 16_384,
        share: bool = True,
        truncation: Truncation | None = None,
        other_cut: bool = False,
    ) -> None:
        if batch_tokens < 1:
            raise UserError(f"judge hf: batch_tokens={batch_tokens}; at least 1")
        super().__init__(
            model, revision, prompt, same, different, system, tokenized, truncation, other_cut
        )
        self._device, self._dtype = device, dtype
        self.batch_tokens = batch_tokens
        self.share = share

    @cached_property
    def dtype_name(self) -> str:
        """Number format that scores are computed in."""
        if self._dtype not in ("auto", "float32", "bfloat16"):
            raise UserError(f"judge hf: dtype={self._dtype}; give float32, bfloat16 or auto")
        if self._dtype != "auto":
            return self._dtype
        return "bfloat16" if self.device.startswith("cuda") else "float32"

    @property
    def reads(self) -> Reads:
        """Way in which the judge reads pairs."""
        whole = self.template.tokenized == "whole"
        return "pairs, shared in a call" if self.share and not whole else "pairs"

    @cached_property
    def device(self) -> str:
        """Device that the model runs on."""
        return choose_device(self._device)

    @cached_property
    def model(self) -> Any:
        """The loaded model."""
        import torch

        model = load_causal_model(self.folder, getattr(torch, self.dtype_name))
        read_tails_faster(model)
        return model.to(self.device).eval()

    def score(self, prefixes: Sequence[str], pairs: Ints, question: str | None = None) -> Floats:
        import torch

        prompter = self.prompter.about(question, self.model_name)
        tokens = prompter.tokens(prefixes)
        longest = prompter.longest(prefixes, tokens, pairs)
        check_context(context_of(self.model), longest, prompter.template_tokens, self.model_name)
        scores = np.empty(len(pairs))
        partners: dict[int, list[int]] = {}
        for row, first in enumerate(pairs[:, 0].tolist()):
            partners.setdefault(first, []).append(row)
        alone: list[int] = []
        share = self.share and not prompter.whole
        with torch.inference_mode():
            for first, rows in partners.items():
                head = prompter.head(tokens[first])
                held = self._read(head) if share and len(rows) > 1 else None
                if held is None:
                    share = share and len(rows) < 2  # if impossible once, it is not tried again
                    alone += rows
                    continue
                tails = {row: prompter.tail(tokens[pairs[row, 1]]) for row in rows}
                for batch in batches(tails, self.batch_tokens, len(head)):
                    cache = copy.deepcopy(held)  # the batch writes into it
                    cache.batch_repeat_interleave(len(batch))
                    scores[batch] = self._chances([tails[row] for row in batch], cache, len(head))
            prompts = dict(
                zip(alone, prompter.prompts(prefixes, tokens, pairs[alone]), strict=True)
            )
            for batch in batches(prompts, self.batch_tokens):
                scores[batch] = self._chances([prompts[row] for row in batch])
        return scores

    def _chances(self, rows: list[list[int]], cache: Any = None, seen: int = 0) -> Floats:
        """Compute P(same) after each row of tokens, which follow `seen` tokens in `cache`."""
        import torch

        logits = last_logits(self.model, rows, self.device, cache, seen)
        chosen = logits[:, list(self.prompter.labels)].double()
        if not torch.isfinite(chosen).all():
            raise UserError(not_numbers(self.model_name, "logits", self.dtype_name))
        chances: Floats = torch.softmax(chosen, dim=-1)[:, 1].cpu().numpy()
        return chances

    def _read(self, head: list[int]) -> Any:
        """Compute the cache of a row of tokens; None if the model's cache cannot be repeated."""
        import torch

        ids = torch.tensor([head], device=self.device)
        last_only = {"logits_to_keep": 1} if _takes(self.model, "logits_to_keep") else {}
        read = self.model(input_ids=ids, use_cache=True, **last_only)
        cache = getattr(read, _cache_name(self.model), None)
        layers = getattr(cache, "layers", [None])
        repeats = all(hasattr(layer, "batch_repeat_interleave") for layer in layers)
        return cache if repeats else None


def last_logits(
    model: Any, rows: Sequence[Sequence[int]], device: Any, cache: Any = None, seen: int = 0
) -> torch.Tensor:
    """Compute the logits of the token after each row, shape (rows, vocabulary).

    Rows are padded on the right. In a causal model, tokens do not attend to later ones, so no mask
    is needed and positions stay the same.
    """
    import torch

    lengths = torch.tensor([len(row) for row in rows], device=device)
    width = max(len(row) for row in rows)
    ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows], device=device)
    ends, which = torch.unique(lengths - 1, return_inverse=True)
    keep = {"logits_to_keep": ends} if _takes(model, "logits_to_keep") else {}
    past: dict[str, Any] = {"use_cache": False}
    if cache is not None:
        positions = torch.arange(seen, seen + width, device=device)
        past = {
            _cache_name(model): cache,
            "use_cache": True,
            "position_ids": positions.expand(len(rows), -1),
        }
    logits = model(input_ids=ids, **past, **keep).logits
    column = which if keep else lengths - 1
    chosen: torch.Tensor = logits[torch.arange(len(rows), device=device), column]
    return chosen


def _cache_name(model: Any) -> str:
    """Return what a model calls its cache, as argument and in its output.

    `past_key_values` before transformers 5.24, which vLLM still needs, and `cache` from then on.
    """
    return "cache" if _takes(model, "cache") else "past_key_values"


def _takes(model: Any, argument: str) -> bool:
    """Check whether a model has this argument; with `logits_to_keep` it needs far less memory."""
    return argument in inspect.signature(getattr(model, "forward", model)).parameters


def batches(rows: dict[int, list[int]], tokens: int, seen: int = 0) -> Iterator[list[int]]:
    """Yield batches of keys of rows of similar length, of at most `tokens` with padding.

    Each row counts `seen` further tokens, which are cached. A row that is too long is a batch of
    its own.
    """
    batch: list[int] = []
    for key in sorted(rows, key=lambda key: (len(rows[key]), key)):
        if batch and (len(batch) + 1) * (seen + len(rows[key])) > tokens:
            yield batch
            batch = []
        batch.append(key)
    if batch:
        yield batch


def context_of(model: Any) -> int | None:
    """Return the most tokens that a model reads at once; None if its configuration has no limit."""
    return getattr(model.config, "max_position_embeddings", None)


def read_tails_faster(model: Any) -> None:
    """Make a model's attention cheaper for rows that continue a shared cache.

    For these, transformers makes one mask per row, which PyTorch converts to numbers in every
    layer, and computes attention of every new token to all others, including masked ones. Here,
    rows are padded on the right and never masked, so one mask serves all rows. Attention is
    computed for a part of the tokens at a time, to the tokens up to its end. The probabilities are
    the same except for rounding.
    """
    from transformers import AttentionInterface, AttentionMaskInterface

    if model.config._attn_implementation != "sdpa" or not model._can_set_attn_implementation():
        return
    attend, mask = AttentionInterface()["sdpa"], AttentionMaskInterface()["sdpa"]

    def one_mask(batch_size: int, *given: Any, **named: Any) -> Any:
        return mask(1, *given, **named)

    def in_parts(
        module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **named: Any
    ) -> Any:
        import torch

        if attention_mask is None or named.get("position_bias") is not None:
            return attend(module, query, key, value, attention_mask, **named)
        new, seen = query.shape[2], key.shape[2] - query.shape[2]
        read = []
        for begin in range(0, new, PART):
            end = min(begin + PART, new)
            known = seen + end
            part = query[:, :, begin:end], key[:, :, :known], value[:, :, :known]
            read.append(attend(module, *part, attention_mask[:, :, begin:end, :known], **named)[0])
        return torch.cat(read, dim=1), None

    AttentionInterface.register(IN_PARTS, in_parts)
    AttentionMaskInterface.register(IN_PARTS, one_mask)
    model.set_attn_implementation(IN_PARTS)


def choose_device(device: str) -> str:
    """Resolve a device name; `auto` is a GPU if there is one.

    Raises
    ------
    UserError
        The device is not available.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"device={device}: cannot be used on this machine ({reason})") from None
    return device


def load_causal_model(folder: Path, dtype: Any) -> Any:
    """Load a causal language model.

    Raises
    ------
    UserError
        The model is of another kind, or its files are damaged.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{folder}: not a causal language model ({one_line(error)})") from None
