"""A trained judge reads prefixes cut where it was trained, unless it is asked otherwise."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from judged_pools import make_pool
from pools import T, write_pool
from safetensors.numpy import save_file
from submitted import edit_json

from judges.kinds import causal, models
from judges.kinds.embedding import EmbeddingJudge
from judges.kinds.hf import HfJudge
from judges.kinds.models import FoundModel
from judges.pairs.pair_sets import make_pairs
from judges.prefixes import WORDS_25, Truncation
from judges.runs.run_judge import RunJudges
from simulator.api.plan import plan_runs
from simulator.cli import main
from simulator.errors import UserError

TOLD = "was trained on prefixes cut at tokens=9, not at tokens=2"


@pytest.fixture(autouse=True)
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder `minilm` of an encoder trained at 9 tokens, whose weights nothing loads."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", "cache")
    Path("minilm").mkdir()
    save_file({"a": np.zeros(3)}, "minilm/model.safetensors")
    described = {"kind": "embedding", "truncation": "tokens=9"}
    Path("minilm/judge.json").write_text(json.dumps(described))
    return tmp_path


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run a command; return its exit code and what it says."""
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    return int(ended.value.code or 0), capsys.readouterr().err


def text_pool() -> None:
    write_pool(Path("cache"), {"p": [T(20, str(n), text="so we add " * 9) for n in range(3)]})


def parameters(judge: str, grid: dict[str, list[str]] | None = None) -> list[Any]:
    specs = plan_runs("deepprune", grid or {}, ["test/*"], judge=judge).specs
    return [spec.loaded.parameters["truncation"] for spec in specs]


def test_another_cut_than_the_trained_one_is_refused_unless_asked_for() -> None:
    assert EmbeddingJudge("minilm").truncation == Truncation("tokens", 9)
    with pytest.raises(UserError, match=f"{TOLD}.*other_cut=true"):
        EmbeddingJudge("minilm", truncation=Truncation("tokens", 2))
    asked = EmbeddingJudge("minilm", truncation=Truncation("tokens", 2), other_cut=True)
    assert asked.truncation == Truncation("tokens", 2)
    own = EmbeddingJudge("minilm").identity  # which does not depend on the permission
    assert asked.identity == replace(own, truncation=Truncation("tokens", 2))


def test_run_score_and_eval_refuse_it_alike(capsys: pytest.CaptureFixture[str]) -> None:
    text_pool()
    make_pairs(
        [make_pool(Path("cache"), "a", {"p": [("1", "stop"), ("2", "stop")]}, "pairs")],
        Path("pairs"),
        [Truncation("tokens", 2)],
        test_share=1,
    )
    judge = "embedding:model=minilm"
    for command in (
        ("run", "deepprune", "-d", "*tiny", "--judge", judge, "-p", "truncation=tokens=2"),
        ("judge", "score", judge, "-d", "*tiny", "-t", "tokens=2"),
        ("judge", "eval", "pairs", judge, "-t", "tokens=2"),
    ):
        code, said = call(capsys, *command)
        assert (code, said.count("\n")) == (2, 1)
        assert TOLD in said


def test_a_run_takes_the_judges_cut_unless_one_is_given(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text_pool()
    judge = "embedding:model=minilm"
    assert RunJudges(Path("cache"), judge).cut == "tokens=9"
    assert RunJudges(Path("cache"), "lexical").cut is None
    assert parameters(judge) == ["tokens=9"]
    assert "-p truncation=tokens=9, the judge's own cut" in capsys.readouterr().err
    asked = f"{judge},other_cut=true"
    assert parameters(asked, {"truncation": ["tokens=2", "words=3"]}) == ["tokens=2", "words=3"]
    assert parameters("lexical") == ["tokens=500"]
    assert parameters("embedding:model=minilm,head=none") == ["tokens=9"]
    assert capsys.readouterr().err.count("own cut") == 1


def test_a_cut_that_a_pool_names_gives_way_to_a_trained_one_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text_pool()
    named = {"deepprune": {"truncation": "tokens=5", "K": "3"}}
    edit_json(Path("cache/test/model/tiny/pool.json"), lambda pool: pool.update(settings=named))
    assert parameters("lexical") == ["tokens=5"]
    assert "-p truncation=tokens=5 -p K=3, scaled to its traces" in capsys.readouterr().err
    assert parameters("embedding:model=minilm") == ["tokens=9"]
    said = capsys.readouterr().err
    assert "test/model/tiny: -p K=3, scaled to its traces" in said
    assert "-p truncation=tokens=9, the judge's own cut" in said


def test_the_published_judge_was_trained_on_25_words(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "find_model", lambda *given: FoundModel(trained / "minilm", "w"))
    Path("minilm/judge.json").unlink()
    assert HfJudge().trained_truncation == WORDS_25
    with pytest.raises(UserError, match="cut at words=25, not at tokens=500"):
        HfJudge(truncation=Truncation("tokens", 500))
    untrained = HfJudge("Qwen/Qwen3-4B-Instruct-2507", truncation=Truncation("tokens", 500))
    assert untrained.trained_truncation is None
    assert causal.DEFAULT_MODEL in models.TRAINED_WITH
