"""CPU time of judge `embedding`: batches of few tokens, bfloat16, and the cache of embeddings.

    python benchmarks/embedding_speed.py [--problems 45] [--traces 16] [--tokens 500]
        [--rounds 1] [--model FOLDER]

Embeds the prefixes of all problems, in turn in one process: as plain batches of 32 in the order of
arrival, by the judge in float32, and by the judge in bfloat16. Then one problem's pairs are scored
in calls of 20, as a replay asks for them, with and without the cache. Without --model, the encoder
has the shape of all-MiniLM-L6-v2 and random weights. Prints seconds of CPU time, the least of the
rounds, their ratios to plain batches, and the largest difference of a cosine.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np

from judges.kinds.embedding import EmbeddingJudge, chunks, embed
from judges.protocol import all_pairs

WORDS = ["wait", "so", "the", "sum", "of", "digits", "is", "seven", "thus", "we", "add", "one"]

PLAIN_BATCH = 32
"""Default of sentence-transformers."""

CALL_PAIRS = 20


def main() -> None:
    """Measure and print all variants."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=45)
    parser.add_argument("--traces", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=500, help="mean length of a prefix")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--model", help="folder of an encoder, instead of a random one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        model = options.model or str(make_encoder(Path(scratch)))
        judges = {
            dtype: EmbeddingJudge(model=model, device="cpu", dtype=dtype)
            for dtype in ("float32", "bfloat16")
        }
        full, half = (judge.encoder for judge in judges.values())
        problems = make_problems(options.problems, options.traces, options.tokens)
        together = [text for texts in problems for text in texts]
        print(
            f"{len(together)} prefixes of {judges['float32'].prefix_tokens(together).mean():.0f} "
            f"tokens on average, {options.traces} a problem"
        )
        variants: dict[str, Callable[[], list[Any]]] = {
            "plain batches": lambda: [plain(full, together)],
            "judge, float32": lambda: [embed(full, texts) for texts in problems],
            "judge, bfloat16": lambda: [embed(half, texts) for texts in problems],
        }
        batches = compare(variants, options.rounds)
        texts = problems[0]
        judge = judges["float32"]
        calls: dict[str, Callable[[], list[Any]]] = {
            "calls without cache": lambda: replayed(judge, texts, keep=False),
            "calls with cache": lambda: replayed(judge, texts, keep=True),
        }
        cached = compare(calls, options.rounds)
        for name, ratio in (("batches", batches), ("calls", cached)):
            print(f"ratio embedding-{name} {ratio:.3f}")


def compare(variants: dict[str, Callable[[], list[Any]]], rounds: int) -> float:
    """Run the variants in turn; print the least CPU seconds of each, and how results differ.

    Returns the time of the second relative to that of the first.
    """
    import torch

    seconds: dict[str, list[float]] = {name: [] for name in variants}
    found = {}
    with torch.inference_mode():
        for _ in range(rounds):
            for name, variant in variants.items():
                start = time.process_time()
                found[name] = torch.cat(variant()).float()
                seconds[name].append(time.process_time() - start)
    first, *_ = variants
    for name in variants:
        ratio = min(seconds[first]) / min(seconds[name])
        differs = cosines(found[name]) - cosines(found[first])
        print(f"{name:20} {min(seconds[name]):7.1f} s {ratio:6.2f} {differs.abs().max():9.1e}")
    one, other, *_ = (min(each) for each in seconds.values())
    return other / one


def cosines(found: Any) -> Any:
    """Return the cosines of all embeddings, or scores as they are."""
    return found if found.ndim == 1 else found @ found.T


def plain(encoder: Any, texts: list[str]) -> Any:
    """Embed texts in padded batches of one size, in the order of arrival."""
    import torch

    rows = [(at, ids) for at, each in enumerate(chunks(encoder, texts)) for ids in each]
    total = torch.zeros(len(texts), encoder.get_embedding_dimension())
    for start in range(0, len(rows), PLAIN_BATCH):
        batch = rows[start : start + PLAIN_BATCH]
        padded = encoder.tokenizer.pad(
            {"input_ids": [ids for _, ids in batch]}, return_tensors="pt"
        )
        for (at, ids), vector in zip(
            batch, encoder(dict(padded))["sentence_embedding"], strict=True
        ):
            total[at] += len(ids) * vector
    return torch.nn.functional.normalize(total, dim=1)


def replayed(judge: EmbeddingJudge, texts: list[str], *, keep: bool) -> list[Any]:
    """Score all pairs of the texts in calls, with no embedding known before."""
    import torch

    pairs, scores = all_pairs(len(texts)), []
    judge._known.clear()
    for start in range(0, len(pairs), CALL_PAIRS):
        scores.append(torch.from_numpy(judge.score(texts, pairs[start : start + CALL_PAIRS])))
        if not keep:
            judge._known.clear()
    return scores


def make_problems(problems: int, traces: int, tokens: int) -> list[list[str]]:
    """Make texts of words that are one token each, three quarters to five quarters of `tokens`."""
    generator = np.random.default_rng(0)
    return [
        [
            " ".join(generator.choice(WORDS, size=length))
            for length in generator.integers(tokens * 3 // 4, tokens * 5 // 4, traces)
        ]
        for _ in range(problems)
    ]


def make_encoder(folder: Path) -> Path:
    """Make a sentence encoder of the shape of all-MiniLM-L6-v2 with random weights."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(0)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
        max_position_embeddings=512,
    )
    base = folder / "base"
    BertModel(config).save_pretrained(base)
    BertTokenizerFast({token: index for index, token in enumerate(vocabulary)}).save_pretrained(
        base
    )
    whole = folder / "encoder"
    SentenceTransformer(modules=[Transformer(str(base)), Pooling(384)], device="cpu").save(
        str(whole)
    )
    return whole


if __name__ == "__main__":
    main()
