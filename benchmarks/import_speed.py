"""Time of importing texts, relative to reading their JSON and tokenizing them once.

Takes JSON-lines files in the form of the published Gemma traces (github
tobypullan/logit_cot_overthinking), trains a tokenizer on their texts, and prints the ratio:

    python benchmarks/import_speed.py gemma4_mmlu_pro/seed_*/traces.jsonl

Without files, it makes one of random words.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer as Library
from tokenizers import models, pre_tokenizers, trainers

from simulator.importers.import_pool import ImportReport, import_pool
from simulator.importers.importer import ImportOptions

T = TypeVar("T")

TEXT = "raw_response"
FIELD_MAP = {
    "problem_id": "question_id",
    "gold_answer": "answer",
    "answer": "generated_answer",
    "text": TEXT,
    "num_tokens": "generated_token_count",
}
ALLOWED = 1.5
"""Largest allowed ratio of an import's time to the standard."""


@dataclass(frozen=True)
class Seconds:
    """Wall time, and CPU time on all cores together."""

    wall: float
    cpu: float


def read_texts(paths: Sequence[Path]) -> list[str]:
    """Read the texts with the standard library only."""
    texts: list[str] = []
    for path in paths:
        with path.open(encoding="utf-8") as file:
            texts.extend(json.loads(line)[TEXT] for line in file)
    return texts


def train(texts: Sequence[str], words: int, path: Path) -> None:
    """Train a byte-level BPE tokenizer on the texts, and write it as `tokenizer.json`."""
    library = Library(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=words, initial_alphabet=alphabet, show_progress=False)
    library.train_from_iterator(texts, trainer)
    library.save(str(path))


def standard(paths: Sequence[Path], tokenizer: Path) -> Seconds:
    """Measure reading the JSON, and tokenizing the texts in one batch."""
    library = Library.from_file(str(tokenizer))
    texts, reading = timed(lambda: read_texts(paths))
    _, tokens = timed(lambda: library.encode_batch(texts, add_special_tokens=False))
    return Seconds(reading.wall + tokens.wall, reading.cpu + tokens.cpu)


def imported(paths: Sequence[Path], tokenizer: Path) -> tuple[ImportReport, Seconds]:
    """Run and measure the whole import."""
    options = ImportOptions(
        paths=tuple(paths), field_map=FIELD_MAP, tokenizer=str(tokenizer.parent)
    )
    with tempfile.TemporaryDirectory() as cache:
        return timed(
            lambda: import_pool(
                "jsonl", options, cache=Path(cache), dataset="d", model="m", benchmark="b"
            )
        )


def timed(act: Callable[[], T]) -> tuple[T, Seconds]:
    """Call `act`; return its result and the time it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = act()
    return result, Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("paths", nargs="*", type=Path, help="JSON-lines files; default: made up")
    parser.add_argument("--words", type=int, default=32_000, help="size of the vocabulary")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, both sides in turn")
    arguments = parser.parse_args()
    table = Table("round", "JSON and tokenizing", "import", "ratio", "ratio of CPU time")
    plain: list[Seconds] = []
    whole: list[Seconds] = []
    with tempfile.TemporaryDirectory() as folder:
        arguments.paths = arguments.paths or [made_up(Path(folder) / "traces.jsonl")]
        tokenizer = Path(folder) / "tokenizer.json"
        train(read_texts(arguments.paths), arguments.words, tokenizer)
        imported(arguments.paths[:1], tokenizer)  # warm-up
        for _ in range(arguments.rounds):
            plain.append(standard(arguments.paths, tokenizer))
            report, seconds = imported(arguments.paths, tokenizer)
            whole.append(seconds)
    for number, (ours, theirs) in enumerate(zip(whole, plain, strict=True), start=1):
        table.add_row(str(number), *row(ours, theirs))
    ours, theirs = least(whole), least(plain)
    table.add_section()
    table.add_row("least", *row(ours, theirs))
    console = Console()
    console.print(table)
    console.print(f"{report.traces:,} traces, {report.tokens:,} tokens")
    verdict = "within" if ours.wall <= ALLOWED * theirs.wall else "above"
    console.print(f"least times: {ours.wall / theirs.wall:.2f}, {verdict} {ALLOWED}")
    print(f"ratio import {ours.cpu / theirs.cpu:.3f}")


def made_up(path: Path) -> Path:
    """Write traces of the same form, of random words."""
    draw = random.Random(0)
    words = ["".join(draw.choices("etaoinshrdlu", k=draw.randint(1, 9))) for _ in range(5000)]
    with path.open("w", encoding="utf-8") as file:
        for problem in range(40):
            for _ in range(16):
                text = " ".join(draw.choices(words, k=draw.randint(200, 1000)))
                row = {
                    "question_id": problem,
                    "answer": "B",
                    "generated_answer": draw.choice("ABC"),
                }
                row |= {TEXT: text, "generated_token_count": len(text) // 4}
                file.write(json.dumps(row) + "\n")
    return path


def least(rounds: Sequence[Seconds]) -> Seconds:
    return Seconds(min(each.wall for each in rounds), min(each.cpu for each in rounds))


def row(ours: Seconds, theirs: Seconds) -> list[str]:
    walls = [f"{each.wall:.2f} s" for each in (theirs, ours)]
    return [*walls, f"{ours.wall / theirs.wall:.2f}", f"{ours.cpu / theirs.cpu:.2f}"]


if __name__ == "__main__":
    main()
