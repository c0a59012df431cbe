"""Judge `embedding`: similarity of two prefixes in a sentence encoder's space.

P(same) is the cosine similarity, or 0 if it is negative: the baseline of DeepPrune
(arXiv 2510.08483, section 3.2). With a head from `judge train`, it is the head's probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from judges.kinds.hf import batches, choose_device
from judges.kinds.models import ModelJudge
from judges.prefixes import Truncation
from judges.protocol import NO_QUESTION, Floats, Identity, Ints, QuestionTokens, Reads
from simulator.errors import UserError, one_line

if TYPE_CHECKING:
    import torch

DEFAULT_MODEL = "all-MiniLM-L6-v2"

HEAD_FILE = "pair_head.safetensors"

BATCH_TOKENS = {"cpu": 2_048, "cuda": 65_536}
"""Tokens that are encoded at once, including padding. A CPU is twice as fast with few tokens, which
stay in its caches."""

KEPT = 8_192
"""Embeddings that are kept: a replay asks for the pairs of a problem's traces in many calls."""


class EmbeddingJudge(ModelJudge):
    """A sentence encoder as a judge. The model is loaded on first use.

    Parameters
    ----------
    model, revision
        A folder in the format of sentence-transformers, or a repository of the Hugging Face hub and
        a commit, branch or tag of it, as for `judges.kinds.causal.CausalJudge`.
    device
        As for `judges.kinds.hf.HfJudge`.
    dtype
        `float32`, or `bfloat16`: twice as fast on processors that compute in it, and scores differ
        by some thousandths.
    head
        `auto` uses the pair head that the model was trained with, if it has one; `none` uses the
        cosine.
    truncation
        The truncation of traces; None selects the one that the model was trained with, else 700
        tokens.
    other_cut
        True to allow another truncation than the one that the model was trained with.
    """

    trained_as = "embedding"
    default_truncation = Truncation("tokens", 700)
    """Truncation of the published baseline."""

    reads: Reads = "prefixes"
    template_tokens = 0
    tail_tokens = 0

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        revision: str | None = None,
        device: str = "auto",
        head: str = "auto",
        dtype: str = "float32",
        truncation: Truncation | None = None,
        other_cut: bool = False,
    ) -> None:
        if head not in ("auto", "none"):
            raise UserError(f"judge embedding: head={head}; give auto or none")
        if dtype not in ("float32", "bfloat16"):
            raise UserError(f"judge embedding: dtype={dtype}; give float32 or bfloat16")
        super().__init__(model, revision, truncation, other_cut)
        self.dtype_name = dtype
        self.has_head = head == "auto" and (self.folder / HEAD_FILE).exists()
        self._device = device

    @property
    def identity(self) -> Identity:
        return Identity(
            name=f"embedding-{Path(self.model_name).name}",
            weights=self._weights,
            truncation=self.truncation,
            settings=(
                *((("dtype", self.dtype_name),) if self.dtype_name != "float32" else ()),
                ("head", self.has_head),
            ),
        )

    @cached_property
    def encoder(self) -> Any:
        """The loaded model."""
        import torch

        encoder = load_encoder(self.folder, choose_device(self._device)).eval()
        return encoder.to(getattr(torch, self.dtype_name))

    @cached_property
    def head(self) -> Any:
        """The loaded pair head."""
        from safetensors.torch import load_file

        head = make_head(self.encoder.get_embedding_dimension())
        try:
            head.load_state_dict(load_file(self.folder / HEAD_FILE))
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"{self.folder / HEAD_FILE}: cannot be loaded ({one_line(error)})"
            ) from None
        return head.to(self.encoder.device).eval()

    def prefix_tokens(self, prefixes: Sequence[str]) -> Ints:
        return np.array([sum(map(len, each)) for each in chunks(self.encoder, prefixes)])

    def question_tokens(self, question: str | None) -> QuestionTokens:
        return NO_QUESTION

    def score(self, prefixes: Sequence[str], pairs: Ints, question: str | None = None) -> Floats:
        import torch

        used, index = np.unique(pairs, return_inverse=True)
        index = index.reshape(pairs.shape)
        scores = np.empty(len(pairs))
        if not len(pairs):
            return scores
        texts = [prefixes[each] for each in used.tolist()]
        with torch.inference_mode():
            vectors = self._vectors(texts)
            first, second = vectors[index[:, 0]], vectors[index[:, 1]]
            if self.has_head:
                logits = self.head(pair_features(first, second)).double()
                scores[:] = torch.softmax(logits, dim=-1)[:, 1].cpu().numpy()
            else:
                cosine = torch.nn.functional.cosine_similarity(first.double(), second.double())
                scores[:] = cosine.clamp(0.0, 1.0).cpu().numpy()
        if not np.isfinite(scores).all():
            raise UserError(f"{self.model_name}: gives NaN; its weights are damaged")
        return scores

    @cached_property
    def _known(self) -> dict[str, torch.Tensor]:
        """Embeddings of texts that were asked for before."""
        return {}

    def _vectors(self, texts: Sequence[str]) -> torch.Tensor:
        """Return the embedding of each text, computing those that are not known."""
        import torch

        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        if missing:
            if len(self._known) + len(missing) > KEPT:
                self._known.clear()
                missing = [*dict.fromkeys(texts)]
            self._known.update(zip(missing, embed(self.encoder, missing).float(), strict=True))
        return torch.stack([self._known[text] for text in texts])


