"""Times the transformers engine of live runs, and what its attention and its draws contribute.

    python benchmarks/live_speed.py [MODEL] --traces 64 --tokens 100

Each way generates the same traces of one problem, in turns; the least of the rounds counts. `plain`
has transformers' own attention, and draws by a running sum over the whole vocabulary. Without
MODEL, it makes a small Qwen3 with random weights.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import click
from judge_speed import make_model

from simulator.live.engines import hf_engine
from simulator.live.engines.attention import NAME
from simulator.live.engines.drawing import drawn
from simulator.live.source import Sampling

QUESTION = (
    "Tom has 12 apples and buys 3 boxes with 8 apples each. He gives away 7. How many are left?"
)


def plainly_drawn(logits: Any, numbers: Sequence[float], sampling: Sampling) -> list[int]:
    """Draw the next tokens by a running sum over the whole vocabulary."""
    sums = (logits / sampling.temperature).softmax(dim=-1).double().cumsum(dim=-1)
    aim = sums.new_tensor(numbers)[:, None] * sums[:, -1:]
    return list((sums <= aim).sum(dim=-1).tolist())


def seconds(engine: hf_engine.HfEngine, traces: int, tokens: int, name: str) -> float:
    """Return the seconds in which traces of a problem are generated."""
    source = engine.open(name, QUESTION, [[]] * traces, [False] * traces)
    began = time.perf_counter()
    for _ in source.generate(dict.fromkeys(range(traces), tokens)):
        pass
    return time.perf_counter() - began


@click.command()
@click.argument("model", required=False)
@click.option("--traces", default=64, show_default=True)
@click.option("--tokens", default=100, show_default=True)
@click.option("--rounds", default=3, show_default=True)
def main(model: str | None, traces: int, tokens: int, rounds: int) -> None:
    """Print a table of seconds and tokens a second of MODEL."""
    with tempfile.TemporaryDirectory() as scratch:
        model = model or str(make_model(Path(scratch), layers=4, hidden=256, tokens=1000))
        measure(model, traces, tokens, rounds)


def measure(model: str, traces: int, tokens: int, rounds: int) -> None:
    engine = hf_engine.HfEngine(
        model, Sampling(temperature=0.8, top_p=1, max_tokens=tokens), device="cpu", slots=traces
    )
    ways = {
        "as it is": (NAME, drawn),
        "plain attention": ("sdpa", drawn),
        "plain draws": (NAME, plainly_drawn),
        "plain": ("sdpa", plainly_drawn),
    }
    least = dict.fromkeys(ways, float("inf"))
    for number in range(rounds):
        for way, (attention, draw) in ways.items():
            engine.model.set_attn_implementation(attention)
            with mock.patch.object(hf_engine, "drawn", draw):
                least[way] = min(least[way], seconds(engine, traces, tokens, str(number)))
    print("| | seconds | tokens a second | against plain |\n|---|---:|---:|---:|")
    for way, spent in least.items():
        rate = traces * tokens / spent
        print(f"| {way} | {spent:.1f} | {rate:.0f} | {spent / least['plain']:.2f} |")
    print(f"ratio live {least['as it is'] / least['plain']:.3f}")


if __name__ == "__main__":
    main()
