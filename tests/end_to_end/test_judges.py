"""A judge's life as a user types it: pairs, train, eval, score, a run, its report, a laptop."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from judged_pools import planted_pool

from simulator.cli import main

MODELS = ("torch", "transformers", "sklearn", "tokenizers", "safetensors")


def call(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """Run a command; return its output, or its standard error if it has to fail."""
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    out, err = capsys.readouterr()
    assert (ended.value.code or 0) == code, err
    return out if code == 0 else err


def called_without_models(
    capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0
) -> str:
    """Run a command as if no library for models were installed."""
    with pytest.MonkeyPatch.context() as patched:
        for name in [*sys.modules]:
            if name.partition(".")[0] in MODELS or name in (
                "judges.kinds.hf",
                "judges.kinds.lexical",
            ):
                patched.delitem(sys.modules, name)
        for name in MODELS:
            patched.setitem(sys.modules, name, None)
        return call(capsys, *arguments, code=code)


def stored(folder: Path) -> int:
    return sum(pq.read_table(part).num_rows for part in folder.rglob("part-*.parquet"))


def test_from_pairs_to_a_report_and_to_a_machine_without_models(
    tmp_path: Path,
    causal_model: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", str(tmp_path / "pools"))
    pool = planted_pool(tmp_path / "pools", "qwen3-32b", 6, 12).name
    Path("prompt.txt").write_text("{trace_a} | {trace_b} Same? Yes or No:")

    call(capsys, "judge", "pairs", "-d", pool, "-o", "pairs", "-t", "tokens=9")
    train = ["judge", "train", "pairs", "hf", "--model", str(causal_model), "-o", "trained"]
    printed = call(capsys, *train, "--prompt", "prompt.txt", "--device", "cpu")
    assert printed.startswith("judge: hf:model=trained\n")
    assert "AUROC [95%]" in printed  # on the test side
    evaluated = call(capsys, "judge", "eval", "pairs", "hf:model=trained", "--format", "json")
    (row,) = (each for each in json.loads(evaluated)["rows"] if each["model"] != "pooled")
    assert 0 < row["auroc"]["value"] < 1

    options = ["-n", "10", "--repeats", "1", "--seed", "1", "-p", "tau=0.4"]
    score = ["judge", "score", "hf:model=trained", "-d", pool, "--json"]
    (scored,) = json.loads(call(capsys, *score, "--pairs", "greedy", *options))
    folder = tmp_path / "pools" / ".judges" / scored["judge"]
    assert 0 < stored(folder) == scored["scored_now"] < scored["pairs"]

    run = ["run", "deepprune", "-d", pool, "-p", "truncation=tokens=9", "--json"]
    named = call(capsys, *run, *options, "--judge", "hf:model=trained", "-o", "named")
    assert stored(folder) == scored["scored_now"]  # nothing was left to score
    (entry,) = json.loads(named)["pools"]
    metrics: dict[str, Any] = entry["metrics"]
    assert metrics["judge_calls"]["value"] > 0
    # A token of the judge costs its parameters over the model's: qwen3-32b.
    parameters = json.loads((folder / "judge.json").read_text())["parameters"]
    assert entry["judge_ratio"] == parameters / 32e9
    (line,) = csv.DictReader(io.StringIO(call(capsys, "report", "named", "--format", "csv")))
    assert line["method"] == "deepprune (truncation=tokens=9, tau=0.4)"
    assert float(line["tokens_total"]) == metrics["tokens_total"]["value"]

    laptop = [*run, "--judge", scored["judge"]]
    called_without_models(capsys, *laptop, *options, "-o", "laptop")
    for file in ("decisions.parquet", "answers.parquet", "summary.json"):
        assert Path("laptop", file).read_bytes() == Path("named", file).read_bytes()
    message = called_without_models(
        capsys, *run, *options, "--judge", "hf:model=trained", "-o", "model", code=2
    )
    assert message.startswith("error: judge hf needs torch, which is not installed: pip install")

    other = ["-n", "12", "--repeats", "2", "--seed", "2", "-o", "other"]
    message = called_without_models(capsys, *laptop, *other, code=2)
    wanted = (
        f"deepprune-sim judge score hf:model=trained -t tokens=9 -d {pool} "
        "--pairs greedy -n 12 --repeats 2 --seed 2"
    )
    assert message.endswith(f"compute them with: {wanted}\n")
    assert message.count("\n") == 1
    call(capsys, *wanted.split()[1:])
    assert stored(folder) < scored["pairs"]  # what the run asks for, and no more
    called_without_models(capsys, *laptop, *other)