def load_encoder(folder: Path, device: str) -> Any:
    """Load a sentence encoder that reads as many tokens at once as it has positions.

    By default, sentence-transformers silently truncates at the limit that a model's authors set,
    256 for all-MiniLM-L6-v2. Dropout of attention weights is disabled in training: with it, torch
    stores every weight, which takes most of the memory and half of the time.

    Raises
    ------
    UserError
        The folder has no sentence encoder, or no tokenizer.
    """
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    if not any(folder.glob("tokenizer*")):
        raise UserError(
            f"{folder}: no tokenizer here (tokenizer.json); copy that of its base model"
        )
    try:
        encoder = SentenceTransformer(
            str(folder),
            device=device,
            local_files_only=True,
            config_kwargs={"attention_probs_dropout_prob": 0.0},
        )
        encoder.max_seq_length = encoder[0].auto_model.config.max_position_embeddings
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError) as error:
        raise UserError(f"{folder}: not a sentence encoder ({one_line(error)})") from None
    return encoder


def chunks(encoder: Any, texts: Sequence[str]) -> list[list[list[int]]]:
    """Split the token ids of each text in pieces that fit the encoder, including special tokens."""
    if not texts:
        return []
    encoded = encoder.tokenizer(
        list(texts),
        truncation=True,
        max_length=encoder.max_seq_length,
        return_overflowing_tokens=True,
    )
    pieces: list[list[list[int]]] = [[] for _ in texts]
    for owner, ids in zip(encoded["overflow_to_sample_mapping"], encoded["input_ids"], strict=True):
        pieces[owner].append(ids)
    return pieces


def embed(encoder: Any, texts: Sequence[str]) -> torch.Tensor:
    """Compute the embedding of each text, shape (texts, dimensions), normalized to length 1.

    The embedding of a text in several pieces is their mean, weighted by tokens.
    """
    import torch

    pieces = chunks(encoder, texts)
    rows = [(owner, ids) for owner, each in enumerate(pieces) for ids in each]
    at_once = BATCH_TOKENS.get(encoder.device.type, BATCH_TOKENS["cpu"])
    parts, owners, weights = [], [], []
    for keys in batches({key: ids for key, (_, ids) in enumerate(rows)}, at_once):
        batch = [rows[key] for key in keys]
        padded = encoder.tokenizer.pad(
            {"input_ids": [ids for _, ids in batch]}, return_tensors="pt"
        ).to(encoder.device)
        parts.append(encoder(dict(padded))["sentence_embedding"])
        owners += [owner for owner, _ in batch]
        weights += [len(ids) for _, ids in batch]
    found = torch.cat(parts)
    scaled = found * torch.tensor(weights, device=found.device, dtype=found.dtype).unsqueeze(1)
    total = torch.zeros(len(texts), found.shape[1], device=found.device, dtype=found.dtype)
    total = total.index_add(0, torch.tensor(owners, device=found.device), scaled)
    return torch.nn.functional.normalize(total, dim=1)


def pair_features(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Compute a pair head's input from two embeddings: |u − v| and u · v, which are symmetric."""
    import torch

    return torch.cat([(first - second).abs(), first * second], dim=-1)


def make_head(dimensions: int) -> torch.nn.Sequential:
    """Make a pair head for embeddings of this size: one hidden layer, logits different and same."""
    from torch import nn

    return nn.Sequential(nn.Linear(2 * dimensions, dimensions), nn.GELU(), nn.Linear(dimensions, 2))
