"""Commands that load models print lines of this project alone, and none of the libraries."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from judged_pools import planted_pool
from tiny_models import make_causal_model, make_encoder

TABLE = r"pool +pairs +scored now +size\n-+\ntest/m/planted +24 +24 +[0-9.]+ kB\n"
TRAINED = r"{0}: trained on 24 pairs \(13 different, 11 same; oversampled: same\)\n"
PROGRESS = r"(tokens=9, focal, rarer x2, loss 0\.[0-9]+: [0-9]+%\n)*"


@pytest.mark.parametrize(
    ("command", "out", "err"),
    [
        (
            "score embedding:model=encoder -d * -t tokens=9",
            TABLE + r"scores: cache/\.judges/embedding-encoder-tokens-9-[0-9a-f]{10}\n",
            r"(embedding-encoder: [0-9]+%\n)*",
        ),
        (
            "train pairs embedding --model encoder -o e --batch 8",
            r"judge: embedding:model=e\n",
            PROGRESS + TRAINED.format("e"),
        ),
        (
            "train pairs hf --model causal -o h --batch 8",
            r"judge: hf:model=h\n",
            PROGRESS + TRAINED.format("h"),
        ),
    ],
)
def test_libraries_print_nothing(tmp_path: Path, command: str, out: str, err: str) -> None:
    planted_pool(tmp_path / "cache", "m", 4, 4)
    if "hf" in command:
        make_causal_model(tmp_path / "causal")
    else:
        make_encoder(tmp_path)
    environment = {**os.environ, "DEEPPRUNE_SIM_CACHE": "cache", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONWARNINGS", None)

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        called = [sys.executable, "-m", "simulator.cli", "judge", *arguments]
        return subprocess.run(
            called, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
        )

    if command.startswith("train"):
        made = call("pairs", "-d", "*", "-o", "pairs", "-t", "tokens=9", "--test-share", "0")
        assert made.returncode == 0
    ended = call(*command.split())
    assert ended.returncode == 0
    assert re.fullmatch(out, ended.stdout), ended.stdout
    assert re.fullmatch(err, ended.stderr), ended.stderr
