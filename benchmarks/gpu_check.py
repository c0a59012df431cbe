"""Judge `hf` and training on a GPU, at the shapes of Qwen3-4B and Qwen3-0.6B with random weights.

    python benchmarks/gpu_check.py [--tiny] [--minutes 8]

Needs torch, transformers and a checkout of this project: no download, no installation. A 4B model
in bfloat16 scores all pairs of prefixes of 700 tokens, each pair by itself and with the shared
cache; its scores are compared with those in float32 (16 GB of weights). Then an update of training
is timed: low-rank adapters on the frozen 4B model, and all weights of a 0.6B one. The adapters are
made here, as peft's are (B A x · 2). Prints a table, and last the ratio of the shared cache's time
to that without it. Exits with 1 if scores differ by more than 0.01.

`--tiny` uses tiny shapes, for a CPU. After `--minutes`, what is measured is printed and the rest is
not tried; a step that is already running in the GPU is waited for.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from torch import nn

from judges.kinds.hf import HfJudge, last_logits, read_tails_faster

WORDS = ["wait", "so", "the", "sum", "of", "digits", "is", "seven", "thus", "we", "add", "one"]

QWEN3 = {"head_dim": 128, "num_key_value_heads": 8, "vocab_size": 151_936}

SHAPES: dict[str, dict[str, int]] = {
    "4B": QWEN3
    | {
        "hidden_size": 2560,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "intermediate_size": 9728,
    },
    "0.6B": QWEN3
    | {
        "hidden_size": 1024,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "intermediate_size": 3072,
    },
    "tiny": {
        "head_dim": 16,
        "num_key_value_heads": 2,
        "vocab_size": 2_000,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 128,
    },
}

TOLERANCE = 1e-2
"""Largest difference between probabilities in bfloat16 and in float32."""

RANK = 16
"""Rank of the adapters."""

BATCH = 4
"""Number of pairs of an update of training."""


@dataclass
class Report:
    """Rows of the table: what was measured, the model, the figure, peak memory, and seconds."""

    device: str
    rows: list[tuple[str, str, str, float, float]] = field(default_factory=list)
    ratio: float | None = None
    difference: float | None = None

    @contextmanager
    def step(self, what: str, model: str) -> Iterator[list[str]]:
        """Measure a step's memory and time; it appends its figure to the list."""
        figure: list[str] = []
        if self.device == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        began = time.perf_counter()
        try:
            yield figure
        except torch.cuda.OutOfMemoryError:
            figure.append("out of memory")
        self.rows.append((what, model, " ".join(figure), self.peak(), time.perf_counter() - began))

    def peak(self) -> float:
        """Return the peak memory in GiB, of the GPU or else of this process."""
        if self.device == "cuda":
            return float(torch.cuda.max_memory_allocated() / 2**30)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

    def show(self) -> None:
        """Print the table and the ratio."""
        print("| step | model | figure | peak memory, GiB | s |")
        print("|---|---|---|---:|---:|")
        for what, model, figure, peak, seconds in self.rows:
            print(f"| {what} | {model} | {figure} | {peak:.1f} | {seconds:.1f} |")
        if self.ratio is not None:
            print(f"ratio gpu-judge {self.ratio:.3f}")


def main() -> None:
    """Measure, print the table, and exit with 1 if scores differ too much."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="tiny shapes, for a CPU")
    parser.add_argument("--minutes", type=float, default=8.0)
    given = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and not given.tiny:
        parser.error("there is no GPU that torch can use; --tiny runs on a CPU")
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}\n", flush=True)
    signal.signal(signal.SIGALRM, _stop)
    # Again and again: a library may catch what is raised while it is imported.
    signal.setitimer(signal.ITIMER_REAL, 60 * given.minutes - min(15, 6 * given.minutes), 1)
    large, small = ("tiny", "tiny") if given.tiny else ("4B", "0.6B")
    tokens = 60 if given.tiny else 700
    report = Report(device)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            folder = make_tokenizer(Path(scratch))
            check_judge(report, large, folder, tokens)
            check_training(report, large, tokens, adapters=True)
            check_training(report, small, tokens, adapters=False)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except _TimeIsUpError:
        signal.setitimer(signal.ITIMER_REAL, 0)
        report.rows.append(("stopped", "", f"after {given.minutes:g} minutes", report.peak(), 0.0))
    report.show()
    wrong = report.difference is None or report.difference > TOLERANCE
    sys.exit("scores were not compared, or differ by more than 0.01" if wrong else None)


class _TimeIsUpError(BaseException):
    pass


def _stop(*_: object) -> None:
    raise _TimeIsUpError


def make_tokenizer(folder: Path) -> Path:
    """Make a model's folder without weights: a byte-level BPE tokenizer for every shape."""
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

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
    save_file({"none": torch.zeros(1)}, folder / "model.safetensors")  # a judge hashes its weights
    return folder


def make_model(shape: str, device: str, dtype: torch.dtype) -> Any:
    """Make a Qwen3 with random weights where it is to run, in its final number format."""
    from transformers import AutoModelForCausalLM, Qwen3Config

    config = Qwen3Config(
        **SHAPES[shape],
        tie_word_embeddings=True,
        max_position_embeddings=8192,
        initializer_range=0.02,
    )
    torch.manual_seed(0)
    with torch.device(device):
        return AutoModelForCausalLM.from_config(config, dtype=dtype)


