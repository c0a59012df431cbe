"""Speed-up of judge `hf` by reading the common part of all pairs of a trace only once.

    python benchmarks/judge_speed.py [--tokens 500] [--traces 16] [--model FOLDER] [--device cpu]

Scores all pairs of one problem's traces with and without the shared cache, in turn in one process,
with a Qwen3 with random weights (or --model). Prints pairs per second of one core (on a GPU: per
second), best and median of several rounds; the least and median ratio of a round; and the largest
difference between the two probabilities of a pair.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import median

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np

from judges.kinds.hf import HfJudge
from judges.protocol import all_pairs

WORDS = ["wait", "so", "the", "sum", "of", "digits", "is", "seven", "thus", "we", "add", "one"]


def clock() -> float:
    """Return seconds: wall on a GPU; on a CPU those of all cores, which are less noisy."""
    import torch

    return time.perf_counter() if torch.cuda.is_available() else time.process_time()


def main() -> None:
    """Measure and print both variants."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=500, help="length of each prefix")
    parser.add_argument("--traces", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--model", help="folder of a model, instead of a random one")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        model = options.model or str(
            make_model(Path(scratch), options.layers, options.hidden, options.tokens)
        )
        judges = {
            share: HfJudge(model=model, share=share, device=options.device, dtype=options.dtype)
            for share in (False, True)
        }
        prefixes = make_prefixes(judges[True], options.traces, options.tokens)
        pairs = all_pairs(len(prefixes))
        seconds: dict[bool, list[float]] = {share: [] for share in judges}
        scores = {}
        for judge in judges.values():
            judge.score(prefixes, pairs[:2])  # loads the model
        for _ in range(options.rounds):
            for share, judge in judges.items():
                start = clock()
                scores[share] = judge.score(prefixes, pairs)
                seconds[share].append(clock() - start)
        lengths = judges[True].prefix_tokens(prefixes)
        print(
            f"{(judges[True].parameters or 0) / 1e6:.1f}M parameters, {judges[True].device}, "
            f"{judges[True].dtype_name}; {len(pairs)} pairs of prefixes of "
            f"{lengths.min()} to {lengths.max()} tokens, template {judges[True].template_tokens}"
        )
        for share, name in ((False, "without sharing"), (True, "shared cache")):
            best, middle = (len(pairs) / of(seconds[share]) for of in (min, median))
            print(f"{name:20} {best:8.1f} {middle:8.1f} pairs/s")
        ratios = [alone / shared for alone, shared in zip(*seconds.values(), strict=True)]
        print(f"ratio: least {min(ratios):.2f}, median {median(ratios):.2f}")
        print(f"ratio judge-shared {1 / median(ratios):.3f}")
        print(f"largest difference {np.abs(scores[True] - scores[False]).max():.1e}")


def make_prefixes(judge: HfJudge, traces: int, tokens: int) -> list[str]:
    """Make texts of about `tokens` of the judge's tokens."""
    generator = np.random.default_rng(0)
    prefixes = []
    for _ in range(traces):
        text = " ".join(generator.choice(WORDS, size=2 * tokens))
        ids = judge.prompter.tokens([text])[0][:tokens]
        prefixes.append(judge.prompter.tokenizer.decode(ids))
    return prefixes


def make_model(folder: Path, layers: int, hidden: int, tokens: int) -> Path:
    """Make a Qwen3 with random weights and a byte-level BPE tokenizer."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=2000, initial_alphabet=alphabet, special_tokens=["<|end|>"], show_progress=False
    )
    inner.train_from_iterator(["Yes", "No", " ".join(WORDS)] * 20, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|end|>")
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=3 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        num_key_value_heads=max(1, hidden // 128),
        head_dim=64,
        max_position_embeddings=4 * tokens + 1000,
        initializer_range=0.05,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)
    return folder


if __name__ == "__main__":
    main()
