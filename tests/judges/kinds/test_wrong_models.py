"""Errors of a model that cannot judge: the user sees one line, and nothing is stored."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pools import T, write_pool
from tiny_models import make_causal_model

from simulator.cli import main


@pytest.fixture(autouse=True)
def _pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", str(tmp_path / "cache"))
    write_pool(tmp_path / "cache", {"p": [T(200, "1", text=f"so {at} " * 100) for at in range(3)]})


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    return int(str(ended.value.code))


def prompt_without_fields(model: Path) -> str:
    Path("prompt.txt").write_text("Are these two the same? {trace_a}")
    return f"hf:model={model},prompt=prompt.txt"


def no_tokenizer(model: Path) -> str:
    shutil.copytree(model, "bare", ignore=shutil.ignore_patterns("tokenizer*"))
    return "hf:model=bare"


def logits_that_are_no_numbers(model: Path) -> str:
    from safetensors.torch import load_file, save_file

    shutil.copytree(model, "broken")
    weights = load_file("broken/model.safetensors")
    weights["model.norm.weight"][:] = float("nan")
    save_file(weights, "broken/model.safetensors", metadata={"format": "pt"})
    return "hf:model=broken"


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        (lambda model: f"hf:model={model},same=undecided", "tokens of the label 'undecided'"),
        (prompt_without_fields, "prompt.txt: has {trace_b} 0 times"),
        (no_tokenizer, "bare: no tokenizer here"),
        (
            lambda model: f"hf:model={make_causal_model(Path('short'), context=150)}",
            "of 150; truncate",
        ),
        (logits_that_are_no_numbers, "gives logits that are not finite (NaN)"),
    ],
)
@pytest.mark.parametrize("command", [("judge", "score"), ("run", "deepprune", "--judge")])
def test_a_model_that_cannot_judge_is_one_line_and_stores_nothing(
    causal_model: Path,
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
    judge: Callable[[Path], str],
    message: str,
) -> None:
    spec = judge(causal_model)
    capsys.readouterr()
    assert call(*command, spec, "-d", "*") == 2
    *notes, error = capsys.readouterr().err.splitlines()
    assert not [line for line in notes if "error" in line]
    assert error.startswith("error: ")
    assert message in error
    assert not [*Path("cache").rglob("part-*")]


def test_scores_of_another_model_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    folders = []
    for seed, name in enumerate(("one", "two")):
        make_causal_model(Path(name, "judge"), seed=seed)
        capsys.readouterr()
        judge = f"hf:model={name}/judge"
        assert call("judge", "score", judge, "-d", "*", "-t", "tokens=20") == 0
        folders.append(Path(capsys.readouterr().out.splitlines()[-1].removeprefix("scores: ")))
    one, two = folders
    shutil.rmtree(one)
    two.rename(one)
    run = ("run", "deepprune", "-d", "*", "-p", "truncation=tokens=20", "--judge")
    for judge, message in (
        ("hf:model=one/judge", f"{one}: scores of another judge (weights"),
        (one.name, f"describes {two.name}; rename the folder to that"),
    ):
        assert call(*run, judge) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