def make_prefixes(traces: int, tokens: int) -> list[str]:
    """Make texts of `tokens` words, each of which is one token."""
    generator = np.random.default_rng(0)
    return [" ".join(generator.choice(WORDS, size=tokens)) for _ in range(traces)]


def check_judge(report: Report, shape: str, folder: Path, tokens: int) -> None:
    """Time the judge with and without its shared cache, and compare it with float32."""
    model = make_model(shape, report.device, torch.bfloat16).eval()
    read_tails_faster(model)
    judges = {}
    for share in (False, True):
        judges[share] = HfJudge(
            model=str(folder), device=report.device, dtype="bfloat16", share=share
        )
        judges[share].model = model
    name = f"{shape}, bfloat16"
    scores, seconds = {}, {}
    for share, what in ((False, "judge, each pair by itself"), (True, "judge, shared cache")):
        with report.step(what, name) as figure:
            scores[share], seconds[share] = time_judge(judges[share], tokens, report.device)
            figure.append(f"{len(scores[share]) / seconds[share]:.2f} pairs/s")
    count = min(map(len, scores.values()))
    if not count:
        return
    # Per pair: the two may have been timed on different numbers of traces.
    per_pair = [seconds[share] / len(scores[share]) for share in (True, False)]
    report.ratio = per_pair[0] / per_pair[1]
    with report.step("judge, beside float32", f"{shape}, float32") as figure:
        exact = HfJudge(model=str(folder), device=report.device, dtype="float32", share=False)
        exact.model = model.float()
        wanted = exact.score(make_prefixes(4, tokens), pairs_of(4))
        differences = [np.abs(of[:6] - wanted).max() for of in scores.values()]
        report.difference = float(max(differences))
        figure.append(f"differ by {report.difference:.1e}, P(same) over {np.ptp(wanted):.1e}")


def pairs_of(traces: int) -> Any:
    """Return all pairs of traces so that those of fewer traces come first, shape (pairs, 2)."""
    pairs = [(one, two) for two in range(traces) for one in range(two)]
    return np.array(pairs, dtype=np.int64)


def time_judge(judge: HfJudge, tokens: int, device: str) -> tuple[Any, float]:
    """Score the pairs of up to 16 traces, of fewer if that takes over 20 s; returns seconds too."""
    judge.score(make_prefixes(2, tokens), pairs_of(2))  # what is done once
    for traces in (4, 8, 16):
        prefixes, pairs = make_prefixes(traces, tokens), pairs_of(traces)
        seconds, scores = timed(lambda: judge.score(prefixes, pairs), device)  # noqa: B023
        if 5 * seconds > 20:
            break
    return scores, seconds


def timed(action: Callable[[], Any], device: str) -> tuple[float, Any]:
    """Return the seconds of an action, the GPU's work included, and its result."""
    began = time.perf_counter()
    result = action()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began, result


class Adapter(nn.Module):  # type: ignore[misc]
    """A frozen linear layer with a low-rank update that is trained in float32 (LoRA)."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer.requires_grad_(False)
        device = layer.weight.device
        self.down = nn.Parameter(0.01 * torch.randn(RANK, layer.in_features, device=device))
        self.up = nn.Parameter(torch.zeros(layer.out_features, RANK, device=device))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute the layer's output with the update."""
        update: torch.Tensor = inputs @ self.down.T.to(inputs.dtype)
        update = update @ self.up.T.to(inputs.dtype)
        outputs: torch.Tensor = self.layer(inputs) + 2 * update
        return outputs


def add_adapters(model: Any) -> None:
    """Freeze a model, and put adapters on the linear layers of its blocks."""
    model.requires_grad_(False)
    linear = [
        (parent, name, layer)
        for parent in model.model.layers.modules()
        for name, layer in parent.named_children()
        if isinstance(layer, nn.Linear)
    ]
    for parent, name, layer in linear:
        setattr(parent, name, Adapter(layer))
    model.enable_input_require_grads()


def check_training(report: Report, shape: str, tokens: int, *, adapters: bool) -> None:
    """Time an update over pairs, activations recomputed, as `judge train` makes it."""
    what = f"update, LoRA of rank {RANK}" if adapters else "update, all weights"
    with report.step(what, f"{shape}, {'bfloat16' if adapters else 'float32'}") as figure:
        model = make_model(shape, report.device, torch.bfloat16 if adapters else torch.float32)
        recompute = getattr(model, "activation_checkpointing_enable", None)
        (recompute or model.gradient_checkpointing_enable)({"use_reentrant": False})
        if adapters:
            add_adapters(model)
        trained = [each for each in model.parameters() if each.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=1e-5)
        ids = np.random.default_rng(0).integers(300, size=(BATCH, 2 * tokens)).tolist()
        labels = torch.arange(BATCH, device=report.device) % 2

        def update() -> float:
            with torch.autocast(report.device, torch.bfloat16):
                logits = last_logits(model, ids, report.device)[:, :2].float()
                loss = nn.functional.cross_entropy(logits, labels)
            loss.backward()
            nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            return float(loss.detach())

        before = [timed(update, report.device)[1]]
        seconds, losses = timed(lambda: before + [update() for _ in range(3)], report.device)
        learned = f"loss {losses[0]:.3f} to {losses[-1]:.3f}"
        figure.append(f"{3 * BATCH / seconds:.2f} pairs/s, {learned}")


if __name__ == "__main__":
    main()
